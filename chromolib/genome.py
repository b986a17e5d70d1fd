"""Genome builds and regions.

In: data/genomes.yml or a chrom.sizes file, and region strings. Out: chromosome sizes (bp), cross-validation folds, 0-based half-open regions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
import yaml

from .config import ROOT, InputError
from .profile import Profile

MAX_CHROM_BP = 2**31  # positions are kept in 32 bits
# UCSC and Ensembl: chr6_cox_hap2, chr1_random, chrUn_x, GL000191.1, KI270711.1, chrM, MT, chrEBV
_UNPLACED = re.compile(r"_(random|alt|fix|hap\d+)$|^chrUn|^(GL|KI|JH)\d|^(chr)?(M|MT|EBV)$")
_REGION = re.compile(r"^([^:\s]+):(\d+)-(\d+)$")


@dataclass(frozen=True)
class Region:
    """A stretch of one chromosome, 0-based, end excluded; its width is `end - start`."""

    chrom: str
    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Region:
        """Read "chr1:100-200". Raises InputError where the text has another form or no width."""
        match = _REGION.match(text.strip())
        if not match or int(match[2]) >= int(match[3]):
            raise InputError(f"region {text!r}: expected chrom:start-end with start < end")
        return cls(match[1], int(match[2]), int(match[3]))

    def __str__(self) -> str:
        return f"{self.chrom}:{self.start}-{self.end}"

    @property
    def width(self) -> int:
        return self.end - self.start

    def overlaps(self, other: Region) -> bool:
        return self.chrom == other.chrom and self.start < other.end and other.start < self.end


def spans(names: pd.Series) -> pd.DataFrame:
    """Many regions at once, each chrom:start-end as `str` of a `Region` writes it: chrom, start, end, with the index of `names`. What a
    file holds is checked by `Region.parse` before."""
    parts = names.astype(str).str.extract(r"^(?P<chrom>[^:]+):(?P<start>\d+)-(?P<end>\d+)$")
    return parts.astype({"start": "int64", "end": "int64"})


@dataclass(frozen=True)
class Genome:
    """A build: chromosome sizes in bp, and the fold (1 to 4) that each chromosome is held out in."""

    name: str
    sizes: Mapping[str, int]
    folds: Mapping[str, int]

    @property
    def fold_ids(self) -> list[int]:
        return sorted(set(self.folds.values()))


@cache
def _builds() -> dict[str, dict[str, list[int]]]:
    return yaml.safe_load((ROOT / "data" / "genomes.yml").read_text(encoding="utf-8"))


def build_names() -> list[str]:
    return list(_builds())


def load_genome(name: str) -> Genome:
    """A build of data/genomes.yml by name; an unknown name is an InputError that lists the known ones."""
    builds = _builds()
    if name not in builds:
        raise InputError(f"unknown genome build {name!r}, expected one of {', '.join(builds)}; add it to data/genomes.yml")
    rows = builds[name]
    return Genome(name, {chrom: size for chrom, (size, _) in rows.items()}, {chrom: fold for chrom, (_, fold) in rows.items()})


def profile_genome(profile: Profile) -> Genome:
    """The profile's build, from its own file of sizes where it has one, with its own folds where it names them."""
    if profile.chrom_sizes is None:
        genome = load_genome(profile.genome)
    else:
        sizes = read_sizes(profile.folder / profile.chrom_sizes)
        genome = Genome(profile.genome, sizes, deal_folds(sizes))
    if profile.folds is None:
        return genome
    folds = {chrom: fold for fold, chroms in profile.folds.items() for chrom in chroms}
    named = [chrom for chroms in profile.folds.values() for chrom in chroms]
    wrong = [f"{chrom} is none" for chrom in sorted(set(named) - set(genome.sizes))] + [f"{chrom} stands in two" for chrom in folds if named.count(chrom) > 1]
    if wrong:
        raise InputError(f"profile {profile.name}: folds: {'; '.join(wrong)}; expected chromosomes of {genome.name}, each once")
    return Genome(genome.name, genome.sizes, folds)


def read_sizes(path: Path) -> dict[str, int]:
    """Chromosome -> length in bp, from a chrom.sizes file; UCSC's unplaced contigs, haplotypes and mitochondria are left out."""
    sizes: dict[str, int] = {}
    expected = "two columns without a header, chromosome and length in bp"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # Windows puts a mark in front
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise InputError(f"{path}: {reason}, expected {expected}; correct chrom_sizes in the profile") from None
    for number, line in enumerate(lines, start=1):
        chrom, *rest = line.split() or [""]
        if not chrom:
            continue
        if not rest or not rest[0].isascii() or not rest[0].isdigit() or not 0 < int(rest[0]) < MAX_CHROM_BP or chrom in sizes:
            what = "a chromosome for the second time" if chrom in sizes else f"{line.strip()[:60]!r}"
            raise InputError(f"{path}:{number}: found {what}, expected {expected}; correct the line")
        sizes[chrom] = int(rest[0])
    sizes = {chrom: size for chrom, size in sizes.items() if not _UNPLACED.search(chrom)}
    if len(sizes) < 2:
        raise InputError(f"{path}: {len(sizes)} chromosomes, expected 2 or more, since whole ones are held out; correct it")
    return sizes


def deal_folds(sizes: Mapping[str, int]) -> dict[str, int]:
    """Chromosome -> fold: from the longest on, each to the fold that has the fewest bp so far; 4 folds, or one a chromosome."""
    filled = dict.fromkeys(range(1, min(4, len(sizes)) + 1), 0)
    folds = {}
    for chrom in sorted(sizes, key=lambda chrom: (-sizes[chrom], chrom)):
        folds[chrom] = min(filled, key=lambda fold: filled[fold])
        filled[folds[chrom]] += sizes[chrom]
    return {chrom: folds[chrom] for chrom in sizes}
