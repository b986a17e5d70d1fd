"""Contacts of every public form: rows worked out by hand, what is dropped, and what a wrong file says."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import pickle
import pickletools
import tarfile
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chromolib import contacts, load_profile, readers
from chromolib.config import ROOT, InputError
from chromolib.genome import Genome, load_genome
from chromolib.inputs import raw
from chromolib.readers.fragments import parse_fragments

from .texts import write

HG19 = load_genome("hg19")
TOY = Genome("toy", {"chr1": 100_000, "chr2": 50_000}, {"chr1": 1, "chr2": 2})
HEADER = (
    "type\tfrag1\tfrag2\tfrag1_cov\tfrag2_cov\tfreq\tdist\tall_capture_res\tall_capture_res\texp_value_dist\tdist_res"
    "\t-log10(result)\n"
)
# Rows of the published tables of GM12878 and liver.
PO = (
    "GM.po\tchr1:915520-932176\tchr1:1041678-1048651\t9969\t5226\t12\t121316\t4.2857\t4.2857\t1.9875\t1.7686"
    "\t1.65928294258351\n"
)
PP = (
    "pp\tchr1:943049-965801\tchr1:1183838-1209657\t11837\t22511\t7\t242322\t1.9015\t3.6813\t1.1317\t2.1959"
    "\t2.76719343781528\n"
)
COLUMNS = ["kind", "frag1", "frag2", "frequency"]


def zipped(text, *more):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/table.txt", text)
        archive.writestr("__MACOSX/folder/._table.txt", "an icon")
        for name in more:
            archive.writestr(name, text)
    return buffer.getvalue()


def rows(table):
    return table[COLUMNS].astype({name: str for name in COLUMNS[:3]}).to_numpy().tolist()


def refused(message, read, path, *arguments, **options):
    """The one line that a reader says; it names the file."""
    with pytest.raises(InputError, match=message) as caught:
        read(path, *arguments, **options)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


# 3DIV


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, zipped])
def test_published_contacts_are_read_by_position_whatever_their_compression(tmp_path, pack):
    path = tmp_path / "c.txt"  # a name that does not say how it is packed
    path.write_bytes(pack((HEADER + PO + PP).encode()))
    table = readers.read_contacts(path, HG19)
    assert rows(table) == [
        ["po", "chr1:915520-932176", "chr1:1041678-1048651", 1.7686],
        ["pp", "chr1:943049-965801", "chr1:1183838-1209657", 2.1959],
    ]
    assert table.attrs == {"kept": 2, "dropped": {}, "frequency": "dist_res", "conflicts": 0}
    assert table.dtypes.astype(str).tolist() == ["category", "category", "category", "float64"]


def test_an_archive_of_several_files_is_refused(tmp_path):
    (tmp_path / "c.zip").write_bytes(zipped(HEADER + PO, "other.txt"))
    refused("holds 2 files, not one", readers.read_contacts, tmp_path / "c.zip", HG19)


@pytest.mark.parametrize(("name", "values"), [("freq", [12, 7]), ("all_capture_res", [4.2857, 3.6813])])
def test_another_column_may_be_the_frequency_and_is_named(tmp_path, name, values):
    table = readers.read_contacts(write(tmp_path / "c.txt", HEADER + PO + PP), HG19, frequency=name)
    assert table["frequency"].tolist() == values and table.attrs["frequency"] == name


def test_numbers_may_be_infinite_or_in_scientific_notation(tmp_path):
    text = HEADER + PO.replace("1.65928294258351", "Inf").replace("\t1.7686\t", "\t17.686e-1\t").replace("\n", "\r\n")
    assert readers.read_contacts(write(tmp_path / "c.txt", text), HG19)["frequency"].tolist() == [1.7686]


def test_contacts_that_cannot_be_used_are_counted(tmp_path):
    off_genome = PP.replace("chr1:", "chrUn:")
    infinite = PP.replace("2.1959", "Inf")
    missing = PP.replace("2.1959", "NA")
    broken = PP.replace("242322", "242999")
    text = HEADER + PP * 200 + off_genome + infinite + missing + broken
    table = readers.read_contacts(write(tmp_path / "c.txt", text), HG19)
    assert table.attrs["kept"] == 200 and table.attrs["dropped"] == {
        "dist_res not a positive number": 2, "dist or dist_res inconsistent": 1, "not within hg19": 1,
    }  # fmt: skip


def test_pairs_with_several_frequencies_are_counted_and_a_promoter_pair_is_one_in_both_directions(tmp_path):
    def frequency(row, value):  # the capture that makes it lawful: (capture + 1) / (background + 1)
        fields = row.split("\t")
        fields[8], fields[9], fields[10] = f"{2 * value - 1:.4f}", "1.0", f"{value:.4f}"
        return "\t".join(fields)

    first, second = "chr1:943049-965801", "chr1:1183838-1209657"
    reverse = PP.replace(first, "X").replace(second, first).replace("X", second)
    po = [frequency(PO, 2), frequency(PO, 3), frequency(PO, 3)]                 # one pair in conflict
    pp = [frequency(PP, 2), frequency(reverse, 4)]                              # one more
    same = [row.replace("chr1:", "chr2:") for row in (frequency(PP, 2), frequency(reverse, 2))]
    backwards = [row.replace("pp\t", "po\t").replace("chr1:", "chr3:") for row in pp]  # two pairs, as po has a direction
    table = readers.read_contacts(write(tmp_path / "c.txt", HEADER + "".join(po + pp + same + backwards)), HG19)
    assert len(table) == 9 and table.attrs["conflicts"] == 2


def test_a_table_without_contacts_is_empty(tmp_path):
    assert len(readers.read_contacts(write(tmp_path / "c.txt", HEADER), HG19)) == 0


def test_what_is_read_can_be_ranked(tmp_path):
    table = readers.read_contacts(write(tmp_path / "c.txt", HEADER + PO + PP), HG19)
    assert contacts.bait_fragments(table) == ["chr1:1183838-1209657", "chr1:915520-932176", "chr1:943049-965801"]
    assert contacts.neighbours(table, 1.5)["contact"].tolist() == [2.1959, 1.7686, 2.1959]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its first line is empty; expected 3DIV contacts"),
        (HEADER.replace("dist_res", "dist_dist") + PO, "column 11 is 'dist_dist', not 'dist_res'"),
        (HEADER.replace("\tfreq", "") + PO, "column 9 is 'exp_value_dist', not 'all_capture_res'"),
        (HEADER + PP + PO.replace("1.9875", "9.9875"), "in 1 of 2 rows, the first in line 3, dist or dist_res does not"),
        (HEADER + PO.replace("chr1:1041678-1048651", "chr2:1041678-1048651"), "in 1 of 1 rows"),
        (HEADER + PP + PO.replace("915520-932176", "932176-915520"), "line 3: frag1 is 'chr1:932176-915520', not chrom"),
        (HEADER + PP + PO.replace("chr1:1041678-1048651", ""), "line 3: frag2 is '', not chrom:start-end"),
        (HEADER + PP + PO.replace("GM.po", "GM.oo"), "line 3 has the type 'GM.oo', not po or pp"),
        (HEADER + PP * 2 + PO.replace("1.7686", "high"), "line 4: column dist_res: 'high' is not a number"),
        (HEADER + PP * 2 + PO.replace("\t12\t", "\t"), "line 4: 11 fields, not 12; expected 3DIV contacts"),
        (HEADER + PP + "\n" + PO, "line 3: .* expected 3DIV contacts"),
        (HEADER + (PP + PO).replace("chr1:", "1:"), r"none of 2 contacts lies on hg19 \(chromosomes found: 1\)"),
    ],
)  # fmt: skip
def test_wrong_contacts_are_refused_with_the_line(tmp_path, text, message):
    refused(message, readers.read_contacts, write(tmp_path / "c.txt", text), HG19)


def test_a_frequency_that_no_column_has_is_refused(tmp_path):
    path = write(tmp_path / "c.txt", HEADER + PO)
    refused("expected one of freq, all_capture_res, dist_res", readers.read_contacts, path, HG19, frequency="dist")


def test_fragments_are_separated_by_colon_and_dash_or_by_dots():
    texts = ["chr1:5-9", "chr1.5.9", "GL1.1.5.9", "chr1:9-9", "chr1:5-", "chr1 :5-9", "chr1:5-99999999999", "chr1:٥-٩", ""]
    spans = parse_fragments(pd.Index(texts))
    assert spans["chrom"].fillna("none").tolist() == ["chr1", "chr1", "GL1.1"] + ["none"] * 6
    assert spans[["start", "end"]].iloc[:3].to_numpy().tolist() == [[5, 9]] * 3


# GEO

GEO = "frag1\tfrag2\tfreq\tdist\tdist_res\nchr1.100.299\tchr1.1000.1399\t7\t1000\t2.5\nchr1.100.299\tchr2.40.59\t7\tNA\t3\n"


@pytest.mark.parametrize("kind", ["po", "pp"])
def test_contacts_of_geo_are_found_by_their_header(tmp_path, kind):
    path = tmp_path / f"GSE86189_npc.{kind}.all.txt.bz2"
    path.write_bytes(bz2.compress(GEO.replace("\tdist\t", "\tother\t").encode()))
    table = readers.read_geo_contacts(path, TOY)
    assert rows(table) == [[kind, "chr1:100-299", "chr1:1000-1399", 2.5]]
    assert table.attrs["dropped"] == {"ends on different chromosomes": 1} and table.attrs["frequency"] == "dist_res"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("npc.po.all.txt", GEO.replace("dist_res", "res"), "no columns 'dist_res', expected one; found frag1, frag2, freq"),
        ("npc.po.all.txt", GEO.replace("freq", "dist_res"), "2 columns 'dist_res', expected one"),
        ("npc.all.txt", GEO, r"its name holds neither \.po\. nor \.pp\."),
        ("npc.po.all.txt", GEO.replace("\t1000\t", "\t1002\t"), "in 1 of 2 rows, the first in line 2, dist does not lie"),
        ("npc.po.all.txt", GEO.replace("\t2.5", ""), "line 2: 4 fields, not 5"),
    ],
)
def test_wrong_contacts_of_geo_are_refused(tmp_path, name, text, message):
    refused(message, readers.read_geo_contacts, write(tmp_path / name, text), TOY)


SIGNIFICANT = (
    "sample\tchr\tgenes\ttarget\traw\tdist\tall_capture_res\tdist_res\tdist_pvalue\n"
    "GM12878.ADS\tchr1.100.299\tA,B,\tchr1.1000.1399\t7\t1000\t2.5\t1.7\t3\n"
    "STL001.TH1\tchr1.100.299\tA,B,\tchr1.2000.2399\t7\t2000\t2.6\t1.8\t3\n"
)


def test_one_sample_of_the_significant_contacts_is_read(tmp_path):
    path = tmp_path / "GSE86189_all_interaction.po.txt.gz"
    path.write_bytes(gzip.compress(SIGNIFICANT.encode()))
    table = readers.read_significant_contacts(path, TOY, sample="STL001.TH1")
    assert rows(table) == [["po", "chr1:100-299", "chr1:2000-2399", 1.8]]
    assert table.attrs["dropped"] == {"other samples": 1}
    captured = readers.read_significant_contacts(path, TOY, sample="GM12878.ADS", frequency="all_capture_res")
    assert captured["frequency"].tolist() == [2.5] and captured.attrs["frequency"] == "all_capture_res"


@pytest.mark.parametrize(
    ("text", "sample", "message"),
    [
        (SIGNIFICANT, "GM", "no sample 'GM', found GM12878.ADS, STL001.TH1; ask for one of them"),
        (SIGNIFICANT, None, "several samples and none asked for"),
        (SIGNIFICANT.replace("\tgenes", ""), None, "its header has 8 fields"),
        (SIGNIFICANT.replace("\traw\t", "\tdist_res\t"), None, "column 5 is 'dist_res', not column 8"),
    ],
)
def test_wrong_significant_contacts_are_refused(tmp_path, text, sample, message):
    refused(message, readers.read_significant_contacts, write(tmp_path / "c.txt", text), TOY, sample=sample)


# CHiCAGO

IBED = (
    "bait_chr\tbait_start\tbait_end\tbait_name\totherEnd_chr\totherEnd_start\totherEnd_end\totherEnd_name\tN_reads\tscore\n"
    "1\t101\t200\tA\t1\t201\t900\t.\t21\t6.07\n"
    "chr1\t101\t200\tA\t1\t5001\t5900\tB\t3\t5\n"
    "1\t5001\t5900\tB\t1\t101\t200\tA\t3\t7\n"
    "1\t101\t200\tA\t2\t201\t900\t.\t21\t6\n"
    "MT\t101\t200\tA\tMT\t201\t900\t.\t21\t6\n"
)
PEAKS = (
    "baitChr\tbaitStart\tbaitEnd\tbaitID\tbaitName\toeChr\toeStart\toeEnd\toeID\toeName\tdist\tcellA\tcellB\n"
    "1\t101\t200\t7\tA\t1\t201\t900\t8\t.\t400\t6.07\t0\n"
    "1\t101\t200\t7\tA\t2\t201\t900\t99\t.\tNA\t6\t5\n"
)


def test_chicago_counts_from_one_and_its_score_is_named_as_such(tmp_path):
    table = readers.read_ibed(write(tmp_path / "a.ibed", IBED), TOY)
    assert rows(table) == [
        ["po", "chr1:100-199", "chr1:200-899", 6.07],
        ["pp", "chr1:100-199", "chr1:5000-5899", 5.0],  # the other end is a bait too
        ["pp", "chr1:5000-5899", "chr1:100-199", 7.0],
    ]
    assert table["N_reads"].tolist() == [21, 3, 3] and table["N_reads"].dtype == np.int64
    assert table.attrs == {
        "kept": 3,
        "dropped": {"ends on different chromosomes": 1, "not within toy": 1},
        "frequency": "CHiCAGO score",
        "conflicts": 1,
    }


def test_a_sample_of_a_peak_matrix_is_read(tmp_path):
    path = write(tmp_path / "peaks.txt", PEAKS)
    assert rows(readers.read_peak_matrix(path, TOY, sample="cellA")) == [["po", "chr1:100-199", "chr1:200-899", 6.07]]
    other = readers.read_peak_matrix(path, TOY, sample="cellB")
    assert other.attrs["dropped"] == {"CHiCAGO score not a positive number": 1, "ends on different chromosomes": 1}
    refused("no sample 'dist', found cellA, cellB", readers.read_peak_matrix, path, TOY, sample="dist")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (IBED.replace("N_reads", "reads"), "no columns 'N_reads', expected one; found bait_chr"),
        (IBED.replace("\t101\t200\tA\t1\t201", "\t0\t200\tA\t1\t201"), "line 2: bait_start and bait_end are not 1 <= start"),
        (IBED.replace("5001\t5900\tB\t3", "5900\t5001\tB\t3"), "line 3: otherEnd_start and otherEnd_end are not 1 <= start"),
        (IBED.replace("\t21\t6.07", "\t2.5\t6.07"), "line 2: N_reads is no count"),
        (IBED.replace("\t6.07", "\tmany"), "line 2: column score: 'many' is not a number"),
    ],
)
def test_wrong_ibed_files_are_refused(tmp_path, text, message):
    refused(message, readers.read_ibed, write(tmp_path / "a.ibed", text), TOY)


@pytest.fixture(scope="module")
def chicago_samples():
    """Files that CHiCAGO wrote, chromosome 19 of two cells, from a mirror."""
    mirror = Path(os.environ.get("CHROMOLIB_MIRROR") or ROOT.parent / "shared" / "mirror")
    found = sorted(mirror.glob("raw.githubusercontent.com/LaureTomas/HiCaptuRe/*/inst/extdata"))
    if not found:
        pytest.skip("no files of CHiCAGO here: CHROMOLIB_MIRROR does not hold LaureTomas/HiCaptuRe")
    return found[0]


def test_real_files_of_chicago_agree_with_each_other(chicago_samples):
    genome = Genome("GRCh38", {"chr19": 58_617_616}, {"chr19": 1})
    ibed = readers.read_ibed(chicago_samples / "ibed1_example.zip", genome)
    peaks = readers.read_peak_matrix(chicago_samples / "peakmatrix_example.zip", genome, sample="cellA")
    assert ibed.attrs["kept"] == 4_568 and ibed.attrs["dropped"] == {} and (ibed["frequency"] >= 5).all()
    both = ibed.astype({"frag1": str, "frag2": str}).merge(peaks.astype({"frag1": str, "frag2": str}), on=["frag1", "frag2"])
    assert len(both) == len(ibed)  # the matrix holds what is above 5 in either cell
    np.testing.assert_allclose(both["frequency_x"], both["frequency_y"], atol=0.00501)


def test_fragments_of_chicago_include_both_ends(chicago_samples):
    with zipfile.ZipFile(chicago_samples / "peakmatrix_example.zip") as archive:
        table = pd.read_csv(archive.open("peakmatrix_example.txt"), sep="\t")
    ends = [table[[f"{end}ID", f"{end}Start", f"{end}End"]].set_axis(["id", "start", "end"], axis=1) for end in ("bait", "oe")]
    digest = pd.concat(ends).drop_duplicates().sort_values("id")
    follows = digest["id"].diff() == 1
    assert follows.sum() > 1000 and set((digest["start"] - digest["end"].shift())[follows]) == {1}


# The authors' pickles


def write_pickles(folder, near, score, protocol=pickle.DEFAULT_PROTOCOL):
    paths = folder / "H1_frag2neighbors.pickle", folder / "H1_pair2score.pickle"
    for path, content in zip(paths, (near, score), strict=True):
        path.write_bytes(pickle.dumps(content, protocol=protocol))
    return paths


def near_and_score():
    near = defaultdict(set, {"chr1:1-9": {"chr1:20-30", "chr1:40-50"}, "chr1:20-30": {"chr1:1-9"}, None: set()})
    score = {("chr1:1-9", "chr1:20-30"): 1.5, ("chr1:1-9", "chr1:40-50"): 2.25, ("chr1:20-30", "chr1:1-9"): 3.0}
    return near, {pair: np.float64(value) for pair, value in score.items()}


def as_before_numpy_2(data):
    """A pickle that names NumPy's module as NumPy 1 did: the name, its length and that of the frame are one less."""
    old = data.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
    if old == data:
        return data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    frame = int.from_bytes(data[3:11], "little") - 1
    return old[:3] + frame.to_bytes(8, "little") + old[11:]


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_pickles_of_the_authors_become_a_table_of_contacts(tmp_path, protocol, is_old):
    paths = write_pickles(tmp_path, *near_and_score(), protocol)
    if is_old:
        paths[1].write_bytes(as_before_numpy_2(paths[1].read_bytes()))
    names = {str(argument) for _, argument, _ in pickletools.genops(paths[1].read_bytes())}
    assert any(name.startswith("numpy.core.multiarray" if is_old else "numpy._core.multiarray") for name in names)
    table = readers.read_release_contacts(*paths, TOY)
    assert rows(table) == [
        ["po", "chr1:1-9", "chr1:20-30", 1.5],
        ["po", "chr1:1-9", "chr1:40-50", 2.25],
        ["po", "chr1:20-30", "chr1:1-9", 3.0],
    ]
    assert table.attrs["dropped"] == {} and table.attrs["frequency"] == "score of pair2score"


def test_scores_that_no_fragment_lists_are_counted_and_lists_serve_as_sets(tmp_path):
    _, score = near_and_score()
    near = defaultdict(list, {"chr1:1-9": ["chr1:20-30", "chr1:20-30"]})
    table = readers.read_release_contacts(*write_pickles(tmp_path, near, score), TOY)
    assert len(table) == 1 and table.attrs["dropped"] == {"scored but no neighbours": 2}


def test_a_neighbour_without_a_score_is_refused(tmp_path):
    near, score = near_and_score()
    del score["chr1:1-9", "chr1:40-50"]
    paths = write_pickles(tmp_path, near, score)
    with pytest.raises(InputError, match="has no score of chr1:1-9 and chr1:40-50, neighbours in H1_frag2neighbors") as caught:
        readers.read_release_contacts(*paths, TOY)
    assert str(paths[1]) in str(caught.value)


class Harmful:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_nothing_that_a_pickle_names_is_run(tmp_path):
    _, score = near_and_score()
    trace = tmp_path / "trace"
    paths = write_pickles(tmp_path, {"chr1:1-9": Harmful(os.system, f"touch {trace}")}, score)
    said = refused("refers to '(posix|nt).system'", readers.read_release_contacts, paths[0], paths[1], TOY)
    assert "nothing of it was run" in said and not trace.exists()
    for function, arguments in ((eval, ("1",)), (__import__, ("os",)), (getattr, ({}, "keys"))):
        write_pickles(tmp_path, {"chr1:1-9": Harmful(function, *arguments)}, score)
        refused(rf"refers to 'builtins\.{function.__name__}'", readers.read_release_contacts, paths[0], paths[1], TOY)


def by_hand(*steps):
    return b"\x80\x04" + b"".join(steps) + b"."


BUILTINS_SET, NUMPY_DTYPE = b"cbuiltins\nset\n", b"cnumpy\ndtype\n"
NEST = b"\x8c\x01a\x85\x94" + b"h\x00h\x00\x86\x94" + b"".join(b"h" + bytes([i, 104, i]) + b"\x86\x94" for i in range(1, 60))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (by_hand(b"N\x72\xff\xff\xff\xff"), "holds a NoneType"),                       # a memo of 64 GB, in C
        (by_hand(b"X\xff\xff\xff\x7fa"), "not readable as a pickle"),                  # a text of 2 GB that is not there
        (by_hand(b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f"), "not readable as a pickle"),
        (by_hand(b"}", NEST, b"N", b"s"), "a tuple within a tuple"),                   # a key whose hash takes forever
        (by_hand(b"cbuiltins\nlist\n", b"]\x85R"), "a call of list or dict"),
        (by_hand(b"]", b"]\x85R"), "a call of something that is no function"),
        (by_hand(BUILTINS_SET, b"}", b"b"), "an object with a state"),                 # attributes for our own functions
        (by_hand(NUMPY_DTYPE, b"\x8c\x01O\x85R"), "NumPy's type 'O'"),
        (by_hand(b"c_codecs\nencode\n", b"\x8c\x01a\x8c\x04zlib\x86R"), "an encoding as 'zlib'"),
        (by_hand(b"\x8c\x01a", b"P"), "not readable as a pickle"),                     # a step that nothing needs
        (by_hand(b"K\x07"), "holds a int"),
        (b"", "not readable as a pickle"),
        (pickle.dumps({"chr1:1-9": "chr1:20-30"}), "'chr1:1-9' has str for neighbours"),
        (pickle.dumps({"chr1:1-9": {7}}), "'7' is no fragment"),
        (pickle.dumps({7: {"chr1:1-9"}}), "'7' is no fragment"),
        (pickle.dumps({"chr1:1-9": {"chr1:9-1"}}), "frag2 is 'chr1:9-1', not chrom:start-end"),
    ],
)  # fmt: skip
def test_pickles_that_are_made_to_harm_or_hold_something_else_are_refused(tmp_path, data, message):
    near, score = near_and_score()
    paths = write_pickles(tmp_path, near, score)
    paths[0].write_bytes(data)
    refused(message, readers.read_release_contacts, paths[0], paths[1], TOY)


@pytest.mark.parametrize("n", [1, 3])
def test_another_number_of_pickles_than_two_is_refused(tmp_path, n):
    profile = load_profile("sim")
    named = profile.model_copy(update={"inputs": profile.inputs.model_copy(update={"contacts_format": "pickles"})})
    with pytest.raises(InputError, match=f"^profile sim: inputs.contacts: {n} files, expected two pickles, of neighbours and of scores; name both$"):
        raw.read_contacts(named, [tmp_path / f"{i}.pickle" for i in range(n)], TOY, "S01")


def test_a_score_that_is_no_number_is_refused(tmp_path):
    near, score = near_and_score()
    paths = write_pickles(tmp_path, near, score | {("chr1:1-9", "chr1:20-30"): "much"})
    with pytest.raises(InputError, match=r"H1_pair2score\.pickle: has the score 'much'"):
        readers.read_release_contacts(*paths, TOY)


def test_the_fragment_of_each_tss_is_read(tmp_path):
    path = tmp_path / "tss2fragment.pickle"
    path.write_bytes(pickle.dumps({"chr1:7-8": "chr1:1-9", "chr2:7-8": None, "chrM:7-8": None, "chr1:9-10": "chr1:1-9"}))
    table = readers.read_release_fragments(path, TOY)
    assert table["tss"].tolist() == [7, 7, 9] and table["fragment"].isna().tolist() == [False, True, False]
    assert table["fragment"][0] == "chr1:1-9" and table["chrom"].tolist() == ["chr1", "chr2", "chr1"]
    assert table.attrs == {"kept": 3, "dropped": {"not within toy": 1}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"chr1:7-9": None}, "'chr1:7-9' -> 'None'"),
        ({"chr1:70-71": "chr1:1-9"}, "'chr1:70-71' -> 'chr1:1-9'"),
        ({"chr1:7-8": 7}, "'chr1:7-8' -> '7'"),
        ({"chr1:7-8": "chr2:1-9"}, "'chr1:7-8' -> 'chr2:1-9'"),
    ],
)
def test_wrong_fragments_of_tss_are_refused(tmp_path, content, message):
    path = tmp_path / "tss2fragment.pickle"
    path.write_bytes(pickle.dumps(content))
    refused(message, readers.read_release_fragments, path, TOY)


# Hi-C matrices

TWO = "0\t0\t0\n0\t153.2817\t41.0936\n0\t41.0936\t0\n"  # 100 kb: three bins of 40 kb, the last one cut
ONE = "5 1\n1 0\n"
BINS = ["chr1:0-40000", "chr1:40000-80000", "chr1:80000-120000"]


def named(matrix):
    lines = matrix.splitlines()
    ends = [40_000, 80_000, 100_000]
    return "".join(f"chr1\t{40_000 * i}\t{ends[i]}\t{line}\n" for i, line in enumerate(lines))


@pytest.mark.parametrize("text", [TWO, TWO.replace("\t", "  "), TWO.replace("\n", "\r\n"), named(TWO), TWO + "\n"])
def test_a_matrix_becomes_pairs_of_bins(tmp_path, text):
    table = readers.read_hic(write(tmp_path / "nij.chr1", text), TOY)
    assert rows(table) == [
        ["po", BINS[1], BINS[1], 153.2817],
        ["po", BINS[1], BINS[2], 41.0936],
        ["po", BINS[2], BINS[1], 41.0936],
    ]
    assert table.attrs == {"kept": 3, "dropped": {"value not above 0": 6}, "frequency": "normalised count"}
    assert table.dtypes.astype(str).tolist() == ["category", "category", "category", "float64"]


def test_a_value_at_the_limit_is_not_kept(tmp_path):
    table = readers.read_hic(write(tmp_path / "nij.chr1", TWO), TOY, above=41.0936)
    assert table["frequency"].tolist() == [153.2817] and table.attrs["dropped"] == {"value not above 41.0936": 8}


def archive_of(path, **members):
    with tarfile.open(path, "w:gz") as tar:
        for name, text in members.items():
            data = gzip.compress(text.encode()) if name.endswith("gz") else text.encode()
            member = tarfile.TarInfo("mES/nij/" + name.replace("_", "."))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("mES/nij/nij.chr2.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return path


def test_a_folder_and_an_archive_hold_the_same_matrices(tmp_path):
    folder = tmp_path / "norm" / "nij"
    folder.mkdir(parents=True)
    write(folder / "nij.chr2", ONE)
    (folder / "nij.chr1.gz").write_bytes(gzip.compress(TWO.encode()))
    write(folder / "nij.chrM", "1\n")
    write(folder / "README", "text")
    archive = archive_of(tmp_path / "norm.tar.gz", nij_chr2=ONE, nij_chrM="1\n", README="text", nij_chr1_gz=TWO)
    of_folder, of_archive = readers.read_hic(folder.parent, TOY), readers.read_hic(archive, TOY)
    pd.testing.assert_frame_equal(of_folder, of_archive)
    assert len(of_folder) == 6 and of_folder["frag1"].iloc[-1] == "chr2:40000-80000"  # by chromosome, in the build's order
    assert of_folder.attrs["dropped"] == {"value not above 0": 7, "matrices of other chromosomes than those of toy": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["norm", "norm.tar.gz"]  # nothing was unpacked


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends after 0 rows; chr1 has 3 bins of 40,000 bp"),
        ("0\t0\t0\n", "ends after 1 rows"),
        (TWO + "0\t0\t0\n", "line 4: row 4 has 3 fields"),
        ("0\t0\n" * 3, "line 1: row 1 has 2 fields; chr1 has 3 bins"),
        (TWO.replace("153.2817", "much"), "line 2: could not convert"),
        (TWO.replace("153.2817", "-1"), "line 2: holds a value that is negative or not finite"),
        (TWO.replace("153.2817", "nan"), "line 2: holds a value that is negative or not finite"),
        ("0\t0\t0\n0\t153.2817\t41.0936\n0\t41.5\t0\n", "row 2 has 41.0936 in column 3, which has 41.5 in that row"),
        (named(TWO).replace("chr1\t40000", "chr2\t40000"), "line 2: begins with .*, not chr1 and 40000"),
    ],
)
def test_wrong_matrices_are_refused_with_the_line(tmp_path, text, message):
    refused(message, readers.read_hic, write(tmp_path / "nij.chr1", text), TOY)
    archive = archive_of(tmp_path / "norm.tar.gz", nij_chr1=text)
    assert "nij.chr1: " in refused(message, readers.read_hic, archive, TOY)


def test_matrices_that_are_none_or_double_are_refused(tmp_path):
    refused("holds no matrix of a chromosome of toy, such as nij.chr1", readers.read_hic, tmp_path, TOY)
    archive = archive_of(tmp_path / "norm.tar.gz", nij_chr1=TWO, nij_chr1_gz=TWO)
    refused("holds two matrices of chr1", readers.read_hic, archive, TOY)
    refused("values above -1, expected 0 or more", readers.read_hic, archive, TOY, above=-1)
    refused("no such file", readers.read_hic, tmp_path / "nij.chr9", TOY)
