"""What networks say is averaged over seeds and nothing else; costs count each run once."""

from dataclasses import replace

import numpy as np
import pandas as pd

from chromolib import answers, checkpoints, save_weights, studies
from chromolib.config import PeerConfig
from chromolib.runs import Results


def results_of(*parts):
    """Results that hold predictions alone: (runs, columns of each run's table)."""
    tables = [pd.DataFrame({"run": run.id, "cell_type": run.cell_type_label, "task": run.task, "model": run.model, "fold": run.fold, **columns})
              for run, columns in parts]  # fmt: skip
    empty = pd.DataFrame()
    return Results(empty, pd.concat(tables, ignore_index=True), empty, empty, empty)


def test_scores_are_averaged_over_seeds_and_named_by_the_grid():
    study = studies.study("smoke")
    (run,) = study.runs()
    other = replace(run, seed=43)
    said = results_of((run, {"gene_id": ["a", "b"], "logit_off": [0.0, 1], "logit_on": [1.0, 1], "target": [1, 0]}),
                      (other, {"gene_id": ["a", "b"], "logit_off": [0.0, 0], "logit_on": [4.0, -2], "target": [1, 0]}))  # fmt: skip
    table = answers.scores({"one": [run], "mean": [run, other], "absent": [replace(run, seed=44)]}, said)
    assert table[["model", "gene_id", "score", "target"]].to_numpy().tolist() == [
        ["one", "a", 1, 1], ["one", "b", 0, 0], ["mean", "a", 2.5, 1], ["mean", "b", -1, 0],
    ]  # fmt: skip
    assert list(table) == answers.SCORES and list(answers.scores({}, said)) == answers.SCORES


def test_references_of_a_fold_change_by_hand():
    grid = studies.fold_change(studies.study("smoke"))
    genes = {"gene_id": ["a", "b"]}
    parts = [(grid[studies.OURS][0], {**genes, "log2_fold_change": [0.5, 0.0], "target": [2.0, -1]})]
    for run, level, logit in zip(grid[studies.TWO_REGRESSORS] + grid[studies.RATIO], ([1.0, 5], [4.0, 3], None, None),
                                 (None, None, [0.0, 0], [-np.log(3), 0]), strict=True):  # fmt: skip
        columns = {"expression": level} if level else {"logit_off": 0.0, "logit_on": logit}
        parts.append((run, {**genes, **columns, "target": [0.0, 0]}))
    table = answers.change_scores(grid, results_of(*parts))
    by_model = table.set_index(["model", "gene_id"])
    assert by_model.loc[studies.TWO_REGRESSORS, "score"].tolist() == [3, -2]
    # Probabilities a half and a quarter: log2 of their ratio is -1.
    np.testing.assert_allclose(by_model.loc[studies.RATIO, "score"], [-1, 0], atol=1e-12)
    assert set(table["cell_type"]) == {"S02/S01"} and set(table["task"]) == {"diff"}
    assert (table.groupby("gene_id")["target"].nunique() == 1).all()           # what was measured is the same for all

    lost = results_of(*parts[:2])                                              # the second cell type's regressor failed
    assert set(answers.change_scores(grid, lost)["model"]) == {studies.OURS}


def test_fold_change_of_one_cell_type_is_empty():
    assert answers.change_scores({}, results_of((studies.study("smoke").runs()[0], {"gene_id": ["a"], "logit_off": 0.0, "logit_on": 1.0, "target": 1}))).empty


def test_costs_are_means_over_runs_each_counted_once(monkeypatch):
    monkeypatch.setattr(answers, "n_parameters", lambda folder: 7)
    study = studies.study("smoke")
    grid, change = studies.benchmark(study), studies.fold_change(study)
    runs = studies.runs_of(grid, change)
    records = pd.DataFrame({"run": [run.id for run in runs], "task": [run.task for run in runs], "epochs": 2, "seconds": 60.0,
                            "peak_memory_mb": 500.0, "device": "cpu", "threads": 1})  # fmt: skip
    records.loc[records["run"] == grid[studies.OURS][0].id, "seconds"] = 180.0
    table = answers.costs(Results(*[pd.DataFrame()] * 3, records, pd.DataFrame()), grid, change)
    assert table["runs"].sum() == len(runs)
    row = table[(table["model"] == studies.OURS) & (table["task"] == "clf")].iloc[0]  # of both cell types, for the ratio
    assert row.drop(["model", "task"]).tolist() == [7, 2, 2.0, 0.5, 2, "cpu", 1]


def test_parameters_are_those_of_the_network_of_a_folder(tmp_path):
    config = PeerConfig(model="hm-crnn", marks=("A", "B", "C", "D", "E"), window_bp=4000)
    save_weights(tmp_path, checkpoints.build(config, seed=0))
    assert answers.n_parameters(tmp_path) == 24_538                            # counted in the authors' code, with its head
