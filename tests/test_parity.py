"""Our network against the release (PyPI: chromoformer), on the release's own demo genes and with its own reading of them.

The release's dataset class reads the arrays, pads and masks; its network runs in full. Ours gets its weights through a
checkpoint in the release's layout, and its genes through the feature store.
"""

import tarfile
from types import SimpleNamespace

import chromoformer.modules
import pytest
import torch
from chromoformer import ChromoformerDataset
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import default_collate

from benchmarks import peer
from chromolib import Batch, load_dataset, load_profile, load_released
from chromolib.released import current_names, from_release

N_GENES = 100
CHUNK = 20  # genes at a time: the release needs about 100 MB for each


@pytest.fixture(scope="module")
def demo(demo_archive, tmp_path_factory):
    """The demo's files as the release reads them: a table and one array per region."""
    folder = tmp_path_factory.mktemp("demo")
    with tarfile.open(demo_archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian's Python 3.11.2 has none
        tar.extractall(folder)
    (table,) = folder.glob("*/demo/demo_meta.csv")
    return table, table.parent / "demo_data"


@pytest.fixture(scope="module")
def data(demo_archive):
    return load_dataset(load_profile("h1-demo"), "E003")


@pytest.fixture(scope="module", params=["clf", "reg"])
def pair(request, tmp_path_factory):
    """The release's network with random weights, and ours loaded from its checkpoint."""
    path = tmp_path_factory.mktemp("weights") / "released.pt"
    theirs = peer.network(request.param, seed=7)
    path.write_bytes(peer.checkpoint(theirs).getvalue())
    return theirs, load_released(path)


def items(demo, data, window_bp, genes):
    """Batches of the release's dataset for these genes, in the order of ours."""
    table, arrays = demo
    ids = data.genes["gene_id"].tolist()[:genes]
    theirs = ChromoformerDataset(str(table), str(arrays), ids, w_prom=window_bp, regression=data.task == "reg")
    for first in range(0, genes, CHUNK):
        yield default_collate([theirs[i] for i in range(first, min(first + CHUNK, genes))])


def both_losses(theirs, ours, item, batch):
    """Logits and loss of both on the same genes."""
    with peer.on_cpu():
        their_out = peer.run(theirs, item).squeeze(-1)
    our_out = ours(batch)
    loss = cross_entropy if ours.config.task == "clf" else mse_loss
    target = item["label"] if ours.config.task == "clf" else item["label"].to(their_out.dtype)
    return their_out, loss(their_out, target), our_out, loss(our_out, batch.target.to(target.dtype))


def gradients(theirs, ours):
    """The release's gradients under our names, and ours."""
    named = {name: p.grad for name, p in theirs.named_parameters() if p.grad is not None}
    return from_release(current_names(named), ours.config), {name: p.grad for name, p in ours.named_parameters()}


def test_demo_covers_both_strands_and_every_number_of_pcres(data):
    batch = data.batch(range(N_GENES))
    assert set(data.genes["strand"]) == {"+", "-"} and len(data) == N_GENES
    assert set((batch.contact > 0).sum(1).tolist()) == set(range(9))


def assert_same_inputs(batch, item):
    """Signal and contacts to rounding, masks to the bit: the release sums a bin in float32, we in float64."""
    ours = peer.inputs(batch)
    torch.testing.assert_close(ours["interaction_freq"], item["interaction_freq"], rtol=1e-6, atol=0)
    for width in (2000, 500, 100):
        for name in ("promoter_feats", "pcre_feats"):
            torch.testing.assert_close(ours[name][width], item[name][width], rtol=1e-6, atol=1e-6)
        for name in ("promoter_pad_masks", "pcre_pad_masks", "interaction_masks"):
            assert torch.equal(ours[name][width], item[name][width]), (name, width)


def test_features_logits_and_gradients_match_the_release_on_all_real_genes(pair, data, demo):
    theirs, ours = pair
    data = data.select(task=ours.config.task)
    theirs.zero_grad()
    ours.zero_grad()
    for first, item in zip(range(0, N_GENES, CHUNK), items(demo, data, 40_000, N_GENES), strict=True):
        batch = data.batch(range(first, first + CHUNK))
        assert torch.equal(batch.target, item["label"])
        assert_same_inputs(batch, item)
        (packed,) = data.batches([range(first, first + CHUNK)])  # as training has it: narrow pCREs apart from wide ones
        assert len(packed.pcres) == 2
        their_out, their_loss, our_out, our_loss = both_losses(theirs, ours, item, packed)
        torch.testing.assert_close(our_out, their_out, atol=1e-5, rtol=0)
        their_loss.backward()
        our_loss.backward()
    expected, found = gradients(theirs, ours)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        assert (found[name] - gradient).norm() <= 1e-4 * gradient.norm(), name


@pytest.mark.parametrize("window_bp", [20_000, 10_000, 4_000, 2_000])
def test_narrower_windows_match_the_release(pair, data, demo, window_bp):
    theirs, ours = pair
    data = data.select(task=ours.config.task, window_bp=window_bp)
    (item,) = items(demo, data, window_bp, CHUNK)
    with torch.no_grad():
        their_out, _, our_out, _ = both_losses(theirs, ours, item, data.batch(range(CHUNK)))
    torch.testing.assert_close(our_out, their_out, atol=1e-5, rtol=0)


def test_gradients_in_double_precision_leave_only_rounding(pair, data):
    """In float32 a unit whose input is 0 to the last digit may fire in one of two equal networks; float64 has no such
    unit. Both read our signal here, since the release's own is rounded in another place."""
    theirs, ours = pair
    batch = data.select(task=ours.config.task, window_bp=10_000).batch(range(12))
    item = peer.inputs(batch) | {"label": batch.target}
    theirs.double().zero_grad()
    ours.double().zero_grad()
    try:
        item = {key: _double(value) for key, value in item.items()}
        batch = Batch(**{key: _double(value) for key, value in vars(batch).items()})
        _, their_loss, _, our_loss = both_losses(theirs, ours, item, batch)
        their_loss.backward()
        our_loss.backward()
        expected, found = gradients(theirs, ours)
        for name, gradient in expected.items():
            assert (found[name] - gradient).norm() <= 1e-9 * gradient.norm(), name
    finally:
        theirs.float()
        ours.float()


def test_full_attention_maps_match_the_release(pair, data, demo, monkeypatch):
    theirs, ours = pair
    maps = []
    softmax = torch.nn.functional.softmax
    recording = SimpleNamespace(relu=torch.relu, softmax=lambda *a, **k: maps.append(softmax(*a, **k)) or maps[-1])
    monkeypatch.setattr(chromoformer.modules, "F", recording)
    data = data.select(task=ours.config.task)
    (item,) = items(demo, data, 40_000, 10)
    with peer.on_cpu(), torch.no_grad():
        peer.run(theirs, item)
    expected = maps[: len(ours.config.bin_bp)]  # the three Embedding transformers run first
    rows = ours.tss_attention(data.batch(range(10)))
    for (bin_bp, found), theirs_map in zip(ours.attention_maps(data.batch(range(10))).items(), expected, strict=True):
        n_bins = 40_000 // bin_bp
        assert found.shape == (10, 2, n_bins, n_bins)
        torch.testing.assert_close(found, theirs_map, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(rows[bin_bp].weight, theirs_map[:, :, n_bins // 2], atol=1e-6, rtol=1e-4)


def test_inputs_built_from_our_batch_are_the_release_s_own(data, demo):
    """The benchmark feeds the release from our batch: the same arrays as its own dataset class makes."""
    (item,) = items(demo, data, 40_000, CHUNK)
    ours = peer.inputs(data.batch(range(CHUNK)))
    torch.testing.assert_close(ours["interaction_freq"], item["interaction_freq"])
    for key in ("promoter_feats", "pcre_feats"):
        for bin_bp, values in item[key].items():
            torch.testing.assert_close(ours[key][bin_bp], values, atol=1e-6, rtol=1e-6)
    for bin_bp, mask in item["interaction_masks"].items():
        assert torch.equal(ours["interaction_masks"][bin_bp], mask)
        assert torch.equal(ours["pcre_pad_masks"][bin_bp], item["pcre_pad_masks"][bin_bp])


def _double(value):
    if isinstance(value, dict):
        return {key: _double(entry) for key, entry in value.items()}
    return value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
