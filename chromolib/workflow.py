"""The steps of a profile's book, for a workflow engine such as the one that reads the Snakefile.

In: a profile and a budget; nothing of its data is read. Out: a record that fits JSON: which steps there are, and what each needs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import machine, plans, studies
from .config import ROOT
from .jobs import own_settings
from .profile import Profile, load_profile, profile_file
from .runs import Run

AFTER_ALL = {"claims", "results"}  # notebooks that read the tables of the others


def steps(profile: str | os.PathLike[str], budget: str = "profile") -> dict[str, Any]:
    """What the book of a profile is made of, whether it is there or not.

    Returns
    -------
    dict
        name and work_dir of the profile; gpus of this machine, see `machine.visible_gpus`;
        code, a digest of this package: with another, pages are made again;
        profiles: work_dir -> profile (name or path), file, of this one and of others whose networks it needs (a second species);
        features: those that are needed, each a work_dir and a cell type;
        runs: id -> work_dir, features, after (ids of what it starts from), settings (a digest: with others it is another network);
        without those that only features will tell of, see `plans.is_sure`: their notebook trains them;
        notebooks: name -> runs (ids), after (names of notebooks).
    """
    study = studies.study(profile, budget)
    record = study.record
    needed = {name: [run for run in plans.runs_for(study, name) if plans.is_sure(run, study)] for name in record.notebooks}
    runs = {run.id: run for group in needed.values() for run in group}
    records = {name: load_profile(name) for name in dict.fromkeys([str(profile), *(run.profile for run in runs.values())])}
    of_runs = {name: _of_run(run, records[run.profile]) for name, run in runs.items()}
    own = [[_work_dir(record), name] for name in study.cell_types]
    features = [*own, *(store for step in of_runs.values() for store in step["features"])]
    return {
        "name": record.name,
        "work_dir": _work_dir(record),
        "gpus": machine.visible_gpus(),
        "code": _digest(path.read_text(encoding="utf-8") for path in _code()),
        "profiles": {_work_dir(known): {"profile": name, "file": str(profile_file(name).resolve())} for name, known in records.items()},
        "features": [list(store) for store in dict.fromkeys(map(tuple, features))],
        "runs": of_runs,
        "notebooks": {name: {"runs": [run.id for run in group], "after": _before(name, record)} for name, group in needed.items()},
    }


def _code() -> list[Path]:
    """What decides a page beside its notebook and its trainings: files of the package, and the claims."""
    package = sorted(path for path in (ROOT / "chromolib").rglob("*.*") if path.suffix in (".py", ".js", ".css"))
    return [*package, ROOT / "data" / "paper.yml"]


def _of_run(run: Run, record: Profile) -> dict[str, Any]:
    return {
        "work_dir": _work_dir(record),
        "features": [[_work_dir(record), name] for name in run.cell_types],
        "after": [run.source.id] if run.source else [],
        "settings": _digest([json.dumps(own_settings(run, record), sort_keys=True)]),
    }


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]


def _work_dir(record: Profile) -> str:
    return str(record.work_dir.resolve())


def _before(notebook: str, record: Profile) -> list[str]:
    return [name for name in record.notebooks if name not in AFTER_ALL] if notebook in AFTER_ALL else []
