"""`preprocess` killed at any moment: the next call completes the store, byte for byte what it would have been."""

import hashlib
import os
import random
import shutil
import signal
import time

import pytest

from chromolib import features, load_profile
from chromolib.dataset import open_store
from chromolib.profile import PROFILES

N_KILLS = 20


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def profile(tmp_path_factory, data_dir):
    """The smallest cohort under a name of its own, its raw files there."""
    folder = tmp_path_factory.mktemp("killed")
    text = (PROFILES / "smoke.yml").read_text()
    (folder / "killed.yml").write_text(text.replace("name: smoke", "name: killed"))
    return load_profile(folder / "killed.yml")


def test_preprocess_killed_twenty_times_leaves_the_store_of_an_undisturbed_one(profile):
    open_store(profile, "S01")  # also imports what the children need
    store, depth = features.path_of(profile, "S01"), profile.work_dir / "S01" / "depth"
    undisturbed, bigwigs = contents(store), contents(depth)
    began = time.monotonic()
    shutil.rmtree(profile.work_dir)
    open_store(profile, "S01")
    took = time.monotonic() - began
    assert contents(store) == undisturbed and contents(depth) == bigwigs

    rng, n_killed = random.Random(0), 0
    shutil.rmtree(profile.work_dir)
    for _ in range(5 * N_KILLS):  # some get to their end first, many where the machine was busier while `took` was taken
        if n_killed == N_KILLS:
            break
        child = os.fork()
        if not child:
            open_store(profile, "S01")
            os._exit(0)
        time.sleep(rng.uniform(0, took))
        os.kill(child, signal.SIGKILL)
        n_killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        if store.exists():  # one that got to its end: from the beginning
            assert contents(store) == undisturbed
            shutil.rmtree(profile.work_dir)
    assert n_killed == N_KILLS
    open_store(profile, "S01")
    assert contents(store) == undisturbed and contents(depth) == bigwigs
    left = [path for path in (profile.work_dir / "S01").rglob(".*") if path.is_dir() or path.suffix in (".bw", ".json")]
    assert not [path for path in left if path.parent != store], left
