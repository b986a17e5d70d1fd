"""Peers in the training loop: their authors' recipes, what they read of a batch, and runs of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from chromolib.baselines import PEERS, WINDOW_PEERS, Peer
from chromolib.cell_types import pair
from chromolib.checkpoints import build, load_weights, save_weights
from chromolib.config import BETTER_NETWORK, BETTER_RECIPE, InputError, PeerConfig, TrainConfig
from chromolib.dataset import GeneDataset
from chromolib.jobs import network_of, recipe_of, selection_of
from chromolib.profile import load_profile
from chromolib.runs import Run
from chromolib.train import (
    evaluate,
    fit,
    inner_split,
    make_optimizer,
    predict,
    rate_at,
    task_loss,
)
from tests.stores import random_store

SMOKE = load_profile("smoke")


def dataset(task="clf", n_genes=24, **selection) -> GeneDataset:
    return GeneDataset(random_store(n_genes), task=task).select(**({"bin_bp": [100], "window_bp": 4000, "max_pcres": 0} | selection))


def config_of(model: str, task: str, data) -> PeerConfig:
    return network_of(Run(profile="smoke", cell_type="S01", fold=1, model=model, task=task, other="S02" if task == "diff" else None), data)


@pytest.mark.parametrize(
    ("model", "task", "optimizer", "rate", "batch", "epochs", "clip", "loss"),
    [
        ("deepchrome", "clf", "sgd", 1e-3, 1, 100, None, "task"),
        ("attentivechrome", "clf", "adam", 2e-4, 16, 30, 1.0, "task"),
        ("hm-crnn", "clf", "adam", 1e-3, 16, 20, None, "focal"),
        ("hm-crnn", "reg", "adam", 1e-3, 16, 20, None, "task"),
        ("gc-merge", "clf", "adam", 1e-4, 10**9, 800, None, "task"),
        ("gc-merge", "reg", "adam", 1e-4, 10**9, 2000, None, "task"),
        ("deepdiff-raw_d", "diff", "adam", 1e-4, 10, 120, 1.0, "task"),
        ("deepdiff-aux_siamese", "diff", "adam", 1e-4, 10, 120, 1.0, "contrastive"),
    ],
)
def test_recipe_of_the_paper_is_the_authors(model, task, optimizer, rate, batch, epochs, clip, loss):
    run = Run(profile="smoke", cell_type="S01", fold=1, model=model, task=task, recipe="paper", other="S02" if task == "diff" else None)
    found = recipe_of(run, SMOKE)
    assert (found.optimizer, found.learning_rate, found.batch_size, found.epochs) == (optimizer, rate, batch, epochs)
    assert (found.clip_norm, found.loss, found.weight_decay, found.decay, found.drop_last) == (clip, loss, 0, 1, False)


def test_windows_of_peers_are_their_authors_unless_the_frame_is_narrower():
    def window(model, **changes):
        return selection_of(Run(profile="smoke", cell_type="S01", fold=1, model=model, **changes), SMOKE)

    assert window("deepchrome") == {"window_bp": 10_000, "bin_bp": (100,), "max_pcres": 0}
    assert window("hm-crnn")["window_bp"] == 4_000
    assert window("hm-crnn", window_bp=20_000)["window_bp"] == 20_000
    assert selection_of(Run(profile="smoke", cell_type="S01", fold=1, model="deepchrome"), SMOKE.model_copy(update={"frame_bp": 6_000}))["window_bp"] == 6_000
    assert window("chromoformer") == {}


@pytest.mark.parametrize("model", WINDOW_PEERS)
@pytest.mark.parametrize("task", ["clf", "reg"])
def test_a_peer_answers_as_chromoformer_does(model, task):
    data = dataset(task)
    out = Peer(config_of(model, task, data)).eval()(data.batch(range(5)))
    assert out.shape == ((5, 2) if task == "clf" else (5,))


def test_one_logit_beside_zero_is_a_sigmoid():
    data = dataset()
    peer = Peer(config_of("attentivechrome", "clf", data)).eval()
    batch = data.batch(range(6))
    logit = peer.net(batch.promoter[100].transpose(1, 2)).squeeze(1)
    torch.testing.assert_close(peer(batch).softmax(1)[:, 1], torch.sigmoid(logit))
    torch.testing.assert_close(
        F.cross_entropy(peer(batch), batch.target), F.binary_cross_entropy_with_logits(logit, batch.target.float())
    )


def test_seed_decides_the_weights_and_leaves_other_random_numbers_alone():
    config = config_of("deepchrome", "clf", dataset())
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first, again, other = (Peer(config, seed=seed).net.state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_dropout_follows_seed_and_epoch_so_that_a_training_can_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("chromolib.train.STATE_EVERY_S", 0.0)
    data = dataset()
    network, config = config_of("deepchrome", "clf", data), TrainConfig(epochs=3, batch_size=4, optimizer="sgd", learning_rate=0.01, device="cpu")
    whole = fit(data, data, config, network)
    fit(data, data, replace(config, epochs=2), network, checkpoint=tmp_path)
    torch.manual_seed(99)
    resumed = fit(data, data, config, network, checkpoint=tmp_path)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


@pytest.mark.parametrize("variant", ["raw_d", "raw_aux", "raw_aux_siamese"])
def test_deepdiff_trains_on_two_cell_types_and_says_what_it_can(variant):
    first, second = (GeneDataset(random_store(24, seed=seed)).select(bin_bp=[100], window_bp=4000, max_pcres=0) for seed in (0, 1))
    data = pair(first, second)
    config = recipe_of(Run(profile="smoke", cell_type="S01", other="S02", task="diff", fold=1, model=f"deepdiff-{variant}", recipe="paper"), SMOKE)
    result = fit(data, data, replace(config, epochs=1, device="cpu"), config_of(f"deepdiff-{variant}", "diff", data))
    table = predict(result.model, data)
    levels = {"expression_1", "expression_2"} & set(table)
    assert (not levels) if variant == "raw_d" else len(levels) == 2
    assert np.isfinite(evaluate(result.model, data)["loss"])


def test_contrastive_loss_without_sharing_is_the_loss_of_the_task():
    first, second = (GeneDataset(random_store(24, seed=seed)).select(bin_bp=[100], window_bp=4000, max_pcres=0) for seed in (0, 1))
    data = pair(first, second)
    peer = Peer(config_of("deepdiff-aux", "diff", data))
    batch = data.batch(range(8))
    torch.testing.assert_close(peer.contrastive_loss(batch), task_loss(peer(batch), batch.target, "diff"))


def test_weights_of_a_peer_come_back_as_they_were_saved(tmp_path):
    data = dataset()
    peer = build(config_of("hm-crnn", "clf", data), seed=3).eval()
    save_weights(tmp_path, peer)
    loaded = load_weights(tmp_path)
    assert loaded.config == peer.config
    assert torch.equal(loaded(data.batch(range(4))), peer(data.batch(range(4))))


def test_plain_signal_is_what_the_store_holds():
    data = dataset()
    plain = data.select(log_base="none")
    torch.testing.assert_close(plain.batch([0]).promoter[100].log1p(), data.batch([0]).promoter[100])
    assert plain.log_base == "none" and "ln" not in plain.unit


def test_rate_falls_with_each_update_and_epoch_by_hand():
    config = TrainConfig(learning_rate=0.1, decay=0.5, decay_per_update=0.01)
    assert rate_at(config, epoch=1, n_updates=0, n_all=200) == 0.1
    assert rate_at(config, epoch=3, n_updates=100, n_all=200) == pytest.approx(0.1 * 0.25 / 2)


def test_clipping_keeps_the_step_of_plain_descent_within_rate_times_norm():
    data = dataset()
    network = config_of("deepchrome", "clf", data)
    config = TrainConfig(epochs=1, batch_size=24, optimizer="sgd", learning_rate=1.0, weight_decay=0.0, clip_norm=1e-3, device="cpu")
    born, moved = build(network, config.seed), fit(data, data, config, network).model
    step = sum(float((a - b).detach().square().sum()) for a, b in zip(born.parameters(), moved.parameters(), strict=True)) ** 0.5
    assert step == pytest.approx(1e-3, rel=1e-3)


def test_optimizer_is_the_one_that_is_named():
    peer = Peer(config_of("deepchrome", "clf", dataset()))
    for name, kind in (("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)):
        assert type(make_optimizer(peer, TrainConfig(optimizer=name))) is kind


def test_epoch_is_chosen_on_chromosomes_held_out_from_the_training_genes(tmp_path, monkeypatch):
    monkeypatch.setattr("chromolib.train.STATE_EVERY_S", 0.0)
    data = dataset(n_genes=40)
    seen, judge = inner_split(data, seed=1)
    assert not set(seen.genes["chrom"]) & set(judge.genes["chrom"]) and len(seen) + len(judge) == len(data)
    network = config_of("hm-crnn", "reg", data := data.select(task="reg"))
    config = TrainConfig(epochs=4, batch_size=8, learning_rate=0.01, select="best-inner", device="cpu", seed=1)
    result = fit(data, data, config, network)
    best = int(result.history["inner"].idxmax())
    assert evaluate(result.model, data)["loss"] == pytest.approx(result.history["loss"][best])
    fit(data, data, replace(config, epochs=2), network, checkpoint=tmp_path)
    resumed = fit(data, data, config, network, checkpoint=tmp_path)
    assert evaluate(resumed.model, data) == evaluate(result.model, data)


@pytest.mark.parametrize(
    ("inner", "best"),
    [((math.nan, 0.8, 0.6), 2), ((0.7, math.nan, 0.8), 3), ((0.8, math.nan, 0.8), 1), ((0.8, 0.6, math.nan), 1), ((math.nan,) * 3, 1)],
)
def test_epoch_without_a_metric_is_not_chosen_over_one_with_it(monkeypatch, inner, best):
    data = dataset(n_genes=40)
    network = config_of("hm-crnn", "clf", data)
    config = TrainConfig(epochs=3, batch_size=8, learning_rate=0.01, select="best-inner", device="cpu", seed=1)
    values = iter(inner)
    monkeypatch.setattr("chromolib.train.first_metric", lambda scores: next(values))
    result = fit(data, data, config, network, report=lambda row: None)
    assert evaluate(result.model, data)["loss"] == pytest.approx(result.history["loss"][best - 1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "deepchrom"}, "unknown model 'deepchrom', expected one of chromoformer, deepchrome"),
        ({"model": "deepchrome", "task": "diff", "other": "S02"}, "DeepChrome with task='diff', expected clf or reg"),
        ({"model": "hm-crnn", "max_pcres": 2}, "max_pcres=2, but HM-CRNN has no such choice"),
        ({"model": "gc-merge", "window_bp": 2000}, "window_bp=2000, but GC-MERGE has no such choice"),
        ({"model": "gc-merge", "log_base": "none"}, "log_base='none', but GC-MERGE has no such choice"),
        ({"task": "reg", "recipe": "better"}, "recipe 'better' with task='reg', but it was chosen for clf"),
        ({"model": "hm-crnn", "recipe": "better"}, "recipe 'better', which is Chromoformer's"),
        ({"recipe": "best"}, "recipe='best', expected one of paper, profile, better"),
        ({"contacts": "intra"}, "contacts='intra', expected one of all, intra-TAD, inter-TAD"),
    ],
)
def test_run_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        Run(**{"profile": "smoke", "cell_type": "S01", "fold": 1, **wrong})


def test_better_recipe_is_that_of_the_settings_and_changes_the_network_s_heads_alone():
    data = dataset()
    better, paper = (Run(profile="smoke", cell_type="S01", fold=1, recipe=recipe) for recipe in ("better", "paper"))
    assert recipe_of(better, SMOKE) == TrainConfig(**BETTER_RECIPE) and recipe_of(paper, SMOKE) == TrainConfig()
    assert network_of(better, data) == replace(network_of(paper, data), **BETTER_NETWORK)
    n_weights = [sum(p.numel() for p in build(network_of(run, data), 1).parameters()) for run in (better, paper)]
    assert n_weights[0] == n_weights[1]


def test_network_without_marks_of_its_own_scale_is_refused():
    data = dataset()
    config = TrainConfig(epochs=1, standardise=True, device="cpu")
    with pytest.raises(InputError, match="standardise: found a network deepchrome, expected chromoformer; leave it out"):
        fit(data, data, config, config_of("deepchrome", "clf", data))


def test_batch_of_another_window_is_refused():
    data = dataset()
    peer = Peer(config_of("deepchrome", "clf", data))
    with pytest.raises(InputError, match="deepchrome: batch holds 20 bins of 7 marks at 100 bp, the network reads 40 bins of 7 marks"):
        peer(dataset(window_bp=2000).batch([0]))


def test_every_peer_has_a_task_and_a_name_of_its_own():
    assert len({spec.title for spec in PEERS.values()}) == len(PEERS)
    assert all(spec.tasks for spec in PEERS.values())


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"model": "deepchrom"}, "PeerConfig: unknown model 'deepchrom', expected one of deepchrome, "),
        ({"model": "deepchrome", "task": "diff"}, "DeepChrome: task='diff', expected clf or reg$"),
    ],
)
def test_peer_that_cannot_be_is_refused(about, message):
    with pytest.raises(InputError, match=f"^{message}"):
        Peer(PeerConfig(**about))
