"""Grids hold the runs that a budget names."""

from dataclasses import replace

import pytest
import yaml

from chromolib import InputError, load_profile, studies
from chromolib.analysis import transfer
from chromolib.baselines import PEERS
from chromolib.config import BETTER_SEEDS, TrainConfig
from chromolib.jobs import recipe_of
from chromolib.profile import PROFILES

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


def test_paper_s_recipe_stands_beside_another_one_where_cells_are_real_or_all_is_trained():
    for name, budget, expected in (("pilot-40kb", "profile", True), ("promoters-18k", "full", False), ("sim", "profile", False), ("sim", "full", True)):
        study = studies.study(name, budget)
        for grid in (studies.benchmark(study), studies.fold_change(study)):
            if grid:                                                           # promoters-18k has one cell type
                assert (studies.PAPER_RECIPE in grid) == expected, name
    runs = studies.fold_change(studies.study("pilot-40kb"))[studies.PAPER_RECIPE]
    assert about(runs) == [("diff", "E003", fold, 42) for fold in FOUR]
    assert {recipe_of(run, load_profile("pilot-40kb")) for run in runs} == {TrainConfig()}


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
