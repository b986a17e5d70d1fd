"""The sections of a profile: inputs of each kind, the rules of cutting, what analyses read besides, how much is trained.

In: values of the YAML that a user wrote. Out: frozen, checked records, which `profile` puts together. Lengths are in base pairs (bp).
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from .config import Scale

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"  # of what gets a folder


class Section(BaseModel):
    """Settings that belong together, none but those that are named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    LATER: ClassVar[tuple[str, ...]] = ()  # settings that were added after features had been made

    def settings(self) -> dict[str, Any]:
        """As plain values; those of LATER only where they are used, so that what was made before them stays."""
        unused = {name for name in self.LATER if getattr(self, name) == type(self).model_fields[name].default}
        return self.model_dump(mode="json", exclude=unused)


class Mouse(Section):
    """A second species of a simulated cohort."""

    genome: str                                # a build in data/genomes.yml
    genes: int = Field(ge=8)
    cell_type: str = "M01"
    orthologues: float = Field(0.7, ge=0, le=1)  # share of its genes with one in the first species
    share: float = Field(0.8, ge=0, le=1)        # of their states that are those of the first cell type


class Strength(Section):
    """How strong the terms of expression at the promoter are in a simulated cell type, the first one's being 1."""

    initiation: float = Field(1.0, ge=0)
    elongation: float = Field(1.0, ge=0)


class Simulation(Section):
    """A simulated cohort; see simulate/ and the book's page on it for what is planted."""

    genes: int = Field(ge=8)
    seed: int = 1
    effects: Literal["all", "promoter"] = "all"  # on expression; promoter: nothing else has any, the negative control
    share: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}  # cell type -> share of states that are those of the first
    aberrant: dict[str, Annotated[int, Field(ge=0)]] = {}  # cell type -> genes that are the opposite of the first's
    strength: dict[str, Strength] = {}  # cell type -> its rule of expression, where it is not that of the first
    mouse: Mouse | None = None

    def strength_of(self, cell_type: str) -> Strength:
        return self.strength.get(cell_type, Strength())


class Rules(Section):
    """Choices between files and genes. The defaults are the release's; where the paper's text has another, it says so."""

    LATER: ClassVar = ("drop_duplicates", "min_mapq")

    min_contact: float = 1.5  # contacts above it count, those equal to it do not; the paper takes 10 for Hi-C of even bins
    biotype: str | None = "protein_coding"  # of the transcripts of a GTF that count; None: all, also where it names none
    # Where a transcript starts; None: as the release has it, the base before it in refGene, its first base in a GTF.
    tss_rule: Literal["base-before", "first-base"] | None = None
    tss: Literal["all", "promoter"] = "all"  # whose contacts a gene has: of all its TSSs, or of its promoter's alone
    repeated: Literal["first", "strongest"] = "first"  # contact of a region that several TSSs touch: of the first that does
    max_pcre_bp: int | None = Field(None, ge=1)  # wider ones are left out; None: the frame
    label: Literal["at-or-above", "above"] = "at-or-above"  # what is high, by the median; the paper writes above
    truncate_bp: int | None = Field(None, ge=1)  # reads are cut to it; Roadmap's are 36 bp long as published
    max_reads: int | None = Field(None, ge=1)  # of a cell type and mark, drawn at random; the release: 30,000,000, the paper: 3,000,000
    clip_depth: int | None = Field(None, ge=1)  # the release: 100 for mouse and CTCF, none for human marks
    seed: int = 0  # of max_reads
    drop_duplicates: bool = False  # what BAM marks so is left out; the release keeps it
    min_mapq: int = Field(0, ge=0, le=255)  # reads of BAM and FASTQ whose mapping quality is below are left out; the release keeps all


AnnotationFormat = Literal["refgene", "gtf", "table"]
ExpressionFormat = Literal["rpkm", "rsem", "table"]
ContactsFormat = Literal["3div", "geo", "geo-significant", "pickles", "matrices", "ibed", "peak-matrix", "bedpe", "table"]
SampleFormat = Literal["tagAlign", "bed", "bam", "bigwig", "fastq"]


class RawInputs(Section):
    """Public raw files. Paths are relative to the profile's raw folder, or "source:" and an id of data/sources.yml.

    {cell_type} and {mark} are filled in.
    """

    kind: Literal["raw"]
    simulation: Simulation | None = None  # given: `simulate` writes the files below
    # The simulated profile of data/profiles whose second species this is; its cohort has the files, below its raw folder.
    cohort: str | None = Field(None, pattern=NAME)
    reads: str = "alignments/{cell_type}-{mark}.tagAlign.gz"
    reads_format: SampleFormat = "tagAlign"
    scale: Scale = "depth"                # what a bigWig holds; reads have depth
    fasta: str | None = None              # sequence of the genome, where reads are fastq
    expression: str = "expression/RPKM.pc.gz"
    expression_format: ExpressionFormat = "rpkm"
    annotation: str = "annotation/refGene.txt.gz"
    annotation_format: AnnotationFormat = "refgene"
    gene_info: str | None = "annotation/gene_info.txt"  # symbols of refgene -> ids of expression
    contacts: tuple[str, ...] = ("contacts/{cell_type}.po.txt.gz", "contacts/{cell_type}.pp.txt.gz")
    contacts_format: ContactsFormat = "3div"
    # What is the frequency. Of 3div and geo: its name; None: dist_res, by distance and capture. Of bedpe: its number; None: 8, the score.
    contacts_column: str | None = None
    contacts_samples: dict[str, str] = {}  # cell type -> its name in a table of several, geo-significant or peak-matrix
    domains: str | None = None            # TADs, for selections of contacts by domain
    compartments: str | None = None       # PC1 of Hi-C, a column per cell type, for the extra track PC1

    @model_validator(mode="after")
    def _names_are_known(self) -> RawInputs:
        patterns = (self.reads, self.expression, self.annotation, self.gene_info, self.fasta, self.domains, self.compartments)
        patterns += self.contacts
        for pattern in filter(None, patterns):
            names_in(pattern, ("cell_type", "mark"))
        _check_bedpe(self)
        return self

    @model_validator(mode="after")
    def _is_simulated_once(self) -> RawInputs:
        if self.simulation and self.cohort:
            raise ValueError(f"found simulation and cohort={self.cohort!r}, expected one of them: files are either this profile's or another's; leave one out")
        return self


def _check_bedpe(inputs: RawInputs | OwnInputs) -> None:
    column = inputs.contacts_column
    if inputs.contacts_format == "bedpe" and column is not None and not (column.isdigit() and int(column) > 6):
        raise ValueError(f"contacts_column: found {column!r}, expected the number of a column of BEDPE in quotes, 7 or more; correct it")


class OwnInputs(Section):
    """A user's own files; paths are relative to the folder of the profile's file. See the book's page on own data."""

    LATER: ClassVar = ("expression_unit",)

    kind: Literal["own"]
    samples: str                                # CSV: cell_type, mark, path, format and, for a bigWig, scale
    expression: str | None = None               # gene_id and a column per cell type; none: cells to predict only
    expression_format: ExpressionFormat = "table"
    expression_unit: Literal["FPKM", "TPM"] = "FPKM"  # which column of RSEM's tables is read
    annotation: str                             # where genes start
    annotation_format: AnnotationFormat = "table"
    gene_info: str | None = None                # symbols of refgene -> ids of expression; without it, the ids are symbols
    contacts: tuple[str, ...] = ()              # none: a network of promoters alone; {cell_type} is filled in
    contacts_format: ContactsFormat = "table"
    contacts_column: str | None = None          # as in RawInputs
    contacts_samples: dict[str, str] = {}
    domains: str | None = None                  # TADs, BED; {cell_type} is filled in
    compartments: str | None = None             # as in RawInputs
    fasta: str | None = None                    # sequence of the genome, where a sample is fastq

    @field_validator("contacts", mode="before")
    @classmethod
    def _may_be_one(cls, contacts: Any) -> Any:
        return [contacts] if isinstance(contacts, str) else contacts

    @model_validator(mode="after")
    def _columns_are_of_the_format(self) -> OwnInputs:
        if self.expression_unit != "FPKM" and self.expression_format != "rsem":
            raise ValueError(f"expression_unit: found {self.expression_unit} with expression_format {self.expression_format}, which has no such choice; leave it out")
        _check_bedpe(self)
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> OwnInputs:
        for pattern in filter(None, (self.expression, self.domains, self.compartments, *self.contacts)):
            names_in(pattern, ("cell_type",))
        for pattern in filter(None, (self.samples, self.annotation, self.gene_info, self.fasta)):
            names_in(pattern, ())
        return self


def names_in(pattern: str, allowed: Sequence[str]) -> set[str]:
    """The names that a pattern has in braces; a ValueError where one is not `allowed`, or is more than a name."""
    expected = f"expected only {' and '.join(f'{{{name}}}' for name in allowed)} in braces" if allowed else "expected no braces"
    try:
        parts = [part[1:] for part in string.Formatter().parse(pattern) if part[1] is not None]
    except ValueError as error:
        raise ValueError(f"{pattern!r}: found {error}, {expected}; correct the braces") from None
    for name, spec, conversion in parts:
        if name not in allowed or spec or conversion:
            found = f"{{{name}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}}}"
            raise ValueError(f"{pattern!r}: found {found}, {expected}; correct the pattern")
    return {name for name, _, _ in parts}


class DemoInputs(Section):
    """The release's demo: a gene table and an array of per-base depth for each region, in one archive."""

    kind: Literal["release-demo"]
    source: str = "chromoformer-demo"     # id in data/sources.yml
    symbols: str = "h1-demo-symbols.csv"  # in data/; the release names its genes by id only


class PublishedInputs(Section):
    """Promoter signal that others have binned and published; ids are those of data/sources.yml."""

    kind: Literal["published"]
    format: Literal["patternchrome", "avocado-pilot", "deepdiff"]
    signal: str                               # pattern of ids; {sample} and, where files are per mark, {mark}
    samples: dict[str, str] = {}              # cell type -> its name in `signal`, where it is another
    contacts: dict[str, str] = {}             # cell type -> id of its enhancer-gene links; avocado-pilot only

    @field_validator("signal")
    @classmethod
    def _names_are_known(cls, signal: str) -> str:
        names_in(signal, ("sample", "mark"))
        return signal

    @model_validator(mode="after")
    def _contacts_have_signal(self) -> PublishedInputs:
        if self.contacts and self.format != "avocado-pilot":
            raise ValueError(
                f"contacts: found links of {', '.join(self.contacts)}, expected none: format {self.format} holds signal of "
                "promoters only; leave contacts out, or take format avocado-pilot"
            )
        return self


class Training(Section):
    """A profile's departures from a recipe (TrainConfig; of a peer, its authors'), where its data are too few for it."""

    epochs: int | None = Field(None, ge=0)
    batch_size: int | None = Field(None, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    decay: float | None = Field(None, gt=0)


class Budget(Section):
    """How much notebooks 3 to 8 train. What is not given is all there is; a notebook's budget "full" takes all of it, the peers by
    their authors' recipes."""

    cell_types: tuple[str, ...] | None = None
    folds: tuple[int, ...] | None = None
    peers: tuple[str, ...] | None = None           # of baselines.PEERS
    recipes: dict[str, Training] = {}              # peer -> departures from its authors' recipe
    better: bool = False                           # whether the better recipe is trained too
    # What peers read in the benchmark, whatever the budget: their authors' own window, or the frame, as Chromoformer does.
    peer_window: Literal["native", "frame"] = "native"
    ablations: Literal["core", "all"] = "all"      # core: no pairs of bin widths, no marks removed together
    transfer: Literal["core", "all"] = "all"       # core: one number of few genes, and one cell type that is taken for new


GO = "go"  # in place of a file of gene sets: those that `chromolib fetch go` makes


class Companions(Section):
    """What analyses read besides the inputs, each where there is one. Paths as in inputs: below the raw folder or "source:" and
    an id; of a user's own, beside the profile. {cell_type} is filled in."""

    segmentation: str | None = None            # chromHMM's states
    polycomb: dict[Annotated[str, Field(pattern=NAME)], str] = {}  # protein -> its peaks, narrowPeak
    polycomb_of: tuple[str, ...] | None = Field(None, min_length=1)  # cell types that those peaks are of; None: all
    gene_sets: str | None = None               # GMT, with symbols or ids; or GO

    @model_validator(mode="after")
    def _names_are_known(self) -> Companions:
        for pattern in filter(None, (self.segmentation, *self.polycomb.values())):
            names_in(pattern, ("cell_type",))
        if self.gene_sets:
            names_in(self.gene_sets, ())
        return self


class SecondSpecies(Section):
    """The counterpart of a profile in another species, whose genes its networks predict and the other way round."""

    profile: str      # name of a profile, or the path of one, relative to this profile's file
    orthologues: str  # table of gene ids of both; path as in companions

    @field_validator("profile")
    @classmethod
    def _paths_are_beside_the_profile(cls, profile: str, info: ValidationInfo) -> str:
        is_path = profile.endswith((".yml", ".yaml"))
        return str((info.context or {}).get("folder", Path()) / profile) if is_path else profile

    @field_validator("orthologues")
    @classmethod
    def _is_one_file(cls, orthologues: str) -> str:
        names_in(orthologues, ())
        return orthologues
