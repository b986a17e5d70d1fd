"""The steps of a profile's book, for a workflow engine such as the one that reads the Snakefile.

In: a profile and a budget; nothing of its data is read. Out: a record that fits JSON: which steps there are, and what each needs.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from . import machine, plans, studies
from .config import ROOT, Profile, profile_file
from .runs import VERSION, Run, recipe_of, selection_of

AFTER_ALL = {"results"}  # notebooks that read the tables of the others


def steps(profile: str | os.PathLike[str], budget: str = "profile") -> dict[str, Any]:
    """What the book of a profile is made of, whether it is there or not.

    Returns
    -------
    dict
        name, file (of the profile), work_dir; gpus of this machine, see `machine.visible_gpus`; code, files that pages depend on;
        cell_types, those whose features are needed;
        runs: id -> cell_types, after (ids of what it starts from), settings (a digest: with others it is another network);
        notebooks: name -> runs (ids), after (names of notebooks).
    """
    study = studies.study(profile, budget)
    record = study.record
    needed = {name: plans.runs_for(study, name) for name in record.notebooks}
    runs = {run.id: run for group in needed.values() for run in group}
    cell_types = [*study.cell_types, *(name for run in runs.values() for name in run.cell_types)]
    return {
        "name": record.name,
        "file": str(profile_file(profile).resolve()),
        "work_dir": str(record.work_dir.resolve()),
        "gpus": machine.visible_gpus(),
        "code": sorted(str(path) for path in (ROOT / "chromolib").rglob("*.py")),
        "cell_types": list(dict.fromkeys(cell_types)),
        "runs": {name: _of_run(run, record) for name, run in runs.items()},
        "notebooks": {name: {"runs": [run.id for run in group], "after": _before(name, record)} for name, group in needed.items()},
    }


def _of_run(run: Run, record: Profile) -> dict[str, Any]:
    about = {name: value for name, value in vars(run).items() if name != "profile"}
    settings = [VERSION, about, vars(recipe_of(run, record)), selection_of(run, record)]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return {"cell_types": list(run.cell_types), "after": [run.source.id] if run.source else [], "settings": digest[:16]}


def _before(notebook: str, record: Profile) -> list[str]:
    return [name for name in record.notebooks if name not in AFTER_ALL] if notebook in AFTER_ALL else []
