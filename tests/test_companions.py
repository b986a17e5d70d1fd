"""What analyses read beside reads, contacts and RPKM: a simulated cohort's read back as it was written, and what a profile names."""

import shutil

import numpy as np
import pandas as pd
import pytest

from chromolib import companions, contacts, ontology, readers, simulate, sources
from chromolib.config import ROOT, InputError
from chromolib.genome import load_genome
from chromolib.inputs import faults
from chromolib.profile import load_profile
from chromolib.simulate import formats

WRITERS = ("write_bed", "write_narrow_peaks", "write_gmt", "write_gtf", "write_rsem", "write_gene_info", "write_tsv")
PLACE = ["chrom", "start", "end"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Folder of the smallest cohort, its profile, and what each file was written from: path -> arguments."""
    profile, folder, written = load_profile("smoke"), tmp_path_factory.mktemp("cohort") / "raw", {}

    def noted(name, write):
        def writer(path, *arguments, **options):
            written.setdefault("/".join(path.parts[-2:]), arguments)
            return write(path, *arguments, **options)

        return writer

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITERS:
            patch.setattr(formats, name, noted(name, getattr(formats, name)))
        simulate.simulate(folder, profile)
    return folder, profile, written


def same(found, expected):
    assert found.attrs["dropped"] == {} and len(found) == len(expected) > 0
    pd.testing.assert_frame_equal(
        pd.DataFrame(found.to_dict("list")), pd.DataFrame(expected.to_dict("list")), check_dtype=False
    )


def test_every_companion_is_read_as_it_was_written(cohort):
    folder, profile, written = cohort
    human, mouse = load_genome("simS"), load_genome("simT")
    for cell_type in profile.cell_types:
        name = f"segmentation/{cell_type}_18_core_K27ac_mnemonics.bed.gz"
        (segments,) = written[name]
        segments = segments.assign(state=segments.pop("name").str.partition("_")[2])
        same(readers.read_segments(folder / name, human), segments)
        assert {"TssA", "Quies", "ReprPC"} <= set(segments["state"])

        name = f"domains/{cell_type}.IS.All_TAD.bed"
        same(readers.read_tads(folder / name, human), written[name][0])

        for protein in simulate.companions.POLYCOMB_PROTEINS:
            name = f"peaks/{cell_type}-{protein}.narrowPeak.gz"
            peaks, expected = readers.read_peaks(folder / name, human), written[name][0]
            assert (peaks["summit"] == (peaks["start"] + peaks["end"]) // 2).all()
            assert peaks["minus_log10_p"].isna().all() and (peaks["minus_log10_q"] >= 0).all()
            same(peaks[PLACE].sort_values(PLACE), expected[PLACE].sort_values(PLACE))

    same(readers.read_compartments(folder / "domains/PC1.tsv", human), written["domains/PC1.tsv"][0])

    (sets,) = written["gene_sets/simulated.gmt"]
    table = readers.read_gene_sets(folder / "gene_sets/simulated.gmt")
    assert table.groupby("term", sort=False)["gene"].agg(list).to_dict() == sets and len(table) == table.attrs["kept"]

    transcripts, gene_ids, symbols = written["annotation/gene_info.txt"]
    first = transcripts[transcripts["order"] == 0].sort_values("gene")
    info = readers.read_gene_info(folder / "annotation/gene_info.txt")
    names = {"gene_id": list(gene_ids), "symbol": list(symbols), "biotype": "protein_coding"}
    same(info, first[[*PLACE, "strand"]].assign(**names)[list(info)])

    transcripts, gene_ids, symbols = written["annotation/simulated.annotation.gtf.gz"]
    gtf = readers.read_gtf(folder / "mouse/annotation/simulated.annotation.gtf.gz", mouse)
    rows = transcripts.sort_values(["gene", "order"])
    own = {"gene_id": gene_ids.to_numpy()[rows["gene"]], "symbol": np.asarray(symbols)[rows["gene"]]}
    same(gtf[[*PLACE, "strand", *own]], rows[[*PLACE, "strand"]].assign(**own))
    assert (gtf["tss"] == np.where(gtf["strand"] == "+", gtf["start"], gtf["end"] - 1)).all()

    gene_ids, _, fpkm = written[f"expression/{profile.inputs.simulation.mouse.cell_type}.tsv"]
    rsem = readers.read_rsem(folder / f"mouse/expression/{profile.inputs.simulation.mouse.cell_type}.tsv")
    assert rsem.attrs == {"kept": len(gene_ids), "dropped": {"no Ensembl gene id": 1}}
    assert rsem["gene_id"].tolist() == list(gene_ids) and np.allclose(rsem["expression"], fpkm, atol=0.005)


def test_the_promoter_of_a_gene_in_the_gtf_is_the_one_that_was_planted(cohort):
    folder, _, written = cohort
    transcripts, gene_ids, _ = written["annotation/simulated.annotation.gtf.gz"]
    gtf = readers.read_gtf(
        folder / "mouse/annotation/simulated.annotation.gtf.gz", load_genome("simT"), tss_rule="base-before"
    )
    tss = contacts.all_tss(gtf, None, gene_ids)
    planted = transcripts[transcripts["order"] == 0].sort_values("gene")
    promoters = tss[tss["order"] == 0].set_index("gene_id").loc[gene_ids]
    before = np.where(planted["strand"] == "+", planted["start"] - 1, planted["end"])
    assert promoters["tss"].tolist() == before.tolist() and promoters["chrom"].tolist() == planted["chrom"].tolist()


# What a profile names


def test_companions_of_a_simulated_profile_are_those_of_its_cohort(cohort, monkeypatch):
    folder, profile, _ = cohort
    monkeypatch.setattr(simulate, "ensure_raw", lambda profile: None)
    monkeypatch.setattr(type(profile), "raw_dir", folder)
    genome = load_genome("simS")
    same(companions.segmentation(profile, "S02"), readers.read_segments(folder / "segmentation/S02_18_core_K27ac_mnemonics.bed.gz", genome))
    peaks = companions.polycomb(profile, "S03")
    assert list(peaks) == ["EZH2", "SUZ12", "RNF2", "CBX8"]
    same(peaks["RNF2"], readers.read_peaks(folder / "peaks/S03-RNF2.narrowPeak.gz", genome))
    same(companions.gene_sets(profile), readers.read_gene_sets(folder / "gene_sets/simulated.gmt"))
    assert companions.left_out(profile, "S01").empty


def test_a_profile_without_companions_says_so(own):
    profile = load_profile(own)
    assert companions.segmentation(profile, "T1") is None and companions.polycomb(profile, "T1") == {}
    assert companions.gene_sets(profile).empty and list(companions.gene_sets(profile)) == ["term", "gene"]
    table = companions.left_out(profile, "T1")
    assert table["what"].tolist() == ["chromatin states", "gene sets", "peaks of Polycomb proteins"]
    assert set(table["why"]) == {"the profile names none of T1"}


def test_peaks_count_only_for_the_cell_types_they_are_of_and_only_where_an_address_is_known():
    profile = load_profile("roadmap")
    why = {name: companions.left_out(profile, name).set_index("what")["why"] for name in ("E003", "E016")}
    assert why["E003"]["peaks of EZH2"] == "no address of encode-polycomb/EZH2 is known"
    assert why["E016"]["peaks of EZH2"] == "the profile names none of E016" and companions.polycomb(profile, "E016") == {}
    assert {"roadmap-segmentation/E118", "encode-polycomb/CBX8"} <= set(sources.ids_for(profile, ("figure",)))


def test_peaks_of_a_source_without_address_may_be_a_user_s_own(tmp_path):
    path = tmp_path / "mine.narrowPeak"
    path.write_text("chr1\t100\t300\t.\t0\t.\t1\t-1\t-1\t-1\n")
    profile = load_profile("roadmap").model_copy(update={"local_files": {"encode-polycomb/EZH2": path}})
    peaks = companions.polycomb(profile, "E003")
    assert list(peaks) == ["EZH2"] and peaks["EZH2"][PLACE].to_numpy().tolist() == [["chr1", 100, 300]]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The profile of the book's page on own data, in a folder that a test may write into."""
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    return shutil.copytree(ROOT / "book" / "own-data", tmp_path / "own") / "my.yml"


def named(own, text):
    own.write_text(f"{own.read_text()}companions: {text}\n")
    return own


def test_own_companions_lie_beside_the_profile(own):
    named(own, "{segmentation: 'states-{cell_type}.bed', polycomb: {EZH2: ezh2.bed}, polycomb_of: [T1], gene_sets: sets.gmt}")
    for cell_type in ("T1", "C1"):
        (own.parent / f"states-{cell_type}.bed").write_text("chrA\t0\t20000\t1_TssA\n")
    (own.parent / "ezh2.bed").write_text("chrA\t100\t300\t.\t0\t.\t1\t-1\t-1\t-1\n")
    (own.parent / "sets.gmt").write_text("some\t\tg1\tg2\n")
    profile = load_profile(own)
    assert faults.find(str(own)).faults == []
    assert companions.segmentation(profile, "C1")["state"].tolist() == ["TssA"]
    assert list(companions.polycomb(profile, "T1")) == ["EZH2"] and companions.polycomb(profile, "C1") == {}
    assert companions.gene_sets(profile)["gene"].tolist() == ["g1", "g2"]
    assert companions.left_out(profile, "C1").to_numpy().tolist() == [["peaks of EZH2", "the profile names none of C1"]]


def test_own_companions_that_are_not_there_are_left_out_and_told_by_check(own):
    named(own, "{segmentation: 'states-{cell_type}.bed', polycomb: {EZH2: ezh2.bed}, gene_sets: sets.gmt}")
    profile = load_profile(own)
    assert companions.left_out(profile, "T1").to_numpy().tolist() == [
        ["chromatin states", "no file states-T1.bed"], ["gene sets", "no file sets.gmt"], ["peaks of EZH2", "no file ezh2.bed"],
    ]  # fmt: skip
    assert companions.segmentation(profile, "T1") is None and companions.polycomb(profile, "T1") == {} and companions.gene_sets(profile).empty
    found = [line.replace(f"{own.parent}/", "") for line in faults.find(str(own)).faults]
    assert [line.partition(":")[0] for line in found] == ["states-T1.bed", "states-C1.bed", "ezh2.bed", "sets.gmt"]
    assert all("no such file" in line for line in found)


def test_check_tells_all_that_is_wrong_with_own_companions(own):
    named(own, "{segmentation: states.bed, polycomb: {EZH2: 'ezh2-{cell_type}.bed'}, gene_sets: sets.gmt}")
    (own.parent / "states.bed").write_text("chrA\t0\t20000\n")
    (own.parent / "ezh2-T1.bed").write_text("chrA\t100\t300\n")
    (own.parent / "sets.gmt").write_text("some\t\t\n")
    found = [line.replace(f"{own.parent}/", "") for line in faults.find(str(own)).faults]
    assert [line.partition(":")[0] for line in found] == ["states.bed", "ezh2-T1.bed", "ezh2-C1.bed", "sets.gmt"]
    assert "expected chromHMM: chrom, start, end, state" in found[0] and "expected narrowPeak: 10 columns" in found[1]
    assert "no such file, expected narrowPeak" in found[2] and "line 1, 'some', has no genes" in found[3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{segmentation: '{mark}.bed'}", "'{mark}.bed': found {mark}, expected only {cell_type} in braces; correct the pattern"),
        ("{polycomb: {EZH2: '{cell_type.bed'}}", "found expected '}' before end of string, expected only {cell_type}"),
        ("{polycomb: {E ZH2: a.bed}}", "companions.polycomb.E ZH2"),
        ("{polycomb_of: [H1]}", "companions.polycomb_of: found 'H1', expected cell types of the profile \\(T1, C1\\)"),
        ("{gene_sets: '{cell_type}.gmt'}", "found {cell_type}, expected no braces"),
        ("{peaks: a.bed}", "companions.peaks: Extra inputs are not permitted"),
    ],
)
def test_wrong_companions_are_refused(own, text, message):
    with pytest.raises(InputError, match=message) as caught:
        load_profile(named(own, text))
    assert len(str(caught.value).splitlines()) == 1


def test_gene_sets_of_go_are_those_that_fetch_made(own):
    profile = load_profile(named(own, "{gene_sets: go}"))
    assert companions.gene_sets(profile).empty and faults.find(str(own)).faults == []
    assert companions.left_out(profile, "T1").set_index("what")["why"]["gene sets"] == "not there yet: `chromolib fetch go` makes them"
    ontology.path().parent.mkdir(parents=True)
    ontology.path().write_text("a (GO:1)\tGO 2022\tENSG1\n")
    assert companions.gene_sets(profile).to_numpy().tolist() == [["a (GO:1)", "ENSG1"]]
