"""The five peers: how long one training step takes by their authors' recipes, and what that makes of a whole training.

    OMP_NUM_THREADS=1 python benchmarks/baselines.py [--marks 7] [--genes 14216] [--nodes 20000] [--repeats 15]

A step is forward, loss, backward, clipping where the recipe has it, and the optimizer, on random signal in the network's
native window. The encoders of AttentiveChrome and DeepDiff are also run as one recurrence over all tracks at once, written
out with its gradient; DeepChrome, whose batch is one gene, also with each of torch's ways to do the arithmetic of SGD.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd
import report  # a script's own folder comes first on its path
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from chromolib import InputError
from chromolib.baselines import attentivechrome, deepchrome, deepdiff, gc_merge, hm_crnn
from chromolib.baselines.nodes import mean_over_neighbours

BIN_BP = 100
Loss = Callable[[nn.Module], Tensor]
TOLERANCE = 1e-9  # of gradients of the two ways in double precision, relative to the largest of a tensor


# One recurrence instead of an LSTM for each track and direction


class Recurrence(torch.autograd.Function):
    """LSTMs of one number per step, all n at once: (n, l, b), weights (n, 4 h, h + 2) -> states (n, l, b, h).

    The weights of gates i, f, o, g meet the state, the number and a one.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        (n, l, b), h = x.shape, weight.shape[1] // 4
        state, cell = x.new_zeros(n, l + 1, b, h + 2), x.new_zeros(n, l + 1, b, h)
        state[:, :l, :, h], state[..., h + 1] = x, 1
        gates, squashed = x.new_empty(n, l, b, 4 * h), x.new_empty(n, l, b, h)
        into = weight.transpose(1, 2).contiguous()
        for t in range(l):
            gate, before, after = gates[:, t], cell[:, t], cell[:, t + 1]
            torch.bmm(state[:, t], into, out=gate)
            gate[..., : 3 * h].sigmoid_()
            gate[..., 3 * h :].tanh_()
            i, f, o, g = gate.chunk(4, 2)
            torch.mul(f, before, out=after).addcmul_(i, g)
            torch.mul(o, torch.tanh(after, out=squashed[:, t]), out=state[:, t + 1, :, :h])
        ctx.save_for_backward(weight, state, cell, gates, squashed)
        return state[:, 1:, :, :h]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[None, Tensor]:
        weight, state, cell, gates, squashed = ctx.saved_tensors
        n, l, b, h = grad.shape
        of_state, to_gates = weight[..., :h].contiguous(), torch.empty_like(gates)
        recurrent, to_cell = grad.new_zeros(n, b, h), grad.new_zeros(n, b, h)
        for t in reversed(range(l)):
            gate, to_gate = gates[:, t], to_gates[:, t]
            (i, f, o, g), (to_i, to_f, to_o, to_g) = gate.chunk(4, 2), to_gate.chunk(4, 2)
            to_state = recurrent + grad[:, t]
            to_cell += torch.ops.aten.tanh_backward(to_state * o, squashed[:, t])
            torch.mul(to_cell, g, out=to_i)
            torch.mul(to_cell, cell[:, t], out=to_f)
            torch.mul(to_state, squashed[:, t], out=to_o)
            to_gate[..., : 3 * h] = torch.ops.aten.sigmoid_backward(to_gate[..., : 3 * h], gate[..., : 3 * h])
            torch.ops.aten.tanh_backward.grad_input(to_cell * i, g, grad_input=to_g)
            to_cell *= f
            torch.bmm(to_gate, of_state, out=recurrent)
        return None, torch.bmm(to_gates.flatten(1, 2).transpose(1, 2), state[:, :-1].flatten(1, 2))


class AtOnce(attentivechrome.BinEncoders):
    """`BinEncoders` by one recurrence over tracks and directions."""

    def forward(self, x: Tensor, readers: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        read = [self.encoders[i] for i in (range(len(self.encoders)) if readers is None else readers)]
        weight = torch.stack([_weight(encoder.lstm, end) for end in ("", "_reverse") for encoder in read])
        track = x.permute(1, 2, 0)                                                          # (m, l, b)
        state = Recurrence.apply(torch.cat([track, track.flip(1)]), weight)
        forth, back = state.chunk(2)
        state = torch.cat([forth, back.flip(1)], 3).transpose(0, 2).transpose(1, 2)         # (b, m, l, 64)
        context = torch.cat([encoder.context.weight for encoder in read])
        alpha = torch.einsum("bmld,md->bml", state, context).softmax(2)
        return torch.einsum("bml,bmld->bmd", alpha, state), alpha


def _weight(lstm: nn.LSTM, end: str) -> Tensor:
    """Weights of one direction, side by side, the gates in the order i, f, o, g."""
    of_number, of_state, *bias = (getattr(lstm, f"{name}_l0{end}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    i, f, g, o = torch.cat([of_state, of_number, sum(bias).unsqueeze(1)], 1).chunk(4)
    return torch.cat([i, f, o, g])


def at_once(net: nn.Module) -> nn.Module:
    """The same network with its encoders run at once."""
    made = copy.deepcopy(net)
    made.bins.__class__ = AtOnce
    return made


def check_equal_work(net: nn.Module, other: nn.Module, loss: Loss) -> float:
    """Largest difference of a gradient between networks of the same weights, relative to the largest of its tensor."""
    losses = [loss(one) for one in (net, other)]
    grads = [torch.autograd.grad(value, list(one.parameters())) for value, one in zip(losses, (net, other), strict=True)]
    found = max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(*grads, strict=True))
    if not found <= TOLERANCE:
        raise InputError(f"gradients differ by {found:.1e}, expected at most {TOLERANCE}: unequal work has no ratio")
    return found


# Steps


class Case(NamedTuple):
    """A network and how it is run."""

    network: str
    way: str
    module: Any  # of chromolib.baselines
    step: Callable[[], None]


def step_of(net: nn.Module, recipe: dict[str, Any], loss: Loss, **way: bool) -> Callable[[], None]:
    """A training step, ready to call; `way`: how torch does the optimizer's arithmetic."""
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[recipe["optimizer"]]
    optimizer = kind(net.parameters(), lr=recipe["learning_rate"], **way)

    def step() -> None:
        optimizer.zero_grad()
        loss(net).backward()
        if norm := recipe.get("clip_norm"):
            nn.utils.clip_grad_norm_(net.parameters(), norm)
        optimizer.step()

    return step


def signal(module: Any, marks: int, device: str) -> Tensor:
    """A batch of the recipe's size in the native window, (b, m, l)."""
    return torch.rand(module.RECIPE["batch_size"], marks, module.NATIVE_WINDOW_BP // BIN_BP, device=device)


def of_deepchrome(marks: int, device: str) -> list[Case]:
    x, label = signal(deepchrome, marks, device), torch.ones(1, dtype=torch.long, device=device)
    net = deepchrome.DeepChrome(marks, x.shape[2], 2).to(device)
    ways = {"SGD, for loop": {"foreach": False}, "SGD, foreach": {"foreach": True}, "SGD, fused": {"fused": True}}
    return [
        Case("DeepChrome", name, deepchrome, step_of(copy.deepcopy(net), deepchrome.RECIPE, lambda net: cross_entropy(net(x), label), **way))
        for name, way in ways.items()
    ]  # fmt: skip


def of_attentivechrome(marks: int, device: str) -> list[Case]:
    x = signal(attentivechrome, marks, device)
    label = torch.rand(len(x), 1, device=device).round()
    net = attentivechrome.AttentiveChrome(marks).to(device)
    loss = lambda net, x, label: binary_cross_entropy_with_logits(net(x), label)
    return both_ways("AttentiveChrome", attentivechrome, net, loss, x, label)


def of_deepdiff(marks: int, device: str, variant: str) -> list[Case]:
    first, second = signal(deepdiff, marks, device), signal(deepdiff, marks, device)
    target = torch.randn(len(first), 3, device=device)
    net = deepdiff.DeepDiff(marks, variant).to(device)
    loss = lambda net, first, second, target: net.loss(net(first, second), target)
    return both_ways(f"DeepDiff {variant}", deepdiff, net, loss, first, second, target)


def both_ways(name: str, module: Any, net: nn.Module, loss: Callable[..., Tensor], *inputs: Tensor) -> list[Case]:
    exact, doubled = copy.deepcopy(net).double(), [x.double() for x in inputs]
    found = check_equal_work(exact, at_once(exact), lambda net: loss(net, *doubled))
    print(f"{name}: gradients of the two ways differ by {found:.0e}, in double precision")
    ways = {"LSTM by LSTM": net, "one recurrence": at_once(net)}
    return [
        Case(name, way, module, step_of(one, module.RECIPE, lambda net: loss(net, *inputs), fused=True))
        for way, one in ways.items()
    ]


def of_hm_crnn(marks: int, device: str) -> list[Case]:
    x = signal(hm_crnn, marks, device)
    label = torch.rand(len(x), device=device).round()
    step = step_of(hm_crnn.HMCRNN(marks).to(device), hm_crnn.RECIPE, lambda net: hm_crnn.focal_loss(net(x), label), fused=True)
    return [Case("HM-CRNN", "", hm_crnn, step)]


def of_gc_merge(marks: int, device: str, n_nodes: int) -> list[Case]:
    some = sparse.random_array((n_nodes, n_nodes), density=5 / n_nodes, rng=0)  # ten contacts a node
    mean = mean_over_neighbours(((some + some.T) > 0).tocsr()).to(device)
    x, label = torch.rand(n_nodes, marks, device=device), torch.randint(0, 2, (n_nodes,), device=device)
    net = gc_merge.GCMerge(marks, 2).to(device)
    step = step_of(net, gc_merge.RECIPE, lambda net: cross_entropy(net(x, mean), label), fused=True)
    return [Case(f"GC-MERGE, {n_nodes:,} nodes", "", gc_merge, step)]


def hours(module: Any, step_s: float, genes: int) -> float:
    """Of a training by the recipe, if all its steps take as long: a classifier's, where tasks differ."""
    epochs = module.RECIPE.get("epochs") or module.EPOCHS["clf"]
    return step_s * epochs * (genes // min(module.RECIPE["batch_size"], genes)) / 3600


def main(given: list[str] | None = None) -> None:
    parser = report.parser("baselines.py", __doc__, repeats=15)
    parser.add_argument("--marks", type=int, default=7)
    parser.add_argument("--genes", type=int, default=14_216, help="of a training: three of four folds (14216)")
    parser.add_argument("--nodes", type=int, default=20_000, help="of GC-MERGE's graph (20000)")
    options = report.options_of(parser, given)
    marks, device = options.marks, options.device
    torch.manual_seed(0)
    cases = [
        *of_deepchrome(marks, device), *of_attentivechrome(marks, device), *of_deepdiff(marks, device, "raw_d"),
        *of_deepdiff(marks, device, "raw_aux"), *of_hm_crnn(marks, device), *of_gc_merge(marks, device, options.nodes),
    ]  # fmt: skip
    rows = []
    for case in cases:
        times = report.seconds(case.step, options.repeats, device)
        median, batch = statistics.median(times), case.module.RECIPE["batch_size"]
        reads_window = case.module is not gc_merge
        rows.append({
            "network": case.network, "way": case.way, "bins": case.module.NATIVE_WINDOW_BP // BIN_BP if reads_window else "",
            "batch": batch if reads_window else "all", "step_ms": 1e3 * median, "range_ms": f"{1e3 * min(times):.3g}-{1e3 * max(times):.3g}",
            "training_h": hours(case.module, median, options.genes),
        })  # fmt: skip
        print(f"{case.network} {case.way}: {1e3 * median:.3g} ms", flush=True)
    notes = (
        f"One training step on random signal of {options.marks} marks, float32, in memory; medians of {options.repeats}. Hours "
        f"are extrapolated from it to {options.genes:,} genes and the epochs of the authors' recipe; reading data and "
        "evaluation are not in them. One recurrence: all tracks and directions in one loop over bins, with its gradient "
        "written out; the library runs LSTM by LSTM."
    )
    report.finish("baselines", pd.DataFrame(rows), options, notes=notes)


if __name__ == "__main__":
    with report.one_line_errors("baselines"):
        main()
