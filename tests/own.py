"""A user's own data in one folder, small enough to count: made in the test, or spoilt there."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

SIZES = {"chrA": 300_000, "chrB": 250_000, "chrC": 200_000, "chrD": 200_000}
PROFILE = """\
name: my-cells
title: my cells
genome: toy
chrom_sizes: toy.chrom.sizes
cell_types: {T1: treated cells, C1: control}
marks: [H3K4me3, H3K27ac]
inputs:
  kind: own
  samples: samples.csv
  expression: expression.csv
  annotation: genes.csv
  contacts: contacts.csv
"""
N_GENES, N_READS, READ_BP = 40, 400, 36


def write_own(folder: Path) -> Path:
    """Write a profile with its files; 10 genes on each chromosome, one contact each. Returns the profile's path."""
    rng = np.random.default_rng(0)
    (folder / "my.yml").write_text(PROFILE)
    (folder / "toy.chrom.sizes").write_text("".join(f"{chrom}\t{size}\n" for chrom, size in [*SIZES.items(), ("chrM", 99)]))
    sheet = ["cell_type,mark,path,format"]
    for cell_type in ("T1", "C1"):
        for mark in ("H3K4me3", "H3K27ac"):
            chroms, start = rng.choice(list(SIZES), N_READS), rng.integers(0, 190_000, N_READS)
            rows = [f"{chrom}\t{at}\t{at + READ_BP}\n" for chrom, at in zip(chroms, start, strict=True)]
            (folder / f"{cell_type}-{mark}.bed.gz").write_bytes(gzip.compress("".join(rows).encode()))
            sheet.append(f"{cell_type},{mark},{cell_type}-{mark}.bed.gz,bed")
    genes, expression, contacts = ["gene_id,chrom,tss,strand"], ["gene_id,T1,C1"], ["gene_id,region,contact"]
    for i in range(N_GENES):
        chrom, tss = "chr" + "ABCD"[i % 4], 20_000 + 4_000 * i
        genes.append(f"g{i},{chrom},{tss},{'+-'[i % 2]}")
        expression.append(f"g{i},{i}.5,{N_GENES - i}")
        contacts.append(f"g{i},{chrom}:{tss - 15_000}-{tss - 10_000},{1 + i / 10}")
    for name, rows in (("samples", sheet), ("genes", genes), ("expression", expression), ("contacts", contacts)):
        (folder / f"{name}.csv").write_text("\n".join([*rows, ""]))
    return folder / "my.yml"
