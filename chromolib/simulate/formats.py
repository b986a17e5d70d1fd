"""The public formats that a simulated cohort is written in.

In: tables of the other modules; positions 0-based, ends excluded but for fragments. Out: files as their publishers write
them, without time stamps, so that equal content gives equal bytes.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from ..genome import Genome

CHROMHMM = (
    "1_TssA", "2_TssFlnk", "3_TssFlnkU", "4_TssFlnkD", "5_Tx", "6_TxWk", "7_EnhG1", "8_EnhG2", "9_EnhA1", "10_EnhA2",
    "11_EnhWk", "12_ZNF/Rpts", "13_Het", "14_TssBiv", "15_EnhBiv", "16_ReprPC", "17_ReprPCWk", "18_Quies",
)  # fmt: skip
_COMPLEMENT = np.frombuffer(bytes.maketrans(b"ACGT", b"TGCA"), np.uint8)
_BLOCK_READS = 1 << 16  # turned into text at a time


def write_gzip(path: Path, content: pa.Table | pd.DataFrame | str | bytes) -> None:
    """Write rows without a header, separated by TABs, or a text, as gzip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        data = content.encode()
    elif isinstance(content, bytes):
        data = content
    else:
        buffer = pa.BufferOutputStream()
        if isinstance(content, pd.DataFrame):
            content = pa.Table.from_pandas(content.rename(columns=str), preserve_index=False)
        options = pa.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
        pa.csv.write_csv(content, buffer, options)
        data = buffer.getvalue()
    path.write_bytes(gzip.compress(data, compresslevel=1, mtime=0))


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_tsv(path: Path, table: pd.DataFrame, *, header: bool = True, **options) -> None:
    write_text(path, table.to_csv(sep="\t", index=False, header=header, lineterminator="\n", **options))


def write_3div(path: Path, seen: pd.DataFrame, kind: str) -> None:
    """Contacts of one kind (po or pp) as 3DIV publishes them; in po, the column after dist repeats the next one."""
    columns = {    # ours -> theirs, of which one stands twice
        "kind": "type", "frag1": "frag1", "frag2": "frag2", "cov1": "frag1_cov", "cov2": "frag2_cov", "freq": "freq",
        "dist": "dist", "expected": "all_capture_res", "capture": "all_capture_res", "background": "exp_value_dist",
        "frequency": "dist_res", "significance": "-log10(result)",
    }  # fmt: skip
    rows = seen[seen["kind"] == kind]
    if kind == "po":
        rows = rows.assign(expected=rows["capture"])
    write_gzip(
        path, rows[list(columns)].to_csv(sep="\t", index=False, header=list(columns.values()), lineterminator="\n")
    )


def write_matrix(path: Path, matrix: np.ndarray) -> None:
    """A Hi-C matrix as plain text, without names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, matrix, fmt="%.6g", delimiter="\t")


def write_refgene(path: Path, transcripts: pd.DataFrame, symbols: Sequence[str]) -> None:
    """Transcripts as UCSC's refGene has them."""
    rows = transcripts.sort_values(["chrom", "start"])
    start, end = rows["start"].astype(str), rows["end"].astype(str)
    starts = ["".join(f"{start}," for start, _ in exons) for exons in rows["exons"]]
    ends = ["".join(f"{end}," for _, end in exons) for exons in rows["exons"]]
    n = rows["exons"].map(len)
    write_gzip(
        path,
        pd.DataFrame(
            {
                "bin": 585, "name": [f"NM_{9_000_001 + i}" for i in rows.index], "chrom": rows["chrom"],
                "strand": rows["strand"], "start": start, "end": end, "cds_start": start, "cds_end": end, "n": n,
                "starts": starts, "ends": ends, "score": 0, "symbol": np.asarray(symbols)[rows["gene"]], "from": "cmpl",
                "to": "cmpl", "frames": ["0," * n for n in n],
            }
        ),
    )  # fmt: skip


def write_gene_info(path: Path, transcripts: pd.DataFrame, gene_ids: Sequence[str], symbols: Sequence[str]) -> None:
    """Genes as Roadmap's gene_info has them: 1-based, chromosomes without chr."""
    rows = transcripts[transcripts["order"] == 0].sort_values("gene")
    info = pd.DataFrame(
        {
            "gene_id": gene_ids, "chrom": rows["chrom"].str.removeprefix("chr").to_numpy(), "start": rows["start"].to_numpy() + 1,
            "end": rows["end"].to_numpy(), "strand": np.where(rows["strand"] == "+", 1, -1), "biotype": "protein_coding",
            "symbol": symbols, "description": "simulated gene",
        }
    )  # fmt: skip
    write_tsv(path, info, header=False)


def write_gtf(path: Path, transcripts: pd.DataFrame, gene_ids: Sequence[str], symbols: Sequence[str]) -> None:
    """Genes, transcripts and exons as GENCODE has them: 1-based, both ends included."""
    lines = ["##description: simulated genes", "##format: gtf"]
    for gene, rows in transcripts.sort_values(["gene", "order"]).groupby("gene"):
        name = f'gene_id "{gene_ids[gene]}.1"; gene_type "protein_coding"; gene_name "{symbols[gene]}"; level 2;'
        whole = rows.iloc[0]
        lines.append(_gtf(whole["chrom"], "gene", rows["start"].min(), rows["end"].max(), whole["strand"], name))
        for row in rows.itertuples():
            transcript = f'{name} transcript_id "ENSMUST{99_000_000_001 + row.Index}.1";'
            lines.append(_gtf(row.chrom, "transcript", row.start, row.end, row.strand, transcript))
            lines += [_gtf(row.chrom, "exon", start, end, row.strand, transcript) for start, end in row.exons]
    write_gzip(path, "\n".join([*lines, ""]))


def _gtf(chrom: str, feature: str, start: int, end: int, strand: str, attributes: str) -> str:
    return "\t".join([chrom, "SIMULATED", feature, str(start + 1), str(end), ".", strand, ".", attributes])


def write_rpkm(path: Path, rpkm: pd.DataFrame) -> None:
    """RPKM of all cell types, index gene_id; rows of data, but not the header, end in a TAB, as they do in the real file."""
    rows = rpkm.to_csv(sep="\t", float_format="%.3f", lineterminator="\t\n").splitlines()
    rows[0] = rows[0].rstrip("\t")
    write_gzip(path, "\n".join([*rows, ""]))


def write_rsem(path: Path, gene_ids: Sequence[str], length: np.ndarray, fpkm: np.ndarray) -> None:
    """Expression as ENCODE's RSEM quantifications have it, with a tRNA before the genes, as there."""
    table = pd.DataFrame(
        {
            "gene_id": [f"{gene}.1" for gene in gene_ids], "transcript_id(s)": [f"{gene.replace('MUSG', 'MUST')}.1" for gene in gene_ids],
            "length": length, "effective_length": length - 100, "expected_count": fpkm * length / 100,
            "TPM": fpkm * (1e6 / fpkm.sum()), "FPKM": fpkm,
        }
    )  # fmt: skip
    trna = pd.DataFrame([["21175", "21175", 86, 0, 0, 0, 0]], columns=table.columns)
    write_tsv(path, pd.concat([trna, table]), float_format="%.2f")


def write_bed(path: Path, rows: pd.DataFrame) -> None:
    """BED without a header, as gzip where the name says so."""
    if path.suffix == ".gz":
        write_gzip(path, rows)
    else:
        write_tsv(path, rows, header=False)


def write_narrow_peaks(path: Path, peaks: pd.DataFrame, rng: np.random.Generator) -> None:
    """Peaks (chrom, start, end) as narrowPeak, in no order, as ENCODE's files are."""
    n = len(peaks)
    rows = peaks[["chrom", "start", "end"]].assign(
        name=".", score=1000, strand=".", signal=rng.gamma(4, 8, n).round(5), p=-1, q=rng.gamma(3, 1, n).round(5),
        summit=(peaks["end"] - peaks["start"]) // 2,
    )  # fmt: skip
    write_gzip(path, rows.iloc[rng.permutation(n)])


def write_gmt(path: Path, sets: Mapping[str, Sequence[str]]) -> None:
    """Gene sets as Enrichr writes them: term, an empty description, symbols."""
    write_text(path, "".join("\t".join([term, "", *symbols]) + "\n" for term, symbols in sets.items()))


def draw_sequences(genome: Genome, rng: np.random.Generator) -> dict[str, bytes]:
    """A random sequence for each chromosome, 42 % G and C as in the real genomes."""
    bases = np.frombuffer(b"ACGT", np.uint8)
    return {
        chrom: rng.choice(bases, size, p=[0.29, 0.21, 0.21, 0.29]).tobytes() for chrom, size in genome.sizes.items()
    }


def write_fasta(path: Path, sequences: Mapping[str, bytes]) -> None:
    parts = []
    for chrom, sequence in sequences.items():
        parts.append(f">{chrom}\n".encode())
        parts += [sequence[i : i + 60] + b"\n" for i in range(0, len(sequence), 60)]
    write_gzip(path, b"".join(parts))


def write_fastq(
    path: Path,
    sequences: Mapping[str, bytes],
    reads: pa.Table,
    rng: np.random.Generator,
    *,
    read_bp: int = 50,
    p_wrong: float = 0.002,
) -> None:
    """The sequences of reads (chrom, start, strand): `read_bp` from their start upwards, turned for the minus strand.

    So a read that is cut to the width of `reads` from its left end on the genome, as the release does it, is its row there.
    """
    size = {chrom: len(sequence) for chrom, sequence in sequences.items()}
    first = dict(zip(size, np.cumsum([0, *size.values()]).tolist(), strict=False))
    chrom, start = reads["chrom"].to_pandas(), reads["start"].to_numpy()
    length = np.minimum(read_bp, chrom.map(size).to_numpy() - start)
    is_wrong = rng.random(len(start)) < p_wrong * length
    table = pd.DataFrame({
        "start": chrom.map(first).to_numpy() + start, "length": length, "is_minus": (reads["strand"].to_pandas() == "-").to_numpy(),
        "wrong": np.where(is_wrong, rng.integers(length), read_bp),
    })  # fmt: skip
    text = np.frombuffer(b"".join(sequences.values()), np.uint8)
    write_gzip(path, b"".join(_fastq(text, table.iloc[i : i + _BLOCK_READS], read_bp) for i in range(0, len(table), _BLOCK_READS)))


def _fastq(text: np.ndarray, reads: pd.DataFrame, read_bp: int) -> bytes:
    """Reads of a text of all chromosomes: start in it, length, is_minus, and which base is unknown, from the start upwards."""
    start, length, is_minus, wrong = (reads[name].to_numpy()[:, None] for name in ("start", "length", "is_minus", "wrong"))
    column = np.arange(read_bp)
    offset = np.where(is_minus, length - 1 - column, column)  # of each base from the start
    is_read = column < length
    bases = text[start + offset.clip(0, length - 1)]
    bases = np.where(is_minus, _COMPLEMENT[bases], bases)
    bases = np.where(offset == wrong, np.uint8(ord("N")), bases) * is_read
    number = (reads.index.to_numpy() + 1).astype("S").view(np.uint8).reshape(len(reads), -1)
    fields = [b"@sim.", number, b"\n", bases, b"\n+\n", is_read * np.uint8(ord("I")), b"\n"]
    rows = [np.broadcast_to(np.frombuffer(field, np.uint8), (len(reads), len(field))) if isinstance(field, bytes) else field for field in fields]
    joined = np.hstack(rows)
    return joined[joined > 0].tobytes()  # 0 where a short read or number has no letter
