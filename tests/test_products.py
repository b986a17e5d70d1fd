"""Matrix products as oneDNN and as torch's own do them, and rows that fill up a lot."""

import pytest
import torch
import torch.nn.functional as F

from chromolib import products
from chromolib.products import input_gradient, linear, multiply, n_filling, weight_gradient

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
WAYS = [False, *([True] if torch.backends.mkldnn.is_available() else [])]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=WAYS, ids=["torch", "oneDNN"][: len(WAYS)])
def way(request, monkeypatch):
    monkeypatch.setattr(products, "HAS_WIDE_VECTORS", request.param)
    return request.param


def test_linear_is_torch_s_whatever_the_layout_of_its_factors(way):
    x, weight, bias = normal(6, 5), normal(7, 5, seed=1), normal(7, seed=2)
    wide = normal(7, 15, seed=3)
    torch.testing.assert_close(linear(x, weight), F.linear(x, weight), **CLOSE)
    torch.testing.assert_close(linear(x, weight, bias), F.linear(x, weight, bias), **CLOSE)
    torch.testing.assert_close(linear(x.T.contiguous().T, weight.T.contiguous().T), F.linear(x, weight), **CLOSE)
    torch.testing.assert_close(linear(wide[:, 5:10], weight, bias), F.linear(wide[:, 5:10], weight, bias), **CLOSE)
    torch.testing.assert_close(linear(x, wide[:, 5:10]), F.linear(x, wide[:, 5:10]), **CLOSE)
    torch.testing.assert_close(linear(x[:0], weight, bias), F.linear(x[:0], weight, bias), **CLOSE)


def test_parts_of_a_wider_array_reach_onednn_dense(monkeypatch):
    """It takes them as they are too, but then falls back on a plain loop: 20 ms in place of 20 microseconds."""
    given = []
    monkeypatch.setattr(products, "HAS_WIDE_VECTORS", True)
    monkeypatch.setattr(products, "_linear", lambda x, weight, *_: given.append(weight))
    wide = normal(256, 384)
    for weight in (wide, wide.T, wide[:, :64], wide[:, :64].T):
        linear(normal(6, weight.shape[1]), weight)
    assert all(weight.is_contiguous() or weight.T.is_contiguous() for weight in given) and len(given) == 4


def test_linear_of_several_resolutions_is_that_of_each():
    x, weight, bias = normal(3, 6, 5), normal(3, 7, 5, seed=1), normal(3, 7, seed=2)
    for given in ((x, weight), (x, weight, bias)):
        for s in range(3):
            torch.testing.assert_close(linear(*given)[s], F.linear(*(y[s] for y in given)), **CLOSE)


@pytest.mark.parametrize(("n_out", "n_in"), [(7, 5), (5, 7), (24, 5)])
def test_gradients_are_those_of_autograd(way, n_out, n_in):
    x, weight = normal(6, n_in).requires_grad_(), normal(n_out, n_in, seed=1).requires_grad_()
    grad = normal(6, n_out, seed=2)
    to_x, to_weight = torch.autograd.grad(F.linear(x, weight), (x, weight), grad)
    weight_gradient(grad, x.detach(), torch.float32, found := torch.empty_like(weight))
    torch.testing.assert_close(found, to_weight, **CLOSE)
    torch.testing.assert_close(input_gradient(grad, weight.detach(), torch.float32), to_x, **CLOSE)


def test_gradients_of_several_resolutions_are_those_of_each():
    x, weight, grad = normal(3, 6, 5), normal(3, 7, 5, seed=1), normal(3, 6, 7, seed=2)
    weight_gradient(grad, x, torch.float32, to_weight := torch.empty_like(weight))
    for s in range(3):
        torch.testing.assert_close(to_weight[s], grad[s].T @ x[s], **CLOSE)
        torch.testing.assert_close(input_gradient(grad, weight, torch.float32)[s], grad[s] @ weight[s], **CLOSE)


def test_no_row_gives_a_gradient_of_zero(way):
    weight_gradient(torch.empty(0, 24), torch.empty(0, 5), torch.float32, found := torch.empty(24, 5))
    assert (found == 0).all()


def test_another_type_of_product_rounds_its_factors_and_keeps_the_type_of_the_gradient(way):
    x, weight, bias = normal(6, 5), normal(24, 5, seed=1), normal(24, seed=2)
    assert multiply(x, weight, torch.bfloat16, bias).dtype == torch.bfloat16
    torch.testing.assert_close(multiply(x, weight, torch.bfloat16, bias).float(), F.linear(x, weight, bias), atol=0.1, rtol=0)
    weight_gradient(normal(6, 24), x, torch.bfloat16, found := torch.empty(24, 5))
    torch.testing.assert_close(found, normal(6, 24).T @ x, atol=0.1, rtol=0)


def test_rows_are_filled_up_to_lots_where_onednn_works_on_them(monkeypatch):
    monkeypatch.setattr(products, "HAS_WIDE_VECTORS", True)
    assert [n_filling(torch.empty(0), n) for n in (0, 1, 15, 16, 17)] == [0, 15, 1, 0, 15]
    assert n_filling(torch.empty(0, dtype=torch.float64), 1) == n_filling(torch.empty(0, device="meta"), 1) == 0
    monkeypatch.setattr(products, "HAS_WIDE_VECTORS", False)
    assert n_filling(torch.empty(0), 1) == 0
