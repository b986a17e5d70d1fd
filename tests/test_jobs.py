"""Jobs and grids of them: each is trained once, resumes where it stopped, and says what is wrong before anything is trained."""

import json
import re
import shutil
import weakref
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import torch

from chromolib import (
    InputError,
    Run,
    TrainConfig,
    ensure,
    grid,
    jobs,
    load_dataset,
    load_profile,
    load_run,
    load_weights,
    predict,
    train,
)
from chromolib import __version__ as chromolib_version
from tests.test_runs import AGNOSTIC, HEAD, RUN, TUNED

SMALL = {
    "d_embedding": 8, "embedding_ff": 8, "pairwise_ff": 8, "regulation_layers": 1, "regulation_heads": 2,
    "regulation_width": 8, "regulation_ff": 8, "head_width": 8,
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(monkeypatch, data_dir):
    """The runs' folder of the smallest profile, empty, and a network small enough to train in a second."""

    network_for = train.network_for
    monkeypatch.setattr(train, "network_for", lambda data: replace(network_for(data), **SMALL))
    folder = load_profile("smoke").work_dir / "runs"
    assert folder.is_relative_to(data_dir)
    shutil.rmtree(folder, ignore_errors=True)
    return folder


@pytest.fixture(scope="module")
def once(data_dir, tmp_path_factory):
    """The runs of GRID, each trained once, in a folder of their own."""
    network_for, store = train.network_for, load_profile("smoke").work_dir / "runs"
    shutil.rmtree(store, ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "network_for", lambda data: replace(network_for(data), **SMALL))
        ensure(GRID)
    return shutil.move(store, tmp_path_factory.mktemp("once") / "runs")


@pytest.fixture
def ready(once, folder):
    """Makes runs of GRID lie in the folder as if they had been trained a moment ago."""

    def put(*wanted):
        for run in wanted:
            shutil.copytree(once / run.id, folder / run.id)
        assert all(jobs.is_current(job) for job in jobs.plan(wanted))

    return put


@pytest.fixture
def trained(monkeypatch):
    """Names of the trainings that were begun."""
    names, fit = [], jobs.fit
    monkeypatch.setattr(jobs, "fit", lambda *a, **k: names.append(k["name"]) or fit(*a, **k))
    return names


def assert_same(first, second):
    """The same history, predictions and metrics, to the last bit."""
    for a, b in zip(first[:3], second[:3], strict=True):
        pd.testing.assert_frame_equal(a, b, check_exact=True)


def visible(folder):
    """What lies in the folder of runs, besides locks."""
    return sorted(path for path in folder.iterdir() if path.name != ".locks")


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_run_is_trained_once(folder, trained):
    first = ensure([RUN])
    assert trained == [RUN.id]
    assert {path.name for path in (folder / RUN.id).iterdir()} == {
        "config.json", "model.json", "model.safetensors", "history.csv", "predictions.parquet", "metrics.json", "record.json"
    }  # fmt: skip
    before = contents(folder)
    second = ensure([RUN])
    assert trained == [RUN.id] and contents(folder) == before
    for a, b in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(a, b, check_exact=True)


def test_tables_hold_every_gene_once_over_the_folds(ready):
    ready(RUN, replace(RUN, fold=2))
    results = ensure([Run(profile="smoke", cell_type="S01", fold=fold) for fold in (1, 2, 3, 4)])
    n_genes = results.predictions["gene_id"].nunique()
    assert len(results.predictions) == n_genes == results.metrics["n_held_out"].sum()
    assert (results.metrics["n_train"] + results.metrics["n_held_out"] == n_genes).all()
    assert results.metrics["fold"].tolist() == [1, 2, 3, 4]
    assert results.history.groupby("run").size().tolist() == [2] * 4
    for table in results:
        assert list(table)[:6] == ["run", "cell_type", "task", "model", "recipe", "fold"]
    last = results.history.groupby("run")["roc_auc"].last()
    np.testing.assert_allclose(results.metrics.set_index("run")["roc_auc"], last, rtol=1e-6)


def test_loaded_run_gives_the_predictions_on_disk(trained):
    run = Run(profile="smoke", cell_type="S01", fold=2, window_bp=10_000, max_pcres=1, marks=("H3K4me3", "H3K27ac"))
    model, held_out = load_run(run)
    assert (held_out.window_bp, held_out.max_pcres, held_out.marks) == (10_000, 1, run.marks)
    assert set(held_out.genes["fold"]) == {2} and model.config.marks == run.marks
    stored = pd.read_parquet(run.folder / "predictions.parquet")
    pd.testing.assert_frame_equal(predict(model, held_out), stored, check_exact=True)
    load_run(run)
    assert trained == [run.id]
    assert load_weights(run.folder).config.promoter_bp == 10_000


def test_run_on_a_fold_change_reads_both_cell_types(folder, trained):
    run = replace(RUN, task="diff", other="S02")
    results = ensure([run, replace(run, other="S03")])
    assert run.id == "S01-S02-diff-chromoformer-fold1-seed42" and (folder / run.id).is_dir()
    assert results.predictions["cell_type"].unique().tolist() == ["S02/S01", "S03/S01"]
    model, held_out = load_run(run)
    assert (held_out.cell_type, model.config.task) == ("S02/S01", "diff")
    stored = pd.read_parquet(run.folder / "predictions.parquet")
    pd.testing.assert_frame_equal(predict(model, held_out), stored, check_exact=True)
    np.testing.assert_allclose(stored["target"], held_out.batch(range(len(held_out))).target[:, 0])
    assert len(trained) == 2


@pytest.mark.parametrize("cell_type", ["S01", "S02"])
def test_run_on_a_fold_change_is_trained_anew_for_other_features_of_either(cell_type, trained, monkeypatch):
    run = replace(RUN, task="diff", other="S02")
    ensure([run])
    with_other_features(monkeypatch, cell_type)
    ensure([run])
    ensure([run])
    assert trained == [run.id] * 2


def test_recipe_of_the_paper_ignores_the_profile_s_departures(monkeypatch):
    seen = []

    def stop(train_genes, held_out, config, *args, **options):
        seen.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "fit", stop)
    for recipe in ("profile", "paper"):
        with pytest.raises(KeyboardInterrupt):
            ensure([Run(profile="smoke", cell_type="S01", fold=1, recipe=recipe, seed=7)], devices=["cpu"])
    own = load_profile("smoke").train_config(seed=7, device="cpu")
    assert seen == [own, TrainConfig(seed=7, device="cpu")] and seen[0] != seen[1]
    with pytest.raises(KeyboardInterrupt):
        ensure([replace(RUN, precision="bfloat16", signal="float16")], devices=["cpu"])
    assert (seen[2].precision, seen[2].signal) == ("bfloat16", "float16")


def test_run_of_other_settings_is_trained_anew(monkeypatch, ready, trained):
    ready(RUN)
    smoke = load_profile("smoke")
    changed = smoke.model_copy(update={"training": smoke.training.model_copy(update={"epochs": 3})})
    monkeypatch.setattr(jobs, "load_profile", lambda name: changed)
    assert len(ensure([RUN]).history) == 3 and trained == [RUN.id]


@pytest.mark.parametrize("content", [None, "", "{", '{"run": {}}'])
def test_run_whose_settings_are_lost_is_trained_anew(folder, ready, trained, content):
    ready(RUN)
    path = folder / RUN.id / "config.json"
    path.unlink() if content is None else path.write_text(content)
    ensure([RUN])
    assert trained == [RUN.id] and json.loads(path.read_text())["run"]["cell_type"] == "S01"


def with_other_features(patch, cell_type=""):
    """From here on, the feature stores of one cell type, or of all, are of other settings."""
    open_store = jobs.open_store

    def changed(store):
        settings = store.attrs["settings"] + " " * (cell_type in ("", store.attrs["cell_type"]))
        return store.assign_attrs(settings=settings)

    def load(*args):
        data = load_dataset(*args)
        data.store = changed(data.store)
        return data

    patch.setattr(jobs, "open_store", lambda *args: changed(open_store(*args)))
    patch.setattr(jobs, "load_dataset", load)


def test_run_made_from_other_features_is_trained_anew(ready, trained, monkeypatch):
    ready(RUN)
    with_other_features(monkeypatch)
    ensure([RUN])
    ensure([RUN])
    assert trained == [RUN.id]


def interrupt_in_the_second_epoch(run, monkeypatch):
    """Begin a run, which is stopped before its second epoch."""
    train_epoch = train.train_epoch

    def dies_in_the_second_epoch(*args):
        if args[-1] == 2:
            raise KeyboardInterrupt
        return train_epoch(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train, "train_epoch", dies_in_the_second_epoch)
        ensure([run])


def watched_epochs(monkeypatch):
    """Numbers of the epochs that are trained from now on, in a list that grows."""
    train_epoch, trained = train.train_epoch, []
    monkeypatch.setattr(train, "train_epoch", lambda *args: trained.append(args[-1]) or train_epoch(*args))
    return trained


def test_interrupted_run_goes_on_and_ends_as_if_nothing_had_been(folder, ready, monkeypatch):
    ready(RUN)
    whole = ensure([RUN])
    shutil.rmtree(folder)
    evaluate, epochs = train.evaluate, []

    def dies_in_the_second_epoch(*args):
        epochs.append(args)
        if len(epochs) == 2:
            raise KeyboardInterrupt
        return evaluate(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train, "evaluate", dies_in_the_second_epoch)
        ensure([RUN])
    assert not (folder / RUN.id / "metrics.json").exists()
    trained_epochs = watched_epochs(monkeypatch)
    assert_same(whole, ensure([RUN]))
    assert trained_epochs == [2]


def test_interrupted_run_of_other_features_begins_anew(folder, monkeypatch):
    interrupt_in_the_second_epoch(RUN, monkeypatch)
    assert (folder / f".{RUN.id}.part" / "state.safetensors").exists()
    with_other_features(monkeypatch)
    trained_epochs = watched_epochs(monkeypatch)
    ensure([RUN])
    assert trained_epochs == [1, 2]


def test_run_killed_while_it_writes_its_results_trains_no_epoch_again(folder, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(InputError, match=f"{RUN.id}: disk broken; check that"):
        patch.setattr(jobs, "predict", lambda *args: (_ for _ in ()).throw(OSError("disk broken")))
        ensure([RUN])
    monkeypatch.setattr(train, "train_epoch", None)
    assert len(ensure([RUN]).history) == 2 and [path.name for path in visible(folder)] == [RUN.id]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fold": 9}, r"S01: fold 9 holds 0 of \d+ genes, expected one of \[1, 2, 3, 4\]"),
        ({"cell_type": "S09"}, "profile smoke: unknown cell type 'S09', expected one of S01"),
        ({"task": "diff", "other": "S09"}, "profile smoke: unknown cell type 'S09', expected one of S01"),
        ({"profile": "smok"}, "unknown profile 'smok'"),
        ({"marks": ("H3K79me2",)}, "no mark 'H3K79me2'"),
        ({"window_bp": 50_000}, "window_bp=50000"),
        ({"bin_bp": (150,)}, "bin_bp=150"),
        ({"max_pcres": 9}, "max_pcres=9, expected 0 to 8"),
        ({"precision": "float16"}, "fold1-seed42-float16: precision float16 needs CUDA, found cpu; use bfloat16 or float32"),
    ],
)
def test_wrong_run_is_refused_before_anything_is_trained(folder, trained, wrong, message):
    with pytest.raises(InputError, match=message):
        ensure([RUN, Run(**(vars(RUN) | wrong))], devices=["cpu"])
    assert trained == [] and not folder.exists()


def test_no_runs_are_refused():
    with pytest.raises(InputError, match="ensure: no runs, expected at least one"):
        ensure([])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"per_device": 0}, "ensure: per_device=0, expected 1 or more"),
        ({"devices": []}, r"ensure: devices=\[\], expected at least one"),
        ({"devices": "gpu"}, "device 'gpu': not usable here"),
        ({"devices": ["cpu", "cuda:99"]}, "device 'cuda:99': not usable here"),
    ],
)
def test_devices_that_are_not_there_are_refused(trained, wrong, message):
    with pytest.raises(InputError, match=message):
        ensure([RUN], **wrong)
    assert trained == []


def test_all_gpus_are_taken_or_those_that_are_named(monkeypatch):
    """Of machines with three and with no GPU, which torch is made to say here."""
    monkeypatch.setattr(grid, "resolve_device", lambda name: name.replace("auto", "cpu"))
    for n_gpus, asked, taken in [
        (3, "auto", ["cuda:0", "cuda:1", "cuda:2"]), (3, "cuda", ["cuda:0", "cuda:1", "cuda:2"]), (3, "cuda:1", ["cuda:1"]),
        (3, ["cuda:2", "cuda:0"], ["cuda:2", "cuda:0"]), (3, "cpu", ["cpu"]), (0, "auto", ["cpu"]),
    ]:  # fmt: skip
        monkeypatch.setattr(torch.cuda, "device_count", lambda n=n_gpus: n)
        assert grid._devices(asked, [RUN]) == taken


# Several runs

GRID = [replace(RUN, cell_type=name, fold=fold) for fold in (1, 2) for name in ("S01", "S02")]


def test_complete_grid_is_read_without_loading_any_signal(ready, monkeypatch):
    ready(*GRID)
    first = ensure(GRID)
    monkeypatch.setattr(jobs, "load_dataset", None)
    assert_same(ensure(GRID), first)


def test_datasets_are_loaded_once_and_none_stays_that_is_not_in_use(monkeypatch, trained):
    loaded, in_memory = [], []

    def load(profile, name):
        data = load_dataset(profile, name)
        loaded.append((name, weakref.ref(data)))
        in_memory.append([other for other, reference in loaded if reference() is not None])
        return data

    monkeypatch.setattr(jobs, "load_dataset", load)
    found = ensure([*GRID, replace(RUN, task="diff", other="S03")])
    assert in_memory == [["S01"], ["S02"], ["S01"], ["S01", "S03"]]
    assert trained[:4] == [run.id for run in (GRID[0], GRID[2], GRID[1], GRID[3])]  # by cell type
    assert found.metrics["run"].tolist()[:4] == [run.id for run in GRID]         # in the order that was asked for


def test_run_asked_for_twice_is_in_the_tables_once(trained):
    assert len(ensure([RUN, replace(RUN)]).metrics) == 1 and trained == [RUN.id]


def test_record_tells_on_what_and_how_long_a_run_was_trained():
    record = ensure([RUN, GRID[1]]).records.iloc[0]
    assert record["device"].partition(" ")[0] in ("cpu", "cuda:0", "mps") and record["epochs"] == 2
    assert 0 < record["seconds"] < 60 and 10 < record["peak_memory_mb"] < 100_000
    versions = [torch.__version__, np.__version__, chromolib_version, torch.get_num_threads()]
    assert record[["torch", "numpy", "chromolib", "threads"]].tolist() == versions
    finished = datetime.fromisoformat(record["finished"])
    assert timedelta(0) < datetime.now(UTC) - finished < timedelta(minutes=2)
    assert re.fullmatch("([0-9a-f]{40}(-dirty)?)?", record["commit"])


def test_nothing_in_results_tells_when_or_where_they_were_made(folder, ready):
    ready(RUN)
    first = ensure([RUN])
    names = ("history.csv", "predictions.parquet", "metrics.json", "model.safetensors", "config.json")
    before = [(folder / RUN.id / name).read_bytes() for name in names]
    shutil.rmtree(folder)
    assert_same(ensure([RUN]), first)
    assert [(folder / RUN.id / name).read_bytes() for name in names] == before


def test_a_line_for_each_run_that_ends_tells_its_score_and_the_time_left(ready, monkeypatch, capsys):
    monkeypatch.setenv("CHROMOLIB_PROGRESS", "lines")
    ready(GRID[0])
    capsys.readouterr()
    ensure([*GRID, replace(RUN, task="reg")])
    lines = capsys.readouterr().out.splitlines()
    todo = [GRID[1], GRID[3], GRID[2], replace(RUN, task="reg")]              # by cell type
    for i, (line, run) in enumerate(zip(lines, todo, strict=True), 1):
        score = "pearson" if run.task == "reg" else "roc_auc"
        left = "; about \\d+ s left" if i < 4 else ""
        assert re.fullmatch(rf"\[{i}/4\] {run.id}: held-out {score} (-?0\.\d+|nan), \d+ s{left}", line), line
    ensure(GRID)
    assert capsys.readouterr().out == ""


def test_bar_counts_the_epochs_of_all_runs(monkeypatch, capsys):
    monkeypatch.setattr(grid, "shows_bar", lambda: True)
    ensure(GRID[:2])
    out, err = capsys.readouterr()
    assert out == "" and "4/4" in err and f"{GRID[1].id}: held-out roc_auc" in err


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (89, "89 s"), (100, "2 min"), (5000, "83 min"), (12_000, "3 h 20 min")])
def test_durations_are_told_to_two_digits(seconds, words):
    assert grid.in_words(seconds) == words


# From other cell types


def split(run):
    return jobs.Shelf().split(*jobs.plan([run]))


def test_run_without_other_cell_types_has_the_settings_it_had_before_there_were_any():
    settings = jobs.plan([RUN])[0].settings
    assert settings["run"] == {"cell_type": "S01", "fold": 1} and "source" not in settings and len(settings["features"]) == 1
    assert settings["training"] == {"epochs": 2, "batch_size": 16, "learning_rate": 3e-4}


def test_genes_of_other_cell_types_are_learned_from_and_no_held_out_chromosome_is_in_any_of_them():
    seen, held_out = split(AGNOSTIC)
    assert set(seen.genes["cell_type"]) == {"S02", "S03"} and held_out.cell_type == "S01"
    assert not set(seen.genes["chrom"]) & set(held_out.genes["chrom"]) and set(held_out.genes["fold"]) == {1}
    for name in ("S02", "S03"):
        own, _ = load_dataset(load_profile("smoke"), name).fold(1)
        of_it = seen.genes[seen.genes["cell_type"] == name]
        assert of_it[["gene_id", "label"]].to_numpy().tolist() == own.genes[["gene_id", "label"]].to_numpy().tolist()


def test_run_that_learns_from_its_own_cell_type_is_that_of_the_cell_type(ready):
    ready(RUN)
    assert split(replace(RUN, learn_from=("S02", "S01")))[0].cell_type == "S02+S01"
    first, second = (ensure([run]) for run in (RUN, replace(RUN, learn_from="S01")))
    np.testing.assert_array_equal(first.predictions["logit_on"], second.predictions["logit_on"])


def test_fewer_genes_are_among_more_and_keep_their_order():
    genes = [f"G{i}" for i in np.random.default_rng(0).permutation(60)]
    few, more = (jobs.drawn(genes, n, seed=1) for n in (10, 30))
    assert len(few) == 10 and len(more) == 30 and set(few) < set(more)
    assert more == [gene for gene in genes if gene in set(more)]
    assert set(jobs.drawn(genes[::-1] * 2, 10, seed=1)) == set(few) != set(jobs.drawn(genes, 10, seed=2))
    assert jobs.drawn(genes, 60, seed=1) == genes
    seen, _ = split(replace(AGNOSTIC, n_genes=10))
    assert [len(part) for part in seen.parts] == [10, 10] and len(set(seen.genes["gene_id"])) == 10


def test_few_genes_get_as_many_updates_as_all_by_hand():
    recipe = TrainConfig(epochs=7, batch_size=32, decay=0.85)
    assert jobs.for_fewer(recipe, n_all=600) == replace(recipe, epoch_updates=18)     # 600 // 32; the smaller last batch is dropped
    assert jobs.for_fewer(replace(recipe, drop_last=False), n_all=600).epoch_updates == 19
    (job,) = jobs.plan([replace(RUN, n_genes=20)])
    assert job.settings["training"]["epoch_updates"] == len(split(RUN)[0]) // 16
    (job,) = jobs.plan([replace(AGNOSTIC, n_genes=20)])
    assert job.settings["training"]["epoch_updates"] == len(split(AGNOSTIC)[0]) // 16


def test_network_of_another_cell_type_goes_on_pass_by_pass_and_whole_at_a_lower_rate():
    whole, head, own = (job.settings["training"] for job in jobs.plan([TUNED, HEAD, RUN]))
    assert whole.pop("learning_rate") == pytest.approx(jobs.START_RATE * 3e-4) and head.pop("learning_rate") == own.pop("learning_rate") == 3e-4
    assert head.pop("frozen") and whole == head == own


def test_run_on_all_genes_by_number_is_the_run_on_all_genes(ready):
    ready(RUN)
    n_genes = len(split(RUN)[0])
    first, second = (ensure([run]) for run in (RUN, replace(RUN, n_genes=n_genes)))
    np.testing.assert_array_equal(first.predictions["logit_on"], second.predictions["logit_on"])


def test_what_a_run_starts_from_is_trained_before_it_and_once(folder, trained):
    other = replace(RUN, cell_type="S02")
    found = ensure([TUNED, HEAD, other])
    assert trained[:2] == [RUN.id, other.id] and trained[2:] == [TUNED.id, HEAD.id]
    assert found.metrics["run"].tolist() == [TUNED.id, HEAD.id, other.id]
    assert found.metrics["n_train"].tolist()[:2] == [20, 20]
    shutil.rmtree(folder / RUN.id)
    ensure([TUNED, HEAD])                                                        # whole without it
    assert len(trained) == 4
    ensure([replace(TUNED, n_genes=30), RUN])
    assert trained[4:] == [RUN.id, replace(TUNED, n_genes=30).id]


def test_frozen_run_has_the_weights_of_its_source_but_for_the_head(ready):
    ready(RUN)
    several = replace(HEAD, start=("S01", "S02"))
    ensure([HEAD, several])
    for run, source in ((HEAD, RUN), (several, replace(RUN, cell_type="S03", learn_from=("S01", "S02")))):
        before, after = (load_weights(part.folder).state_dict() for part in (source, run))
        assert list(after) == list(before)
        for name, weight in after.items():
            assert torch.equal(weight, before[name]) != name.startswith("head."), name


@pytest.mark.parametrize("run", [TUNED, AGNOSTIC], ids=lambda run: run.id)
def test_run_is_trained_anew_for_other_features_of_a_cell_type_that_it_learned_from(run, trained, monkeypatch):
    ensure([run])
    before = len(trained)
    with_other_features(monkeypatch, run.start[0] if run.start else "S03")
    ensure([run])
    ensure([run])
    assert trained[before:] == [job.id for job in (run.source, run) if job]


def test_run_whose_source_fails_is_not_begun_and_says_why(folder, monkeypatch, capsys):
    fit = jobs.fit

    def fails(*data, name, **options):
        if name == RUN.id:
            raise MemoryError
        return fit(*data, name=name, **options)

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "fit", fails)
        found = ensure([TUNED, replace(TUNED, start="S02")])
    (reason,) = found.failures["reason"]
    assert reason.startswith(f"{TUNED.id}: not begun, since what it starts from failed: {RUN.id}: out of memory on cpu")
    assert found.metrics["run"].tolist() == [replace(TUNED, start="S02").id]
    assert [line for line in capsys.readouterr().err.splitlines() if line.endswith(reason)] == [f"chromolib: {reason}"]
    assert ensure([TUNED]).failures.empty


def test_source_that_goes_meanwhile_is_one_line(folder, ready, monkeypatch):
    ready(RUN)
    train_run = jobs.train_run
    monkeypatch.setattr("chromolib.workers.train_run", lambda job, *rest: shutil.rmtree(folder / RUN.id) or train_run(job, *rest))
    with pytest.raises(InputError, match=f"{TUNED.id}: starts from {RUN.id}, which is not there or has changed meanwhile; start again"):
        ensure([TUNED])


@pytest.mark.parametrize("run", [TUNED, HEAD, AGNOSTIC], ids=lambda run: run.id)
def test_interrupted_run_from_other_cell_types_ends_as_if_nothing_had_been(ready, monkeypatch, run):
    ready(RUN)
    whole = ensure([run])
    shutil.rmtree(run.folder)
    interrupt_in_the_second_epoch(run, monkeypatch)
    trained_epochs = watched_epochs(monkeypatch)
    assert_same(whole, ensure([run]))
    assert trained_epochs == [2]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"learn_from": ("S02", "S09")}, "profile smoke: unknown cell type 'S09'"),
        ({"start": "S09"}, "profile smoke: unknown cell type 'S09'"),
        ({"n_genes": 97}, r"n_genes=97, expected 2 to \d\d, which are the training genes; leave it out for all"),
    ],
)
def test_run_from_what_is_not_there_is_refused_before_anything_is_trained(trained, wrong, message):
    with pytest.raises(InputError, match=message):
        ensure([RUN, Run(**(vars(RUN) | wrong))])
    assert trained == []


def test_peer_learns_from_other_cell_types_too(trained):
    peer = replace(RUN, model="hm-crnn")
    pooled, tuned = replace(peer, learn_from=("S01", "S02")), replace(peer, start="S02", n_genes=20)
    assert ensure([pooled, tuned]).metrics["run"].tolist() == [pooled.id, tuned.id]
    assert sorted(trained) == sorted([pooled.id, tuned.id, tuned.source.id])
