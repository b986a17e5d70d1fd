"""Results side by side, from tables made by hand: real first, the newest counts, what is missing or damaged is named."""

import os
import re

import pandas as pd
import pytest

from chromolib import load_profile
from chromolib.analysis import scoreboard

LEVELS = "model,metric,value,low,high,n\nChromoformer,roc_auc,0.9,0.8,0.95,40\nBinned signal,roc_auc,0.85,0.7,0.9,40\n"
CHANGE = "metric,first,second,value,low,high,n\nroc_auc,Chromoformer,Binned signal,0.05,0.01,0.1,40\n"


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path))
    return tmp_path


def write(profile, name, text, *, made=1_700_000_000):
    path = load_profile(profile).work_dir / "results" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (made, made))
    return path


def collect(profile="smoke"):
    return scoreboard.collect(load_profile(profile))


def state(board, profile, table):
    files = board.files
    return files[(files["profile"] == profile) & (files["table"] == table)].iloc[0]


def test_nothing_made_gives_empty_tables_and_every_command(root):
    board = collect()
    assert board.profiles == [] and board.files.empty and board.scores.empty and board.changes.empty
    assert [profile.name for profile in board.unmade] == board.missing["profile"].tolist()
    commands = board.missing.set_index("profile")["command"]
    assert commands["pilot-40kb"] == "make book PROFILE=pilot-40kb" and commands["sim"] == "make book PROFILE=sim"
    assert board.missing["data"].tolist() == sorted(board.missing["data"])       # real before simulated
    assert (board.missing["why"] == "not made yet").all()
    assert scoreboard.rows(board.scores).empty and scoreboard.side_by_side(board.scores, ["roc_auc"]).empty


def test_real_profiles_come_first_and_simulated_ones_are_marked_in_every_row(root):
    for profile in ("smoke", "h1-demo", "deepdiff-sample"):
        write(profile, "02_intervals_clf", LEVELS)
        write(profile, "02_difference_clf", CHANGE)
    board = collect()
    assert [profile.name for profile in board.profiles] == ["deepdiff-sample", "h1-demo", "smoke"]
    for table in (board.scores, board.changes):
        assert table["profile"].unique().tolist() == ["deepdiff-sample", "h1-demo", "smoke"]
        assert ((table["data"] == "simulated") == (table["profile"] == "smoke")).all()
    assert board.changes[["task", "first", "value"]].iloc[0].tolist() == ["clf", "Chromoformer", 0.05]
    assert set(board.missing["profile"]) & {"smoke", "h1-demo"} == set()
    rows = scoreboard.rows(board.scores)
    assert rows["row"].unique().tolist() == ["deepdiff-sample\nE123", "h1-demo\nE003", "smoke\nS01 (simulated)"]
    assert rows["simulated"].tolist() == [False] * 4 + [True] * 2
    assert scoreboard.side_by_side(board.scores[board.scores["task"] == "diff"], ["pearson"]).empty


def test_differences_are_one_column_of_text_and_a_verdict(root):
    assert scoreboard.differences(collect().changes).empty
    write("smoke", "02_difference_clf", CHANGE)
    assert scoreboard.differences(collect().changes).iloc[0].tolist() == [
        "simulated", "smoke", "S01", "roc_auc", "Chromoformer - Binned signal", "0.050 [0.010, 0.100]", 40, "better"
    ]  # fmt: skip


def test_files_carry_the_time_they_were_made_at(root):
    write("smoke", "02_intervals_clf", LEVELS, made=1_700_000_000)
    board = collect()
    assert state(board, "smoke", "02_intervals_clf")[["made", "state"]].tolist() == ["2023-11-14 22:13", "read"]
    assert state(board, "smoke", "02_intervals_reg")[["made", "state"]].tolist() == ["", "not made"]


def test_cell_type_is_that_of_the_history_beside_the_table(root):
    write("smoke", "02_intervals_clf", LEVELS)
    assert collect().scores["cell_type"].unique().tolist() == ["S01"]            # the profile's first
    write("smoke", "02_history", "run,cell_type\nx,S03\n")
    assert collect().scores["cell_type"].unique().tolist() == ["S03"]
    write("smoke", "02_history", "")
    assert collect().scores["cell_type"].unique().tolist() == ["S01"]


def test_task_follows_from_the_metric_and_a_fold_change_is_its_own(root):
    write("pilot-40kb", "02_intervals_reg", LEVELS.replace("roc_auc", "pearson"))
    text = "cell_type,model,metric,value,low,high,n\nE116/E003,Chromoformer,pearson,0.6,0.5,0.7,40\nE116/E003,Mean of other cell types,pearson,,,,40\n"
    write("pilot-40kb", "02b_intervals", text)
    scores = collect().scores
    assert scores["task"].tolist() == ["reg", "reg", "diff", "diff"]
    assert scores["cell_type"].tolist() == ["E003", "E003", "E116/E003", "E116/E003"]
    table = scoreboard.side_by_side(scores, ["pearson", "spearman", "r2"])
    assert table["pearson"].tolist() == ["0.900 [0.800, 0.950]", "0.850 [0.700, 0.900]", "0.600 [0.500, 0.700]", "–"]
    assert table[["spearman", "r2"]].isna().all(axis=None) and table["n"].tolist() == [40] * 4


@pytest.mark.parametrize(("made", "expected"), [(1_700_009_999, 0.5), (1_600_000_000, 0.9)])
def test_of_two_tables_on_the_same_cell_type_the_newer_counts(root, made, expected):
    write("pilot-40kb", "02_intervals_clf", LEVELS)
    text = "cell_type,task,model,metric,value,low,high,n\nE003,clf,Chromoformer,roc_auc,0.5,0.4,0.6,40\nE116,clf,Chromoformer,roc_auc,0.7,0.6,0.8,40\n"
    write("pilot-40kb", "02b_levels", text, made=made)
    scores = collect().scores.query("model == 'Chromoformer'").set_index("cell_type")["value"]
    assert scores.to_dict() == {"E003": expected, "E116": 0.7}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it ends in the middle of a line"),
        (LEVELS[:-2], "it ends in the middle of a line"),
        (LEVELS.splitlines()[0] + "\n", "it holds no rows"),
        ("\n", "No columns to parse"),
        (LEVELS.replace("low", "lower"), "no column 'low', expected model, metric"),
        (LEVELS.replace("0.85", "none at all"), "column 'value' holds something other than numbers"),
        (LEVELS + "Gradient boosting,roc_auc\n", "row 3 has no n"),
        (LEVELS + "Gradient boosting,auprc,0.1,0.1,0.1,40\n", "unknown metric 'auprc', expected one of roc_auc"),
        (LEVELS + "a,b,c,d,e,f,g,h\n", "Error tokenizing data"),
        ("\x00\n", "no column 'model'|No columns|holds no rows"),
    ],
)
def test_damaged_table_is_named_with_the_way_out_and_stops_nothing(root, text, message):
    write("h1-demo", "02_intervals_clf", text)
    write("h1-demo", "02_difference_clf", CHANGE)
    write("smoke", "02_intervals_clf", LEVELS)
    board = collect()
    found = state(board, "h1-demo", "02_intervals_clf")
    assert re.search(f"damaged: .*({message})", found["state"]) and found["state"].endswith("make book PROFILE=h1-demo")
    assert found["made"] == "2023-11-14 22:13"
    assert board.scores["profile"].unique().tolist() == ["smoke"] and len(board.changes) == 1


def test_profile_whose_tables_are_all_damaged_is_among_those_to_make(root):
    path = write("h1-demo", "02_intervals_clf", "x")
    path.write_bytes(b"\xff\xfe\n")                                              # no text at all
    row = collect().missing.set_index("profile").loc["h1-demo"]
    assert row["why"] == "its tables are damaged, see above" and row["command"] == "make book PROFILE=h1-demo"


def test_table_of_differences_may_be_empty_where_there_are_no_other_cell_types(root):
    write("pilot-40kb", "02b_beside_others", "cell_type,task,metric,first,second,value,low,high,n\n")
    write("pilot-40kb", "02_intervals_clf", LEVELS)
    board = collect()
    assert state(board, "pilot-40kb", "02b_beside_others")["state"] == "read" and board.changes.empty


def test_own_profile_is_shown_and_folders_without_a_profile_are_named(root):
    own = load_profile("smoke").model_copy(update={"name": "mine"})
    for name in ("mine", "theirs"):
        folder = root / "work" / name / "results"
        folder.mkdir(parents=True)
        (folder / "02_intervals_clf.csv").write_text(LEVELS)
    (root / "work" / "empty").mkdir()
    (root / "work" / "a-file").write_text("")
    board = scoreboard.collect(own)
    assert [profile.name for profile in board.profiles] == ["mine"]
    row = board.missing.set_index("profile").loc["theirs"]
    assert "no profile of that name" in row["why"] and row["command"] == "make book PROFILE=<its YAML file>"
    assert not {"empty", "a-file"} & set(board.missing["profile"])


def test_profile_that_does_not_load_is_named_and_stops_nothing(root, tmp_path, monkeypatch):
    from chromolib import profile

    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "broken.yml").write_text("name: [")
    record = load_profile("smoke")
    monkeypatch.setattr(profile, "PROFILES", tmp_path / "profiles")
    write_smoke = record.work_dir / "results" / "02_intervals_clf.csv"
    write_smoke.parent.mkdir(parents=True)
    write_smoke.write_text(LEVELS)
    board = scoreboard.collect(record)
    assert [profile.name for profile in board.profiles] == ["smoke"]
    assert "not readable as YAML" in board.missing.set_index("profile").loc["broken", "why"]


def test_whole_window_is_one_model_however_wide_and_models_keep_one_order():
    table = pd.DataFrame({
        "profile": ["a", "a", "b", "b"], "data": "real", "cell_type": "E1", "metric": "roc_auc", "value": 0.5, "low": 0.4, "high": 0.6,
        "model": ["Mean signal, 40 kb", "Mean signal, 4 kb", "Mean signal, 4 kb", "Mean signal, 10 kb"],
    })  # fmt: skip
    assert scoreboard.rows(table)["model"].tolist() == ["Mean signal, whole window", "Mean signal, 4 kb"] * 2
