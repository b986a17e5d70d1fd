"""A profile: which data, from where, how they are cut, and how much of them is trained.

In: YAML that a user wrote. Out: a frozen, checked record. Lengths are in base pairs (bp).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import Field, PrivateAttr, ValidationError, ValidationInfo, field_validator, model_validator

from .config import DEEPDIFF_MARKS, MARKS, PC1, ROOT, InputError, ModelConfig, TrainConfig
from .sections import (
    NAME,
    Budget,
    Companions,
    DemoInputs,
    OwnInputs,
    PublishedInputs,
    RawInputs,
    Rules,
    SecondSpecies,
    Section,
    Training,
    names_in,
)

if TYPE_CHECKING:
    import pandas as pd

PROFILES = ROOT / "data" / "profiles"


class Profile(Section):
    """Which data, from where, and how they are cut. One YAML file; see data/profiles."""

    name: str = Field(pattern=NAME)
    title: str
    genome: str                                    # a build in data/genomes.yml, or the name of that in chrom_sizes
    chrom_sizes: str | None = None                 # file of any other build, relative to the profile's own folder
    cell_types: dict[Annotated[str, Field(pattern=NAME)], str] = Field(min_length=1)  # id -> name for readers
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
    # Cell types whose published RPKM make the baseline "mean of the other cell types"; raw and own inputs take the profile's others.
    other_cell_types: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()                  # of data/sources.yml, what analyses read besides the inputs
    local_files: dict[str, Path] = {}              # source -> a user's own file in its place; relative to this file  # noqa: RUF012 (pydantic copies it)
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
    def _others_are_read(self) -> Profile:
        if self.other_cell_types and isinstance(self.inputs, RawInputs | OwnInputs):
            raise ValueError(
                f"other_cell_types: found {self.other_cell_types[0]!r} with inputs of kind {self.inputs.kind}, which take the profile's own other "
                "cell types, expected it only where signal is published; name them under cell_types, with samples, or leave it out"
            )
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
        if inputs.format != "deepdiff" and len(self.marks) > 1 and "mark" not in names_in(inputs.signal, ("sample", "mark")):
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
