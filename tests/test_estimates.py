"""How long a training is expected to take: by hand, from runs like it and from benchmarks."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from chromolib import Run, ensure, estimates, load_profile, studies
from chromolib.config import ROOT
from chromolib.jobs import is_there


def test_runs_by_few_genes_are_seen_as_done_and_tell_how_fast_they_are():
    run, record = Run(profile="smoke", cell_type="S03", fold=1, seed=5, n_genes=20), load_profile("smoke")
    ensure([run])
    assert is_there(run, record)
    training = json.loads((run.folder / "config.json").read_text())["training"]
    seconds, pace = estimates._read(run, record)
    n_updates = training["epochs"] * training["epoch_updates"]                   # as many as all genes would have, of 20 each
    assert (pace.n_train, pace.n_updates) == (20, n_updates) and pace.update_s == pytest.approx(seconds / n_updates)
    other = replace(run, fold=2)
    assert estimates._estimate(other, {estimates._kind(other): [pace]}, record) == (pytest.approx(seconds), estimates.OWN_RUNS)
    of_model = {(run.model,): [estimates.Pace(72, 8, 4 / 8, 16)]}                     # of all genes, 2 epochs of 4 batches
    told, few = (estimates._estimate(replace(other, n_genes=n), of_model, record)[0] for n in (None, 8))
    assert (told, few) == (4, 2)                                                 # as many updates, of 8 genes in place of 16
    assert not is_there(replace(run, n_genes=21), load_profile("smoke"))
    shutil.rmtree(run.folder)


def test_time_is_that_of_finished_runs_by_updates():
    # 2 epochs of 72 genes in batches of 16, the last one dropped: 8 updates in 4 s; another fold trains as many.
    study = studies.study("smoke")
    done, alike = (Run(profile="smoke", cell_type=name, fold=1) for name in ("S01", "S02"))
    pace = {estimates._kind(done): [estimates.Pace(72, 8, 4 / 8, 16)], ("chromoformer",): [estimates.Pace(72, 8, 4 / 8, 16)]}
    assert estimates._estimate(alike, pace, study.record) == (4.0, estimates.OWN_RUNS)
    # Twice the epochs, in batches of 32: 2 x 2 updates an epoch become 4 x 2, each of twice the genes.
    other = study.record.model_copy(update={"training": study.record.training.model_copy(update={"epochs": 4, "batch_size": 32})})
    assert estimates._estimate(replace(alike, max_pcres=0), pace, other) == (8 * 1.0, estimates.OWN_RUNS)


def test_time_without_runs_is_that_of_benchmarks():
    (run,) = studies.study("roadmap", cell_type="E003").runs()[:1]
    seconds, rests_on = estimates._estimate(run, {}, load_profile("roadmap"))
    measured = pd.read_csv(ROOT / "benchmarks" / "results" / "paper_scale.csv").set_index("what")["ours"]
    assert rests_on == estimates.BENCHMARKS
    assert seconds == pytest.approx(measured["fold, 10 epochs and start (release extrapolated)"], rel=0.3)
