"""Numbers in README.md are those of the tables that are kept."""

import re

import pandas as pd
import pytest
import report

from chromolib import prose
from chromolib.config import KEPT, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Row of the README's table beside the release -> table of benchmarks/results and its row.
SPEED = {
    "forward pass of 64 genes": ("train_step", "forward", "s"),
    "training step (forward, backward, AdamW)": ("train_step", "train_step", "s"),
    "memory that a step adds at its peak": ("train_step", "train_step", "MB added"),
    "epoch of 64 genes and 19 held-out ones": ("epoch", "epoch", "s"),
    "the same without anomaly detection": ("epoch", "epoch, release without anomaly detection", "s"),
}


def rows_of(heading):
    """Rows of the first table under a heading, as lists of cells."""
    text = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return lines[2:]


def test_readme_shows_the_scoreboard_as_its_tables_have_it():
    assert prose.markdown(prose.scoreboard(prose.README_TASKS)) in README, "chromolib.prose.update() brings it up to date"


def test_scoreboard_of_the_readme_is_brought_up_to_date_and_nothing_else(tmp_path):
    board = prose.markdown(prose.scoreboard(prose.README_TASKS))
    stale = README.replace(board, board.replace("0.9", "0.1").rpartition("\n")[0]).replace(f"| {prose.times()['sim']} |", "| 77 min |")
    assert "| 77 min |" in stale and board not in stale
    (tmp_path / "README.md").write_text(stale, encoding="utf-8")
    prose.update(tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == README


def test_readme_s_times_are_those_of_notebook_3():
    shown = {re.search(r"`([\w-]+)`", row[0])[1]: row[3] for row in rows_of("Profiles") if "`" in row[0]}
    costs = pd.read_csv(KEPT / "promoters-18k" / "03_costs.csv")                 # minutes: of one of so many runs
    assert prose.times()["promoters-18k"] == f"{costs['minutes'] @ costs['runs']:.1f} min" and (costs["runs"] > 1).any()
    for name, time in prose.times().items():
        assert shown.pop(name) == time, "chromolib.prose.update() brings it up to date"
    assert not any(re.search(r"\d", time) for time in shown.values())


@pytest.mark.parametrize("name", SPEED)
def test_readme_s_speeds_are_those_of_the_benchmarks(name):
    table, what, unit = SPEED[name]
    found = pd.read_csv(ROOT / "benchmarks" / "results" / f"{table}.csv")
    found = found[(found["what"] == what) & (found["unit"] == unit)].iloc[0]
    (row,) = [row for row in rows_of("Beside the release") if row[0].strip() == name]
    release, ours, ratio = (report.markdown(pd.DataFrame({"x": [found[column]]})).split("|")[-2].strip() for column in ("release", "ours", "ratio"))
    assert row[1:] == [f"{release} {unit.split()[0]}", f"{ours} {unit.split()[0]}", ratio]


def test_ratios_on_another_machine_are_those_of_its_tables():
    tables = [pd.read_csv(ROOT / "benchmarks" / "results" / f"{name}-xeon.csv").set_index(["what", "unit"])["ratio"] for name in ("train_step", "epoch")]
    forward, step, whole = (f"{ratio:.0f}" for ratio in (tables[0]["forward", "s"], tables[0]["train_step", "s"], tables[1]["epoch", "s"]))
    assert f"on an Intel Xeon it was {forward} for a forward pass, {step} for a step and {whole} for an epoch." in README


def test_every_speed_in_the_readme_is_tested():
    assert {row[0].strip() for row in rows_of("Beside the release")} == set(SPEED)


def test_no_other_result_is_typed_into_the_readme():
    prose_alone = "\n".join(line for line in README.splitlines() if not line.startswith("|"))
    assert re.findall(r"(?<![\d.])[01]\.\d{2,}|\[-?\d+\.\d+, -?\d+\.\d+\]", prose_alone) == []


def test_every_kept_table_says_how_it_was_made_and_holds_no_genes():
    folders = {path.parent for path in KEPT.glob("**/0*.csv")}
    assert {KEPT / "sim", KEPT / "null", KEPT / "promoters-18k"} <= folders
    for folder in folders:
        made = pd.read_csv(folder / "made.csv")
        assert set(made["budget"]) == {"full" if folder.name == "full" else "profile"}
        assert set(made["table"]) == {path.name for path in folder.glob("0*.csv")}
        for name in made["table"]:
            assert not {"gene_id", "symbol", "score"} & set(pd.read_csv(folder / name))
