"""Genome builds and regions.

In: data/genomes.yml and region strings. Out: chromosome sizes (bp), cross-validation folds, 0-based half-open regions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import yaml

from .config import ROOT, InputError, Profile

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

    def clip(self, size: int) -> Region:
        """The part that lies on a chromosome of `size` bp."""
        clipped = Region(self.chrom, max(self.start, 0), min(self.end, size))
        if clipped.width <= 0:
            raise InputError(f"region {self}: lies outside its chromosome of {size:,} bp")
        return clipped


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


def load_genome(name: str) -> Genome:
    """A build of data/genomes.yml by name; an unknown name is an InputError that lists the known ones."""
    builds = _builds()
    if name not in builds:
        raise InputError(f"unknown genome build {name!r}, expected one of {', '.join(builds)}; add it to data/genomes.yml")
    rows = builds[name]
    return Genome(name, {chrom: size for chrom, (size, _) in rows.items()}, {chrom: fold for chrom, (_, fold) in rows.items()})


def profile_genome(profile: Profile) -> Genome:
    """The profile's build, with the profile's own folds where it names them."""
    genome = load_genome(profile.genome)
    if profile.folds is None:
        return genome
    folds = {chrom: fold for fold, chroms in profile.folds.items() for chrom in chroms}
    unknown = sorted(set(folds) - set(genome.sizes))
    if unknown or len(folds) != sum(map(len, profile.folds.values())):
        raise InputError(f"profile {profile.name}: folds: {unknown or 'a chromosome stands in two folds'}; expected chromosomes of {genome.name}, each once")
    return Genome(genome.name, genome.sizes, folds)
