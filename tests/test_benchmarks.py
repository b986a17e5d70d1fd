"""The benchmarks run, on a few genes; what they say of time is not tested, since machines differ."""

from __future__ import annotations

import importlib
import os
import pickle
import re
import sys
from dataclasses import replace

import baselines
import compiled
import engine
import epoch
import numpy as np
import ours
import pandas as pd
import paper_scale
import perturbation
import precision
import preprocess
import pytest
import recipe_search
import report
import scaling
import torch
import train_step
import where_time_goes

from benchmarks import peer
from chromolib import GeneDataset, InputError, TrainConfig, load_dataset, load_profile, train, workflow
from chromolib.analysis.comparison import linear
from chromolib.baselines.deepdiff import DeepDiff

COLUMNS = ["what", "unit", "release", "ours", "ratio", "release_range", "ours_range"]
SMALL = {"d_embedding": 8, "embedding_ff": 8, "pairwise_ff": 8, "regulation_layers": 1, "regulation_heads": 2, "regulation_width": 8, "regulation_ff": 8}
EXACT = 0.99  # Linux counts resident pages in lots of 64 for each thread


def run(script, folder, words):
    """Run a script's main and read its table."""
    script.main([*words.split(), "--folder", str(folder)])
    kept = "" if "--record" in words else report.TRIAL
    return pd.read_csv(folder / "results" / kept / f"{script.__name__}.csv")


@pytest.fixture
def whole_torch():
    """peer.train forgets again what it is the first to import, and this part of torch cannot be imported twice."""
    importlib.import_module("torch._dynamo")


@pytest.fixture
def in_this_process(monkeypatch, whole_torch):
    """What scripts measure in children runs here, where nothing has to be imported again: pickled on the way there and back, on
    cores that are given back. How much memory it takes is not asked for then; test_train_step and test_scaling have children."""

    def called(function, *args, **kwargs):
        cores = os.sched_getaffinity(0)
        try:
            function, args, kwargs = pickle.loads(pickle.dumps((function, args, kwargs)))
            return pickle.loads(pickle.dumps(function(*args, **kwargs)))
        finally:
            os.sched_setaffinity(0, cores)

    monkeypatch.setattr(report, "in_child", called)


# The scripts, end to end


def test_engine_s_plain_loop_is_every_step_after_what_it_needs():
    steps, commands = workflow.steps("smoke"), engine.commands("smoke")
    place = {tuple(words): n for n, words in enumerate(commands)}
    runs = {run: place["train", "smoke", "--run", run] for run in steps["runs"]}
    assert len(place) == len(commands) == len(steps["profiles"]) + len(steps["features"]) + len(runs) + len(steps["notebooks"])
    assert all(runs[source] < runs[run] for run, found in steps["runs"].items() for source in found["after"])
    assert max(place["fetch", name] for name in ("smoke", "smoke-mouse")) < min(n for words, n in place.items() if words[0] == "preprocess")
    assert max(n for words, n in place.items() if words[0] == "preprocess") < min(runs.values())
    assert max(runs.values()) < place["notebook", "smoke", "01_preprocess"] and commands[-1] == ["notebook", "smoke", "results"]


def test_engine_counts_what_children_of_a_command_take_and_says_what_failed(tmp_path):
    busy, core = "sum(range(20_000_000))", min(os.sched_getaffinity(0))
    took = engine.timed([[sys.executable, "-c", f"import os, subprocess, sys; subprocess.run([sys.executable, '-c', '{busy}'])"]], tmp_path / "a", core)
    alone = engine.timed([[sys.executable, "-c", "pass"]], tmp_path / "a", core)
    assert 0.1 < took.cpu < 1.1 * took.wall and alone.cpu < took.cpu / 2
    with pytest.raises(InputError, match=r"^sh -c echo gone; exit 3 failed with status 3: gone$"):
        engine.timed([["sh", "-c", "echo gone; exit 3"]], tmp_path / "b", core)


def test_precision_holds_each_setting_against_float32(tmp_path, monkeypatch):
    network_for = train.network_for
    monkeypatch.setattr(train, "network_for", lambda data: replace(network_for(data), **SMALL))
    table = run(precision, tmp_path, "--profiles smoke --folds 1 2")
    assert table[["precision", "signal"]].to_numpy().tolist() == [["float32"] * 2, ["bfloat16", "float32"], ["float32", "float16"]]
    assert table.loc[0, ["change", "smallest", "largest"]].tolist() == [0, 0, 0] and (table["folds"] == 2).all()


def test_perturbation_times_as_many_edits_as_asked_for(tmp_path):
    table = run(perturbation, tmp_path, "--profile smoke --edits 900 --repeats 1")   # smoke has fewer pCREs
    assert (table["edits"] == 900).all() and len(table) == 3
    assert (table["features_s"] < table["seconds"]).all() and np.allclose(table["edits_per_s"], 900 / table["seconds"])


def test_recipe_is_chosen_for_a_fold_without_any_of_its_genes(monkeypatch):
    data, seen = load_dataset(load_profile("smoke"), "S01"), []

    def trained(train, held_out, *args):
        seen.append((set(train.genes["fold"]), set(held_out.genes["fold"])))
        return held_out.genes[["gene_id", "fold"]].assign(score=0.0, target=held_out.genes["label"]), 1.0

    monkeypatch.setattr(recipe_search, "trained", trained)
    table = recipe_search.searched(data, ["paper"], 1, "cpu")
    assert len(seen) == 6 and all(len(a) == len(b) == 2 and not a & b for a, b in seen)
    assert sorted(zip(table["outer"], table["inner"], strict=True)) == [(a, b) for a in range(1, 5) for b in range(1, 5) if a != b]
    assert (table["roc_auc"] == 0.5).all()
    rows = [(1, 2, "a", 0.9), (1, 3, "a", 0.7), (1, 2, "b", 0.7), (1, 3, "b", 1.0), (2, 1, "a", 0.6), (2, 1, "b", 0.5)]
    assert recipe_search.chosen(pd.DataFrame(rows, columns=["outer", "inner", "candidate", "roc_auc"])) == {1: "b", 2: "a"}


def test_recipe_search_sets_its_choice_beside_the_paper_s_recipe_and_trees(tmp_path, monkeypatch):
    quick = {"paper": ({"epochs": 1}, {}), "other": ({"epochs": 1, "learning_rate": 1e-3}, {"embedding_heads": 4})}
    monkeypatch.setattr(recipe_search, "CANDIDATES", quick)
    monkeypatch.setattr(recipe_search, "network_for", lambda data: replace(train.network_for(data), **SMALL))
    monkeypatch.setattr(recipe_search, "boosting", linear)  # trees take their time
    table = run(recipe_search, tmp_path, "--profile smoke --seeds 2").set_index("model")
    assert table.index.tolist() == ["Chromoformer, better recipe", "Chromoformer, better recipe, one network", "Chromoformer", "Gradient boosting"]
    folds = table[[f"fold {fold}" for fold in range(1, 5)]]
    assert folds.mean(axis=1).tolist() == pytest.approx(table["mean"].tolist())
    assert table["gain"].isna().tolist() == [False, False, False, True] and (table["low"] <= table["high"])[:3].all()
    log = pd.read_csv(tmp_path / "results" / report.TRIAL / "better_recipe_search.csv")
    assert len(log) == 2 * 12 and set(log["epochs"]) == {1}


def test_time_goes_to_kinds_of_operators_whose_shares_make_one(tmp_path):
    table = run(where_time_goes, tmp_path, "--profile smoke --genes 4 --repeats 1")
    assert table.groupby("what")["share"].sum().to_dict() == pytest.approx({"forward": 1, "train_step": 1})
    kinds = table.groupby("what")["kind"].agg(set)
    assert kinds["train_step"] - kinds["forward"] == {"optimizer"} and kinds["forward"] >= {"matrix products", "softmax", "norms"}
    assert where_time_goes.kind_of("aten::addmm") == where_time_goes.kind_of("aten::bmm") == "matrix products" != where_time_goes.kind_of("aten::add")


def test_compiled_network_is_timed_on_two_batches_or_says_why_not(tmp_path, monkeypatch):
    """The compiler itself takes minutes: here one that does nothing, then one that fails on the second batch."""
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "")                 # which the script sets
    monkeypatch.setattr(torch, "compile", lambda net: net)
    table = run(compiled, tmp_path, "--profile smoke --genes 6 --repeats 1")
    assert table["way"].value_counts().tolist() == [2, 2, 2] and table["failed"].isna().all()
    assert (table[["ms", "first_s", "other_s"]] > 0).all(axis=None)

    def fails(net):
        shapes = set()

        def call(batch):
            shapes.add(len(batch.gene_idx))
            if len(shapes) > 1:
                raise RuntimeError("another shape")
            return net(batch)

        return call

    monkeypatch.setattr(torch, "compile", fails)
    first = run(compiled, tmp_path, "--profile smoke --genes 6 --repeats 1").query("way == 'compiled' and what == 'forward'").iloc[0]
    assert first["failed"] == "RuntimeError: another shape" and first["first_s"] > 0 and first[["other_s", "ms"]].isna().all()
    with pytest.raises(InputError, match="--genes 9999, expected 1 to .* two batches"):
        compiled.main(["--profile", "smoke", "--genes", "9999", "--folder", str(tmp_path)])


def test_baselines_times_a_step_of_each_peer(tmp_path):
    table = run(baselines, tmp_path, "--marks 2 --genes 100 --nodes 30 --repeats 1")
    assert table["network"].unique().tolist() == ["DeepChrome", "AttentiveChrome", "DeepDiff raw_d", "DeepDiff raw_aux", "HM-CRNN", "GC-MERGE, 30 nodes"]
    steps = [100 * 100, 6 * 30, 10 * 120, 10 * 120, 6 * 20, 800]  # of 100 genes, epochs of each recipe
    first = table.drop_duplicates("network")
    assert (first["training_h"] * 3.6e6 / first["step_ms"]).tolist() == pytest.approx(steps)


def test_one_recurrence_equals_lstms_one_by_one():
    net = DeepDiff(2, "raw_aux_siamese").double()
    other, (first, second) = baselines.at_once(net), torch.rand(2, 3, 2, 20, dtype=torch.float64)
    torch.testing.assert_close(other(first, second), net(first, second), rtol=0, atol=1e-12)
    target = torch.tensor([[3.0, 0, 1]] * 3, dtype=torch.float64)
    assert baselines.check_equal_work(net, other, lambda net: net.loss(net(first, second), target)) < 1e-10
    with torch.no_grad():
        next(other.parameters()).mul_(1.01)
    with pytest.raises(InputError, match="gradients differ by .* unequal work has no ratio"):
        baselines.check_equal_work(net, other, lambda net: net.loss(net(first, second), target))


def test_preprocess_compares_equal_depth(tmp_path, in_this_process):
    words = "--reads 3000 --large 5000 --genes 20 --pcres 30 --genome simS"
    table = run(preprocess, tmp_path, words).set_index("what")
    assert table.reset_index().columns.tolist() == COLUMNS
    both = table[table["release"].notna()]
    assert both.index.tolist()[::2] == ["reads to depth", "reads to depth, release without its loop"]
    assert (both[["release", "ours"]] > 0).all(axis=None) and len(table) == 8


def test_unequal_depth_has_no_ratio(tmp_path):
    genome = preprocess.load_genome("simS")
    preprocess.write_reads(tmp_path / "a.gz", genome, 50, seed=0)
    preprocess.write_reads(tmp_path / "b.gz", genome, 50, seed=1)
    preprocess.paper(tmp_path / "a.gz", tmp_path, genome, has_loop=True)
    for name in ("a", "b"):
        preprocess.ours(tmp_path / f"{name}.gz", tmp_path / f"{name}.bw", genome)
    preprocess.check_equal_work(tmp_path / "a.bw", tmp_path / "depth.npz", genome)
    with pytest.raises(InputError, match="our depth differs from bedtools'"):
        preprocess.check_equal_work(tmp_path / "b.bw", tmp_path / "depth.npz", genome)


def test_train_step_writes_times_and_memory(tmp_path):
    table = run(train_step, tmp_path, "--profile smoke --genes 2 --repeats 1 --record")
    assert table.columns.tolist() == COLUMNS and table["what"].tolist() == ["forward", "train_step", "train_step"]
    assert (table[["release", "ours", "ratio"]] > 0).all(axis=None)
    page = (tmp_path / "README.md").read_text()
    assert "`python benchmarks/train_step.py --repeats 1 --record --profile smoke --genes 2`" in page and "PyTorch" in page
    assert str(tmp_path) not in page


def test_epoch_runs_the_release_s_own_script_beside_ours(tmp_path, in_this_process):
    words = "--profile smoke --fold 1 --epochs 1 --batch 2 --genes 5 --repeats 1 --workers 0"
    table = run(epoch, tmp_path, words).set_index("what")
    assert table.reset_index().columns.tolist() == COLUMNS
    assert (table.loc["epoch", ["release", "ours"]] > 0).all()
    assert table.loc["training, 1 epochs and start", "ours"] >= table.loc["epoch", "ours"]
    assert not (tmp_path / "README.md").exists(), "a trial is not kept"


def test_epoch_reads_the_release_s_own_files(demo_archive, tmp_path, whole_torch):
    setting = epoch.Setting("h1-demo", "E003", fold=4, epochs=1, batch=2, genes=4, device="cpu")
    files = epoch.files_for(setting, tmp_path)
    theirs, _ = epoch.run_release(setting, files, epoch.order_of(setting), workers=0, anomaly=False)
    (mine,), _ = epoch.run_ours(setting, 1)
    assert len(theirs.epoch) == len(mine.epoch) == 1
    assert epoch.check_equal_work(theirs, mine) <= epoch.TOLERANCE


def test_paper_scale_counts_the_grid(tmp_path, in_this_process):
    words = "--profile smoke --genes 40 --epochs 1 --batch 4 --release-genes 2 --release-epochs 1 --workers 0"
    table = run(paper_scale, tmp_path, words).set_index("what")
    assert table.reset_index().columns.tolist() == COLUMNS
    assert "figure 2: clf and reg: 11 x 4 x 2 = 88 trainings" in table.index
    (total,) = map(int, re.findall(r"all of these: (\d+) trainings", "\n".join(table.index)))
    parts = re.findall(r"(\d+) x (\d+) x (\d+) = (\d+) trainings", "\n".join(table.index))
    assert all(int(a) * int(b) * int(c) == int(n) for a, b, c, n in parts) and total == sum(int(part[3]) for part in parts)
    fold = table.loc["fold, 1 epochs and start (release extrapolated)", "release"]
    assert table.loc[f"all of these: {total} trainings", "release"] == pytest.approx(total * fold / 3600)
    assert 0 < table.loc["of it the dataset on the device, float32", "ours"] < table.loc["memory at peak", "ours"]


def test_release_epoch_is_extrapolated_gene_by_gene():
    run = peer.Training(start=1, epoch=[21.0], train=[16.0], validate=[4.0], train_loss=[0.0], loss=[0.0])
    assert paper_scale.release_epoch(run, n_train=8, n_held_out=4, genes=80, held_out=40) == 160 + 40 + 1


def test_scaling_writes_points_slopes_and_a_figure(tmp_path):
    table = run(scaling, tmp_path, "--only batch --sizes 2 4 --genes 16 --steps 1 --record")
    assert table.columns.tolist() == ["what", "from", "to", *scaling.COSTS]
    points = pd.read_csv(tmp_path / "results" / "scaling-points.csv")
    assert points["size"].tolist() == [2, 4] and (points["step_s"] > 0).all()
    assert "](results/scaling.svg)" in (tmp_path / "README.md").read_text() and (tmp_path / "results" / "scaling.svg").exists()


@pytest.mark.parametrize(("what", "size"), [("pcres", 0), ("pcres", 3), ("window", 2000), ("bins", 20), ("bins", 800), ("batch", 2)])
def test_cost_can_be_measured_at_the_ends(what, size):
    found = scaling.measure(scaling.point(what, size, scaling.Point(genes=6, batch=3, pcres=2)), 1, "cpu")
    assert list(found) == list(scaling.COSTS)
    assert found.pop("added_mb") > -1  # pages are counted in lots, and those that were freed are kept
    assert min(found.values()) >= 0 and found["step_s"] > found["gather_s"] > 0


def test_signal_of_the_paper_s_largest_cell_type_leaves_room_in_two_gigabytes():
    """18,955 genes with eight pCREs each out of three for each gene, which are more than any cell type of the paper has."""
    data = GeneDataset(scaling.random_store(scaling.Point(genes=200)))
    exact, half = (18_955 / 200 * data.to(dtype=dtype).n_bytes for dtype in (None, torch.float16))
    assert exact < 1e9 and half < 0.51 * exact


# Equal work


def test_work_counts_as_equal_only_with_equal_weights(tmp_path):
    data = load_dataset(load_profile("smoke"), next(iter(load_profile("smoke").cell_types)))
    ids = data.genes["gene_id"].tolist()
    parts = data.select(genes=ids[:3]), data.select(genes=ids[3:5])
    config = TrainConfig(epochs=1, batch_size=3, device="cpu")
    runs = []
    for k, seed in enumerate((42, 42, 43)):
        folder = tmp_path / str(k)
        folder.mkdir()
        (folder / "released.pt").write_bytes(peer.checkpoint(peer.network(seed=seed)).getvalue())
        runs.append(ours.timed_fit(lambda: parts, config, folder, epoch.load_released(folder / "released.pt")))
    assert epoch.check_equal_work(runs[0], runs[1]) == 0
    with pytest.raises(InputError, match="losses differ by .* unequal work has no ratio"):
        epoch.check_equal_work(runs[0], runs[2])


# The helper


def test_slope_of_a_power_law_is_its_exponent():
    x = [1.0, 10.0, 40.0, 0.0]
    assert report.slope(x, [3 * a**1.5 for a in x]) == pytest.approx(1.5, abs=1e-12)
    with pytest.raises(InputError, match="at least two of different size"):
        report.slope([0, 2], [1, 1])


def test_section_is_replaced_between_its_marks_once():
    page = report.with_section("# Title\n\nText.\n", "one", "first")
    page = report.with_section(page, "two", "other")
    again = report.with_section(page, "one", "second\n\n| a |")
    assert "first" not in again and again.count("second") == 1 and again.count("other") == 1
    assert again.startswith("# Title\n\nText.\n") and again.count("<!-- one: begin -->") == 1
    assert report.with_section(again, "one", "second\n\n| a |") == again
    with pytest.raises(SystemExit, match="expected one each or none"):
        report.with_section(page + "<!-- one: begin -->", "one", "x")


def test_only_default_settings_or_record_are_kept(tmp_path):
    def kept(*words):
        return report.options_of(report.parser("x.py", "", repeats=3), [*words, "--folder", str(tmp_path)]).is_kept

    assert kept() and kept("--record", "--repeats", "1") and kept("--repeats", "3") and not kept("--repeats", "1")


def test_peak_memory_holds_what_was_allocated_and_freed_again():
    peak = report.Peak()
    peak.start()
    size = torch.ones(50_000_000).nbytes  # 200 MB, freed at once
    assert peak.added_mb >= EXACT * size / report.MB and peak.total_mb >= peak.added_mb


def allocate(n_bytes: int) -> float:
    peak = report.Peak()
    peak.start()
    np.ones(n_bytes, np.uint8)
    return peak.added_mb


def test_child_measures_its_own_memory():
    assert 100 * EXACT <= report.in_child(allocate, 100_000_000) < 200


def test_failing_child_is_one_line():
    with pytest.raises(SystemExit, match="allocate failed in its own process with status 1"):
        report.in_child(allocate, -1)


def test_bad_input_is_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"^train_step: --genes 999, expected 1 to \d+"), report.one_line_errors("train_step"):
        run(train_step, tmp_path, "--profile smoke --genes 999")


def test_page_of_benchmarks_has_a_section_for_each_script():
    page = (report.HOME / "README.md").read_text()
    for script in (preprocess, train_step, epoch, paper_scale, scaling, baselines, perturbation):
        assert page.count(f"<!-- {script.__name__}: begin -->") == page.count(f"<!-- {script.__name__}: end -->") == 1
