"""What two ways to run a profile are held against each other by: its tables and pages, without the times in them.

    python -m tests.batches DATA OTHER_DATA PROFILE     prints what differs; exit status 1 where anything does
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import nbformat
import pandas as pd

OF_THE_CALL = re.compile(r"\bT_[0-9a-f]{5}(?![0-9a-zA-Z])|\b0x[0-9a-f]+\b")  # ids that pandas draws for tables of a page, and addresses of objects
OF_THE_MACHINE = ["minutes", "memory_gb", "seconds", "made"]  # columns that differ from call to call


def tables(work: Path) -> dict[str, str]:
    """Table -> its text, of the profile whose work folder it is."""
    found = {}
    for path in sorted((work / "results").rglob("*.csv")):
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        found[path.relative_to(work).as_posix()] = frame.drop(columns=OF_THE_MACHINE, errors="ignore").to_csv(index=False)
    return found


def page(path: Path) -> list[tuple[str, str, str]]:
    """What an executed notebook shows, cell by cell, but for the last cell's line on when and how long."""
    cells = nbformat.read(path, as_version=4).cells
    shown = [(cell.cell_type, cell.source, OF_THE_CALL.sub("", json.dumps(cell.get("outputs", []), sort_keys=True))) for cell in cells]
    return [(kind, re.sub(r"^\| time \|.*$", "| time |", source, flags=re.MULTILINE), outputs) for kind, source, outputs in shown]


def main() -> None:
    data, other, profile = sys.argv[1:]
    ours, theirs = (tables(Path(folder) / "work" / profile) for folder in (data, other))
    if ours.keys() != theirs.keys():
        sys.exit(f"tables that only one has: {sorted(ours.keys() ^ theirs.keys())}")
    if differ := [name for name in ours if ours[name] != theirs[name]]:
        sys.exit(f"{len(differ)} of {len(ours)} tables differ: {', '.join(differ)}")
    print(f"{len(ours)} tables of {profile} are equal in every digit")


if __name__ == "__main__":
    main()
