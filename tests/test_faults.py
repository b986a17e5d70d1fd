"""Whatever kills or fails a training: what is on disk stays whole, the others go on, and the same call completes the rest."""

import errno
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from chromolib import InputError, Run, TrainingError, ensure, jobs, load_profile, runs, train
from chromolib.config import ROOT
from chromolib.features import ensure as ensure_features
from chromolib.profile import PROFILES
from chromolib.simulate import ensure_raw

EPOCHS = 12
RESULTS = ("history.csv", "predictions.parquet", "metrics.json", "model.safetensors")

# What every interpreter of these tests begins with, workers too: a network that trains an epoch in some 40 ms, and a file
# to which each epoch adds a line. `FAULT` is run at the start of each fit.
SITE = """
import os, signal
from dataclasses import replace
from chromolib import jobs, train

small = {{"d_embedding": 8, "embedding_ff": 8, "pairwise_ff": 8, "regulation_layers": 1, "regulation_heads": 2,
         "regulation_width": 8, "regulation_ff": 8, "head_width": 8}}
network_for, train_epoch, fit = train.network_for, train.train_epoch, jobs.fit

def counted(model, data, optimizer, scaler, config, epoch):
    loss = train_epoch(model, data, optimizer, scaler, config, epoch)
    with open({log!r}, "a") as file:
        file.write(f"{{os.getpid()}} {{epoch}}\\n")
    return loss

def faulty(*data, name, **options):
    marker = {log!r} + ".faulty"
{fault}
    return fit(*data, name=name, **options)

train.network_for = lambda data: replace(network_for(data), **small)
train.STATE_EVERY_S = 0.0
train.train_epoch, jobs.fit = counted, faulty
"""
GRID = """
import os, random, shutil, signal, sys, time
import chromolib as cl
runs = [cl.Run(profile={profile!r}, cell_type=name, fold=fold) for name in ("S01", "S02") for fold in (1, 2)][:{n}]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory, data_dir):
    """A folder with a profile of EPOCHS epochs, the data of the smallest one."""
    folder = tmp_path_factory.mktemp("faults")
    text = (PROFILES / "smoke.yml").read_text()
    (folder / "long.yml").write_text(text.replace("epochs: 2,", f"epochs: {EPOCHS},"))
    smoke = load_profile(folder / "long.yml")
    assert smoke.training.epochs == EPOCHS and smoke.work_dir.is_relative_to(data_dir)
    ensure_raw(smoke)
    for name in ("S01", "S02"):
        ensure_features(smoke, name)
    return folder


@pytest.fixture
def store(place):
    """The folder of runs, empty before and after."""
    folder = load_profile(place / "long.yml").work_dir / "runs"
    shutil.rmtree(folder, ignore_errors=True)
    (place / "log").unlink(missing_ok=True)
    (place / "log.faulty").unlink(missing_ok=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def start(place, code, *, n=4, fault="    pass", **options):
    """An interpreter that runs `code` with `runs` at hand."""
    (place / "sitecustomize.py").write_text(SITE.format(log=str(place / "log"), fault=fault))
    path = os.pathsep.join([str(place), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CHROMOLIB_PROGRESS": "lines"}
    code = GRID.format(profile=str(place / "long.yml"), n=n) + code
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    return out.splitlines(), err.splitlines()


def results(store):
    """Bytes of what a run results in, and nothing beside the runs."""
    folders = sorted(path for path in store.iterdir() if path.name != ".locks")
    assert all(sorted(path.name for path in folder.iterdir()) == sorted(runs.FILES) for folder in folders), folders
    return {folder.name: [(folder / name).read_bytes() for name in RESULTS] for folder in folders}


def epochs_trained(place):
    return len((place / "log").read_text().splitlines())


@pytest.fixture(scope="module")
def undisturbed(place):
    """What the grid results in where nothing happens."""
    folder = load_profile(place / "long.yml").work_dir / "runs"
    shutil.rmtree(folder, ignore_errors=True)  # other tests leave runs of the same profile
    finish(start(place, "cl.ensure(runs)"))
    found = results(folder)
    shutil.rmtree(folder)
    return found


# Kills

KILLING = """
import pyarrow.parquet, torch._dynamo, torch._refs, xarray.backends.zarr, zarr   # else each child imports them by itself
from chromolib import checkpoints, files, grid, jobs, train

store = runs[0].folder.parent

def before_a_file_operation(n):                  # each rename, removal and new folder of the store counts
    seen = []
    def hook(event, arguments):
        if event not in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            return
        is_in_a_folder_that_goes = event in ("os.remove", "os.rmdir") and arguments[1] != -1
        if is_in_a_folder_that_goes or str(store) in str(arguments[0]) and (event == "os.mkdir" or os.path.exists(arguments[0])):
            seen.append(event)
            if len(seen) == n:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

def within_a_write(n):
    seen, write_whole = [], files.write_whole
    def half(path, write):
        def torn(temporary):
            write(temporary)
            seen.append(path)
            if len(seen) == n:
                os.truncate(temporary, temporary.stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
        write_whole(path, torn)
    checkpoints.write_whole = jobs.write_whole = half

def in_a_child(*steps):                          # the interpreter is forked, since starting one takes seconds
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        for step in steps:
            step()
        cl.ensure(runs)
        os._exit(0)
    return child

def was_killed(child):
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL or status == 0
    return status != 0
"""

TWENTY_TIMES = """
random.seed(1)
for i in range(20):
    read, write = os.pipe()
    n = random.randint(1, 10)
    if i % 3 == 0:
        child = in_a_child(lambda: before_a_file_operation(n))
    elif i % 3 == 1:
        child = in_a_child(lambda: within_a_write(n))
    else:
        def tell():
            train_epoch = train.train_epoch
            train.train_epoch = lambda *arguments: os.write(write, b".") and train_epoch(*arguments)
        child = in_a_child(tell)
        os.read(read, 1)                         # it trains now
        time.sleep(random.uniform(0, 0.2))
        os.kill(child, signal.SIGKILL)
    assert was_killed(child), f"ended by itself at kill {i}"
    print("killed")
cl.ensure(runs)
"""

AT_EACH_FILE_OPERATION = """
whole = runs[0].folder
shutil.copytree(whole, "outdated")
n = 0
while True:
    n += 1
    shutil.rmtree(store)
    shutil.copytree("outdated", whole)
    (whole / "config.json").write_text("{}")
    if not was_killed(in_a_child(lambda: before_a_file_operation(n))):
        break
    assert not was_killed(in_a_child())
    assert sorted(path.name for path in store.iterdir()) == [".locks", whole.name], n
    for name in ("history.csv", "predictions.parquet", "metrics.json", "model.safetensors"):
        assert (whole / name).read_bytes() == open("outdated/" + name, "rb").read(), (n, name)
print(n - 1)
"""


def test_grid_killed_twenty_times_ends_as_if_nothing_had_been(small, store, place, undisturbed):
    ensure([Run(profile="smoke", cell_type=name, fold=fold) for name in ("S01", "S02") for fold in (1, 2)], devices="cpu")
    before = results(store)                                                      # whole but outdated, to be replaced
    lines, _ = finish(start(place, KILLING + TWENTY_TIMES))
    assert lines.count("killed") == 20
    assert results(store) == undisturbed != before


FROM_OTHERS = """
about = [{"start": "S01"}, {"start": "S01", "frozen": True, "n_genes": 20}, {"cell_type": "S01", "learn_from": ("S01", "S02")}]
runs = [cl.Run(**{"profile": runs[0].profile, "cell_type": "S02", "fold": 1} | some) for some in about]
"""


def test_runs_from_other_cell_types_end_the_same_killed_or_not_and_one_or_two_at_a_time(place, store):
    finish(start(place, FROM_OTHERS + "cl.ensure(runs, per_device=2)"))
    undisturbed = results(store)
    assert len(undisturbed) == 4                                                 # with what two of them start from
    shutil.rmtree(store)
    lines, _ = finish(start(place, FROM_OTHERS + KILLING + TWENTY_TIMES.replace("range(20)", "range(8)")))
    assert lines.count("killed") == 8
    assert results(store) == undisturbed


def test_run_killed_before_any_of_its_file_operations_is_completed(place, store, tmp_path):
    code = "runs[0] = cl.Run(profile='smoke', cell_type='S01', fold=1); cl.ensure(runs)" + KILLING + AT_EACH_FILE_OPERATION
    lines, _ = finish(start(place, code, n=1, cwd=tmp_path))
    assert int(lines[-1]) > 20


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers end at their next epoch")
def test_workers_die_with_their_parent_and_the_next_ones_go_on(place, store, undisturbed):
    parent = start(place, "cl.ensure(runs, per_device=2)")
    until(lambda: len(list(store.glob(".*.part/state.safetensors"))) == 2)       # both are within their training
    workers = children(parent.pid)
    parent.kill()
    parent.communicate()
    assert len(workers) == 2
    until(lambda: not any(map(is_running, workers)), seconds=5)
    finish(start(place, "cl.ensure(runs)"))
    assert results(store) == undisturbed
    assert epochs_trained(place) <= 4 * EPOCHS + 2                               # at most one epoch of each was lost


AT_ONCE = """
def at_once(*runs):
    children = [in_a_child(lambda n=n: os.dup2(os.open(f"lines{n}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 1)) for n in (0, 1)]
    assert not any(was_killed(child) for child in children)
    return children
every = runs
runs = every[:1]
print(*at_once())
os.rename("lines0", "one0"), os.rename("lines1", "one1"), os.rename(LOG, "log")
shutil.rmtree(store)
runs = every
at_once()
"""


def test_processes_on_the_same_runs_share_them_and_train_each_once(place, store, undisturbed, tmp_path):
    lines, _ = finish(start(place, KILLING + AT_ONCE.replace("LOG", repr(str(place / "log"))), cwd=tmp_path))
    name = next(iter(undisturbed))
    first, second = sorted([(tmp_path / f"one{n}").read_text().splitlines() for n in (0, 1)], key=len)
    assert len(first) == 1 and first[0].startswith(f"[1/1] {name}: held-out roc_auc ")
    assert second[0] in {f"{name}: process {pid} on {os.uname().nodename} trains it; waiting for that" for pid in lines[-1].split()}
    assert second[1:] == [f"[1/1] {name}: trained by another process"]
    assert len((tmp_path / "log").read_text().splitlines()) == EPOCHS
    assert all("held-out" in (tmp_path / f"lines{n}").read_text() for n in (0, 1))  # each has trained some of the grid
    assert epochs_trained(place) == 4 * EPOCHS and results(store) == undisturbed


# Failures of single runs

SMALL = {
    "d_embedding": 8, "embedding_ff": 8, "pairwise_ff": 8, "regulation_layers": 1, "regulation_heads": 2,
    "regulation_width": 8, "regulation_ff": 8, "head_width": 8,
}  # fmt: skip
RUNS = [Run(profile="smoke", cell_type="S01", fold=fold) for fold in (1, 2, 3)]


@pytest.fixture
def small(monkeypatch, store):
    network_for = train.network_for
    monkeypatch.setattr(train, "network_for", lambda data: replace(network_for(data), **SMALL))
    return store


def failing(patch, *faults):
    """From here on, the training of `RUNS[i]` ends with faults[i]."""
    fit = jobs.fit

    def faulty(*data, name, **options):
        fault = dict(zip([run.id for run in RUNS], faults, strict=False)).get(name)
        if callable(fault):
            fault()
        elif fault:
            raise fault
        return fit(*data, name=name, **options)

    patch.setattr(jobs, "fit", faulty)


FAULTS = [
    (MemoryError(), "out of memory on cpu (MemoryError); train fewer at a time"),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "out of memory on cpu (CUDA out of memory."),
    (lambda: torch.empty(2**60, dtype=torch.uint8), "out of memory on cpu ("),   # what torch's own allocator says
    (TrainingError(f"{RUNS[1].id}, epoch 3: found a mean loss of nan"), "found a mean loss of nan"),
    (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "/data/x: Permission denied; check that the folder"),
    (KeyError("promoter"), "KeyError: 'promoter'; looks like a fault of chromolib"),
]


@pytest.mark.parametrize(("fault", "message"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_failed_run_is_named_and_the_others_are_trained(small, monkeypatch, capsys, fault, message):
    with monkeypatch.context() as patch:
        failing(patch, None, fault)
        found = ensure(RUNS)
    assert found.metrics["fold"].tolist() == found.records["fold"].tolist() == [1, 3]
    assert found.failures[["run", "fold"]].to_numpy().tolist() == [[RUNS[1].id, 2]]
    reason = found.failures["reason"].item()
    assert reason.startswith(RUNS[1].id) and message in reason and len(reason.splitlines()) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("chromolib: ")]
    assert lines == [f"chromolib: {reason}"]
    again = ensure(RUNS)
    assert again.failures.empty and again.metrics["fold"].tolist() == [1, 2, 3]


def test_grid_of_which_no_run_succeeds_is_an_error(small, monkeypatch):
    failing(monkeypatch, MemoryError(), OSError("first"), OSError("second"))
    with pytest.raises(InputError, match=f"ensure: none of 3 runs could be trained; {RUNS[0].id}: out of memory"):
        ensure(RUNS)
    monkeypatch.undo()


def test_loss_that_is_no_number_is_one_line_and_hurts_no_other_run(small, tmp_path):
    text = (PROFILES / "smoke.yml").read_text()
    (tmp_path / "fast.yml").write_text(text.replace("learning_rate: 3.0e-4", "learning_rate: 1.0e+30"))
    run = replace(RUNS[0], profile=str(tmp_path / "fast.yml"))
    found = ensure([run, replace(run, recipe="paper")])
    (reason,) = found.failures["reason"]
    assert reason.startswith(f"{run.id}, epoch 1: found ") and reason.endswith("take a learning rate below 1e+30")
    assert found.metrics["recipe"].tolist() == ["paper"]
    assert ensure([RUNS[0]]).failures.empty                                      # other settings: begun anew


# A full disk


def test_full_disk_ends_the_grid_at_once(small, monkeypatch, capsys):
    failing(monkeypatch, None, OSError(errno.ENOSPC, "No space left on device"))
    found = ensure(RUNS)
    assert found.metrics["fold"].tolist() == [1]
    first, second = found.failures["reason"]
    assert first.startswith(f"{RUNS[1].id}: no room left on the disk (") and "make some, or move CHROMOLIB_DATA" in first
    assert second == f"{RUNS[2].id}: not begun, since the disk is full; make room, and start again"
    assert capsys.readouterr().err.splitlines()[-1] == "chromolib: 1 further runs were not begun, since the disk is full"


@pytest.mark.parametrize("size_kb", [12, 80, 150, 230])
def test_disk_that_is_really_full_is_named_and_room_mends_it(small, size_kb):
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(small)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        try:
            found = ensure(RUNS)
        except InputError as error:
            assert "no room left on the disk" in str(error) and len(str(error).splitlines()) == 1
        else:
            assert "no room left on the disk" in found.failures["reason"].iloc[0]
        subprocess.run(["mount", "-o", "remount,size=8m", str(small)], check=True)
        assert ensure(RUNS).failures.empty
        assert len(results(small)) == 3
    finally:
        subprocess.run(["umount", str(small)], check=True)


# Workers that fail

IN_WORKERS = """
    first = not os.path.exists(marker + name)
    open(marker + name, "w").close()
    if name.startswith("S01-clf-chromoformer-fold1") and first:
        os.kill(os.getpid(), signal.SIGKILL)     # as the kernel does where memory is short
    if name.startswith("S01-clf-chromoformer-fold2") and first:
        raise MemoryError
    if name.startswith("S02-clf-chromoformer-fold2"):
        os._exit(3)
"""


def test_run_out_of_memory_beside_others_is_tried_alone_and_a_dead_worker_fails_its_run_only(place, store, undisturbed):
    code = "for reason in cl.ensure(runs, per_device=2).failures['reason']: print(reason)"
    lines, errors = finish(start(place, code, fault=IN_WORKERS))
    lost = "S02-clf-chromoformer-fold2-seed42"
    assert "2 of 4 runs were out of memory beside others; each is tried alone" in lines
    assert lines[-1] == f"{lost}: its process ended with status 3; see what it wrote, and start again"
    assert errors == [f"chromolib: {lines[-1]}"]
    shutil.rmtree(store / f".{lost}.part", ignore_errors=True)
    assert results(store) == {name: files for name, files in undisturbed.items() if name != lost}
