"""Training: its law of batches, its losses by hand, and that an interruption changes nothing."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from chromolib import (
    Chromoformer,
    GeneDataset,
    InputError,
    ModelConfig,
    TrainConfig,
    TrainingError,
    checkpoints,
    evaluate,
    fit,
    pair,
    pool,
    predict,
    train,
)
from chromolib.evaluation import classification_metrics
from chromolib.train import epoch_batches, n_batches, noisy, rate_at, task_loss
from tests.stores import random_store

MARKS, FRAME_BP, BINS = ("A", "B"), 2000, (500, 100)
SMALL = {
    "marks": MARKS, "bin_bp": BINS, "frame_bp": FRAME_BP, "d_embedding": 8, "embedding_ff": 8, "pairwise_ff": 8,
    "regulation_layers": 2, "regulation_heads": 2, "regulation_width": 8, "regulation_ff": 8, "head_width": 8,
}  # fmt: skip
QUICK = TrainConfig(epochs=4, batch_size=8, learning_rate=3e-3, device="cpu", seed=3)


def dataset(task="clf", seed=0, n_genes=28):
    """Genes whose promoters hold more reads the more they are expressed."""
    store = random_store(n_genes, frame_bp=FRAME_BP, marks=MARKS, seed=seed)
    store["promoter"] = store["promoter"] * (1 + store["expression"] / 5)
    return GeneDataset(store, bin_bp=BINS, task=task)


@pytest.fixture(scope="module")
def data():
    return dataset()


def config(**changed):
    return TrainConfig(**(QUICK.to_dict() | changed))


def train_on(data, settings=QUICK, **options):
    return fit(*data.fold(1), settings, ModelConfig(task=data.task, **SMALL), **options)


def assert_same(first, second):
    pd.testing.assert_frame_equal(first.history, second.history, check_exact=True)
    for name, weight in first.model.state_dict().items():
        assert torch.equal(weight, second.model.state_dict()[name]), name


# Batches


def test_every_gene_is_seen_at_most_once_and_the_last_small_batch_is_dropped():
    batches = epoch_batches(70, TrainConfig(batch_size=16), epoch=1)
    assert [len(batch) for batch in batches] == [16] * 4
    seen = torch.cat(batches).tolist()
    assert len(set(seen)) == 64 and set(seen) <= set(range(70))


def test_without_dropping_every_gene_is_seen_once():
    batches = epoch_batches(70, TrainConfig(batch_size=16, drop_last=False), epoch=1)
    assert [len(batch) for batch in batches] == [16] * 4 + [6]
    assert sorted(torch.cat(batches).tolist()) == list(range(70))


def test_set_smaller_than_a_batch_is_one_batch():
    (batch,) = epoch_batches(5, TrainConfig(batch_size=64), epoch=1)
    assert sorted(batch.tolist()) == [0, 1, 2, 3, 4]


def test_order_depends_on_seed_and_epoch_and_on_nothing_else():
    orders = {}
    for seed in (1, 2):
        for epoch in (1, 2):
            torch.rand(7)
            batches = epoch_batches(64, TrainConfig(seed=seed, learning_rate=seed), epoch)
            orders[seed, epoch] = torch.cat(batches).tolist()
    assert len({tuple(order) for order in orders.values()}) == 4
    assert torch.cat(epoch_batches(64, TrainConfig(seed=2, epochs=99), 1)).tolist() == orders[2, 1]
    assert orders[1, 1] != sorted(orders[1, 1])


def test_epoch_of_so_many_updates_passes_over_few_genes_again_and_again():
    batches = epoch_batches(20, TrainConfig(batch_size=8, epoch_updates=5), epoch=1)   # a pass gives 2, the rest is dropped
    assert [len(batch) for batch in batches] == [8] * 5
    first, second = (torch.cat(batches[i : i + 2]).tolist() for i in (0, 2))
    assert len(set(first)) == len(set(second)) == 16 and first != second
    assert torch.equal(torch.cat(batches[:2]), torch.cat(epoch_batches(20, TrainConfig(batch_size=8), 1)))
    assert [len(batch) for batch in epoch_batches(3, TrainConfig(epoch_updates=4), 1)] == [3] * 4


# Losses


@pytest.mark.parametrize("n_genes", [2, 15, 16, 17, 32, 70])
@pytest.mark.parametrize("settings", [{}, {"drop_last": False}, {"epoch_updates": 3}])
def test_batches_are_counted_without_drawing_them(n_genes, settings):
    recipe = TrainConfig(batch_size=16, **settings)
    assert n_batches(n_genes, recipe) == len(epoch_batches(n_genes, recipe, epoch=1))


def test_losses_by_hand():
    logits = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])
    expected = (math.log(4 / 3) + math.log(2)) / 2
    assert task_loss(logits, torch.tensor([1, 0]), "clf").item() == pytest.approx(expected, rel=1e-6)
    assert task_loss(torch.tensor([1.0, 5.0]), torch.tensor([2.0, 2.0]), "reg").item() == 5.0     # (1 + 9) / 2
    out, target = torch.tensor([[1.0, 0.0, 2.0], [3.0, 0.0, 0.0]]), torch.zeros(2, 3)
    assert task_loss(out, target, "diff").item() == 5.0 + 0.0 + 2.0                              # (1 + 9) / 2, 0, 4 / 2


# Training


@pytest.mark.parametrize("task", ["clf", "reg"])
def test_training_learns(task):
    result = train_on(dataset(task), config(epochs=12, learning_rate=1e-2, decay=0.95))
    losses = result.history["train_loss"]
    assert losses.iloc[-1] < 0.7 * losses.iloc[0]


def test_fold_change_is_learnt_from_two_cell_types():
    data = pair(dataset(), dataset(seed=1))
    result = train_on(data, config(epochs=12, learning_rate=1e-2, decay=0.95))
    losses = result.history["train_loss"]
    assert losses.iloc[-1] < 0.7 * losses.iloc[0]
    assert list(result.history)[3:] == ["loss", "pearson", "spearman", "r2"]


def test_history_has_a_row_per_epoch_and_the_rate_decays(data):
    history = train_on(data).history
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert history["learning_rate"].tolist() == pytest.approx([3e-3 * 0.87**i for i in range(4)])
    assert list(history)[2:] == ["train_loss", "loss", "roc_auc", "accuracy", "average_precision"]


def test_last_row_of_the_history_is_the_returned_network(data):
    result = train_on(data)
    scores = evaluate(result.model, data.fold(1)[1])
    assert result.history.iloc[-1][list(scores)].to_dict() == scores and not result.model.training


def test_same_seed_gives_the_same_network_bit_by_bit(data):
    state = torch.random.get_rng_state()
    first = train_on(data)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3)
    assert_same(train_on(data), first)
    other = train_on(data, config(seed=4))
    assert not torch.equal(other.model.head[0].weight, first.model.head[0].weight)


def test_held_out_genes_do_not_touch_the_network(data):
    train_genes, held_out = data.fold(1)
    first = fit(train_genes, held_out, QUICK, ModelConfig(**SMALL))
    second = fit(train_genes, held_out.select(genes=held_out.genes["gene_id"][:2]), QUICK, ModelConfig(**SMALL))
    for name, weight in first.model.state_dict().items():
        assert torch.equal(weight, second.model.state_dict()[name]), name


def test_bfloat16_trains_on_a_cpu_near_to_float32(data):
    full, half = train_on(data), train_on(data, config(precision="bfloat16"))
    assert half.history["train_loss"].to_numpy() == pytest.approx(full.history["train_loss"].to_numpy(), rel=0.05)
    assert not (half.history["train_loss"] == full.history["train_loss"]).all()


def test_zero_epochs_return_the_network_as_it_was_born(data):
    result = train_on(data, config(epochs=0))
    assert result.history.empty
    born = Chromoformer(ModelConfig(**SMALL), seed=QUICK.seed)
    assert torch.equal(result.model.head[0].weight, born.head[0].weight)


def test_each_epoch_prints_one_line_where_output_is_kept(data, capsys, monkeypatch):
    monkeypatch.setenv("CHROMOLIB_PROGRESS", "lines")
    train_on(data, config(epochs=2), name="mine")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["mine epoch 1/2", "mine epoch 2/2"]


def test_rows_are_reported_instead_of_printed_where_asked(data, capsys, monkeypatch):
    monkeypatch.setenv("CHROMOLIB_PROGRESS", "lines")
    rows = []
    history = train_on(data, config(epochs=2), report=rows.append).history
    pd.testing.assert_frame_equal(pd.DataFrame(rows), history)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_loss_that_is_no_number_ends_the_training_in_one_line(data, tmp_path, precision):
    wild = config(learning_rate=1e30, precision=precision)
    with pytest.raises(TrainingError, match="^mine, epoch 1: found .*, expected finite numbers; take a learning rate below 1e") as error:
        train_on(data, wild, checkpoint=tmp_path, name="mine")
    assert ("precision float32" in str(error.value)) == (precision == "bfloat16")
    assert list(tmp_path.iterdir()) == []                                        # no state that could not go on


def test_loss_that_is_no_number_in_a_later_epoch_keeps_the_one_before(data, tmp_path, monkeypatch):
    whole, train_epoch = train_on(data), train.train_epoch
    with monkeypatch.context() as patch:
        patch.setattr(train, "train_epoch", lambda *args: train_epoch(*args) if args[-1] < 3 else float("nan"))
        with pytest.raises(TrainingError, match="^fit, epoch 3: found a mean loss of nan, expected finite numbers"):
            train_on(data, checkpoint=tmp_path)
    assert_same(train_on(data, checkpoint=tmp_path), whole)


def test_too_few_genes_or_a_device_that_is_not_there_are_refused(data):
    one = data.select(genes=["ENSG00000000000"])
    with pytest.raises(InputError, match="fit: 1 training and 28 held-out genes, expected at least 2 and 1"):
        fit(one, data, QUICK, ModelConfig(**SMALL))
    with pytest.raises(InputError, match="fit: 28 training and 0 held-out genes"):
        fit(data, data.select(genes=[]), QUICK, ModelConfig(**SMALL))
    with pytest.raises(InputError, match="device 'cuda:99': not usable here"):
        train_on(data, config(device="cuda:99"))


# Weights to start from


@pytest.fixture(scope="module")
def elsewhere():
    """A network trained on another cell type."""
    return train_on(dataset(seed=1)).model


def test_no_update_leaves_the_network_that_training_starts_from(data, elsewhere):
    result = train_on(data, config(epochs=0), initial=elsewhere)
    pd.testing.assert_frame_equal(predict(result.model, data), predict(elsewhere, data), check_exact=True)


def test_training_leaves_the_network_that_it_starts_from_as_it_is(data, elsewhere):
    before = {name: weight.clone() for name, weight in elsewhere.state_dict().items()}
    after = train_on(data, initial=elsewhere).model.state_dict()
    for name, weight in elsewhere.state_dict().items():
        assert torch.equal(weight, before[name]) and (not weight.is_floating_point() or not torch.equal(weight, after[name])), name


def test_frozen_network_learns_in_its_head_alone_as_if_all_were_computed_anew(data, elsewhere):
    frozen = config(frozen=True)
    result = train_on(data, frozen, initial=elsewhere)
    for name, weight in result.model.state_dict().items():
        assert torch.equal(weight, elsewhere.state_dict()[name]) != name.startswith("head."), name
    model = checkpoints.build(elsewhere.config, seed=0)
    model.load_state_dict(elsewhere.state_dict())
    optimizer, scaler = train.make_optimizer(model, frozen), torch.amp.GradScaler("cpu", enabled=False)
    genes, held_out = data.fold(1)
    losses = [train.train_epoch(model, genes, optimizer, scaler, frozen, epoch) for epoch in (1, 2, 3, 4)]
    assert result.history["train_loss"].tolist() == pytest.approx(losses, abs=1e-6)
    for ours, theirs in zip(result.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    last = result.history.iloc[-1]
    assert evaluate(model, held_out) == pytest.approx(last.iloc[3:].to_dict(), abs=1e-5)


@pytest.mark.parametrize("frozen", [True, False])
def test_training_that_starts_from_a_network_goes_on_as_if_nothing_had_been(data, elsewhere, tmp_path, frozen):
    settings = config(frozen=frozen)
    whole = train_on(data, settings, initial=elsewhere)
    train_on(data, config(frozen=frozen, epochs=2), initial=elsewhere, checkpoint=tmp_path)
    assert_same(train_on(data, settings, initial=elsewhere, checkpoint=tmp_path), whole)
    with pytest.raises(InputError, match="left by a training with other settings"):
        train_on(data, config(frozen=not frozen), initial=elsewhere, checkpoint=tmp_path)


def test_start_that_does_not_fit_is_refused(data, elsewhere):
    with pytest.raises(InputError, match="fit: frozen, but found no weights to start from"):
        train_on(data, config(frozen=True))
    with pytest.raises(InputError, match="fit: `initial` has max_pcres 4, expected 8 as the network to train"):
        train_on(data, initial=Chromoformer(ModelConfig(**SMALL, max_pcres=4)))
    with pytest.raises(InputError, match="fit: `initial` has task clf, expected reg"):
        train_on(dataset("reg"), initial=elsewhere)
    with pytest.raises(InputError, match="fit: `initial` with standardise, expected one of them"):
        train_on(data, config(standardise=True), initial=elsewhere)
    pairs, network = pair(data, dataset(seed=1)), ModelConfig(task="diff", **SMALL)
    with pytest.raises(InputError, match="fit: frozen, but found task diff, expected chromoformer with task clf or reg"):
        fit(*pairs.fold(1), config(frozen=True), network, initial=Chromoformer(network))


# Several cell types


def test_network_says_the_same_of_a_gene_whether_or_not_its_cell_type_is_pooled(data):
    model, other = Chromoformer(ModelConfig(**SMALL)), dataset(seed=1)
    said = predict(model, pool([data, other]))
    alone = pd.concat([predict(model, data), predict(model, other)], ignore_index=True)
    pd.testing.assert_frame_equal(said, alone, atol=1e-6)


def test_epoch_over_a_pool_sees_each_gene_of_each_cell_type_once(data, monkeypatch):
    pooled, seen = pool([data, dataset(seed=1)]), []
    batch_loss = train.batch_loss
    monkeypatch.setattr(train, "batch_loss", lambda model, batch, *rest: seen.append(batch) or batch_loss(model, batch, *rest))
    fit(pooled, data, config(epochs=1, drop_last=False), ModelConfig(**SMALL))
    promoters = torch.cat([batch.promoter[100] for batch in seen])
    expected = torch.cat([part.batch(range(28)).promoter[100] for part in pooled.parts])
    assert [len(batch) for batch in seen] == [8] * 7
    assert sorted(map(tuple, promoters.flatten(1).tolist())) == sorted(map(tuple, expected.flatten(1).tolist()))


def test_inner_genes_of_a_pool_lie_on_other_chromosomes_in_every_cell_type(data):
    inner = train.inner_split(pool([data, dataset(seed=1)]), seed=1)
    chromosomes = [set(side.genes["chrom"]) for side in inner]
    assert not chromosomes[0] & chromosomes[1] and sum(map(len, inner)) == 56
    assert all(len(side.parts[0]) == len(side.parts[1]) for side in inner)


def test_pool_of_one_cell_type_trains_the_network_of_that(data):
    genes, held_out = data.fold(1)
    assert_same(fit(pool([genes]), held_out, QUICK, ModelConfig(**SMALL)), train_on(data))


# A better recipe

BETTER = {"schedule": "cosine", "warmup": 0.25, "standardise": True, "noise": 0.1}


def test_rate_rises_in_equal_steps_and_falls_along_half_a_cosine_by_hand():
    settings = config(learning_rate=2.0, schedule="cosine", warmup=0.25)
    rates = [rate_at(settings, 1 + n // 4, n, 8) for n in range(8)]                # 2 of 8 updates rise
    fall = [1 + math.cos(math.pi * k / 6) for k in range(6)]
    assert rates == pytest.approx([1.0, 2.0, *fall]) and fall[3] == pytest.approx(1.0)


def test_history_shows_the_rate_of_each_epoch_s_last_update(data):
    history = train_on(data, config(schedule="cosine")).history                   # 21 genes: 2 batches an epoch
    expected = [3e-3 * (1 + math.cos(math.pi * n / 8)) / 2 for n in (1, 3, 5, 7)]
    assert history["learning_rate"].tolist() == pytest.approx(expected)


def test_marks_on_one_scale_train_the_same_network_whatever_their_unit(data):
    """Signal of one mark times 4, which rounds nothing: its weights end as a quarter, all others as they were."""
    store = data.store.copy(deep=True)
    store["promoter"] = store["promoter"] * np.array([4, 1], np.float32)
    store["pcre_depth"] = store["pcre_depth"] * np.array([4, 1], np.float32)
    plain, louder = (GeneDataset(s, bin_bp=BINS, log_base="none") for s in (data.store, store))
    settings, network = config(**BETTER), ModelConfig(log_base="none", **SMALL)
    first, second = (fit(*genes.fold(1), settings, network) for genes in (plain, louder))
    pd.testing.assert_frame_equal(first.history, second.history, check_exact=True)
    factor = torch.tensor([4.0, 1.0])
    for name, weight in first.model.state_dict().items():
        other = second.model.state_dict()[name]
        assert torch.equal(weight, other * factor if name in ("promoter_project.weight", "pcre_project.weight") else other), name
    unscaled = [fit(*genes.fold(1), QUICK, network).history for genes in (plain, louder)]
    assert not unscaled[0].equals(unscaled[1])


def test_scale_of_the_marks_is_that_of_the_training_genes_and_ends_in_the_weights(data):
    train_genes, held_out = data.fold(1)
    born = fit(train_genes, held_out, config(epochs=0, standardise=True), ModelConfig(**SMALL)).model
    plain = Chromoformer(ModelConfig(**SMALL), seed=QUICK.seed)
    for s, width in enumerate(BINS):
        expected = plain.promoter_project.weight[s] / train_genes.spread()[width]
        torch.testing.assert_close(born.promoter_project.weight[s], expected)
    assert born.gain is None and born.state_dict().keys() == plain.state_dict().keys()
    result = train_on(data, config(**BETTER))
    scores = evaluate(result.model, held_out)                                    # without any scaling, as any other network
    assert result.history.iloc[-1][list(scores)].to_dict() == scores


def test_noise_has_the_spread_that_is_asked_for_and_is_drawn_anew(data):
    (batch,) = data.batches([range(28)])
    sd = {width: torch.tensor([[0.5, 0.0]]) for width in BINS}
    torch.manual_seed(0)
    first, second = noisy(batch, sd), noisy(batch, sd)
    assert not torch.equal(first.promoter[100], second.promoter[100])
    added = torch.cat([(new - old).flatten(0, 1) for new, old in
                       [(first.promoter[100], batch.promoter[100]), *((a.signal[100], b.signal[100]) for a, b in zip(first.pcres, batch.pcres, strict=True))]])  # fmt: skip
    assert added[:, 0].std().item() == pytest.approx(0.5, rel=0.1) and (added[:, 1] == 0).all()
    assert first.target is batch.target


def test_noise_depends_on_the_seed_alone_and_touches_no_prediction(data):
    first = train_on(data, config(**BETTER))
    torch.rand(3)
    assert_same(train_on(data, config(**BETTER)), first)
    quiet = train_on(data, config(**BETTER | {"noise": 0.0}))
    assert not quiet.history.equals(first.history)
    held_out = data.fold(1)[1]
    pd.testing.assert_frame_equal(predict(first.model, held_out), predict(first.model, held_out), check_exact=True)


def test_fold_change_and_pcres_train_by_the_better_recipe_too():
    data = pair(dataset(), dataset(seed=1))
    assert np.isfinite(train_on(data, config(**BETTER)).history.to_numpy()).all()
    a, b = (side.spread()[100] for side in (data.first, data.second))
    torch.testing.assert_close(data.spread()[100], ((a.square() + b.square()) / 2).sqrt())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "step"}, "schedule='step', expected one of decay, cosine"),
        ({"warmup": 0.1}, "warmup=0.1 with schedule='decay', expected .* only with cosine"),
        ({"schedule": "cosine", "warmup": 1.0}, "warmup=1.0 with schedule='cosine', expected 0 to below 1"),
        ({"epoch_updates": 0}, "epoch_updates=0, expected 1 or more"),
        ({"noise": 0.1}, "noise=0.1 with standardise=False, expected .* only with standardise"),
    ],
)
def test_recipe_that_means_nothing_is_refused(settings, message):
    with pytest.raises(InputError, match=message) as error:
        TrainConfig(**settings)
    assert len(str(error.value).splitlines()) == 1


# Interruption


def test_training_in_two_parts_equals_training_in_one(data, tmp_path):
    whole = train_on(data)
    train_on(data, config(epochs=2), checkpoint=tmp_path)
    assert_same(train_on(data, checkpoint=tmp_path), whole)


@pytest.mark.parametrize("settings", [QUICK, config(**BETTER)])
def test_training_killed_within_an_epoch_goes_on_from_the_one_before(data, tmp_path, monkeypatch, settings):
    whole, calls = train_on(data, settings), []

    def dies_at_the_third(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(*args)

    monkeypatch.setattr(train, "evaluate", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        train_on(data, settings, checkpoint=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]
    assert_same(train_on(data, settings, checkpoint=tmp_path), whole)
    assert len(calls) == 3 + 2                                                   # the first two epochs were kept


def test_state_is_written_only_once_enough_work_would_be_lost(data, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "STATE_EVERY_S", 3600.0)
    whole = train_on(data)
    assert_same(train_on(data, checkpoint=tmp_path), whole)
    assert not list(tmp_path.iterdir())


def test_signal_in_half_precision_trains_nearly_the_same(data):
    exact, half = train_on(data), train_on(data, config(signal="float16"))
    a, b = (result.history["train_loss"].to_numpy() for result in (exact, half))
    assert (a != b).any()
    np.testing.assert_allclose(a, b, rtol=1e-2)


def test_seconds_are_summed_over_interruptions_and_are_no_part_of_the_history(data, tmp_path):
    first = train_on(data, config(epochs=2), checkpoint=tmp_path).seconds
    second = train_on(data, checkpoint=tmp_path)
    assert 0 < first < second.seconds and "seconds" not in second.history
    assert train_on(data, checkpoint=tmp_path).seconds == second.seconds


def test_finished_training_is_not_repeated(data, tmp_path, monkeypatch):
    whole = train_on(data, checkpoint=tmp_path)
    monkeypatch.setattr(train, "train_epoch", None)
    assert_same(train_on(data, checkpoint=tmp_path), whole)


def test_state_of_more_epochs_than_asked_for_is_refused(data, tmp_path):
    train_on(data, checkpoint=tmp_path)
    with pytest.raises(InputError, match="state.safetensors: holds 4 epochs, more than epochs=2"):
        train_on(data, config(epochs=2), checkpoint=tmp_path)


def test_state_of_other_settings_is_refused(data, tmp_path):
    train_on(data, config(epochs=1), checkpoint=tmp_path)
    with pytest.raises(InputError, match="state.safetensors: left by a training with other settings; delete it"):
        train_on(data, config(seed=9), checkpoint=tmp_path)


def test_more_epochs_under_a_cosine_are_another_training(data, tmp_path):
    train_on(data, config(schedule="cosine"), checkpoint=tmp_path)
    with pytest.raises(InputError, match="state.safetensors: left by a training with other settings"):
        train_on(data, config(schedule="cosine", epochs=9), checkpoint=tmp_path)


def test_damaged_state_is_named(data, tmp_path):
    train_on(data, config(epochs=1), checkpoint=tmp_path)
    path = tmp_path / "state.safetensors"
    whole = path.read_bytes()
    for content in (whole[:1000], whole[:4], b"", b"x" * 100):
        path.write_bytes(content)
        with pytest.raises(InputError, match="state.safetensors: damaged .*delete it to train from the start") as error:
            train_on(data, checkpoint=tmp_path)
        assert len(str(error.value).splitlines()) == 1
    save_file({"model.x": torch.zeros(2)}, path)                                 # sound, but nobody's state
    with pytest.raises(InputError, match="state.safetensors: left by a training with other settings"):
        train_on(data, checkpoint=tmp_path)


def test_state_that_cannot_be_read_for_a_reason_without_words_is_named(data, tmp_path, monkeypatch):
    def silent(path):
        raise OSError

    train_on(data, config(epochs=1), checkpoint=tmp_path)
    monkeypatch.setattr(checkpoints, "load_file", silent)
    with pytest.raises(InputError, match=r"state.safetensors: damaged \(OSError: \); delete it"):
        train_on(data, checkpoint=tmp_path)


# Predictions


def test_predictions_have_the_columns_of_the_task_in_the_order_of_the_genes(data):
    networks = {task: Chromoformer(ModelConfig(task=task, **SMALL)) for task in ("clf", "reg", "diff")}
    table = predict(networks["clf"], data)
    assert list(table) == ["gene_id", "logit_off", "logit_on", "probability", "target"]
    odds = np.exp(table["logit_on"] - table["logit_off"])
    np.testing.assert_allclose(table["probability"], odds / (1 + odds), rtol=1e-5)
    assert table["target"].tolist() == data.genes["label"].tolist()
    table = predict(networks["reg"], data)                                       # a clf dataset, selected anew
    assert list(table) == ["gene_id", "expression", "target"]
    np.testing.assert_allclose(table["target"], np.log2(data.genes["expression"] + 1), rtol=1e-6)
    pairs = pair(data, dataset(seed=1))
    table = predict(networks["diff"], pairs)
    assert list(table) == ["gene_id", "log2_fold_change", "expression_1", "expression_2", "target"]
    np.testing.assert_allclose(table["target"], pairs.batch(range(28)).target[:, 0])


def test_prediction_of_a_gene_does_not_depend_on_the_others(data, monkeypatch):
    model = Chromoformer(ModelConfig(**SMALL))
    whole = predict(model, data).set_index("gene_id")
    some = data.select(genes=data.genes["gene_id"][::-3])
    table = predict(model, some)
    assert table["gene_id"].tolist() == some.genes["gene_id"].tolist()
    np.testing.assert_allclose(table["logit_on"], whole.loc[table["gene_id"], "logit_on"], atol=1e-5)
    monkeypatch.setattr(train, "EVALUATION_BATCH", 5)
    np.testing.assert_allclose(predict(model, data)["logit_on"], whole["logit_on"], atol=1e-5)


def test_evaluation_is_the_metrics_of_the_predictions(data):
    model = Chromoformer(ModelConfig(**SMALL))
    scores, table = evaluate(model, data), predict(model, data)
    expected = classification_metrics(table["target"].to_numpy(), (table["logit_on"] - table["logit_off"]).to_numpy())
    assert {name: scores[name] for name in expected} == pytest.approx(expected)
    own = np.where(table["target"] == 1, table["probability"], 1 - table["probability"])
    assert scores["loss"] == pytest.approx(-np.log(own).mean(), rel=1e-5)


def test_network_of_another_task_than_a_pair_s_is_refused(data):
    pairs = pair(data, dataset(seed=1))
    for task in ("clf", "reg"):
        with pytest.raises(InputError, match=f"task {task}: .*two cell types"):
            predict(Chromoformer(ModelConfig(task=task, **SMALL)), pairs)
    with pytest.raises(InputError, match="chromolib.pair"):
        predict(Chromoformer(ModelConfig(task="diff", **SMALL)), data)


# Threads, and what does not fit


def test_same_seed_gives_the_same_gradients_with_several_threads_at_full_width():
    """torch adds repeated rows of large arrays in no fixed order; the network must not depend on that."""
    data = GeneDataset(random_store(48, n_pcres=60))
    batch = data.batch(range(48))
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        gradients = []
        for _ in range(3):
            model = Chromoformer()
            task_loss(model(batch), batch.target, "clf").backward()
            gradients.append([p.grad for p in model.parameters()])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for other in gradients[1:] for a, b in zip(gradients[0], other, strict=True))


@pytest.mark.parametrize(("changed", "found"), [({"marks": ("H3K4me3", "H3K4me1")}, "marks is"), ({"window_bp": 4000}, "window_bp is 4000")])
def test_data_that_the_network_does_not_read_are_refused(changed, found):
    data = GeneDataset(random_store(8, marks=("H3K4me1", "H3K4me3")))
    model = Chromoformer(ModelConfig(marks=data.marks))
    with pytest.raises(InputError, match=found):
        predict(model, data.select(**changed))


def test_another_logarithm_is_refused():
    store = random_store(8, marks=("H3K4me1",))
    model = Chromoformer(ModelConfig(marks=("H3K4me1",)))
    with pytest.raises(InputError, match="log_base is 2, the network reads e"):
        predict(model, GeneDataset(store, log_base="2"))


def test_float16_without_cuda_and_unknown_precision_are_refused():
    data = GeneDataset(random_store(8))
    for precision in ("float16", "tf32"):
        with pytest.raises(InputError, match=f"precision {precision} needs CUDA, found cpu; use"):
            fit(data, data, TrainConfig(precision=precision, device="cpu"))
    with pytest.raises(InputError, match="signal='int8', expected one of float32, float16"):
        TrainConfig(signal="int8")
    with pytest.raises(InputError, match="precision='fp16'"):
        TrainConfig(precision="fp16")


def test_network_takes_marks_frame_window_pcres_and_logarithm_of_its_data():
    store = random_store(8, marks=("H3K27ac", "H3K4me3"), frame_bp=20_000, max_pcres=3)
    data = GeneDataset(store, task="reg", window_bp=4000, log_base="2")
    assert train.network_for(data) == ModelConfig(
        task="reg", marks=data.marks, frame_bp=20_000, window_bp=4000, max_pcres=3, log_base="2"
    )
