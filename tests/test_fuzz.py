"""Malformed files of every format: a reader gives a table that honours its promises, or one line that names the file.

A reader joins by one line in CASES: how it is called, a file that it accepts, and what its result promises.
"""

from __future__ import annotations

import bz2
import gzip
import io
import pickle
import re
import signal
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chromolib import readers
from chromolib.config import InputError
from chromolib.depth import bin_mean
from chromolib.genome import Genome, Region, read_sizes
from chromolib.readers import published

from .test_demo import GENE, META, make_demo, npy
from .test_interactions import GEO, HEADER, IBED, PEAKS, PO, PP, SIGNIFICANT, TWO, near_and_score
from .test_published import make_patternchrome

TOY = Genome("toy", {"chr1": 100_000, "chr2": 50_000}, {"chr1": 1, "chr2": 2})
WIDE = Genome("wide", {"chr1": 2_000_000, "chr2": 2_000_000}, {"chr1": 1, "chr2": 2})
N_EXAMPLES = 100  # of each case
MAX_SECONDS = 5  # of one file
MAX_CHARACTERS = 1000  # of what an error says beside the path


# What results promise


def is_table(table, columns, **types):
    assert list(table.columns) == columns and table.index.tolist() == list(range(len(table)))
    assert table.attrs["kept"] == len(table)
    assert all(isinstance(count, int) and count > 0 for count in table.attrs["dropped"].values())
    assert {name: str(table[name].dtype) for name in types} == types


def are_contacts(table, *, further=()):
    types = {"kind": "category", "frag1": "category", "frag2": "category", "frequency": "float64"}
    is_table(table, ["kind", "frag1", "frag2", "frequency", *further], **types)
    assert (np.isfinite(table["frequency"]) & (table["frequency"] > 0)).all() and table.attrs["frequency"]
    assert set(table["kind"]) <= {"po", "pp"}
    for name in ("frag1", "frag2"):
        assert all(Region.parse(text).width > 0 for text in table[name].unique())


def is_written(*columns, **types):
    """Of tables that users write."""

    def check(table):
        is_table(table, [*columns, "line"], line="int64", **types)
        assert all(np.isfinite(table[name]).all() for name in types)
        assert table["line"].is_monotonic_increasing and (table["line"] > 1).all()
        for name in {"region", "frag1", "frag2"} & set(columns):
            assert all(Region.parse(text).width > 0 for text in table[name])
        assert (table[columns[0]] != "").all()

    return check


def are_fragments_of_tss(table):
    is_table(table, ["chrom", "tss", "fragment"], tss="int64")
    held = table.dropna()
    for row, region in zip(held.itertuples(), map(Region.parse, held["fragment"]), strict=True):
        assert row.chrom == region.chrom and region.start <= row.tss <= region.end


def are_reads(table):
    is_table(table, ["chrom", "start", "end"], chrom="category", start="int32", end="int32")
    size = table["chrom"].astype(str).map(TOY.sizes).astype(float)
    assert ((table["start"] >= 0) & (table["start"] < table["end"]) & (table["end"] <= size)).all()


def is_mean_of_bins(means):
    assert means.dtype == np.float32 and means.shape == (3,) and np.isfinite(means).all() and (means >= 0).all()


def are_sizes(sizes):
    assert len(sizes) >= 2 and all(chrom and isinstance(size, int) and size > 0 for chrom, size in sizes.items())


def write_bam(path):
    header = {"SQ": [{"SN": chrom, "LN": size} for chrom, size in TOY.sizes.items()]}
    with pysam.AlignmentFile(str(path), "wb", header=header) as bam:
        for i, flag in enumerate((0, 16, 4, 256)):
            read = pysam.AlignedSegment(bam.header)
            read.query_name, read.flag, read.reference_id, read.reference_start = f"r{i}", flag, i % 2, 50 * i
            read.cigarstring, read.query_sequence = "36M", "A" * 36
            bam.write(read)


def in_bgzf(data):
    def write(path):
        with pysam.BGZFile(str(path), "wb") as file:
            file.write(data)

    return made(write)


def write_bigwig(path):
    with pyBigWig.open(str(path), "w") as bigwig:
        bigwig.addHeader(list(TOY.sizes.items()))
        bigwig.addEntries(["chr1", "chr1", "chr2"], [10, 150, 5], ends=[46, 250, 41], values=[1.0, 2.5, 3.0])


def is_expression(table):
    is_table(table, ["gene_id", "E003"], E003="float64")
    assert np.isfinite(table["E003"]).all() and (table["E003"] >= 0).all() and table["gene_id"].is_unique


def are_transcripts(table):
    is_table(table, ["transcript", "chrom", "strand", "start", "end", "symbol", "tss"], start="int64", end="int64")
    assert table["strand"].isin(["+", "-"]).all() and (table["start"] < table["end"]).all()
    assert (table["tss"] < table["chrom"].map(TOY.sizes).astype(float)).all() and (table["tss"] >= 0).all()


def are_names_of_genes(table):
    is_table(table, ["gene_id", "symbol", "chrom", "start", "end", "strand", "biotype"], start="Int64", end="Int64")
    assert (table["symbol"] != "").all() and table["gene_id"].is_unique


def is_demo(result):
    genes, depth = result
    is_table(genes, ["gene_id", "cell_type", "chrom", "tss", "strand", "expression", "label", "pcres", "contacts"], tss="int64")
    assert np.isfinite(genes["expression"]).all() and genes["label"].isin([0, 1]).all()
    assert all(np.isfinite(values).all() for values in genes["contacts"])
    for name, array in depth.items():
        assert array.dtype == np.float16 and array.shape == (7, Region.parse(name).width) and (array >= 0).all()


def are_predictions(table):
    assert list(table.columns) == ["gene_id", "probability", "expression"]
    assert np.isfinite(table[["probability", "expression"]].to_numpy(float)).all()


def is_signal(result):
    genes, depth = result if isinstance(result, tuple) else (None, result)
    assert depth.dtype == np.float32 and np.isfinite(depth).all() and (depth >= 0).all()
    assert genes is None or len(genes) == len(depth)


def is_deepdiff(result):
    genes, counts = result
    is_table(genes, ["gene_id", "symbol"])
    is_signal((genes, counts))


def are_targets(table):
    assert list(table.columns) == ["E003"] and table["E003"].dtype == np.float64 and table.index.is_unique
    assert np.isfinite(table["E003"]).all() and (table["E003"] >= 0).all()


def are_starts_of_genes(table):
    is_table(table, [name for name in ("gene_id", "symbol", "chrom", "strand", "tss") if name in table], tss="int64")
    assert table["gene_id"].is_unique


def are_links(table):
    is_table(table, ["gene_id", "chrom", "tss", "strand", "region", "contact"], tss="int64", contact="float64")
    assert table["contact"].between(0, 1).all() and all(Region.parse(text).width > 0 for text in table["region"])


def are_places(*columns, **types):
    """Of stretches that lie on TOY."""

    def check(table):
        is_table(table, ["chrom", "start", "end", *columns], start="int64", end="int64", **types)
        assert ((table["start"] >= 0) & (table["start"] < table["end"])).all() and table.attrs["clipped"] >= 0
        assert (table["end"] <= table["chrom"].map(TOY.sizes)).all()

    return check


def are_transcripts_of_genes(table):
    are_transcripts(table.drop(columns="gene_id"))
    assert (table["gene_id"] != "").all() and table["gene_id"].notna().all()


def is_rsem(table):
    is_expression(table.rename(columns={"expression": "E003"}))


def are_genes_and_pairs(result):
    genes, pairs = result
    is_table(genes, ["gene_id", "cell_type", "chrom", "tss", "strand", "expression", "label", "fold"], tss="int64", label="int64")
    is_table(pairs, ["gene_id", "region", "contact", "rank"], contact="float64", rank="int64")
    assert np.isfinite(genes["expression"]).all() and np.isfinite(pairs["contact"]).all() and genes["gene_id"].is_unique


def is_pc1(table):
    samples = list(table.columns[3:])
    are_places(*samples, **dict.fromkeys(samples, "float64"))(table)
    assert samples


def are_pairs(table):
    is_table(table, ["gene_id", "other_gene_id"])
    assert (table != "").all(axis=None) and not table.duplicated().any() and set(table.attrs["several"]) == set(table)


def are_sets(table):
    is_table(table, ["term", "gene"])
    assert (table != "").all(axis=None) and not table.duplicated().any()


# Files that readers accept


@dataclass(frozen=True)
class Case:
    read: Callable[[Path], Any]
    content: bytes | str                         # accepted by `read`
    check: Callable[[Any], None]                 # fails where a result breaks a promise
    file: str = "file.txt"                       # name of the file
    pack: Callable[[bytes], bytes] | None = None  # from content to file, where damage is done inside a container

    @property
    def data(self) -> bytes:
        return self.content.encode() if isinstance(self.content, str) else self.content


def beside(path: Path, name: str, data: bytes) -> Path:
    """A second file that a reader takes, which is whole."""
    path.with_name(name).write_bytes(data)
    return path.with_name(name)


def made(make: Callable[[Path], Any]) -> bytes:
    """The bytes of a file that a helper of other tests makes."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        make(path)
        return path.read_bytes()


def tar(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def npz(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("arr_0.npy", data)
    return buffer.getvalue()


NEAR, SCORE = (pickle.dumps(content, protocol=protocol) for content, protocol in zip(near_and_score(), (2, 4), strict=True))
TSS = pickle.dumps({"chr1:7-8": "chr1:1-9", "chr2:7-8": None, "chr1:9-10": "chr1:1-9"})
READS = "chr1\t10\t46\tN\t1000\t+\nchr2\t40\t76\tN\t1000\t-\nchrM\t5\t41\tN\t1000\t+\nchr1\t99990\t100026\tN\t1000\t+\n"
RPKM = "gene_id\tE000\tE003\nENSG1\t23.265\t43.985\nENSG2\t0.872\t0.000\nENSG3\t55.2\t1e1\n"
REFGENE = (
    "585\tNM_001005484\tchr1\t+\t69090\t70008\t69090\t70008\t1\t69090,\t70008,\t0\tOR4F5\tcmpl\tcmpl\t0,\n"
    "585\tNR_026818\tchr1\t-\t34610\t36081\t36081\t36081\t1\t34610,\t36081,\t0\tFAM138A\tunk\tunk\t-1,\n"
)
INFO = "ENSG1\tX\t9988\t9989\t-1\tprotein_coding\tTSPAN6\ttetraspanin 6\t[HGNC]\nENSG2\t1\t5\t9\t1\tlincRNA\tNAN\nENSG3\t1\t5\t9\t1\tlincRNA\n"
LINKS = "gene_id,region,contact\nG1,chr1:100-200,1.7\nG2,chr9:100-200,2e0\nG3,chr2:1-50000,0.5\n"
FRAGMENTS = "frag1\tfrag2\tfrequency\tcell_type\nchr1:100-200\tchr1:900-1000\t1.7\tA\nchr1:100-200\tchr1:900-1000\t1.7\tB\n"
SAMPLES = "cell_type,mark,path,format,scale\nA,H3K4me3,a.bed.gz,bed,\nA,H3K27ac,a.bw,bigwig,depth\n"
STARTS = "gene_id,chrom,tss,strand,symbol\nG1,chr1,500,+,A\nG2,chr2,49999,-,\nG3,chrM,5,+,C\n"
G1, G2 = "ENSG00000000001", "ENSG00000000002"
WINDOWS = f"chr1\t100\t20100\t{G1}_A\nchr2\t500\t20500\t{G2}_NA\n"
BOUNDS = (
    "#chr\tstart\tend\tname\tscore\tstrand\tEnsembl_ID\tgene_type\n"
    f"chr1\t100\t600\tA\t0\t+\t{G1}\tprotein_coding\nchr2\t100\t600\tB\t0\t-\t{G2}\tprotein_coding\n"
)
JEME = f"chr1:100-200,{G1}.5$A$chr1$500$+,0.7\nchr2:100-200,{G2}.5$B$chr2$500$-,1\n"
GTF = (
    "##format: gtf\n"
    f'chr1\tHAVANA\tgene\t2001\t4000\t.\t-\t.\tgene_id "{G1}.4"; gene_type "protein_coding";\n'
    f'chr1\tHAVANA\ttranscript\t2001\t4000\t.\t-\t.\tgene_id "{G1}.4"; transcript_id "T.3"; gene_type "protein_coding"; tag "x"; tag "y";\n'
    f'chr2\tHAVANA\ttranscript\t1\t1\t.\t+\t.\tgene_id "{G2}.4"; transcript_id "U"; gene_type "lincRNA"; gene_name "A";\n'
)
RSEM = f"gene_id\tlength\tTPM\tFPKM\n21175\t86\t0\t0\n{G1}.14\t86.5\t1\t0.12\n{G1}.14_PAR_Y\t1\t0\t0\n{G2}\t1\t1\t1e1\n"
TRAIN = META + GENE + "ENSG2,0,E003,0,chrY,5,6,+,4,,\n"
STATES = "chr1\t0\t200\t1_TssA\t0\t.\nchr1\t200\t400\t18_Quies\t0\t.\nchrM\t0\t40\t5_Tx\t0\t.\n"
NARROW = "chr1\t100\t300\t.\t1000\t.\t62.18\t-1\t4.8\t126\nchr2\t10\t20\tb\t0\t.\t8\t12.5\t-1\t-1\n"
PC1 = "Table\n\nchrom\tstart\tend\tH1\tnote\tLI\nchr1\t0\t40000\t1.5\tA\t\nchr2\t0\t40000\tNA\tB\t-2\n"
ORTHOLOGUES = "Gene stable ID\tMouse gene stable ID\nENSG00000000001\tENSMUSG00000000001\nENSG00000000002\t\n"
GMT = "A (GO:1)\t\tG1\tG2,1.0\tG1\nB\tx\tG3\t\n"
TADS = "chr1\t0\t40000\nchr1\t40000\t80000\nchr2\t0\t40000\n"
COUNTS = "".join(f"{G1}_A_{window},1,0,2,3,4\n" for window in range(1, 201))
PREDICTED = {"a/demo/demo_meta.predicted.csv": b"gene_id,prediction\nENSG1,0.5\n", "a/demo/prediction.reg.out": b"gene_id,prediction\nENSG1,2.5\n"}
DEMO_ARRAY, DEMO_META = "demo_data/chr1:90000-90003.npy", "demo_meta.csv"
TRACK = npy(np.zeros(published.PILOT_BINS, np.float32))

CASES = {
    "3DIV": Case(lambda path: readers.read_contacts(path, WIDE), HEADER + PO + PP, are_contacts),
    "GEO": Case(lambda path: readers.read_geo_contacts(path, TOY), GEO, are_contacts, "npc.po.all.txt"),
    "GEO, significant": Case(lambda path: readers.read_significant_contacts(path, TOY, sample="GM12878.ADS"), SIGNIFICANT, are_contacts),
    "ibed": Case(lambda path: readers.read_ibed(path, TOY), IBED, lambda table: are_contacts(table, further=["N_reads"])),
    "peak matrix": Case(lambda path: readers.read_peak_matrix(path, TOY, sample="cellB"), PEAKS, are_contacts),
    "frag2neighbors": Case(lambda path: readers.read_release_contacts(path, beside(path, "score", SCORE), TOY), NEAR, are_contacts),
    "pair2score": Case(lambda path: readers.read_release_contacts(beside(path, "near", NEAR), path, TOY), SCORE, are_contacts),
    "tss2fragment": Case(lambda path: readers.read_release_fragments(path, TOY), TSS, are_fragments_of_tss),
    "Hi-C": Case(lambda path: readers.read_hic(path, TOY), TWO, are_contacts, "nij.chr1"),
    "Hi-C, archive": Case(lambda path: readers.read_hic(path, TOY), TWO, are_contacts, "norm.tar.gz", lambda data: tar(**{"nij/nij.chr1": data})),
    "Hi-C, damaged archive": Case(lambda path: readers.read_hic(path, TOY), tar(**{"nij.chr1": TWO.encode()}), are_contacts, "norm.tar.gz"),
    "written links": Case(lambda path: readers.read_contact_table(path, TOY), LINKS, is_written("gene_id", "region", "contact", contact="float64")),
    "written fragments": Case(
        lambda path: readers.read_contact_table(path, TOY, "A"), FRAGMENTS, is_written("kind", "frag1", "frag2", "frequency", frequency="float64")
    ),
    "written samples": Case(readers.read_samples, SAMPLES, is_written("cell_type", "mark", "path", "format", "scale")),
    "written expression": Case(
        lambda path: readers.read_expression_table(path, ["A", "B"]), "gene_id,A,B\nG1,1.5,2\nG2,0,1e1\n", is_written("gene_id", "A", "B", A="float64", B="float64")
    ),
    "written TSS": Case(
        lambda path: readers.read_tss_table(path, TOY), STARTS, is_written("gene_id", "symbol", "chrom", "tss", "strand", tss="int64")
    ),
    "reads": Case(lambda path: readers.read_reads(path, TOY), READS, are_reads),
    "BAM": Case(lambda path: readers.read_reads(path, TOY), made(write_bam), are_reads),
    "BAM, records": Case(lambda path: readers.read_reads(path, TOY), gzip.decompress(made(write_bam)), are_reads, pack=in_bgzf),
    "bigWig": Case(lambda path: bin_mean(path, [Region("chr1", 0, 300)], 100), made(write_bigwig), is_mean_of_bins),
    "sizes": Case(read_sizes, "chr1\t100000\nchr2\t50000\nchrM\t99\n", are_sizes),
    "expression": Case(lambda path: readers.read_expression(path, ["E003"]), RPKM, is_expression),
    "transcripts": Case(lambda path: readers.read_transcripts(path, TOY), REFGENE, are_transcripts),
    "gene info": Case(readers.read_gene_info, INFO, are_names_of_genes),
    "demo, table": Case(readers.read_demo, META + GENE, is_demo, pack=lambda data: made(lambda path: make_demo(path, **{DEMO_META: data}))),
    "demo, array": Case(
        readers.read_demo, npy(np.ones((7, 3), np.float16)), is_demo, pack=lambda data: made(lambda path: make_demo(path, **{DEMO_ARRAY: data}))
    ),
    "demo, damaged archive": Case(readers.read_demo, made(make_demo), is_demo),
    "demo, predictions": Case(
        readers.read_demo_predictions, PREDICTED["a/demo/prediction.reg.out"], are_predictions,
        pack=lambda data: tar(**PREDICTED | {"a/demo/prediction.reg.out": data}),
    ),
    "PatternChrome": Case(lambda path: published.read_patternchrome(path, "H3K4me3", n_genes=2), gzip.decompress(made(make_patternchrome)), is_signal),
    "pilot": Case(published.read_pilot_track, npz(TRACK), is_signal),
    "pilot, header": Case(published.read_pilot_track, TRACK[:128], is_signal, pack=lambda header: npz(header + TRACK[128:])),
    "DeepDiff": Case(published.read_deepdiff, COUNTS, is_deepdiff),
    "targets": Case(lambda path: published.read_targets({"E003": path}, beside(path, "genes", f"{G1}\n{G2}\n".encode())), "1.5\n2\n", are_targets),
    "list of genes": Case(lambda path: published.read_targets({"E003": beside(path, "values", b"1.5\n2\n")}, path), f"{G1}\n{G2}\n", are_targets),
    "windows of genes": Case(published.read_gene_windows, WINDOWS, are_starts_of_genes),
    "bounds of genes": Case(published.read_gene_bounds, BOUNDS, are_starts_of_genes),
    "links": Case(published.read_links, JEME, are_links),
    "GTF": Case(lambda path: readers.read_gtf(path, TOY), GTF, are_transcripts_of_genes),
    "RSEM": Case(readers.read_rsem, RSEM, is_rsem),
    "metadata": Case(readers.read_metadata, TRAIN, are_genes_and_pairs),
    "segments": Case(lambda path: readers.read_segments(path, TOY), STATES, are_places("state")),
    "peaks": Case(
        lambda path: readers.read_peaks(path, TOY), NARROW,
        are_places("name", "score", "signal", "minus_log10_p", "minus_log10_q", "summit", signal="float64", summit="Int64"),
    ),
    "compartments": Case(lambda path: readers.read_compartments(path, TOY), PC1, is_pc1),
    "gene sets": Case(readers.read_gene_sets, GMT, are_sets),
    "orthologues": Case(readers.read_orthologues, ORTHOLOGUES, are_pairs),
    "domains": Case(lambda path: readers.read_tads(path, TOY), TADS, are_places()),
}  # fmt: skip


# Damage

FIELDS = (
    b"", b" ", b"0", b"-1", b"-0", b"1.5", b"nan", b"NA", b"Inf", b"-inf", b"1e999", b"1e-999", b"99999999999999999999",
    b"2147483648", b"9223372036854775807", b"0x10", b"1_0", b"+5", b"chr1", b"chr1:9-5", b"chr1:1-2", b"chr1.1.2", b"\x00",
    b"\xff", "é".encode(), "٣".encode(), "\u2028".encode(), b"\r", b"\x0b", b"\x1c", b'"', b"'", b"#", b"\\", b"," * 5,
    b"\t" * 5, b"x" * 5000, b"True", b"None", b"-", b"+", b";", b":", b"1,5", b"[1]", b"{}", b"=1+1", b"O",
)  # fmt: skip
SEPARATORS = (b"\t", b",", b":", b" ", b"-", b";", b"_")
WHOLE = (
    lambda data: b"",
    lambda data: data.replace(b"\n", b"\r\n"),
    lambda data: data.replace(b"\n", b"\r"),
    lambda data: b"\xef\xbb\xbf" + data,
    lambda data: b"\xff\xfe" + data.decode("latin1").encode("utf-16-le"),
    lambda data: data.rstrip(b"\n"),
    lambda data: data + data,
    lambda data: data + b"\n\n",
    lambda data: b"\n" + data,
    lambda data: data.replace(b"\t", b","),
    lambda data: data.replace(b"\t", b"  "),
    lambda data: data.upper(),
    lambda data: data.replace(b"1", b"111111111"),
    lambda data: data.replace(b"1", b"-1"),
    lambda data: data.replace(b"\n", b"\t\n"),
    gzip.compress,
    lambda data: gzip.compress(gzip.compress(data)),
    lambda data: gzip.compress(data)[:-6],
    lambda data: gzip.compress(data) + b"garbage",
    lambda data: gzip.compress(data)[:20] + b"\x00" + gzip.compress(data)[21:],
    bz2.compress,
    lambda data: bz2.compress(data)[:-4],
    npz,
    lambda data: npz(data)[:-10],
    lambda data: npz(data).replace(b"\x00\x00\x00\x08\x00", b"\x01\x00\x00\x08\x00"),  # said to be encrypted
    lambda data: b"PK\x03\x04" + data,
    lambda data: b"\x1f\x8b" + data,
    lambda data: b"BZh9" + data,
)


def damage_bytes(draw: Callable, data: bytes) -> bytes:
    at = draw(st.integers(0, len(data)))
    until = min(len(data), at + draw(st.integers(0, 8)))
    return draw(
        st.sampled_from((
            data[:at],
            data[:at] + data[until:],
            data[:at] + bytes(byte ^ 0x15 for byte in data[at:until]) + data[until:],
            data[:at] + b"\xff" * (until - at) + data[until:],
            data[:at] + draw(st.binary(max_size=8)) + data[until:],
            data[:at] + data[at:until] * 3 + data[until:],
        ))
    )  # fmt: skip


def damage_items(draw: Callable, items: list[bytes], new: tuple[bytes, ...]) -> list[bytes]:
    """A list of lines, or of fields, with one of them dropped, doubled, swapped with another or replaced."""
    one, other = (draw(st.integers(0, len(items) - 1)) for _ in "ab")
    kind = draw(st.sampled_from(("drop", "double", "swap", "replace", "replace", "append")))
    items = list(items)
    if kind == "drop":
        del items[one]
    elif kind == "double":
        items.insert(other, items[one])
    elif kind == "swap":
        items[one], items[other] = items[other], items[one]
    else:
        item = draw(st.sampled_from(new))
        items[one] = items[one] + item if kind == "append" else item
    return items


def damage_field(draw: Callable, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = draw(st.integers(0, len(lines) - 1))
    separator = draw(st.sampled_from([sep for sep in SEPARATORS if sep in lines[at]] or [b"\t"]))
    lines[at] = separator.join(damage_items(draw, lines[at].split(separator), FIELDS))
    return b"\n".join(lines)


def damage_line(draw: Callable, data: bytes) -> bytes:
    return b"\n".join(damage_items(draw, data.split(b"\n"), FIELDS))


def damage_whole(draw: Callable, data: bytes) -> bytes:
    return draw(st.sampled_from(WHOLE))(data)


def noise(draw: Callable, data: bytes) -> bytes:
    return data[: draw(st.integers(0, 200))] + draw(st.binary(max_size=200))


@st.composite
def damaged(draw: Callable, data: bytes) -> bytes:
    kinds = (damage_field, damage_field, damage_field, damage_line, damage_bytes, damage_bytes, damage_whole, noise)
    for damage in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=2)):
        data = damage(draw, data)
    return data


# The property


class TooSlow(BaseException):
    """No reader may catch it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    def stop(*_):
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except TooSlow:
        pytest.fail(f"reading took more than {seconds} s")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# What an error says that is of no single line: of the header, of the whole file, of its packing.
OF_NO_LINE = re.compile(
    r"^[^:]*: column \d+ is |empty|holds no |holds [\d,]+ |no column|columns|header|first line|none of|cut short|ended|Truncated|sample|ends after"
    r"|chromosomes, expected|windows|lines;|has [\d,]+ |inflate|gzip|CRC|not text|compress|zlib|stream|zip|does not follow|genes?\b|archive"
    r"|found (BAM|SAM|bigWig|CRAM)|in [\d,]+ of [\d,]+ rows|past the end|another build|several cell types|no line names"
)


def names_its_line(said: str) -> bool:
    return bool(re.search(r":\d+: |\b(line|row) [\d,]+", said)) or bool(OF_NO_LINE.search(said.partition("; expected")[0]))


def read_or_refuse(case: Case, path: Path) -> str | None:
    """What the reader said, if it refused the file; nothing if it read it and the result honours its promises."""
    try:
        with time_limit(MAX_SECONDS), warnings.catch_warnings():
            warnings.simplefilter("error")  # what is odd must be said once, in the error
            result = case.read(path)
    except InputError as error:
        said = str(error)
        assert said.isprintable(), f"not one line of text: {said!r}"
        assert any(str(found) in said for found in path.parent.iterdir()), f"names no file: {said}"
        assert len(said.replace(str(path), "")) <= MAX_CHARACTERS, f"too long: {said}"
        assert case.pack or not isinstance(case.content, str) or names_its_line(said.replace(str(path.parent), "")), f"names no line: {said}"
        return said
    case.check(result)
    return None


@pytest.mark.parametrize("name", CASES)
def test_whole_files_are_read(tmp_path, name):
    case = CASES[name]
    path = tmp_path / case.file
    path.write_bytes(case.pack(case.data) if case.pack else case.data)
    assert read_or_refuse(case, path) is None


@pytest.mark.parametrize("name", CASES)
def test_malformed_files_are_read_well_or_refused_in_one_line(tmp_path, name):
    case = CASES[name]
    path = tmp_path / case.file

    @settings(
        max_examples=N_EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(data=damaged(case.data))
    def check(data):
        path.write_bytes(case.pack(data) if case.pack else data)
        read_or_refuse(case, path)

    check()


def header(text):
    """A .npy file without numbers, whose header is damaged as `text` is."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        pytest.param("ibed", IBED.replace("bait_chr", "bait\x1c\u2028chr").encode(), r"bait\\x1c\\u2028chr", id="control characters"),
        pytest.param("expression", RPKM.replace("43.985", "4" + "x" * 5000).encode(), r"'4x{39}'", id="endless fields"),
        pytest.param("GEO", GEO.replace("\tNA\t", "\t3\t").encode(), None, id="a distance between two chromosomes"),
        pytest.param("transcripts", b"", "holds no rows", id="an empty file without types"),
        pytest.param("windows of genes", WINDOWS.replace("100", "Inf", 1).encode(), "expected GeneFile", id="an infinite position"),
        pytest.param("bounds of genes", BOUNDS.replace("start\t", "").encode(), "expected gene bounds", id="more fields than names"),
        pytest.param("links", JEME.replace("-200", "-" + "9" * 30, 1).encode(), "expected JEME", id="an endless position"),
        pytest.param("demo, array", header("{'descr': '<f2',\n"), "is damaged", id="a header that does not end"),
        pytest.param("demo, array", npz(npy(np.ones(3))), "is no single array", id="an .npz for an .npy"),
        pytest.param("BAM", gzip.compress(gzip.decompress(made(write_bam))), "seek not implemented", id="BAM in plain gzip"),
        pytest.param("pilot", npz(b"no array"), "arr_0 is no array", id="a member that is no array"),
        pytest.param(
            "pilot", npz(header("{'descr': '<f4', 'fortran_order': False, 'shape': (10" + "0" * 30 + ",)}\n")), "is damaged",
            id="more values than can be counted",
        ),
        pytest.param("demo, predictions", b"gene_id,prediction\nENSG1,\n", "could not convert", id="a prediction that is missing"),
        pytest.param("demo, predictions", b"gene_id,x\nENSG1,2\n", "no column prediction", id="a column that is missing"),
        pytest.param("demo, predictions", b"gene_id,prediction\nENSG2,2\n", "has one of two predictions", id="predictions of other genes"),
    ],
)  # fmt: skip
def test_faults_that_damage_has_found_stay_mended(tmp_path, name, data, said):
    case = CASES[name]
    path = tmp_path / case.file
    path.write_bytes(case.pack(data) if case.pack else data)
    found = read_or_refuse(case, path)
    assert found is None if said is None else re.search(said, found)
