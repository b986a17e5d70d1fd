"""Results of every profile that was made on this machine, side by side.

In: tables that notebooks left in the profiles' work folders. Out: tidy tables, real profiles first. A table that is missing or
damaged is named and stops nothing.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..config import ROOT, InputError
from ..evaluation import in_brackets, verdicts
from ..profile import Profile, data_root, load_profile, profile_names

LEVEL = ("model", "metric", "value", "low", "high", "n")
CHANGE = ("metric", "first", "second", "value", "low", "high", "n")
TABLES: dict[str, tuple[str, tuple[str, ...]]] = {  # results/<name>.csv -> notebook that writes it, columns
    "02_intervals_clf": ("02_train", LEVEL),
    "02_intervals_reg": ("02_train", LEVEL),
    "02_difference_clf": ("02_train", CHANGE),
    "02_difference_reg": ("02_train", CHANGE),
    "02b_levels": ("02b_fold_change", ("cell_type", "task", *LEVEL)),
    "02b_beside_others": ("02b_fold_change", ("cell_type", "task", *CHANGE)),
    "02b_intervals": ("02b_fold_change", ("cell_type", *LEVEL)),
    "02b_difference": ("02b_fold_change", ("cell_type", *CHANGE)),
}
MAY_BE_EMPTY = ("02b_beside_others",)  # where there are no other cell types
TASKS = {"roc_auc": "clf", "accuracy": "clf", "average_precision": "clf", "pearson": "reg", "spearman": "reg", "r2": "reg"}


class Board(NamedTuple):
    """Real profiles first, then by name."""

    profiles: list[Profile]  # those of which something could be read
    unmade: list[Profile]    # the others
    scores: pd.DataFrame     # profile, data, cell_type, task (clf, reg, diff), model, metric, value, low, high, n
    changes: pd.DataFrame    # profile, data, cell_type, task, metric, first, second, value, low, high, n
    files: pd.DataFrame      # profile, data, table, made (UTC), state ("read", "not made" or what is wrong with it), where
                             # there is any file
    missing: pd.DataFrame    # profile, data, what, why, command; profiles and folders of which nothing could be read


def collect(record: Profile) -> Board:
    """Read the tables of every profile: those of data/profiles, and `record`, which may be a reader's own.

    A cell type that two tables report (notebooks 2 and 2b) is taken from the one made last.
    """
    known, missing = _profiles(record)
    parts: dict[str, list[pd.DataFrame]] = {"scores": [], "changes": []}
    files, shown, unmade = [], [], []
    for profile in known:
        data = "simulated" if profile.simulated else "real"
        about = {"profile": profile.name, "data": data}
        own = []
        for name, (notebook, columns) in TABLES.items():
            if notebook not in profile.notebooks and not _path(profile, name).exists():
                continue
            table, made, state = _read(profile, name, columns)
            own.append({**about, "table": name, "made": made, "state": state})
            if table is not None:
                kind = "scores" if "model" in columns else "changes"
                parts[kind].append(table.assign(**about, made=made))
        states = {row["state"] for row in own}
        files += own if states - {"not made"} else []
        if "read" in states:
            shown.append(profile)
        else:
            unmade.append(profile)
            why = "its tables are damaged, see above" if states - {"not made"} else "not made yet"
            missing.append({**about, "what": profile.title, "why": why, "command": _command(profile)})
    order = ["profile", "data", "cell_type", "task"]
    return Board(
        shown,
        unmade,
        _newest(parts["scores"])[[*order, *LEVEL]],
        _together(parts["changes"])[[*order, *CHANGE]],
        pd.DataFrame(files, columns=["profile", "data", "table", "made", "state"]),
        pd.DataFrame(missing, columns=["profile", "data", "what", "why", "command"]).sort_values(["data", "profile"], ignore_index=True),
    )  # fmt: skip


def rows(scores: pd.DataFrame) -> pd.DataFrame:
    """`scores` as `plots.plot_intervals` takes them: with `row` (profile and cell type) and `simulated`.

    The mean over the whole window is one model, however wide a profile's window is.
    """
    marked = " (simulated)"
    model = scores["model"].str.replace(r"^Mean signal, (?!4 kb).*", "Mean signal, whole window", regex=True)
    simulated = scores["data"] == "simulated"
    row = scores["profile"] + "\n" + scores["cell_type"] + np.where(simulated, marked, "")
    table = scores.assign(row=row, model=model, simulated=simulated)
    first_seen = {name: i for i, name in enumerate(table["model"].unique())}
    order = {name: i for i, name in enumerate(table["row"].unique())}
    return table.sort_values(["row", "model"], key=lambda column: column.map(order if column.name == "row" else first_seen),
                             kind="stable", ignore_index=True)  # fmt: skip


def side_by_side(scores: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """One row per profile, cell type and model with its n; each metric as text, value [low, high]."""
    shown = scores[scores["metric"].isin(metrics)]
    keys = ["data", "profile", "cell_type", "model", "n"]
    order = pd.MultiIndex.from_frame(shown[keys].drop_duplicates())
    wide = shown.assign(text=in_brackets(shown)).pivot(index=keys, columns="metric", values="text")
    wide.columns.name = None
    return wide.reindex(index=order, columns=list(metrics)).reset_index().astype({"n": int})


def differences(changes: pd.DataFrame) -> pd.DataFrame:
    """`changes` in few columns: data, profile, cell_type, metric, models (first - second), difference [low, high], n, verdict."""
    table = verdicts(changes)
    table["models"] = table["first"] + " - " + table["second"]
    table["difference"] = in_brackets(table)
    return table[["data", "profile", "cell_type", "metric", "models", "difference", "n", "verdict"]]


def _profiles(record: Profile) -> tuple[list[Profile], list[dict]]:
    """All profiles, real ones first, and what cannot be shown for want of a readable profile."""
    profiles, missing = {record.name: record}, []
    for name in profile_names():
        try:
            profile = load_profile(name)
        except InputError as error:
            missing.append({"profile": name, "data": "unknown", "what": "", "why": str(error).replace(f"{ROOT}/", ""), "command": "correct the profile"})
        else:
            profiles.setdefault(profile.name, profile)
    named = set(profiles) | {row["profile"] for row in missing}
    work = data_root() / "work"
    for folder in sorted(work.iterdir()) if work.is_dir() else []:
        if folder.name not in named and any((folder / "results").glob("02*.csv")):
            missing.append({"profile": folder.name, "data": "unknown", "what": "", "command": "make book PROFILE=<its YAML file>",
                            "why": "has results, but no profile of that name lies in data/profiles"})  # fmt: skip
    return sorted(profiles.values(), key=lambda profile: (profile.simulated, profile.name)), missing


def _command(profile: Profile) -> str:
    return f"make book PROFILE={profile.name if profile.name in profile_names() else '<its YAML file>'}"


def _path(profile: Profile, name: str) -> Path:
    return profile.work_dir / "results" / f"{name}.csv"


def _read(profile: Profile, name: str, columns: Sequence[str]) -> tuple[pd.DataFrame | None, str, str]:
    """A table, or None where it cannot be used; when it was made; and its state."""
    path = _path(profile, name)
    if not path.exists():
        return None, "", "not made"
    made = f"{datetime.fromtimestamp(path.stat().st_mtime, UTC):%Y-%m-%d %H:%M}"
    try:
        table = _parse(path, columns, may_be_empty=name in MAY_BE_EMPTY)
    except (OSError, ValueError) as error:
        return None, made, f"damaged: {' '.join(str(error).split())}; {_command(profile)}"
    if "cell_type" not in table:
        table["cell_type"] = _cell_type(profile)
    if "task" not in table:
        table["task"] = "diff" if name.startswith("02b") else table["metric"].map(TASKS)
    return table, made, "read"


def _parse(path: Path, columns: Sequence[str], *, may_be_empty: bool) -> pd.DataFrame:
    """A table with these columns, numbers where there must be; ValueError says what is wrong."""
    text = path.read_text(encoding="utf-8")
    if not text.endswith("\n"):
        raise ValueError("it ends in the middle of a line")
    table = pd.read_csv(io.StringIO(text))
    if absent := [column for column in columns if column not in table]:
        raise ValueError(f"no column {absent[0]!r}, expected {', '.join(columns)}")
    if table.empty and not may_be_empty:
        raise ValueError("it holds no rows")
    for column in columns:
        is_number = column in ("value", "low", "high", "n")
        if is_number and not table.empty and not pd.api.types.is_numeric_dtype(table[column]):
            raise ValueError(f"column {column!r} holds something other than numbers")
        if column not in ("value", "low", "high") and table[column].isna().any():  # a metric may mean nothing
            raise ValueError(f"row {int(table[column].isna().to_numpy().argmax()) + 1} has no {column}")
    if unknown := set(table["metric"]) - set(TASKS):
        raise ValueError(f"unknown metric {min(unknown)!r}, expected one of {', '.join(TASKS)}")
    return table


def _cell_type(profile: Profile) -> str:
    """Cell type of notebook 2's tables, from the history that it writes beside them; else the profile's first."""
    try:
        return str(pd.read_csv(profile.work_dir / "results" / "02_history.csv")["cell_type"].iloc[0])
    except (OSError, ValueError, KeyError, IndexError):
        return next(iter(profile.cell_types))


def _together(tables: list[pd.DataFrame]) -> pd.DataFrame:
    columns = ["profile", "data", "cell_type", "task", "made", *LEVEL, *CHANGE]
    tables = [table for table in tables if not table.empty]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(dict.fromkeys(columns)))


def _newest(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """All tables; of those that report the same profile, cell type and task, the one made last."""
    table = _together(tables)
    newest = table.groupby(["profile", "cell_type", "task"], sort=False)["made"].transform("max")
    table = table[table["made"] == newest]
    return table.drop_duplicates(["profile", "cell_type", "task", "model", "metric"], keep="last").reset_index(drop=True)
