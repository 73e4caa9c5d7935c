import pytest
import torch

from lib.models import linear


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 3, 5), (300, 33, 129)])
def test_product_is_the_matrix_product_of_tables_and_views(shape, dtype):
    m, k, n = shape
    x, y = torch.randn(m, k, dtype=dtype), torch.randn(n, k, dtype=dtype)
    truth = (x.double() @ y.double().T).to(dtype)
    for one, other in ((x, y), (x.T.contiguous().T, y.T.contiguous().T), (x[:, :k], y)):
        torch.testing.assert_close(linear.product(one, other), truth, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("wanted", [True, False])
def test_linear_is_torchs_with_gradients(wanted):
    ours = linear.Linear(6, 4)
    theirs = torch.nn.Linear(6, 4)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(9, 6, requires_grad=wanted)
    weights = [x] * wanted
    torch.testing.assert_close(ours(x), theirs(x))
    first = torch.autograd.grad(ours(x).sin().sum(), [*weights, *ours.parameters()])
    second = torch.autograd.grad(theirs(x).sin().sum(), [*weights, *theirs.parameters()])
    for got, expected in zip(first, second, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
