"""The five peers: what the authors' own code answers, how large their networks are, and what may not change an answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from chromolib import InputError
from chromolib.baselines import deepdiff
from chromolib.baselines.attentivechrome import AttentiveChrome
from chromolib.baselines.deepchrome import DeepChrome
from chromolib.baselines.deepdiff import VARIANTS, DeepDiff, contrastive_loss
from chromolib.baselines.gc_merge import GCMerge
from chromolib.baselines.hm_crnn import HMCRNN, focal_loss
from chromolib.baselines.nodes import mean_over_neighbours
from chromolib.config import ROOT

BINS = (20, 40, 100, 200, 400)
AUX = [name for name in VARIANTS if "aux" in name]
CHAIN = torch.tensor([[0, 1, 2], [1, 2, 3]])  # of six nodes, the last two without contacts


def filled(net):
    """Each parameter as 0.1 sin(1), 0.1 sin(2), ...: what the authors' code was run with."""
    with torch.no_grad():
        for parameter in net.double().parameters():
            parameter.copy_(0.1 * torch.arange(1, parameter.numel() + 1).double().sin().view(parameter.shape))
    return net.eval()


def angles(n_marks, n_bins):
    """b m t / 10, all counted from 1, for two genes."""
    b, m, t = (torch.arange(1, n + 1).double() for n in (2, n_marks, n_bins))
    return 0.1 * b[:, None, None] * m[:, None] * t


def signal(n_marks, n_bins):
    return angles(n_marks, n_bins).sin()


def random_signal(n_marks=3, n_bins=20, n_genes=4, seed=0):
    return torch.rand(n_genes, n_marks, n_bins, generator=torch.Generator().manual_seed(seed))


def seeded(make, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def assert_is(found, *expected):
    torch.testing.assert_close(found.double(), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-6)


# What the authors' code answers, run in double precision


@pytest.mark.parametrize(("n_bins", "answer"), [(100, (0.443471, 0.425507)), (400, (0.432201, 0.441044))])
def test_deepchrome_answers_as_its_twin(n_bins, answer):
    assert_is(filled(DeepChrome(7, n_bins, 1))(signal(7, n_bins)).squeeze(1), *answer)


@pytest.mark.parametrize(
    ("n_marks", "n_bins", "answer"),
    [(5, 100, (0.067644, 0.067464)), (7, 100, (0.066149, 0.066020)), (7, 400, (0.065867, 0.065911))],
)
def test_attentivechrome_answers_as_the_authors_code(n_marks, n_bins, answer):
    assert_is(filled(AttentiveChrome(n_marks))(signal(n_marks, n_bins)).squeeze(1), *answer)


def test_attentivechrome_looks_where_the_authors_code_does():
    _, alpha, beta = filled(AttentiveChrome(7)).attend(signal(7, 100))
    assert_is(alpha[0, 0, [0, 1, 2, -1]], 0.009577, 0.009836, 0.010025, 0.008809)
    assert_is(beta[0], 0.133971, 0.138668, 0.140967, 0.142531, 0.144200, 0.146964, 0.152701)


@pytest.mark.parametrize(
    ("variant", "answer"),
    [
        ("raw_d", (0.066140, 0.065961)), ("raw_c", (0.063766, 0.063689)), ("raw", (0.062659, 0.062774)),
        ("aux", (0.168238, 0.168229)), ("aux_siamese", (0.168238, 0.168229)),
        ("raw_aux", (0.062019, 0.062124)), ("raw_aux_siamese", (0.062019, 0.062124)),
    ],
)  # fmt: skip
def test_deepdiff_answers_as_the_authors_code(variant, answer):
    found = filled(DeepDiff(7, variant))(angles(7, 100).sin(), angles(7, 100).cos())
    assert_is(found.change, *answer)
    if variant in AUX:
        assert_is(found.first, 0.066149, 0.066020)
        assert_is(found.second, 0.065856, 0.066056)
    else:
        assert found.first is found.second is None


@pytest.mark.parametrize(("n_bins", "total"), [(40, (-0.909020, -0.916290)), (100, (-1.084711, -1.091433))])
def test_hm_crnn_draws_the_context_of_the_authors_code(n_bins, total):
    assert_is(filled(HMCRNN(7)).attend(signal(7, n_bins)).context.sum(1), *total)


def test_hm_crnn_looks_where_the_authors_code_does():
    assert_is(filled(HMCRNN(7)).attend(signal(7, 100)).alpha[0, :3], 0.031003, 0.031132, 0.031196)


def test_gc_merge_answers_as_the_authors_code():
    node, feature = torch.arange(1, 7).double(), torch.arange(1, 8).double()
    x, mean = (node[:, None] * feature).sin().abs(), mean_of(CHAIN, 6).double()
    assert_is(filled(GCMerge(7, 1))(x, mean).squeeze(1), 0.730489, 0.730487, 0.730485, 0.730484, 0.730409, 0.730406)
    net = filled(GCMerge(7, 2))
    assert_is(net(x, mean)[:, 1], 0.074390, 0.074390, 0.074389, 0.074389, 0.074417, 0.074418)
    first = net.convolutions[0](x, mean)[:, :3]
    assert_is(first[0], 0.224256, 0.160310, -0.107023)
    assert_is(first[1], 0.202306, 0.213649, -0.070487)
    assert_is(first[4], 0.142223, 0.134555, -0.032033)  # no contacts: the mean is 0


# Sizes, outputs, windows


SIZES = [  # network, its arguments, parameters
    (DeepChrome, (5, 100, 2), 644_177), (DeepChrome, (7, 100, 2), 645_177), (DeepChrome, (7, 400, 2), 2_520_177),
    (DeepChrome, (5, 100, 1), 644_051), (DeepChrome, (7, 100, 1), 645_051), (DeepChrome, (7, 400, 1), 2_520_051),
    (DeepChrome, (7, 20, 2), 145_177), (DeepChrome, (7, 40, 2), 270_177), (DeepChrome, (7, 200, 2), 1_270_177),
    (AttentiveChrome, (5,), 55_681), (AttentiveChrome, (7,), 73_729),
    (DeepDiff, (5, "raw_d"), 55_681), (DeepDiff, (7, "raw_d"), 73_729),
    (DeepDiff, (5, "raw_c"), 100_801), (DeepDiff, (7, "raw_c"), 136_897),
    (DeepDiff, (5, "raw"), 145_921), (DeepDiff, (7, "raw"), 200_065),
    (DeepDiff, (5, "aux"), 113_475), (DeepDiff, (7, "aux"), 149_571),
    (DeepDiff, (5, "aux_siamese"), 68_355), (DeepDiff, (7, "aux_siamese"), 86_403),
    (DeepDiff, (5, "raw_aux"), 257_283), (DeepDiff, (7, "raw_aux"), 347_523),
    (DeepDiff, (5, "raw_aux_siamese"), 212_163), (DeepDiff, (7, "raw_aux_siamese"), 284_355),
    (HMCRNN, (5,), 24_538), (HMCRNN, (7,), 24_818),
    (GCMerge, (5, 2), 266_242), (GCMerge, (6, 2), 266_754), (GCMerge, (7, 2), 267_266),
    (GCMerge, (5, 1), 265_985), (GCMerge, (6, 1), 266_497), (GCMerge, (7, 1), 267_009),
]  # fmt: skip


def size_of(net):
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize(("network", "arguments", "size"), SIZES)
def test_networks_are_as_large_as_the_authors(network, arguments, size):
    assert size_of(network(*arguments)) == size


PAGE = {"DeepChrome": [DeepChrome(7, 100, 2)], "AttentiveChrome": [AttentiveChrome(7)], "HM-CRNN": [HMCRNN(7)],
        "DeepDiff": [DeepDiff(7, "raw_d"), DeepDiff(7, "raw_aux")], "GC-MERGE": [GCMerge(7, 2)]}  # fmt: skip


def test_page_on_peers_tells_their_sizes():
    cells = [line.strip("| ").split(" | ") for line in (ROOT / "book" / "peers.md").read_text(encoding="utf-8").splitlines()]
    told = {row[0].split()[0]: row[-1] for row in cells if "{cite:p}" in row[0]}
    assert told == {name: " to ".join(f"{size_of(net):,}" for net in nets) for name, nets in PAGE.items()}


@pytest.mark.parametrize(("n_marks", "size"), [(5, 21_913), (7, 22_193)])
def test_hm_crnn_before_its_head_is_as_large_as_the_authors(n_marks, size):
    net = HMCRNN(n_marks)
    assert size_of(net) - size_of(net.head) == size


@pytest.mark.parametrize("n_bins", BINS)
def test_every_window_gets_an_answer(n_bins):
    x = random_signal(n_bins=n_bins)
    assert DeepChrome(3, n_bins, 2)(x).shape == (4, 2) and DeepChrome(3, n_bins, 1)(x).shape == (4, 1)
    out, alpha, beta = AttentiveChrome(3).attend(x)
    assert out.shape == (4, 1) and alpha.shape == (4, 3, n_bins) and beta.shape == (4, 3)
    assert DeepDiff(3, "raw_aux")(x, x + 1).change.shape == (4,)
    found = HMCRNN(3).attend(x)
    assert found.out.shape == (4, 1) and found.context.shape == (4, 80)
    assert found.alpha.shape == (4, dict(zip(BINS, (5, 12, 32, 65, 132), strict=True))[n_bins])


@pytest.mark.parametrize("network", [AttentiveChrome, HMCRNN])
def test_attention_of_a_network_sums_to_one(network):
    x, net = 5 * random_signal(), network(3).eval()
    found = net.attend(x)
    torch.testing.assert_close(found.out, net(x))
    for weight in (found.alpha, getattr(found, "beta", found.alpha)):
        assert (weight >= 0).all()
        torch.testing.assert_close(weight.sum(-1), torch.ones(weight.shape[:-1]), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("variant", "n_tracks"), [("raw_d", 3), ("raw_c", 6), ("raw", 9), ("aux", 6), ("raw_aux", 15), ("raw_aux_siamese", 15)])
def test_deepdiff_attends_to_every_track(variant, n_tracks):
    alpha, beta = DeepDiff(3, variant).attend(random_signal(), random_signal(seed=1))
    assert alpha.shape == (4, n_tracks, 20) and beta.shape == (4, n_tracks)
    torch.testing.assert_close(alpha.sum(2), torch.ones(4, n_tracks), rtol=0, atol=1e-6)
    n_levels = 2 if variant == "aux" else 1  # of marks, side by side
    torch.testing.assert_close(beta.unflatten(1, (n_levels, -1)).sum(2), torch.ones(4, n_levels), rtol=0, atol=1e-6)


def test_dropout_acts_only_where_the_authors_have_it():
    x, mean = random_signal(), mean_of(torch.tensor([[0, 1], [1, 2]]), 4)
    answers = {
        "deepchrome": (DeepChrome(3, 20, 2), lambda net: net(x)), "gc_merge": (GCMerge(60, 2), lambda net: net(x.flatten(1), mean)),
        "attentivechrome": (AttentiveChrome(3), lambda net: net(x)), "deepdiff": (DeepDiff(3, "raw_aux"), lambda net: net(x, -x).change),
    }  # fmt: skip
    differs = {name: not torch.equal(ask(net.train()), ask(net.eval())) for name, (net, ask) in answers.items()}
    assert differs == {"deepchrome": True, "gc_merge": True, "attentivechrome": False, "deepdiff": False}


# The parts


@pytest.mark.parametrize(("variant", "n"), [("raw_d", 3), ("raw_c", 6), ("raw", 9), ("aux", 6), ("aux_siamese", 3), ("raw_aux", 15), ("raw_aux_siamese", 12)])
def test_siamese_variants_share_the_encoders_of_both_cell_types(variant, n):
    net = DeepDiff(3, variant)
    assert len(net.bins.encoders) == n
    answer = net(random_signal(), random_signal())
    if answer.summaries:
        torch.testing.assert_close(*answer.summaries)  # the same signal twice
        assert not torch.allclose(answer.first, answer.second)  # the level of marks is not shared
    assert (answer.summaries is not None) == ("siamese" in variant)


def test_order_of_marks_matters_to_attentivechrome():
    x, net, other = random_signal(), seeded(lambda: AttentiveChrome(3)), AttentiveChrome(3)
    other.load_state_dict(net.state_dict())
    other.bins.encoders = nn.ModuleList([other.bins.encoders[i] for i in (1, 0, 2)])
    torch.testing.assert_close(other.bins(x[:, [1, 0, 2]])[0][:, [1, 0, 2]], net.bins(x)[0])
    assert (other(x[:, [1, 0, 2]]) - net(x)).abs().max() > 1e-6


@pytest.mark.parametrize("make", [lambda: AttentiveChrome(7), lambda: DeepDiff(7, "raw_aux_siamese"), lambda: DeepDiff(5, "aux")])
def test_first_parameters_are_uniform_within_a_tenth(make):
    values = torch.cat([parameter.detach().flatten() for parameter in seeded(make).parameters()])
    assert values.abs().max() <= 0.1 and float(values.std()) == pytest.approx(0.2 / math.sqrt(12), rel=0.02)


def test_same_seed_makes_the_same_network():
    first, second, third = (seeded(lambda: AttentiveChrome(2), seed)(random_signal(2)) for seed in (1, 1, 2))
    assert torch.equal(first, second) and not torch.equal(first, third)


# Losses


def test_contrastive_loss_by_hand():
    summaries = torch.tensor([[-1.0], [3.0], [1.0]], dtype=torch.float64), torch.zeros(3, 1)
    # Unchanged at distance 1: 1; changed beyond the margin of 2: 0; changed at 1: (2 - 1)². torch adds 1e-6 to a difference.
    found = contrastive_loss(*summaries, torch.tensor([1.99, -2.0, 2.0]))
    assert float(found) == pytest.approx(0.666665, abs=1e-6)


def test_loss_of_deepdiff_adds_what_a_variant_has():
    target = torch.tensor([[1.0, 3.0, 4.0], [0.0, 2.0, 2.0]])
    change, first, second = torch.zeros(2), torch.tensor([1.0, 2.0]), torch.tensor([4.0, 3.0])
    summaries = torch.tensor([[1.0], [1.0]]), torch.zeros(2, 1)
    answer = deepdiff.Answer(change, None, None, None)
    assert float(DeepDiff.loss(answer, target)) == 0.5
    answer = answer._replace(first=first, second=second)
    assert float(DeepDiff.loss(answer, target)) == 0.5 + 2 + 0.5
    assert float(DeepDiff.loss(answer._replace(summaries=summaries), target)) == pytest.approx(3 + 4 * 1, abs=1e-4)


def test_gradient_of_equal_summaries_is_finite():
    net, x = DeepDiff(3, "aux_siamese"), random_signal()
    DeepDiff.loss(net(x, x), torch.zeros(4, 3)).backward()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


def test_focal_loss_by_hand():
    logit = torch.tensor([0.0, math.log(9)])  # p of 0.5 for a gene that is on, of 0.9 for one that is off
    assert float(focal_loss(logit, torch.tensor([1, 0]))) == pytest.approx(0.173287 + 1.865094, abs=1e-6)
    assert float(focal_loss(logit.unsqueeze(1), torch.tensor([1.0, 0.0]))) == pytest.approx(2.038381, abs=1e-6)


def test_focal_loss_of_a_sure_mistake_is_finite():
    logit = torch.tensor([200.0, -200.0], requires_grad=True)
    loss = focal_loss(logit, torch.tensor([0, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(400) and logit.grad.tolist() == pytest.approx([1, -1])


# Graphs


def mean_of(edges: torch.Tensor, n_nodes: int) -> torch.Tensor:
    """What GC-MERGE takes means over neighbours with, of edges (2, edge)."""
    dense = np.zeros((n_nodes, n_nodes), np.float32)
    dense[edges[0], edges[1]] = dense[edges[1], edges[0]] = 1
    return mean_over_neighbours(sparse.csr_array(dense))


def test_mean_over_neighbours_by_hand():
    mean = mean_of(torch.tensor([[0, 1, 3], [1, 2, 1]]), 5)  # 1 touches 0, 2 and 3
    expected = torch.zeros(5, 5)
    expected[1, [0, 2, 3]], expected[[0, 2, 3], 1] = 1 / 3, 1
    assert torch.equal(mean.to_dense(), expected)
    assert mean.is_coalesced() and set(torch.sparse.sum(mean, 1).to_dense().tolist()) == {0, 1}


def test_names_of_nodes_change_nothing():
    edges, order = torch.tensor([[0, 1, 2, 0], [1, 2, 3, 5]]), torch.tensor([3, 0, 5, 1, 6, 2, 4])
    x, net = torch.rand(7, 4, generator=torch.Generator().manual_seed(0)), GCMerge(4, 2).eval()
    renamed = mean_of(order.argsort()[edges], 7)
    torch.testing.assert_close(net(x[order], renamed), net(x, mean_of(edges, 7))[order])


def test_node_hears_two_steps_and_no_further():
    chain, net = mean_of(CHAIN, 6), GCMerge(2, 1).eval()
    x = torch.rand(6, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    net(x, chain)[0].sum().backward()
    assert x.grad.abs().sum(1).bool().tolist() == [True, True, True, False, False, False]


# Settings and errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DeepChrome(7, 13, 2), r"n_bins=13, expected at least 14"),
        (lambda: DeepDiff(7, "siamese"), r"variant='siamese', expected one of raw_d, raw_c"),
        (lambda: AttentiveChrome(3)(random_signal(4)), r"shape \(4, 4, 20\), expected \(b, m, l\) with m = 3, l >= 1"),
        (lambda: DeepChrome(3, 20, 2)(random_signal(n_bins=40)), r"shape \(4, 3, 40\), expected .* m = 3, l = 20"),
        (lambda: HMCRNN(3)(random_signal(n_bins=6)), r"shape \(4, 3, 6\), expected .* m = 3, l >= 7"),
        (lambda: DeepDiff(3, "raw")(random_signal(), random_signal(n_bins=40)), r"shapes \(4, 3, 20\) and \(4, 3, 40\), expected the same"),
    ],
)
def test_bad_input_says_what_was_expected(call, message):
    with pytest.raises(InputError, match=message):
        call()
