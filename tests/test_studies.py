"""Grids hold the runs that a budget names, and what networks say is averaged over seeds and nothing else."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from chromolib import InputError, checkpoints, load_profile, save_weights, studies
from chromolib.analysis import transfer
from chromolib.baselines import PEERS
from chromolib.config import BETTER_SEEDS, PeerConfig, TrainConfig
from chromolib.jobs import recipe_of
from chromolib.profile import PROFILES
from chromolib.runs import Results

FOUR = (1, 2, 3, 4)


@pytest.fixture
def budgeted(tmp_path):
    """A study of a profile that is another's but for its budget."""

    def make(name, budget="profile", **limits):
        settings = yaml.safe_load((PROFILES / f"{name}.yml").read_text())
        path = tmp_path / "own.yml"
        path.write_text(yaml.safe_dump(settings | {"budget": limits}))
        return studies.study(path, budget)

    return make


def about(runs):
    """What tells runs of one model apart."""
    return [(run.task, run.cell_type, run.fold, run.seed) for run in runs]


def results_of(*parts):
    """Results that hold predictions alone: (runs, columns of each run's table)."""
    tables = [pd.DataFrame({"run": run.id, "cell_type": run.cell_type_label, "task": run.task, "model": run.model, "fold": run.fold, **columns})
              for run, columns in parts]  # fmt: skip
    empty = pd.DataFrame()
    return Results(empty, pd.concat(tables, ignore_index=True), empty, empty, empty)


# Which runs


def test_benchmark_trains_each_model_task_cell_type_and_fold_of_the_budget(budgeted):
    study = budgeted("sim", cell_types=["S02"], folds=[1, 3], peers=["hm-crnn", "gc-merge", "deepdiff-raw"])
    grid = studies.benchmark(study)
    assert list(grid) == ["Chromoformer", "HM-CRNN"]                           # the others are no classifiers of windows
    for runs in grid.values():
        assert about(runs) == [("clf", "S02", 1, 42), ("clf", "S02", 3, 42), ("reg", "S02", 1, 42), ("reg", "S02", 3, 42)]
    assert {run.recipe for run in studies.runs_of(grid)} == {"profile"}
    assert {run.window_bp for run in grid["HM-CRNN"]} == {4_000}               # its authors' own
    assert len(studies.benchmark(study, tasks=["reg"])["HM-CRNN"]) == 2


def test_without_a_budget_all_is_trained(budgeted):
    study = budgeted("sim")
    assert (study.cell_types, study.folds, study.peers) == (("S01", "S02", "S03"), FOUR, tuple(PEERS))
    assert not studies.has_better(study)


def test_peers_read_the_frame_where_the_budget_says_so(budgeted):
    grid = studies.benchmark(budgeted("sim", peer_window="frame", peers=["deepchrome"]))
    assert {run.window_bp for run in grid["DeepChrome"]} == {40_000}
    assert {run.window_bp for run in grid["Chromoformer"]} == {None}


def test_better_recipe_is_of_several_seeds_and_of_classifiers_alone(budgeted):
    study = budgeted("sim", cell_types=["S01"], folds=[2], peers=[], better=True)
    grid = studies.benchmark(study)
    assert about(grid[studies.BETTER]) == [("clf", "S01", 2, 42 + i) for i in range(BETTER_SEEDS)]
    assert {run.recipe for run in grid[studies.BETTER]} == {"better"}
    assert studies.BETTER not in studies.benchmark(study, tasks=["reg"])


def test_full_budget_is_all_there_is_by_the_recipes_of_the_authors(budgeted):
    limits = {"cell_types": ["S01"], "folds": [1], "peers": ["deepchrome"], "recipes": {"deepchrome": {"epochs": 2}}}
    study = budgeted("sim", "full", **limits)
    assert (study.cell_types, study.folds, study.peers) == (("S01", "S02", "S03"), FOUR, tuple(PEERS))
    grid = studies.benchmark(study)
    assert {recipe_of(run, study.record).epochs for run in grid["DeepChrome"]} == {100}
    paper = recipe_of(grid[studies.PAPER_RECIPE][0], study.record)             # sim's own is another
    assert paper == TrainConfig() != recipe_of(grid[studies.OURS][0], study.record)
    for other in (studies.on_graph(study), studies.fold_change(study)):
        assert {run.recipe for run in studies.runs_of(other) if run.model != "chromoformer"} == {"paper"}
    assert studies.PAPER_RECIPE not in studies.benchmark(studies.study("promoters-18k", "full"))  # whose recipe is the paper's
    few = studies.benchmark(budgeted("sim", **limits))["DeepChrome"]
    assert {recipe_of(run, study.record).epochs for run in few} == {2}


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        ({"cell_types": ["S09"]}, "budget.cell_types: found 'S09', expected some of S01, S02, S03; correct it"),
        ({"folds": [1, 5]}, "budget.folds: found 5, expected some of 1, 2, 3, 4"),
        ({"peers": ["deepcrome"]}, "budget.peers: found 'deepcrome', expected some of deepchrome, attentivechrome"),
        ({"recipes": {"deepcrome": {"epochs": 2}}}, "budget.recipes: found 'deepcrome', expected some of deepchrome"),
        ({"folds": [2, 2]}, r"budget.folds: found \[2, 2\], expected each once"),
        ({"cell_types": []}, "budget.cell_types: found none, expected some of S01, S02, S03; leave it out for all"),
    ],
)
@pytest.mark.parametrize("budget", ["profile", "full"])
def test_wrong_budget_is_one_line(budgeted, limits, fault, budget):
    with pytest.raises(InputError, match=f"^profile sim: {fault}[^\n]*$"):
        budgeted("sim", budget, **limits)


def test_other_word_for_a_budget_is_refused():
    with pytest.raises(InputError, match="^budget 'half', expected profile or full$"):
        studies.study("sim", "half")


@pytest.mark.parametrize("name", [path.stem for path in PROFILES.glob("*.yml")])
def test_budgets_of_the_profiles_hold(name):
    assert studies.benchmark(studies.study(name))[studies.OURS]


def test_graph_has_runs_where_there_are_contacts():
    assert studies.on_graph(studies.study("promoters-18k")) == studies.on_graph(studies.study("deepdiff-sample", "full")) == {}
    grid = studies.on_graph(studies.study("pilot-40kb"))                       # contacts of one of its two cell types
    assert list(grid) == [studies.ON_GRAPH_GENES, "GC-MERGE"]
    for runs in grid.values():
        assert about(runs) == [("clf", "E116", fold, 42) for fold in FOUR]
    assert {(run.model, run.genes) for run in studies.runs_of(grid)} == {("chromoformer", "gc-merge"), ("gc-merge", "all")}


def test_fold_change_is_of_two_cell_types_the_budgets_first(budgeted):
    study = budgeted("sim", cell_types=["S03"], folds=[4], peers=["hm-crnn", "deepdiff-raw_d"])
    grid = studies.fold_change(study)
    assert list(grid) == [studies.OURS, studies.TWO_REGRESSORS, studies.RATIO, "DeepDiff raw_d"]
    assert {run.cell_type_label for run in grid[studies.OURS] + grid["DeepDiff raw_d"]} == {"S01/S03"}
    assert about(grid[studies.TWO_REGRESSORS]) == [("reg", "S03", 4, 42), ("reg", "S01", 4, 42)]
    assert about(grid[studies.RATIO]) == [("clf", "S03", 4, 42), ("clf", "S01", 4, 42)]
    shared = set(studies.runs_of(studies.benchmark(study))) & set(studies.runs_of(grid))
    assert len(shared) == 2                                                    # S03's own are trained once
    assert studies.fold_change(studies.study("promoters-18k")) == {}


# What they say


def test_scores_are_averaged_over_seeds_and_named_by_the_grid():
    study = studies.study("smoke")
    (run,) = study.runs()
    other = replace(run, seed=43)
    said = results_of((run, {"gene_id": ["a", "b"], "logit_off": [0.0, 1], "logit_on": [1.0, 1], "target": [1, 0]}),
                      (other, {"gene_id": ["a", "b"], "logit_off": [0.0, 0], "logit_on": [4.0, -2], "target": [1, 0]}))  # fmt: skip
    table = studies.scores({"one": [run], "mean": [run, other], "absent": [replace(run, seed=44)]}, said)
    assert table[["model", "gene_id", "score", "target"]].to_numpy().tolist() == [
        ["one", "a", 1, 1], ["one", "b", 0, 0], ["mean", "a", 2.5, 1], ["mean", "b", -1, 0],
    ]  # fmt: skip
    assert list(table) == studies.SCORES and list(studies.scores({}, said)) == studies.SCORES


def test_references_of_a_fold_change_by_hand():
    grid = studies.fold_change(studies.study("smoke"))
    genes = {"gene_id": ["a", "b"]}
    parts = [(grid[studies.OURS][0], {**genes, "log2_fold_change": [0.5, 0.0], "target": [2.0, -1]})]
    for run, level, logit in zip(grid[studies.TWO_REGRESSORS] + grid[studies.RATIO], ([1.0, 5], [4.0, 3], None, None),
                                 (None, None, [0.0, 0], [-np.log(3), 0]), strict=True):  # fmt: skip
        columns = {"expression": level} if level else {"logit_off": 0.0, "logit_on": logit}
        parts.append((run, {**genes, **columns, "target": [0.0, 0]}))
    table = studies.change_scores(grid, results_of(*parts))
    by_model = table.set_index(["model", "gene_id"])
    assert by_model.loc[studies.TWO_REGRESSORS, "score"].tolist() == [3, -2]
    # Probabilities a half and a quarter: log2 of their ratio is -1.
    np.testing.assert_allclose(by_model.loc[studies.RATIO, "score"], [-1, 0], atol=1e-12)
    assert set(table["cell_type"]) == {"S02/S01"} and set(table["task"]) == {"diff"}
    assert (table.groupby("gene_id")["target"].nunique() == 1).all()           # what was measured is the same for all

    lost = results_of(*parts[:2])                                              # the second cell type's regressor failed
    assert set(studies.change_scores(grid, lost)["model"]) == {studies.OURS}


def test_fold_change_of_one_cell_type_is_empty():
    assert studies.change_scores({}, results_of((studies.study("smoke").runs()[0], {"gene_id": ["a"], "logit_off": 0.0, "logit_on": 1.0, "target": 1}))).empty


def test_costs_are_means_over_runs_each_counted_once(monkeypatch):
    monkeypatch.setattr(studies, "n_parameters", lambda folder: 7)
    study = studies.study("smoke")
    grid, change = studies.benchmark(study), studies.fold_change(study)
    runs = studies.runs_of(grid, change)
    records = pd.DataFrame({"run": [run.id for run in runs], "task": [run.task for run in runs], "epochs": 2, "seconds": 60.0,
                            "peak_memory_mb": 500.0, "device": "cpu", "threads": 1})  # fmt: skip
    records.loc[records["run"] == grid[studies.OURS][0].id, "seconds"] = 180.0
    table = studies.costs(Results(*[pd.DataFrame()] * 3, records, pd.DataFrame()), grid, change)
    assert table["runs"].sum() == len(runs)
    row = table[(table["model"] == studies.OURS) & (table["task"] == "clf")].iloc[0]  # of both cell types, for the ratio
    assert row.drop(["model", "task"]).tolist() == [7, 2, 2.0, 0.5, 2, "cpu", 1]


def test_parameters_are_those_of_the_network_of_a_folder(tmp_path):
    config = PeerConfig(model="hm-crnn", marks=("A", "B", "C", "D", "E"), window_bp=4000)
    save_weights(tmp_path, checkpoints.build(config, seed=0))
    assert studies.n_parameters(tmp_path) == 24_538                            # counted in the authors' code, with its head


def test_paths_name_profiles_too(budgeted):
    study = budgeted("smoke", folds=[1], cell_types=["S01"])
    (run,) = study.runs()
    assert load_profile(run.profile).budget.folds == (1,)


# Notebook 8: other cell types


def test_transfer_goes_from_the_first_cell_type_to_the_last_by_few_genes_and_by_all(budgeted):
    study = budgeted("sim", cell_types=["S02"], folds=[1])
    grid = studies.transfer(study, (50,))
    assert list(grid) == [f"{way}, {n} genes" for n in ("50", "all") for way in ("from scratch", "fine-tuned", "frozen")]
    assert {(run.cell_type, run.fold) for run in studies.runs_of(grid)} == {("S03", 1)}
    assert {run.start for name in ("fine-tuned, 50 genes", "frozen, all genes") for run in grid[name]} == {("S01",)}
    assert grid["from scratch, all genes"] == replace(study, cell_types=("S03",)).runs()      # trained for the matrix already
    assert studies.transfer(studies.study("promoters-18k"), (50,)) == studies.agnostic(studies.study("promoters-18k")) == {}


def test_each_cell_type_but_the_first_is_left_out_once_where_there_are_three(budgeted):
    runs = studies.agnostic(budgeted("sim", cell_types=["S02"], folds=[1, 3]))[studies.AGNOSTIC]
    assert [(run.cell_type, run.learn_from, run.fold) for run in runs if run.fold == 3] == [
        ("S02", ("S01", "S03"), 3), ("S03", ("S01", "S02"), 3),
    ]  # fmt: skip
    assert len(runs) == 4 and studies.agnostic(studies.study("deepdiff-sample")) == {}


def test_the_core_of_transfer_is_one_number_of_genes_and_one_new_cell_type(budgeted):
    study = budgeted("sim", folds=[1], transfer="core")
    assert list(studies.transfer(study, transfer.sizes(study, 600))) == [
        "from scratch, 100 genes", "fine-tuned, 100 genes", "frozen, 100 genes", "from scratch, all genes",
    ]  # fmt: skip
    assert [run.cell_type for run in studies.agnostic(study)[studies.AGNOSTIC]] == ["S03"]
    assert studies.new_cell_types(replace(study, is_full=True)) == ("S02", "S03")


def test_networks_read_no_pcres_where_a_cell_type_has_none():
    study = studies.study("pilot-40kb")                                        # contacts of one of its two cell types
    grids = studies.cross(study), studies.transfer(study, (50,))
    assert {run.max_pcres for run in studies.runs_of(*grids)} == {0}
    assert {run.max_pcres for run in studies.runs_of(studies.cross(studies.study("deepdiff-sample")))} == {None}
