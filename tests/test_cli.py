"""The command: what each step writes, and one line, status 1 and nothing half-written where something is wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks import peer
from chromolib import (
    GeneDataset,
    Run,
    ensure,
    features,
    jobs,
    load_dataset,
    load_profile,
    load_released,
    machine,
    predict,
    train,
)
from chromolib.profile import PROFILES, profile_names


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "released.pt"
    path.write_bytes(peer.checkpoint(peer.network("clf", seed=7)).getvalue())
    return path


def write_profile(folder, **changed):
    """A profile of raw files that nobody has, written by a user."""
    values = {"name": "mine", "title": "", "genome": "hg19", "cell_types": {"C1": "cells"}, "inputs": {"kind": "raw"}}
    (folder / "mine.yml").write_text(yaml.safe_dump(values | changed))
    return folder / "mine.yml"


def one_line(result):
    status, _, lines = result
    assert status == 1 and len(lines) == 1, lines
    assert lines[0].startswith("chromolib: ") and "Traceback" not in lines[0]
    return lines[0]


# What the steps write


def test_predict_writes_one_row_per_gene(chromolib, weights, tmp_path):
    out = tmp_path / "predictions.csv"
    status, lines, _ = chromolib("predict", "--weights", weights, "--profile", "smoke", "--cell-type", "S01", "--out", out)
    table, data = pd.read_csv(out), load_dataset(load_profile("smoke"), "S01")
    assert status == 0 and lines[-1] == f"{out}: {len(data)} genes of S01"
    assert table["gene_id"].tolist() == data.genes["gene_id"].tolist()
    expected = predict(load_released(weights), data)
    np.testing.assert_allclose(table["probability"], expected["probability"], rtol=1e-6)
    assert {"symbol", "chrom", "tss", "strand", "fold", "rpkm", "logit_off", "logit_on", "target"} <= set(table)
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


@pytest.mark.parametrize(
    "selection",
    [{"max_pcres": 0}, {"window_bp": 10_000}, {"contacts": "intra-TAD"}, {"log_base": "2"}, {"model": "hm-crnn"}],
)
def test_predict_reads_what_the_run_read(chromolib, monkeypatch, tmp_path, selection):
    sizes = {"d_embedding": 8, "regulation_layers": 1, "regulation_heads": 2, "regulation_width": 8}
    network_for = train.network_for
    monkeypatch.setattr(train, "network_for", lambda data: replace(network_for(data), **sizes))
    run = Run(profile="smoke", cell_type="S01", fold=3, seed=1, **selection)
    held_out = ensure([run]).predictions.set_index("gene_id")
    out = tmp_path / "predictions.csv"
    assert chromolib("predict", "--weights", run.folder, "--profile", "smoke", "--cell-type", "S01", "--out", out)[0] == 0
    table = pd.read_csv(out).set_index("gene_id").loc[held_out.index]
    np.testing.assert_allclose(table["logit_on"], held_out["logit_on"], atol=1e-5)
    shutil.rmtree(run.folder)


def test_train_learns_from_other_cell_types(chromolib, monkeypatch):
    seen = []
    monkeypatch.setattr("chromolib.grid.ensure", lambda runs, **options: seen.extend(runs) or sys.exit(0))
    common = ("train", "smoke", "--cell-type", "S03", "--fold", "1")
    chromolib(*common, "--learn-from", "S01", "--learn-from", "S02")
    chromolib(*common, "--start", "S01", "--frozen", "--genes", "20")
    chromolib(*common)
    run = Run(profile="smoke", cell_type="S03", fold=1)
    assert seen == [replace(run, learn_from=("S01", "S02")), replace(run, start="S01", frozen=True, n_genes=20), run]


@pytest.fixture
def two_gpus(monkeypatch, tmp_path):
    """What nobody holds, of two GPUs of these names."""
    monkeypatch.setattr(machine, "visible_gpus", lambda: ["GPU-8f2a", "3"])
    monkeypatch.setattr(machine.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8f2a,3")                     # which commands may set
    return tmp_path / f"chromolib-gpus-{os.getuid()}"


def test_train_shares_gpus_and_takes_one_that_nobody_holds(chromolib, monkeypatch, two_gpus):
    seen = []
    monkeypatch.setattr("chromolib.grid.ensure", lambda runs, **options: seen.append(options) or sys.exit(0))
    common = ("train", "smoke", "--cell-type", "S03", "--fold", "1")
    with machine.free_gpu(machine.visible_gpus(), 2) as held:
        chromolib(*common, "--share", "2", "--per-device", "3")
    chromolib(*common, "--share", "2")
    chromolib(*common)
    monkeypatch.setattr(machine, "visible_gpus", list)                           # none is there
    chromolib(*common, "--share", "2", "--device", "cpu")
    assert held == 0 and [options["devices"] for options in seen] == ["cuda:1", "cuda:0", "auto", "cpu"]
    assert [options["per_device"] for options in seen] == [3, 1, 1, 1] and any(two_gpus.iterdir())


def test_notebook_makes_a_page_of_its_options_on_a_gpu_of_its_own(chromolib, monkeypatch, two_gpus, tmp_path):
    seen = []

    def make_page(*arguments, **options):
        seen.append((arguments, options, os.environ["CUDA_VISIBLE_DEVICES"]))
        return tmp_path / "page.ipynb"

    monkeypatch.setattr("chromolib.book.make_page", make_page)
    assert chromolib("notebook", "smoke", "02_train") == (0, [str(tmp_path / "page.ipynb")], [])
    with machine.free_gpu(machine.visible_gpus(), 1):
        chromolib("notebook", "smoke", "02_train", "--out", tmp_path / "x.ipynb", "--budget", "full", "--share", "1")
    assert seen == [
        (("smoke", "02_train", None), {"budget": "profile"}, "GPU-8f2a,3"),
        (("smoke", "02_train", tmp_path / "x.ipynb"), {"budget": "full"}, "3"),
    ]


def test_notebook_writes_where_it_is_told_and_budgets_are_for_notebooks_that_have_one(chromolib, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("chromolib.book.run_notebook", lambda source, target, parameters, **options: seen.append((source.stem, target, parameters)))
    out = tmp_path / "x.ipynb"
    assert chromolib("notebook", "smoke", "04_window_size", "--out", out, "--budget", "full")[:2] == (0, [str(out)])
    assert chromolib("notebook", "smoke", "01_preprocess", "--budget", "full")[0] == 0
    pages = load_profile("smoke").work_dir.resolve() / "pages"
    assert seen == [
        ("04_window_size", out, {"profile": "smoke", "budget": "full"}), ("01_preprocess", pages / "01_preprocess.ipynb", {"profile": "smoke"}),
    ]  # fmt: skip


def test_book_is_built_of_the_profile_and_of_pages_where_they_are_named(chromolib, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("chromolib.book.build", lambda *arguments, **options: seen.append((arguments, options)))
    assert [chromolib("book", *words) for words in ((), ("smoke",), ("smoke", "--pages", tmp_path))] == [(0, [], [])] * 3
    assert seen == [(("sim",), {"pages": None}), (("smoke",), {"pages": None}), (("smoke",), {"pages": tmp_path})]


def test_train_ends_with_status_1_where_a_run_failed(chromolib, monkeypatch):
    sizes = {"d_embedding": 8, "regulation_layers": 1, "regulation_heads": 2, "regulation_width": 8}
    network_for, fit = train.network_for, jobs.fit
    monkeypatch.setattr(train, "network_for", lambda data: replace(network_for(data), **sizes))

    def fails_on_fold_2(*args, name, **options):
        if "fold2" in name:
            raise MemoryError
        return fit(*args, name=name, **options)

    arguments = ("train", "smoke", "--cell-type", "S01", "--seed", "3")
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "fit", fails_on_fold_2)
        status, lines, errors = chromolib(*arguments)
        assert status == 1 and sum(line.startswith("S01-clf") or " S01-clf" in line[:9] for line in lines[-3:]) == 3
        assert len(errors) == 1 and errors[0].startswith("chromolib: S01-clf-chromoformer-fold2-seed3: out of memory on ")
    assert chromolib(*arguments)[0] == 0
    for folder in (load_profile("smoke").work_dir / "runs").glob("*-seed3"):
        shutil.rmtree(folder)


def test_simulate_takes_its_seed(chromolib, tmp_path):
    out = tmp_path / "cohort"
    status, lines, _ = chromolib("simulate", out, "--profile", "smoke", "--seed", "7")
    assert status == 0 and lines[-1] == str(out)
    assert json.loads((out / "manifest.json").read_text())["settings"]["inputs"]["simulation"]["seed"] == 7


def test_simulate_writes_features_of_any_number_of_genes(chromolib, tmp_path):
    status, lines, _ = chromolib("simulate", tmp_path, "--profile", "null", "--features", "64", "--cell-type", "S02")
    path = tmp_path / "S02" / "features.zarr"
    assert status == 0 and lines == [str(path)]
    assert len(GeneDataset(features.load(path).load())) == 64


def test_check_says_what_a_profile_needs(chromolib):
    status, lines, _ = chromolib("check", "smoke")
    assert status == 0 and lines[0] == "smoke: Smallest simulated cohort, for tests"
    assert "folds 1, 2, 3, 4" in lines[1] and lines[2].startswith("S01: inputs are simulated")


def test_preprocess_prints_the_feature_stores(chromolib):
    status, lines, _ = chromolib("preprocess", "smoke")
    folder = load_profile("smoke").work_dir
    assert status == 0 and lines == [str(folder / name / "features.zarr") for name in ("S01", "S02", "S03")]


def test_fetch_go_lists_the_packages_that_it_would_take(chromolib):
    status, lines, _ = chromolib("fetch", "go", "--dry-run")
    assert status == 0 and [line.split()[4] for line in lines[:2]] == ["debian-org-hs", "debian-go"]
    assert lines[-1] == "to fetch: 2 of 2 files, about 49 MB"


@pytest.mark.parametrize("option", [("--only", "figure"), ("--cell-type", "E003")])
def test_fetch_go_takes_no_part(chromolib, option):
    line = one_line(chromolib("fetch", "go", *option))
    assert line == f"chromolib: fetch: go with {option[0]}, expected neither; sets of genes are fetched whole, leave it out"


def test_fetch_says_that_a_simulated_profile_needs_nothing(chromolib):
    assert chromolib("fetch", "smoke")[:2] == (0, ["profile smoke needs no download"])


# What is wrong with the arguments


def test_fetch_lists_every_profile_in_a_line(chromolib):
    status, lines, _ = chromolib("fetch", "--list")
    assert status == 0 and [line.partition(":")[0] for line in lines] == profile_names()
    assert "pilot-40kb: Real H1 (E003) and GM12878 (E116) cells" in " ".join(lines) and "reads avocado-pilot, " in " ".join(lines)
    assert chromolib("fetch", "--list", "sim")[1] == ["sim: Simulated cohort with planted truth; needs no download"]
    assert one_line(chromolib("fetch")).startswith("chromolib: fetch: which profile? expected one of deepdiff-sample, ")


@pytest.mark.parametrize("command", ["fetch", "preprocess", "train", "check", "book"])
def test_unknown_profile_is_one_line(chromolib, command):
    line = one_line(chromolib(command, "smok"))
    assert line.startswith("chromolib: unknown profile 'smok': expected one of ") and "smoke" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["preprocess", "smoke", "--cell-type", "E003"], "profile smoke: unknown cell type 'E003', expected one of"),
        (["train", "smoke", "--cell-type", "E003"], "unknown cell type 'E003'"),
        (["train", "smoke", "--fold", "9"], "fold 9 holds 0 of"),
        (["train", "smoke", "--task", "diff"], "train: task='diff', expected clf or reg; fold changes are trained in notebooks 02b and 03"),
        (["train", "smoke", "--task", "cls"], "train: task='cls', expected clf or reg"),
        (["simulate", "new", "--profile", "smoke", "--cell-type", "S01"], "simulate: --cell-type S01 without --features, but"),
        (["train", "smoke", "--frozen"], "Run: frozen without start"),
        (["train", "smoke", "--genes", "1000"], "n_genes=1000, expected 2 to "),
        (["train", "smoke", "--recipe", "mine"], "Run: recipe='mine', expected one of paper, profile, better"),
        (["preprocess", PROFILES / "none.yml"], "unknown profile"),
        (["simulate", "new", "--profile", "h1-demo"], "profile h1-demo: has no inputs.simulation"),
        (["simulate", "new", "--profile", "h1-demo", "--seed", "3"], "profile h1-demo: has no inputs.simulation"),
        (["simulate", "new", "--profile", "smoke", "--seed", "-1"], "seed=-1, expected 0 or more"),
    ],
)
def test_wrong_argument_is_one_line_and_writes_nothing(chromolib, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in one_line(chromolib(*arguments))
    assert list(tmp_path.iterdir()) == []


def test_word_that_is_no_number_is_typer_s_own_usage_error(chromolib):
    status, _, lines = chromolib("train", "smoke", "--fold", "first")
    assert status == 2 and any("--fold" in line for line in lines)


def test_broken_profile_of_a_user_is_one_line(chromolib, tmp_path):
    path = write_profile(tmp_path, genome=None)
    assert f"{path}:3: genome: Input should be a valid string" in one_line(chromolib("check", path))
    path.write_text("name: [")
    assert f"{path}:1: not readable as YAML" in one_line(chromolib("check", path))


@pytest.mark.parametrize("command", [("check",), ("train", "--model", "deepchrome")])
def test_wrong_budget_is_told_before_anything_is_trained(chromolib, tmp_path, command):
    path = tmp_path / "own.yml"
    path.write_text((PROFILES / "smoke.yml").read_text().replace("folds: [1]", "folds: [9]"))
    status, _, errors = chromolib(command[0], path, *command[1:])
    assert status == 1 and errors == ["chromolib: profile smoke: budget.folds: found 9, expected some of 1, 2, 3, 4; correct it"]


@pytest.mark.parametrize(
    ("changed", "unknown"),
    [
        ({"other_cell_types": ["E003", "E999"]}, "shallowchrome-targets/E999"),
        ({"cell_types": {"C1": "cells"}}, "avocado-pilot/C1.H3K4me3"),
        ({"inputs": {"contacts": {"E116": "jeme-gm12879"}}}, "jeme-gm12879"),
        ({"inputs": {"signal": "avocado/{sample}.{mark}"}}, "avocado/E116.H3K4me3"),
    ],
)
@pytest.mark.parametrize("command", [["check"], ["fetch"], ["fetch", "--list"]])
def test_unknown_source_is_named_before_anything_is_fetched(chromolib, monkeypatch, tmp_path, changed, unknown, command):
    monkeypatch.setattr("chromolib.sources.fetch", None)
    inputs = {"kind": "published", "format": "avocado-pilot", "signal": "avocado-pilot/{sample}.{mark}"}
    values = {"cell_types": {"E116": "cells"}, "marks": ["H3K4me3"]} | changed
    path = write_profile(tmp_path, **values | {"inputs": inputs | changed.get("inputs", {})})
    line = one_line(chromolib(*command, path))
    assert line.startswith(f"chromolib: profile mine: found source '{unknown}', expected ids of data/sources.yml; correct ")


# What is wrong with the files


@pytest.mark.parametrize("command", [["check"], ["preprocess"], ["train", "--fold", "1"]])
def test_missing_raw_file_is_named(chromolib, monkeypatch, tmp_path, command):
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "data"))
    line = one_line(chromolib(command[0], write_profile(tmp_path), *command[1:]))
    assert str(tmp_path / "data" / "raw" / "mine") in line
    assert not (tmp_path / "data" / "work").exists()


def predict_with(chromolib, weights, tmp_path, **options):
    arguments = {"weights": weights, "profile": "smoke", "out": tmp_path / "predictions.csv"} | options
    if arguments["profile"] == "smoke":
        arguments["cell-type"] = "S01"
    return chromolib("predict", *[part for name, value in arguments.items() for part in (f"--{name}", value)])


def test_predict_wants_one_of_several_cell_types(chromolib, tmp_path, weights):
    line = one_line(chromolib("predict", "--weights", weights, "--profile", "smoke", "--out", tmp_path / "x.csv"))
    assert line == "chromolib: profile smoke holds S01, S02, S03; name one with --cell-type"


def test_weights_that_are_missing_damaged_or_no_run_are_one_line(chromolib, tmp_path, weights):
    empty, broken = tmp_path / "empty", tmp_path / "broken.pt"
    empty.mkdir()
    broken.write_bytes(weights.read_bytes()[:10_000])
    for path, message in (
        (tmp_path / "none.pt", "no such file; expected a checkpoint"),
        (empty, "no config.json; expected a folder that save_pretrained or a training wrote"),
        (broken, "damaged or not a PyTorch checkpoint"),
    ):
        line = one_line(predict_with(chromolib, path, tmp_path))
        assert str(path) in line and message in line
    assert not (tmp_path / "predictions.csv").exists()


def test_output_that_cannot_be_written_is_said_before_the_work(chromolib, monkeypatch, tmp_path, weights):
    monkeypatch.setattr("chromolib.pretrained.networks_of", None)  # nothing is loaded first
    file = tmp_path / "file"
    file.touch()
    for out in (tmp_path / "none" / "p.csv", file / "p.csv"):
        line = one_line(predict_with(chromolib, weights, tmp_path, out=out))
        assert f"{out}: folder {out.parent} does not exist or can't be written to" in line
    assert f"{tmp_path}: is a folder" in one_line(predict_with(chromolib, weights, tmp_path, out=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_predict_asks_which_of_several_cell_types(chromolib, tmp_path, weights):
    profile = write_profile(tmp_path, cell_types={"C1": "", "C2": ""})
    assert "profile mine holds C1, C2; name one with --cell-type" in one_line(
        predict_with(chromolib, weights, tmp_path, profile=profile)
    ).replace(str(profile), "mine")


def test_data_folder_that_is_a_file_is_one_line(chromolib, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CHROMOLIB_DATA", str(tmp_path / "file"))
    for command in (["preprocess", "smoke"], ["train", "smoke", "--fold", "1"]):
        assert str(tmp_path / "file") in one_line(chromolib(*command))


def test_simulate_replaces_nothing_of_others(chromolib, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert f"{tmp_path}: holds thesis.txt" in one_line(chromolib("simulate", tmp_path, "--profile", "smoke"))
    file = tmp_path / "thesis.txt"
    for out in (file, file / "cohort"):
        assert "thesis.txt" in one_line(chromolib("simulate", out, "--profile", "smoke"))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"] and file.read_text() == "years of work"


def test_full_disk_is_one_line_and_leaves_the_old_table(chromolib, monkeypatch, tmp_path, weights):
    out = tmp_path / "predictions.csv"
    out.write_text("old")

    def half(self, path, **options):
        path.write_text("half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(pd.DataFrame, "to_csv", half)
    assert "No space left on device" in one_line(predict_with(chromolib, weights, tmp_path))
    assert out.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


# A process of its own


def start(*arguments, **options):
    command = [sys.executable, "-c", "from chromolib.cli import main; main()", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_error_reaches_the_shell_as_one_line_and_status_1():
    process = start("check", "smok")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, len(err.splitlines())) == (1, "", 1)


def test_interrupted_command_says_so_and_leaves_no_part(tmp_path):
    process = start("simulate", tmp_path / "cohort", "--profile", "sim")
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines() == [
        "chromolib: interrupted; what was finished is kept, the same command goes on from there"
    ]
    assert list(tmp_path.iterdir()) == []


def test_check_of_large_sources_fetches_nothing(chromolib, data_dir):
    status, out, _ = chromolib("check", "roadmap")
    assert status == 0 and not (data_dir / "raw" / "roadmap").exists()
    assert "E003: 0 of 12 input files are there; `chromolib fetch roadmap` brings 12, 4 of them from addresses that were not verified" in out


def test_check_of_the_paper_s_mouse_says_what_nobody_knows_yet(chromolib, data_dir):
    status, out, _ = chromolib("check", "roadmap-mouse")
    assert status == 0 and not (data_dir / "raw" / "roadmap-mouse").exists()
    assert "0 of 11 input files are there; `chromolib fetch roadmap-mouse` brings 4, 4 of them from addresses that were not verified" in out[-1]
    assert "no address is known of encode-mouse-reads/H3K4me1, " in out[-1]
    status, out, _ = chromolib("fetch", "roadmap-mouse", "--dry-run")
    assert status == 0 and out[-2:] == ["no address: 7 of 11 files, about 7 GB", "to fetch: 4 of 11 files, about 2.18 GB"]
    assert any("ensembl-orthologues" in line and line.endswith("(inferred, not verified)") for line in chromolib("fetch", "roadmap", "--only", "mouse", "--dry-run")[1])
