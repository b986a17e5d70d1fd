"""`make batch`: the workflow by Snakemake, killed in every way there is, ends where an undisturbed one does.

BATCH_KILLS=20 kills the whole of it twenty times in place of three.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from chromolib import load_profile
from chromolib.config import PROFILES, ROOT
from tests import batches

BATCH_VENV = Path(os.environ.get("BATCH_VENV", ROOT / ".venv-batch"))
N_KILLS = int(os.environ.get("BATCH_KILLS", "3"))
PATIENCE_S = 900
NOTEBOOKS = ["01_preprocess", "02_train"]

pytestmark = [
    pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed: apt-get install make"),
    pytest.mark.skipif(not (BATCH_VENV / "bin" / "snakemake").exists(), reason="Snakemake is not installed: make batch-tools"),
]


class Workflow:
    """`make batch` of one profile in a data folder of its own."""

    def __init__(self, profile, data):
        self.profile, self.data, self.n_started = profile, data, 0
        data.mkdir()
        os.environ["CHROMOLIB_DATA"], before = str(data), os.environ["CHROMOLIB_DATA"]
        self.work = load_profile(profile).work_dir
        os.environ["CHROMOLIB_DATA"] = before

    def start(self, target="pages"):
        """In a process group of its own; what it says goes to a file."""
        self.n_started += 1
        self.log = self.data / f"said-{self.n_started}.txt"
        # What is installed is taken as it is: -o.
        ready = [f"{sys.prefix}/.installed-book", f"{BATCH_VENV}/.installed", "tools"]
        command = ["make", "-C", str(ROOT), *(word for name in ready for word in ("-o", name)), "batch", f"PROFILE={self.profile}",
                   f"VENV={sys.prefix}", f"BATCH_VENV={BATCH_VENV}", "CORES=2", f"BATCH_ARGS={target}"]  # fmt: skip
        given = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        with self.log.open("w") as said:
            self.process = subprocess.Popen(
                command, env=given | {"CHROMOLIB_DATA": str(self.data)}, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
            )
        return self

    def finish(self):
        """Exit status."""
        return self.process.wait(timeout=PATIENCE_S)

    def complete(self, target="pages"):
        status = self.start(target).finish()
        assert status == 0, self.log.read_text()[-5000:]

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

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

    def records(self):
        """Run -> when and how it was trained, of those that are whole."""
        return {path.parent.name: path.read_text() for path in self.work.glob("runs/*/record.json")}

    def contents(self):
        """Tables, and pages without times."""
        return batches.tables(self.work), {name: batches.page(self.work / "pages" / f"{name}.ipynb") for name in NOTEBOOKS}


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """The smallest cohort, its first two notebooks, under a name of its own."""
    lines = [line for line in (PROFILES / "smoke.yml").read_text().splitlines() if not line.startswith(("name:", "notebooks:"))]
    path = tmp_path_factory.mktemp("profile") / "killed-batch.yml"
    path.write_text("\n".join([*lines, "name: killed-batch", f"notebooks: [{', '.join(NOTEBOOKS)}]"]))
    return path


@pytest.fixture(scope="module")
def undisturbed(profile, tmp_path_factory):
    workflow = Workflow(profile, tmp_path_factory.mktemp("undisturbed") / "data")
    began = time.monotonic()
    workflow.complete()
    workflow.took = time.monotonic() - began
    return workflow


@pytest.fixture
def disturbed(profile, tmp_path):
    workflow = Workflow(profile, tmp_path / "data")
    yield workflow
    if workflow.process.poll() is None:
        workflow.kill()


def assert_same(disturbed, undisturbed):
    (tables, pages), (expected_tables, expected_pages) = disturbed.contents(), undisturbed.contents()
    assert len(tables) > 3
    assert tables == expected_tables
    assert pages == expected_pages


def test_a_second_call_finds_nothing_to_do(undisturbed):
    before = undisturbed.records()
    undisturbed.complete()
    assert "Nothing to be done" in undisturbed.log.read_text()
    assert len(before) == 8 and undisturbed.records() == before


def test_killed_at_random_moments_it_ends_as_an_undisturbed_one_and_repeats_no_training(undisturbed, disturbed):
    rng, n_killed = random.Random(0), 0
    for _ in range(N_KILLS):
        disturbed.start()
        time.sleep(rng.uniform(0, 0.7 * undisturbed.took))
        done = disturbed.records()
        n_killed += disturbed.process.poll() is None
        disturbed.kill()
        assert done.items() <= disturbed.records().items()
        if all((disturbed.work / "pages" / f"{name}.ipynb").exists() for name in NOTEBOOKS):  # once it was done: from the beginning
            disturbed.complete()
            assert_same(disturbed, undisturbed)
            shutil.rmtree(disturbed.work)
    done = disturbed.records()
    disturbed.complete()
    assert n_killed > N_KILLS / 2
    assert done.items() <= disturbed.records().items()
    assert_same(disturbed, undisturbed)


def test_one_training_snakemake_alone_and_one_notebook_may_be_killed(undisturbed, disturbed):
    disturbed.start("trained").find("chromolib", "train").kill()
    assert disturbed.finish() != 0
    done = disturbed.records()
    assert len(done) == 7  # the others went on

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


def test_two_at_a_time_are_refused(disturbed):
    first = disturbed.start("trained").process
    disturbed.find("snakemake")
    assert disturbed.start("trained").finish() != 0
    assert "another one of profile" in disturbed.log.read_text()
    disturbed.process = first
    disturbed.kill()
