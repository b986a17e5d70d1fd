"""Layers of several resolutions at once against torch's own, one resolution at a time, in double precision."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from chromolib import products
from chromolib.stack import FeedForward, StackLinear, StackNorm, finish_layer, stack_linear

EXACT = {"rtol": 1e-12, "atol": 1e-12}
S, N, D = 3, 4, 6


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def random_weights(module):
    generator = torch.Generator().manual_seed(0)
    for parameter in module.double().parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return module


def test_stacked_map_equals_torch_s_one_by_one():
    linear, x = random_weights(StackLinear(S, D, 5)), normal(S, N, D)
    for s in range(S):
        torch.testing.assert_close(linear(x)[s], F.linear(x[s], linear.weight[s], linear.bias[s]), **EXACT)
    assert StackLinear(S, D, 5, bias=False).bias is None


def test_stacked_map_has_the_gradients_that_gradcheck_measures():
    inputs = [x.requires_grad_() for x in (normal(S, N, D), normal(S, 5, D, seed=1), normal(S, 5, seed=2))]
    assert torch.autograd.gradcheck(stack_linear, inputs)


def parts_of_a_layer():
    return random_weights(StackLinear(S, 5, D)), random_weights(StackNorm(S, D)), random_weights(FeedForward(S, D, 7))


def test_end_of_a_layer_is_output_map_residual_norm_feed_forward_residual_norm():
    output, norm, ff = parts_of_a_layer()
    x, heard = normal(S, N, D), normal(S, N, 5, seed=1)
    found = finish_layer(x, heard, output.weight, output.bias, norm, ff)
    for s in range(S):
        y = x[s] + F.linear(heard[s], output.weight[s], output.bias[s])
        p = F.layer_norm(y, (D,), norm.weight[s], norm.bias[s])
        z = F.linear(F.linear(p, ff.widen.weight[s], ff.widen.bias[s]).relu(), ff.narrow.weight[s], ff.narrow.bias[s])
        torch.testing.assert_close(found[s], F.layer_norm(p + z, (D,), ff.norm.weight[s], ff.norm.bias[s]), **EXACT)


def test_end_of_a_layer_has_the_gradients_that_gradcheck_measures():
    output, norm, ff = parts_of_a_layer()
    weights = [*output.parameters(), *norm.parameters(), *ff.parameters()]

    def run(x, heard, *_):
        return finish_layer(x, heard, output.weight, output.bias, norm, ff)

    assert torch.autograd.gradcheck(run, [normal(S, N, D).requires_grad_(), normal(S, N, 5, seed=1).requires_grad_(), *weights])


def test_second_derivative_is_refused_rather_than_wrong():
    output, norm, ff = parts_of_a_layer()
    x = normal(S, N, D).requires_grad_()
    out = finish_layer(x, normal(S, N, 5, seed=1), output.weight, output.bias, norm, ff)
    (first,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


@pytest.mark.parametrize("dtype", [torch.bfloat16])
def test_autocast_changes_the_products_and_keeps_gradients_in_the_type_of_the_weights(dtype):
    output, norm, ff = (module.float() for module in parts_of_a_layer())
    x, heard = normal(S, N, D).float(), normal(S, N, 5, seed=1).float().requires_grad_()
    exact = finish_layer(x, heard, output.weight, output.bias, norm, ff)
    with torch.autocast("cpu", dtype):
        found = finish_layer(x, heard, output.weight, output.bias, norm, ff)
        found.sum().backward()
    assert found.dtype == torch.float32 and not torch.equal(found, exact)
    torch.testing.assert_close(found, exact, atol=0.1, rtol=0)
    assert {p.grad.dtype for module in (output, norm, ff) for p in module.parameters()} == {torch.float32}


@pytest.mark.parametrize("is_parted", [True, False])
def test_stream_in_another_type_is_added_in_that_of_the_weights(monkeypatch, is_parted):
    """A map without bias leaves a stream in autocast's type, which sums and norms must not go on in."""
    monkeypatch.setattr(products, "is_parted", lambda _: is_parted)
    output, norm, ff = (module.float() for module in parts_of_a_layer())
    x, heard = normal(S, N, D).bfloat16().requires_grad_(), normal(S, N, 5, seed=1).bfloat16()
    exact = finish_layer(x.float(), heard.float(), output.weight, output.bias, norm, ff)
    with torch.autocast("cpu", torch.bfloat16):
        found = finish_layer(x, heard, output.weight, output.bias, norm, ff)
        found.square().sum().backward()
    assert found.dtype == torch.float32 and x.grad.dtype == torch.bfloat16
    torch.testing.assert_close(found, exact, atol=0.05, rtol=0)
