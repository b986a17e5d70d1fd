"""Run notebooks 3 to 8 for a profile and keep their small tables in data/results/<profile>/, those of the full budget in full/
there, with how they were made.

    python benchmarks/keep_results.py [--profile promoters-18k] [--budget full] [--notebooks 03_benchmark]

Trainings that are on disk are not repeated. Tables of genes, whose expression is others' data, those without rows, and those of
more than 120 kB stay in the profile's work folder.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from pathlib import Path

import pandas as pd
import report  # a script's own folder comes first on its path

from chromolib import book, prose
from chromolib.config import KEPT, ROOT
from chromolib.files import write_whole
from chromolib.profile import Profile, load_profile

NOTEBOOKS = (
    "03_benchmark", "04_window_size", "05_ablation", "06_attention", "07_pcri", "07b_cis_regulation", "07c_perturbation",
    "08_cross_species",
)  # fmt: skip
LARGEST = 120_000  # bytes


def kept(profile: Profile, notebook: str, since: float, to: Path) -> list[str]:
    """Copy the tables that a notebook wrote since a moment, seconds since 1970; their names."""
    to.mkdir(parents=True, exist_ok=True)
    number = re.match(r"\d+[a-z]?", notebook)[0]
    for old in to.glob(f"{number}_*.csv"):
        old.unlink()
    made = sorted((profile.work_dir / "results").glob(f"{number}_*.csv"))
    new = [path for path in made if path.stat().st_mtime >= since and path.stat().st_size <= LARGEST]
    small = [path for path in new if is_kept(pd.read_csv(path))]
    for path in small:
        shutil.copy(path, to / path.name)
    return [path.name for path in small]


def note(to: Path, notebook: str, about: list[tuple[str, str, str, str]]) -> None:
    """Say in made.csv how the tables of a notebook were made, in place of what it said of that notebook before."""
    table, path = pd.DataFrame(about, columns=["table", "notebook", "budget", "made"]), to / "made.csv"
    if path.exists():
        before = pd.read_csv(path)
        table = pd.concat([before[before["notebook"] != notebook], table], ignore_index=True)
    write_whole(path, lambda path: table.to_csv(path, index=False))


def is_kept(table: pd.DataFrame) -> bool:
    return len(table) > 0 and not {"gene_id", "symbol", "score"} & set(table)


def main() -> None:
    made = report.parser("keep_results.py", __doc__)
    made.add_argument("--profile", default="promoters-18k", help="name or path (promoters-18k)")
    made.add_argument("--budget", default="profile", choices=("profile", "full"))
    made.add_argument("--notebooks", nargs="+", choices=NOTEBOOKS, help="those of the profile")
    options = report.options_of(made)
    with report.one_line_errors("keep_results.py"), tempfile.TemporaryDirectory() as scratch:
        profile = load_profile(options.profile)
        to = KEPT / profile.name / ("full" if options.budget == "full" else "")
        for notebook in options.notebooks or [name for name in NOTEBOOKS if name in profile.notebooks]:
            start = time.time()
            target = Path(scratch) / f"{notebook}.ipynb"
            book.run_notebook(ROOT / "notebooks" / f"{notebook}.ipynb", target, {"profile": options.profile, "budget": options.budget})
            note(to, notebook, [(name, notebook, options.budget, report.about(options)) for name in kept(profile, notebook, start, to)])
    prose.update()  # the README's scoreboard
    print(f"{len(list(to.glob('0*.csv')))} tables in {to.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
