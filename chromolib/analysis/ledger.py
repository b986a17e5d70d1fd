"""What became of every claim in every profile: verdicts side by side.

In: tables of claims that notebooks left in a profile's work folder, and those that are kept in data/results. Out: tidy tables, real
profiles first. A table that is missing or damaged is named and stops nothing.
"""

from __future__ import annotations

import filecmp
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ..config import KEPT, InputError
from ..evaluation import in_brackets
from ..profile import Profile, load_profile, profile_names
from . import claims

OURS = "beyond"  # figure of a claim that the paper does not make
RULED_OUT, NOT_RUN = "ruled out", "not run"  # beside the verdicts of claims
VERDICTS = (claims.SEEN, claims.NOT_SEEN, RULED_OUT, claims.NOT_TESTABLE, NOT_RUN)
HERE, KEPT_TABLE = "this machine", "data/results"
ALPHA = 0.05
PLANTED, UNPLANTED = "sim", "null"  # the controls: where most claims were planted, and where none was
NUMBERS = ("value", "low", "high", "n", "p", "q")
COLUMNS = ("column", "profile", "data", "budget", "notebook", "id", "figure", "first", "second", *NUMBERS, "verdict", "why", "from")
FILES = ("profile", "data", "budget", "table", "from", "made", "state")


class Ledger(NamedTuple):
    """Columns are profiles, real ones first; one of budget "full" is a column of its own where its verdicts are others."""

    profiles: list[Profile]   # those of which there is any table
    verdicts: pd.DataFrame    # COLUMNS; a row for each column and claim of data/paper.yml, in the order of that file
    files: pd.DataFrame       # FILES; state: "read", or what is wrong with it


class _Table(NamedTuple):
    """A table of claims that is there."""

    profile: Profile
    budget: str
    notebook: str
    path: Path


def collect(record: Profile) -> Ledger:
    """Read the claims of `record` from its work folder, and those of all profiles, itself where it has none, from data/results.

    "Ruled out" is a verdict of "not seen" whose interval lies wholly on the other side of no effect (`claims.Claim.nothing`).
    """
    known = {claim.id: claim for claim in claims.of_notebook()}
    parts, files, shown = [], [], {}
    for table in _tables(record):
        about = {"profile": table.profile.name, "data": "simulated" if table.profile.simulated else "real", "budget": table.budget}
        found, state = _read(table.path, known)
        own = HERE if table.path.is_relative_to(table.profile.work_dir) else KEPT_TABLE
        files.append({**about, "table": table.path.stem, "from": own, "made": _made(table, own), "state": state})
        if found is None:
            continue
        shown.setdefault(table.profile.name, table.profile)
        column = table.profile.name + (", full" if table.budget == "full" else "")
        parts.append(found.assign(**about, column=column, **{"from": own}))
    return Ledger(list(shown.values()), _complete(parts, known), pd.DataFrame(files, columns=list(FILES)))


def of_paper(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The paper's claims among `verdicts`."""
    return verdicts[verdicts["figure"] != OURS]


def of_ours(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Claims that the paper does not make."""
    return verdicts[verdicts["figure"] == OURS]


def counts(verdicts: pd.DataFrame) -> pd.DataFrame:
    """How many claims have which verdict: data, column, a column per verdict, claims."""
    table = pd.crosstab([verdicts["data"], verdicts["column"]], verdicts["verdict"]).reindex(columns=list(VERDICTS), fill_value=0)
    order = pd.MultiIndex.from_frame(verdicts[["data", "column"]].drop_duplicates())
    table = table.reindex(order).reset_index().rename(columns={"column": "profile"})
    table.columns.name = None
    return table.assign(claims=table[list(VERDICTS)].sum(axis=1))


def stated(of: str = "paper") -> pd.DataFrame:
    """The claims of the paper, or "ours": figure, id, claim, where, test (statistic, models, when it counts as seen), paper (its value,
    or why there is none)."""
    table = (of_ours if of == "ours" else of_paper)(claims.listed()).reset_index(drop=True)
    models = table["first"].str.cat(" − " + table["second"].fillna("")).where(table["second"].notna(), table["first"])
    test = table["statistic"].str.replace(", first minus second", "") + ": " + models + ". Seen if " + table["seen_if"] + "."
    value = table["paper"].map("{:g}".format).where(table["paper"].notna(), table["note"])
    return table.assign(test=test, paper=value)[["figure", "id", "claim", "where", "test", "paper"]]


def in_words(verdicts: pd.DataFrame) -> str:
    """How many of these claims real data could test, with what outcome, and how many of them the controls do not bear out."""
    tested = verdicts[(verdicts["data"] == "real") & verdicts["verdict"].isin([claims.SEEN, claims.NOT_SEEN, RULED_OUT])]
    kinds = {name: set(part) for name, part in tested.groupby("id")["verdict"]}
    everywhere = {name for name, found in kinds.items() if found == {claims.SEEN}}
    some = {name for name, found in kinds.items() if claims.SEEN in found} - everywhere
    out = {name for name, found in kinds.items() if RULED_OUT in found}
    return (
        f"Of {verdicts['id'].nunique()} claims, real data could test {len(kinds)}: {len(everywhere)} are seen wherever they could be tested "
        f"({len(everywhere & _with_verdict(verdicts, UNPLANTED, claims.SEEN))} of these also on `{UNPLANTED}`, where expression follows the promoter alone), {len(some)} on some profiles and not on "
        f"others, {len(kinds) - len(everywhere) - len(some)} on none; {len(out)} are ruled out on at least one "
        f"({len(out & _with_verdict(verdicts, PLANTED, RULED_OUT))} of these also on `{PLANTED}`, where most were planted)."
    )


def _with_verdict(verdicts: pd.DataFrame, column: str, verdict: str) -> set[str]:
    return set(verdicts.loc[(verdicts["column"] == column) & (verdicts["verdict"] == verdict), "id"])


def in_numbers(verdicts: pd.DataFrame) -> pd.DataFrame:
    """A row per claim, figure and id, and a column per profile: verdict, value [low, high]; and q, where a claim is seen but would
    not be, were all claims of its notebook counted together."""
    text = verdicts["verdict"].where(verdicts["value"].isna(), verdicts["verdict"] + ": " + in_brackets(verdicts))
    is_alone = (verdicts["verdict"] == claims.SEEN) & (verdicts["q"] > ALPHA)
    text = text.mask(is_alone, text + ", q " + verdicts["q"].map("{:.3f}".format))
    wide = verdicts.assign(text=text).pivot(index=["figure", "id"], columns="column", values="text")
    wide.columns.name = None
    order = pd.MultiIndex.from_frame(verdicts[["figure", "id"]].drop_duplicates())
    return wide.reindex(index=order, columns=verdicts["column"].unique()).reset_index()


def _tables(record: Profile) -> Iterator[_Table]:
    """Those of `record` on this machine, else the kept ones, of each budget, where full differs; real profiles first, then by name."""
    profiles = {record.name: record}
    for name in profile_names():
        try:
            profiles.setdefault(name, load_profile(name))
        except InputError:
            continue  # the page of results names it
    for profile in sorted(profiles.values(), key=lambda profile: (profile.simulated, profile.name)):
        own, full = ({path.name: path for path in _of_budget(profile, record, budget)} for budget in ("profile", "full"))
        is_same = all(name in own and filecmp.cmp(path, own[name], shallow=False) for name, path in full.items())
        for budget, found in (("profile", own), ("full", {} if is_same else full)):
            for notebook in claims.NOTEBOOKS:
                if path := found.get(_name(notebook)):
                    yield _Table(profile, budget, notebook, path)


def _of_budget(profile: Profile, record: Profile, budget: str) -> Iterator[Path]:
    kept = KEPT / profile.name / ("full" if budget == "full" else "")
    for notebook in claims.NOTEBOOKS:
        made_here = profile.work_dir / "results" / _name(notebook)
        path = made_here if profile.name == record.name and budget == "profile" and made_here.exists() else kept / _name(notebook)
        if path.exists():
            yield path


def _name(notebook: str) -> str:
    return f"{notebook.partition('_')[0]}_claims.csv"


def _read(path: Path, known: dict[str, claims.Claim]) -> tuple[pd.DataFrame | None, str]:
    """A table's rows of claims that are stated, or None where it cannot be used; and its state."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        return None, f"damaged: {' '.join(str(error).split())}"
    if absent := [name for name in ("id", "verdict", "low", "high") if name not in table]:
        return None, f"damaged: no column {absent[0]!r}"
    if texts := [name for name in ("low", "high") if len(table) and not pd.api.types.is_numeric_dtype(table[name])]:
        return None, f"damaged: column {texts[0]!r} holds something other than numbers"
    found = table[table["id"].isin(known)].drop(columns=["figure"], errors="ignore")
    n_unknown = len(table) - len(found)
    found = found.assign(verdict=[_verdict(row, known[row.id]) for row in found.itertuples()])
    return found, "read" if not n_unknown else f"read; claims that data/paper.yml does not have: {n_unknown}"


def _verdict(row: tuple, claim: claims.Claim) -> str:
    nothing = claim.threshold if claim.nothing is None else claim.nothing
    is_ruled_out = {"above": row.high < nothing, "below": row.low > nothing, "either": False}[claim.direction]
    return RULED_OUT if row.verdict == claims.NOT_SEEN and is_ruled_out else row.verdict


def _made(table: _Table, own: str) -> str:
    """When, in UTC, a table of this machine was made; of a kept one date and commit, or "not known" where made.csv does not say."""
    if own == HERE:
        return f"{datetime.fromtimestamp(table.path.stat().st_mtime, UTC):%Y-%m-%d %H:%M}"
    try:
        notes = pd.read_csv(table.path.with_name("made.csv"), dtype=str)
        made = notes.loc[notes["table"] == table.path.name, "made"].iloc[-1]
        return made.split(", ", 1)[1].split(". ")[0]
    except (OSError, ValueError, KeyError, IndexError, AttributeError):
        return "not known"


def _complete(parts: list[pd.DataFrame], known: dict[str, claims.Claim]) -> pd.DataFrame:
    """All verdicts with a row for each column and claim."""
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
    columns = found[["column", "profile", "data", "budget"]].drop_duplicates()
    every = columns.merge(pd.DataFrame([(claim.id, claim.figure, claim.notebook) for claim in known.values()],
                                       columns=["id", "figure", "notebook"]), how="cross")  # fmt: skip
    table = every.merge(found.drop(columns=["profile", "data", "budget", "figure", "notebook"], errors="ignore"), on=["column", "id"], how="left")
    table["verdict"] = table["verdict"].fillna(NOT_RUN)
    return table.reindex(columns=list(COLUMNS)).astype(dict.fromkeys(NUMBERS, float))
