"""The plan: it is all that notebooks train and no more, it needs no data, and its counts are the paper's."""

import io
import json
import shutil

import pandas as pd
import pytest
import yaml

from chromolib import InputError, cli, ensure, estimates, load_profile, plans, studies
from chromolib.analysis import transfer
from chromolib.config import ROOT
from chromolib.jobs import is_current, is_there, plan
from chromolib.profile import PROFILES, profile_names

FOUR_FOLDS, ELEVEN = 4, 11


@pytest.fixture
def without_data(monkeypatch, tmp_path):
    """Nothing has been fetched, built or trained, and nothing may be."""
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CHROMOLIB_MIRROR", str(tmp_path / "no mirror"))
    for name in ("chromolib.sources.fetch", "chromolib.features.build", "chromolib.simulate.simulate"):
        monkeypatch.setattr(name, None)
    yield
    assert not (tmp_path / "data").exists()


# It is what notebooks train (each of them what is planned for it: tests/test_book.py)


def test_every_notebook_that_trains_is_in_the_plan():
    trains = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb") if "cl.ensure(" in path.read_text(encoding="utf-8")}
    assert trains == set(plans.GRIDS)
    assert plans.runs_for(studies.study("smoke"), "01_preprocess") == []


def test_sizes_of_a_learning_curve_are_those_that_the_features_allow():
    study = studies.study("smoke")
    runs = studies.runs_of(studies.transfer(study, transfer.sizes(study)))     # builds the features of its target
    assert {run for run in plans.runs_for(study, "08_cross_species") if run.n_genes} == {run for run in runs if run.n_genes}


def test_what_a_run_starts_from_comes_before_it(without_data):
    runs = plans.runs_for(studies.study("smoke"), "08_cross_species")
    started = [run for run in runs if run.start]
    assert started and all(runs.index(run.source) < runs.index(run) for run in started)


# Without data


@pytest.mark.parametrize("budget", ["profile", "full"])
@pytest.mark.parametrize("name", profile_names())
def test_every_profile_can_be_planned_without_its_data(without_data, name, budget):
    table = plans.plan_table(name, budget)
    assert table["run"].is_unique and set(table["state"]) == {plans.TO_TRAIN} and len(table) >= 8
    assert set("; ".join(table["notebooks"]).split("; ")) <= set(load_profile(name).notebooks)
    assert (table["seconds"].isna() == (table["estimate"] == "")).all()


@pytest.mark.parametrize("name", profile_names())
def test_any_notebook_can_be_planned_for_any_profile(without_data, name):
    study = studies.study(name)
    for notebook in set(plans.GRIDS) - {"02b_fold_change"}:
        ids = [run.id for run in plans.runs_for(study, notebook)]
        assert len(set(ids)) == len(ids) and (ids or not study.record.max_pcres or notebook.startswith("07"))
    if len(study.record.cell_types) == 1:
        with pytest.raises(InputError, match="signal of 1 cell type, expected two or more"):
            plans.runs_for(study, "02b_fold_change")


def test_plan_of_the_paper_has_its_counts(without_data):
    rows = plans.needed(studies.study("roadmap"))
    assert set(rows["profile"]) == {"roadmap", "roadmap-mouse"}

    def n(notebook, name=None, figure=None):
        chosen = rows[(rows["notebook"] == notebook) & rows["name"].isin([name] if isinstance(name, str) else name or rows["name"])]
        return chosen[chosen["figure"] == (figure or chosen["figure"])]["run"].nunique()

    each = ELEVEN * FOUR_FOLDS                                                 # of a model and a task
    assert each == 44
    # Figure 2b-d, S5-S7: two tasks of every model that reads promoters, and the better recipe's three seeds, of classifiers.
    for model in ("Chromoformer", "DeepChrome", "AttentiveChrome", "HM-CRNN"):
        assert n("03_benchmark", model, "2b-d, S5-S7") == each * 2 == 88
    assert n("03_benchmark", studies.BETTER) == each * 3 == 132
    # GC-MERGE on the genes that it can predict, and Chromoformer retrained on them.
    assert n("03_benchmark", "GC-MERGE") == n("03_benchmark", studies.ON_GRAPH_GENES) == each
    # Fold change of one pair of cell types: four folds of each model, and four of two cell types for the references.
    assert [n("03_benchmark", name, "2e, f") for name in (studies.OURS, studies.TWO_REGRESSORS, studies.RATIO)] == [4, 4 * 2, 4 * 2]
    assert n("03_benchmark", "DeepDiff raw_d") == n("03_benchmark", "DeepDiff raw_aux") == 4
    # Figure 3a: 2, 4, 10, 20 and 40 kb of four models that read promoters alone.
    assert n("04_window_size") == each * 5 * 4 == 880
    # Figure 3b, c, S3 (three single, three paired), S4, 4g and S10 (seven marks, and four combinations); the full network and another seed.
    assert n("05_ablation", studies.WITHOUT_PCRES) == n("05_ablation", studies.CONCATENATED) == each
    assert n("05_ablation", figure="S3") == each * (3 + 3) == 264
    assert n("05_ablation", figure="4g, S10") == each * 7 == 308
    assert n("05_ablation", figure="S10") == each * 4 == 176
    assert n("05_ablation") == each * (2 + 2 + 6 + 7 + 4) == 924
    # Figure 4h: the full network, and without H3K36me3; figures 5 to 7: regressors of each cell type.
    assert n("06_attention") == each * 2 and n("07_pcri") == n("07b_cis_regulation") == each
    # Figure 8: 44 of human cell types and four of the mouse predict one another: 11 x 11 pairs of cell types need no more.
    assert n("08_cross_species", studies.OURS) == each + 1 * 4 == 48


def test_plan_of_the_paper_has_kinds_of_contacts_and_further_tracks_where_they_are_named(without_data, tmp_path):
    settings = yaml.safe_load((PROFILES / "roadmap.yml").read_text())
    told = [line.split(maxsplit=2)[1:] for line in plans.in_words(studies.study("roadmap")) if ": left out, " in line]
    assert told == [[figure, f"{what}: left out, {why}"] for figure, what, why in (
        ("S8", studies.KINDS, "no TADs"), ("S17", "with CTCF", "no CTCF"), ("S18", "with PC1", "no PC1"),
    )]  # fmt: skip
    settings["inputs"] |= {"domains": "source:schmitt-tads/{cell_type}", "compartments": "source:schmitt-compartments"}
    whole = tmp_path / "whole.yml"
    whole.write_text(yaml.safe_dump(settings | {"extra_tracks": ["CTCF", "PC1"]}))
    rows = plans.needed(studies.study(whole))
    rows = rows[rows["notebook"] == "05_ablation"]
    each = rows.groupby("figure")["run"].nunique()
    assert (each["S8"], each["S17"], each["S18"]) == (2 * 44, 44, 44)
    assert rows["run"].nunique() == 924 + 4 * 44


def test_shared_runs_stand_once_with_all_that_need_them(without_data):
    table = plans.plan_table("roadmap").set_index("run")
    row = table.loc["E003-clf-chromoformer-fold1-seed42"]
    assert row["notebooks"] == "02_train; 03_benchmark; 05_ablation; 06_attention; 08_cross_species"
    assert table.loc["E003-clf-chromoformer-fold1-seed42-pcres0", "notebooks"] == "04_window_size; 05_ablation"
    assert len(table) == plans.needed(studies.study("roadmap"))["run"].nunique()


# State and time


def test_a_run_is_done_when_it_is_whole_and_of_these_settings(tmp_path):
    study = studies.study("smoke", seed=5)
    (run,) = study.runs()
    record = study.record
    assert not is_there(run, record)
    ensure([run])
    assert is_there(run, record) and is_current(plan([run])[0])
    assert not is_there(run, record.model_copy(update={"training": record.training.model_copy(update={"epochs": 3})}))
    table = plans.plan_table("smoke", seed=5).set_index("run")
    used = json.loads((run.folder / "record.json").read_text())
    assert table.loc[run.id, ["state", "seconds", "estimate"]].tolist() == [plans.DONE, used["seconds"], estimates.OWN_RUNS]
    (run.folder / "predictions.parquet").unlink()
    assert not is_there(run, record)
    shutil.rmtree(run.folder)


def test_nothing_is_said_of_time_where_nothing_is_known(without_data):
    table = plans.plan_table("h1-demo")
    assert table["seconds"].isna().all() and set(table["estimate"]) == {""}
    assert plans.in_words(studies.study("h1-demo"))[-1].endswith(f"nothing is known of {len(table)} runs, which are left out of them")


# The command


def test_dry_run_lists_each_notebook_and_each_run(without_data, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["chromolib", "book", "smoke", "--dry-run"])
    cli.app(standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "features: 0 of 3 cell types are there, 3 to build"
    assert [line.split(":")[0] for line in lines if line[0].isdigit()] == [name for name in load_profile("smoke").notebooks if name[0].isdigit()]
    assert any("1 cell type x 4 folds x 2 tasks" in line and "8 runs, 0 done, 8 to train" in line for line in lines)
    monkeypatch.setattr("sys.argv", ["chromolib", "book", "smoke", "--dry-run", "--runs", "--budget", "full"])
    cli.app(standalone_mode=False)
    listed = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert listed["run"].tolist() == plans.plan_table("smoke", "full")["run"].tolist()


def test_ids_of_the_plan_name_its_runs(without_data):
    study = studies.study("smoke")
    table = plans.plan_table("smoke")
    assert [run.id for run in plans.pick(study, [*table["run"], table["run"][0]])] == table["run"].tolist()
    message = r"^profile smoke: found run 'S01-clf-chromoformer-fold9-seed42', expected one of \d+ of its plan, nearest S01-clf-chromoformer-fold[1-4]-seed42, [^\n]*$"
    with pytest.raises(InputError, match=message):
        plans.pick(study, ["S01-clf-chromoformer-fold9-seed42"])


def test_train_takes_runs_of_the_plan(monkeypatch):
    seen = []
    monkeypatch.setattr("chromolib.grid.ensure", lambda runs, **options: seen.append((runs, options)))
    names = plans.plan_table("smoke", "full")["run"].tail(2).tolist()
    monkeypatch.setattr("sys.argv", ["chromolib", "train", "smoke", "--budget", "full", "--run", names[1], "--run", names[0], "--device", "cpu"])
    with pytest.raises(AttributeError):                                        # there are no results to print
        cli.app(standalone_mode=False)
    ((runs, options),) = seen
    assert [run.id for run in runs] == names[::-1] and options == {"devices": "cpu", "per_device": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "smoke", "--run", "x", "--fold", "1"], "train: --run with --fold, expected one of them"),
        (["train", "smoke", "--budget", "full"], "train: --budget without --run"),
        (["book", "smoke", "--runs"], "book: --runs without --dry-run"),
        (["book", "smoke", "--budget", "full"], "book: --budget without --dry-run"),
        (["book", "smoke", "--dry-run", "--pages", "pages"], "book: --dry-run with --pages, expected one of them"),
        (["book", "smoke", "--dry-run", "--budget", "half"], "budget 'half', expected profile or full"),
    ],
)
def test_options_that_say_nothing_are_refused(without_data, monkeypatch, arguments, message):
    monkeypatch.setattr("sys.argv", ["chromolib", *arguments])
    with pytest.raises(SystemExit, match=f"^chromolib: {message}[^\n]*$"):
        cli.main()


# One cell type


def test_a_cell_type_that_is_named_is_the_only_one(tmp_path):
    study = studies.study("roadmap", cell_type="E116")
    assert study.cell_types == studies.connected(study) == ("E116",) and len(study.folds) == FOUR_FOLDS
    grids = [studies.benchmark(study), studies.windows(study), studies.ablations(study)[0], studies.regressors(study), studies.ensembles(study)]
    assert {run.cell_type for run in studies.runs_of(*grids)} == {"E116"}
    assert studies.pair_of(study) == ("E116", "E003")
    settings = yaml.safe_load((PROFILES / "sim.yml").read_text())
    path = tmp_path / "own.yml"
    path.write_text(yaml.safe_dump(settings | {"budget": {"cell_types": ["S01"], "folds": [2]}}))
    named = studies.study(path, cell_type="S03")
    assert (named.cell_types, named.folds) == (("S03",), (2,))                 # whatever the budget's are
    with pytest.raises(InputError, match="unknown cell type 'S09', expected one of S01, S02, S03"):
        studies.study(path, cell_type="S09")
