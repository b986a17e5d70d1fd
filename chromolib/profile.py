"""A profile: which data, from where, how they are cut, and how much of them is trained.

In: YAML that a user wrote. Out: a frozen, checked record. Lengths are in base pairs (bp).
"""

from __future__ import annotations

import os
import string
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from .config import DEEPDIFF_MARKS, MARKS, PC1, ROOT, InputError, ModelConfig, Scale, TrainConfig

if TYPE_CHECKING:
    import pandas as pd

PROFILES = ROOT / "data" / "profiles"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"  # of what gets a folder


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    LATER: ClassVar[tuple[str, ...]] = ()  # settings that were added after features had been made

    def settings(self) -> dict[str, Any]:
        """As plain values; those of LATER only where they are used, so that what was made before them stays."""
        unused = {name for name in self.LATER if getattr(self, name) == type(self).model_fields[name].default}
        return self.model_dump(mode="json", exclude=unused)


class Mouse(_Section):
    """A second species of a simulated cohort."""

    genome: str                                # a build in data/genomes.yml
    genes: int = Field(ge=8)
    cell_type: str = "M01"
    orthologues: float = Field(0.7, ge=0, le=1)  # share of its genes with one in the first species
    share: float = Field(0.8, ge=0, le=1)        # of their states that are those of the first cell type


class Strength(_Section):
    """How strong the terms of expression at the promoter are in a simulated cell type, the first one's being 1."""

    initiation: float = Field(1.0, ge=0)
    elongation: float = Field(1.0, ge=0)


class Simulation(_Section):
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


class Rules(_Section):
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


class RawInputs(_Section):
    """Public raw files. Paths are relative to the profile's raw folder, or "source:" and an id of data/sources.yml.

    {cell_type} and {mark} are filled in.
    """

    kind: Literal["raw"]
    simulation: Simulation | None = None  # given: `simulate` writes the files below
    # The simulated profile of data/profiles whose second species this is; its cohort has the files, below its raw folder.
    cohort: str | None = Field(None, pattern=_NAME)
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
            _names_in(pattern, ("cell_type", "mark"))
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


class OwnInputs(_Section):
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
            _names_in(pattern, ("cell_type",))
        for pattern in filter(None, (self.samples, self.annotation, self.gene_info, self.fasta)):
            _names_in(pattern, ())
        return self


def _names_in(pattern: str, allowed: Sequence[str]) -> set[str]:
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


class DemoInputs(_Section):
    """The release's demo: a gene table and an array of per-base depth for each region, in one archive."""

    kind: Literal["release-demo"]
    source: str = "chromoformer-demo"     # id in data/sources.yml
    symbols: str = "h1-demo-symbols.csv"  # in data/; the release names its genes by id only


class PublishedInputs(_Section):
    """Promoter signal that others have binned and published; ids are those of data/sources.yml."""

    kind: Literal["published"]
    format: Literal["patternchrome", "avocado-pilot", "deepdiff"]
    signal: str                               # pattern of ids; {sample} and, where files are per mark, {mark}
    samples: dict[str, str] = {}              # cell type -> its name in `signal`, where it is another
    contacts: dict[str, str] = {}             # cell type -> id of its enhancer-gene links; avocado-pilot only

    @field_validator("signal")
    @classmethod
    def _names_are_known(cls, signal: str) -> str:
        _names_in(signal, ("sample", "mark"))
        return signal

    @model_validator(mode="after")
    def _contacts_have_signal(self) -> PublishedInputs:
        if self.contacts and self.format != "avocado-pilot":
            raise ValueError(
                f"contacts: found links of {', '.join(self.contacts)}, expected none: format {self.format} holds signal of "
                "promoters only; leave contacts out, or take format avocado-pilot"
            )
        return self


class Training(_Section):
    """A profile's departures from a recipe (TrainConfig; of a peer, its authors'), where its data are too few for it."""

    epochs: int | None = Field(None, ge=0)
    batch_size: int | None = Field(None, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    decay: float | None = Field(None, gt=0)


class Budget(_Section):
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


class Companions(_Section):
    """What analyses read besides the inputs, each where there is one. Paths as in inputs: below the raw folder or "source:" and
    an id; of a user's own, beside the profile. {cell_type} is filled in."""

    segmentation: str | None = None            # chromHMM's states
    polycomb: dict[Annotated[str, Field(pattern=_NAME)], str] = {}  # protein -> its peaks, narrowPeak
    polycomb_of: tuple[str, ...] | None = Field(None, min_length=1)  # cell types that those peaks are of; None: all
    gene_sets: str | None = None               # GMT, with symbols or ids; or GO

    @model_validator(mode="after")
    def _names_are_known(self) -> Companions:
        for pattern in filter(None, (self.segmentation, *self.polycomb.values())):
            _names_in(pattern, ("cell_type",))
        if self.gene_sets:
            _names_in(self.gene_sets, ())
        return self


class SecondSpecies(_Section):
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
        _names_in(orthologues, ())
        return orthologues


class Profile(_Section):
    """Which data, from where, and how they are cut. One YAML file; see data/profiles."""

    name: str = Field(pattern=_NAME)
    title: str
    genome: str                                    # a build in data/genomes.yml, or the name of that in chrom_sizes
    chrom_sizes: str | None = None                 # file of any other build, relative to the profile's own folder
    cell_types: dict[Annotated[str, Field(pattern=_NAME)], str] = Field(min_length=1)  # id -> name for readers
    marks: tuple[str, ...] = MARKS
    extra_tracks: tuple[str, ...] = ()             # held beside the marks, read only by networks that name them: CTCF, PC1
    folds: dict[int, tuple[str, ...]] | None = None  # fold -> chromosomes; None: the build's own
    frame_bp: int = Field(40_000, ge=2, le=10_000_000)
    base_bp: int = 100                             # bin width of the feature store; network bins are multiples
    bin_bp: tuple[int, ...] = ModelConfig.bin_bp   # of the network, coarse to fine
    max_pcres: int = Field(8, ge=0, le=1000)
    log_base: Literal["e", "2"] = "e"              # Deviates: the paper writes log2; the release's weights need ln
    inputs: Annotated[RawInputs | OwnInputs | DemoInputs | PublishedInputs, Field(discriminator="kind")]
    companions: Companions = Companions()
    second_species: SecondSpecies | None = None
    rules: Rules = Rules()
    # Cell types whose published RPKM make the baseline "mean of the other cell types"; raw inputs take their own matrix.
    other_cell_types: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()                  # of data/sources.yml, what analyses read besides the inputs
    local_files: dict[str, Path] = {}              # source -> a user's own file in its place; relative to this file
    training: Training = Training()
    budget: Budget = Budget()
    example_gene: str | None = None                # id or symbol that notebooks show; None: the one with most contacts
    notebooks: tuple[str, ...] = ("01_preprocess", "02_train", "claims", "results")

    _folder: Path = PrivateAttr(PROFILES)          # of the file that it was read from

    @field_validator("marks")
    @classmethod
    def _marks_are_distinct(cls, marks: tuple[str, ...]) -> tuple[str, ...]:
        if not marks or len(set(marks)) != len(marks):
            raise ValueError(f"expected at least one mark, each once; found {list(marks)}")
        return marks

    @field_validator("local_files")
    @classmethod
    def _paths_are_beside_the_profile(cls, files: dict[str, Path], info: ValidationInfo) -> dict[str, Path]:
        folder = (info.context or {}).get("folder", Path())
        return {source_id: folder / path for source_id, path in files.items()}

    @field_validator("bin_bp")
    @classmethod
    def _widths_are_distinct(cls, bin_bp: tuple[int, ...]) -> tuple[int, ...]:
        if not bin_bp or len(set(bin_bp)) != len(bin_bp):
            raise ValueError(f"found {list(bin_bp)}, expected at least one width, each once; correct it or leave it out")
        return bin_bp

    @model_validator(mode="after")
    def _base_divides_frame(self) -> Profile:
        if self.base_bp < 1 or self.frame_bp % (2 * self.base_bp):
            raise ValueError(f"base_bp={self.base_bp} does not divide half of frame_bp={self.frame_bp}")
        for width in self.bin_bp:
            if width < 1 or width % self.base_bp or self.frame_bp % width:
                raise ValueError(f"bin_bp={width}, expected multiples of base_bp={self.base_bp} that divide frame_bp={self.frame_bp}")
        return self

    @model_validator(mode="after")
    def _extra_tracks_can_be_had(self) -> Profile:
        extra, inputs = self.extra_tracks, self.inputs
        if PC1 in self.marks or len(set(self.tracks)) != len(self.tracks):
            raise ValueError(f"extra_tracks: found {list(extra)}, expected each once, none of the marks, and {PC1} here if anywhere; correct it")
        if extra and not isinstance(inputs, RawInputs | OwnInputs):
            raise ValueError(f"extra_tracks: found {list(extra)}, expected none: inputs of kind {inputs.kind} have only marks; leave it out")
        if PC1 in extra and inputs.compartments is None:
            raise ValueError(f"extra_tracks: found {PC1}, but no inputs.compartments; name a table of PC1 there, or leave it out")
        return self

    @model_validator(mode="after")
    def _companions_are_of_its_cell_types(self) -> Profile:
        if unknown := [name for name in self.companions.polycomb_of or () if name not in self.cell_types]:
            raise ValueError(
                f"companions.polycomb_of: found {unknown[0]!r}, expected cell types of the profile ({', '.join(self.cell_types)}); "
                "correct it or add it to cell_types"
            )
        return self

    @model_validator(mode="after")
    def _second_species_is_another(self) -> Profile:
        if self.second_species and self.second_species.profile == self.name:
            raise ValueError(f"second_species.profile: found {self.name!r}, this profile itself, expected that of another species; correct it or leave it out")
        return self

    @model_validator(mode="after")
    def _rules_are_heeded(self) -> Profile:
        heeded = {"published": ("label", "max_pcre_bp"), "release-demo": ("max_pcre_bp",)}.get(self.inputs.kind, tuple(Rules.model_fields))
        if self.simulated:  # what is planted follows the defaults of these
            heeded = [name for name in heeded if name not in ("tss", "repeated", "max_pcre_bp", "label")]
        if unheeded := [name for name in Rules.model_fields if name in self.rules.model_fields_set and name not in heeded]:
            raise ValueError(f"rules.{unheeded[0]}: found with {'simulated inputs' if self.simulated else f'inputs of kind {self.inputs.kind}'}, which leave no such choice; leave it out")
        return self

    @model_validator(mode="after")
    def _fits_published(self) -> Profile:
        inputs = self.inputs
        if not isinstance(inputs, PublishedInputs):
            return self
        for setting in ("samples", "contacts"):
            if unknown := [name for name in getattr(inputs, setting) if name not in self.cell_types]:
                raise ValueError(
                    f"inputs.{setting}: found {unknown[0]!r}, expected cell types of the profile "
                    f"({', '.join(self.cell_types)}); correct it or add it to cell_types"
                )
        if unknown := [mark for mark in self.marks if mark not in DEEPDIFF_MARKS]:
            raise ValueError(
                f"marks: found {unknown[0]!r}, but format {inputs.format} has only {', '.join(DEEPDIFF_MARKS)}; leave it out"
            )
        if inputs.format != "deepdiff" and len(self.marks) > 1 and "mark" not in _names_in(inputs.signal, ("sample", "mark")):
            raise ValueError(
                f"inputs.signal: found {inputs.signal!r} for {len(self.marks)} marks, but files of {inputs.format} are per "
                "mark; expected {mark} in it"
            )
        fixed = {"patternchrome": (50, 10_000), "deepdiff": (100, 20_000)}.get(inputs.format)  # as they were published
        if fixed and (self.base_bp, self.frame_bp) != fixed:
            raise ValueError(
                f"found base_bp={self.base_bp} and frame_bp={self.frame_bp}, but signal of format {inputs.format} has "
                f"base_bp={fixed[0]} and frame_bp={fixed[1]}; write these two"
            )
        return self

    @property
    def simulated(self) -> bool:
        """Whether a page made from this profile has to say that its numbers are simulated."""
        return isinstance(self.inputs, RawInputs) and bool(self.inputs.simulation or self.inputs.cohort)

    @property
    def tracks(self) -> tuple[str, ...]:
        """What features hold: the marks, then the extra tracks."""
        return (*self.marks, *self.extra_tracks)

    @property
    def sampled(self) -> tuple[str, ...]:
        """Those of the tracks that are signal, of which each cell type has a sample."""
        return tuple(track for track in self.tracks if track != PC1)

    @property
    def folder(self) -> Path:
        """Folder of the file that the profile was read from; a user's own files are named relative to it."""
        return self._folder

    @property
    def raw_dir(self) -> Path:
        """Folder of raw files; of a second species that is simulated, that of its cohort."""
        return data_root() / "raw" / (getattr(self.inputs, "cohort", None) or self.name)

    @property
    def work_dir(self) -> Path:
        return data_root() / "work" / self.name

    @property
    def is_measured(self) -> bool:
        """Whether expression is known, which is what networks are trained on."""
        return not isinstance(self.inputs, OwnInputs) or self.inputs.expression is not None

    def check_measured(self) -> None:
        """Raise an InputError where there is nothing to train on or to compare with."""
        if not self.is_measured:
            raise InputError(
                f"profile {self.name}: found no inputs.expression, expected a table of it to train on; name one, or have these cells "
                "predicted by networks that are there: chromolib predict"
            )

    def train_config(self, **overrides: Any) -> TrainConfig:
        """The paper's recipe with this profile's departures, then `overrides`."""
        return TrainConfig(**(self.training.model_dump(exclude_none=True) | overrides))

    def recipe(self) -> pd.DataFrame:
        """The profile's recipe beside the paper's: setting, here, paper."""
        import pandas as pd  # the one table here; loading it takes longer than a command's help

        here, paper = self.train_config().to_dict(), TrainConfig().to_dict()
        shown = ("epochs", "batch_size", "learning_rate", "decay", "weight_decay")
        return pd.DataFrame([(name, f"{here[name]:g}", f"{paper[name]:g}") for name in shown], columns=["setting", "here", "paper"])

    def check_cell_type(self, cell_type: str) -> str:
        """Return `cell_type`, or raise an InputError that lists those of the profile."""
        if cell_type not in self.cell_types:
            raise InputError(f"profile {self.name}: unknown cell type {cell_type!r}, expected one of {', '.join(self.cell_types)}")
        return cell_type


def data_root() -> Path:
    """Folder of data/raw and data/work; CHROMOLIB_DATA moves both to another disk."""
    return Path(os.environ.get("CHROMOLIB_DATA") or ROOT / "data")


def profile_names() -> list[str]:
    return sorted(path.stem for path in PROFILES.glob("*.yml"))


def load_profile(name: str | os.PathLike[str]) -> Profile:
    """Read a profile by name (data/profiles/<name>.yml) or by path.

    Raises
    ------
    InputError
        Unknown name, unreadable YAML, or a setting that does not fit; the message names the file, the line and the setting.
    """
    profile, faults = try_profile(name)
    if profile is None:
        raise InputError(faults[0])
    return profile


def cohort_of(profile: Profile) -> Profile:
    """The profile whose simulation writes the files of a simulated one: itself, or where that is a second species, the first's.

    Raises
    ------
    InputError
        The profile is not simulated, or the cohort that it names has no such species.
    """
    if not profile.simulated:
        raise InputError(f"profile {profile.name}: has no inputs.simulation, expected one that is simulated, like sim")
    name = profile.inputs.cohort
    if name is None:
        return profile
    cohort = load_profile(name)
    mouse = cohort.inputs.simulation.mouse if cohort.simulated and cohort.inputs.simulation else None
    if mouse is None:
        raise InputError(f"profile {profile.name}: inputs.cohort: {name} simulates no second species, expected one with inputs.simulation.mouse, like sim")
    found, written = (profile.genome, [*profile.cell_types]), (mouse.genome, [mouse.cell_type])
    if found != written or not set(profile.sampled) <= set(cohort.marks):
        raise InputError(
            f"profile {profile.name}: found genome {profile.genome}, cell types {', '.join(profile.cell_types)} and marks {', '.join(profile.sampled)}, but the "
            f"second species of {name} has genome {mouse.genome}, cell type {mouse.cell_type} and marks {', '.join(cohort.marks)}; correct one of the two profiles"
        )
    return cohort


def try_profile(name: str | os.PathLike[str]) -> tuple[Profile | None, list[str]]:
    """As `load_profile`, but with everything that is wrong, a line each, in place of an error."""
    path = profile_file(name)
    if not path.is_file():
        return None, [f"unknown profile {str(name)!r}: expected one of {', '.join(profile_names())}, or a path to a .yml file"]
    try:
        text = path.read_text(encoding="utf-8-sig")
        values = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line, found = (f":{mark.line + 1}", error.problem) if mark and error.problem else ("", str(error))
        return None, [f"{path}{line}: not readable as YAML: {' '.join(found.split())}; correct it"]
    try:
        profile = Profile.model_validate(values, context={"folder": path.resolve().parent})
    except ValidationError as error:
        return None, [_fault_of(path, text, fault) for fault in error.errors()]
    profile._folder = path.resolve().parent
    return profile, []


class _Loader(yaml.SafeLoader):
    """Plain values only, each setting once; what they can't be is told with its line."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"found {key.value} for the second time, expected it once", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # of a date that there is not
            found = f"found {node.value!r} ({error}), expected a number, a date or text in quotes"
            raise yaml.constructor.ConstructorError(None, None, found, node.start_mark) from None


def profile_file(name: str | os.PathLike[str]) -> Path:
    """Where a profile of this name, or at this path, is read from."""
    path = Path(name)
    return path if path.suffix in (".yml", ".yaml") else PROFILES / f"{name}.yml"


def _fault_of(path: Path, text: str, fault: Any) -> str:
    """One line about one error of pydantic."""
    where = ".".join(str(part) for part in fault["loc"]) or "top level"
    found = fault["msg"].removeprefix("Value error, ")  # pydantic's words for an error that a validator raised
    return f"{path}:{_line_of(text, fault['loc'])}: {where}: {found}; see data/profiles for examples"


def _line_of(text: str, location: Sequence[str | int]) -> int:
    """The line, from 1, of a setting in YAML, or of the section that should hold it."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = node.start_mark.line if node else 0
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:  # a missing setting, or pydantic's word for the kind of a section
                continue
            line, node = found[0][0].start_mark.line, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
    return line + 1
