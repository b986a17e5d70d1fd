"""`make batch`: the workflow by Snakemake, killed in every way there is, ends where the same steps in a plain loop do.

`make test` kills it three times. BATCH_KILLS=20 kills it twenty times, and runs the tests that take minutes too.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import engine
import psutil
import pytest

from chromolib import load_profile, workflow
from chromolib.profile import PROFILES
from tests import batches

N_KILLS = int(os.environ.get("BATCH_KILLS", "3"))
NOTEBOOK = "06_attention"  # and its two trainings
PATIENCE_S = 3600

pytestmark = [
    pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed: apt-get install make"),
    pytest.mark.skipif(not (engine.BATCH_VENV / "bin" / "snakemake").exists(), reason="Snakemake is not installed: make batch-tools"),
]
takes_minutes = pytest.mark.skipif(N_KILLS < 20, reason="takes minutes: BATCH_KILLS=20 python -m pytest tests/test_batch.py")


class Place:
    """A data folder of its own, and what a profile's steps leave there."""

    def __init__(self, profile, data):
        self.profile, self.data = profile, data
        data.mkdir(exist_ok=True)
        # Steps of Snakemake have one thread; digits depend on their number.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))} | {
            "CHROMOLIB_DATA": str(data), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CHROMOLIB_DATA", str(data))
            self.work = load_profile(profile).work_dir

    def records(self):
        """Run -> when and how it was trained, of those that are whole."""
        return {path.parent.name: path.read_text() for path in self.work.glob("runs/*/record.json")}

    def contents(self):
        """Tables, and pages without times."""
        return batches.tables(self.work), {path.stem: batches.page(path) for path in sorted((self.work / "pages").glob("[!.]*.ipynb"))}


class PlainLoop(Place):
    """The commands of the steps, one after the other."""

    def call(self, *words):
        command = [Path(sys.prefix) / "bin" / "chromolib", *words]
        done = subprocess.run(command, check=False, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_S)
        assert done.returncode == 0, done.stdout[-5000:]


class Workflow(Place):
    """`make batch` of one profile."""

    n_started = 0

    def start(self, target="pages"):
        """In a process group of its own; what it says goes to a file."""
        self.n_started += 1
        self.log = self.data.parent / f"said-{self.n_started}.txt"
        command = engine.make_batch(self.profile, cores=2, target=target)
        with self.log.open("w") as said:
            self.process = subprocess.Popen(command, env=self.environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
        return self

    def finish(self):
        """Exit status."""
        return self.process.wait(timeout=PATIENCE_S)

    def complete(self, target="pages"):
        status = self.start(target).finish()
        assert status == 0, self.log.read_text()[-5000:]

    def kill(self):
        """The whole process group, where it has not come to its end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def survivors(self):
        """Processes of it, also those that have a group of their own, as the kernels of notebooks do."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("CHROMOLIB_DATA") == str(self.data) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def find(self, *words):
        """A process of it whose command line holds these words; waits for it to appear, None where the workflow ended before."""
        while self.process.poll() is None:
            for process in psutil.Process(self.process.pid).children(recursive=True):
                try:
                    line = process.cmdline()
                except psutil.NoSuchProcess:
                    continue
                if all(any(part.endswith(word) for part in line) for word in words):
                    return process
            time.sleep(0.1)
        return None


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """The smallest cohort and one of its notebooks, under a name of its own."""
    lines = [line for line in (PROFILES / "smoke.yml").read_text().splitlines() if not line.startswith(("name:", "notebooks:"))]
    path = tmp_path_factory.mktemp("profile") / "killed-batch.yml"
    path.write_text("\n".join([*lines, "name: killed-batch", f"notebooks: [{NOTEBOOK}]"]))
    return path


@pytest.fixture(scope="module")
def undisturbed(profile, tmp_path_factory):
    place = PlainLoop(profile, tmp_path_factory.mktemp("undisturbed") / "data")
    began = time.monotonic()
    place.call("train", profile, *(word for run in workflow.steps(profile)["runs"] for word in ("--run", run)))
    place.call("notebook", profile, NOTEBOOK)
    place.took = time.monotonic() - began
    return place


@pytest.fixture
def disturbed(profile, tmp_path):
    batch = Workflow(profile, tmp_path / "data")
    yield batch
    batch.kill()


def assert_same(ours, expected):
    (tables, pages), (expected_tables, expected_pages) = ours.contents(), expected.contents()
    assert len(tables) > 3 and pages
    assert tables == expected_tables
    assert pages == expected_pages


def test_killed_at_random_moments_it_ends_as_an_undisturbed_one_and_repeats_no_training(undisturbed, disturbed):
    rng, n_killed = random.Random(0), 0
    for _ in range(5 * N_KILLS):  # some get to their end first
        if n_killed == N_KILLS:
            break
        disturbed.start()
        time.sleep(rng.uniform(0, 0.7 * undisturbed.took))
        done = disturbed.records()
        n_killed += disturbed.process.poll() is None
        disturbed.kill()
        assert done.items() <= disturbed.records().items()
        if (disturbed.work / "pages" / f"{NOTEBOOK}.ipynb").exists():  # once it was done: from the beginning
            disturbed.complete()
            assert_same(disturbed, undisturbed)
            shutil.rmtree(disturbed.work)
    done = disturbed.records()
    disturbed.complete()
    assert n_killed == N_KILLS
    assert done.items() <= disturbed.records().items()
    assert_same(disturbed, undisturbed)
    assert not disturbed.survivors()


@takes_minutes
def test_kernels_of_a_killed_workflow_end_by_themselves(disturbed):
    disturbed.start().find("ipykernel_launcher")
    disturbed.kill()
    patience = time.monotonic() + 60
    while disturbed.survivors() and time.monotonic() < patience:
        time.sleep(0.2)
    assert not disturbed.survivors()


@takes_minutes
def test_a_second_call_finds_nothing_to_do(undisturbed, disturbed):
    disturbed.complete()
    before = disturbed.records()
    disturbed.complete()
    assert "Nothing to be done" in disturbed.log.read_text()
    assert len(before) == 2 and disturbed.records() == before
    assert_same(disturbed, undisturbed)


@takes_minutes
def test_the_report_wants_nothing_that_is_not_installed(disturbed):
    report = disturbed.data / "report.html"
    disturbed.complete("trained")
    status = disturbed.start(f"trained --report {report}").finish()
    said = disturbed.log.read_text()
    assert status == 0 or "ConnectionError" in said, said[-3000:]  # its scripts come from the network
    assert status or report.read_text().count('"runtime": ') == 4  # fetch, features and two trainings


@takes_minutes
def test_one_training_snakemake_alone_and_one_notebook_may_be_killed(undisturbed, disturbed):
    disturbed.start("trained").find("chromolib", "train").kill()
    assert disturbed.finish() != 0
    done = disturbed.records()
    assert len(done) == 1  # the other went on

    disturbed.start().find("chromolib", "train")
    disturbed.find("snakemake").kill()
    disturbed.finish()  # the training lives on and holds its lock
    disturbed.start().find("ipykernel_launcher")
    notebook = disturbed.find("chromolib", "notebook")
    time.sleep(2)  # in the middle of it
    notebook.kill()
    assert disturbed.finish() != 0

    disturbed.complete()
    assert done.items() <= disturbed.records().items()
    assert_same(disturbed, undisturbed)


@takes_minutes
def test_two_at_a_time_are_refused(disturbed):
    first = disturbed.start("trained").process
    disturbed.find("snakemake")
    assert disturbed.start("trained").finish() != 0
    assert "another one of profile" in disturbed.log.read_text()
    disturbed.process = first
    disturbed.kill()


@pytest.fixture
def small_disk(undisturbed, tmp_path):
    """A folder on a disk that holds half of what the workflow writes; called, it becomes as large as is needed."""
    needed = sum(path.stat().st_size for path in undisturbed.data.rglob("*") if path.is_file())
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={needed // 2}", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here: run as root")
    yield disk, lambda: subprocess.run(["mount", "-o", f"remount,size={4 * needed}", str(disk)], check=True)
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@takes_minutes
def test_a_full_disk_stops_it_and_with_room_it_goes_on(undisturbed, profile, small_disk):
    disk, enlarge = small_disk
    batch = Workflow(profile, disk)
    assert batch.start().finish() != 0
    assert "No space left on device" in batch.log.read_text()
    done = batch.records()
    enlarge()
    batch.complete()
    assert done.items() <= batch.records().items()
    assert_same(batch, undisturbed)


@takes_minutes
def test_every_notebook_has_the_tables_of_one_that_trains_inline(tmp_path):
    loop, batch = PlainLoop("smoke", tmp_path / "inline"), Workflow("smoke", tmp_path / "batch")
    batch.complete()
    loop.call("preprocess", "smoke")  # notebook 1 shows the cell types that have features; `make batch` has made them all by then
    for name in load_profile("smoke").notebooks:
        loop.call("notebook", "smoke", name)
    tables = batches.tables(batch.work)
    assert len(tables) > 30
    assert tables == batches.tables(loop.work)
