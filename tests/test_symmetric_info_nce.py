"""The alignment loss of RALLRec (Eq. 5)."""

import torch
import torch.nn.functional as F

from lib.models.symmetric_info_nce import symmetric_info_nce


def pair(n=7, d=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator), torch.randn(n, d, generator=generator)


def test_it_is_the_two_way_cross_entropy_on_the_cosine_matrix():
    x, y = pair()
    for temperature in (1.0, 0.1):
        logits = F.cosine_similarity(x[:, None], y[None], dim=2) / temperature
        own = torch.arange(len(x))
        expected = F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)
        torch.testing.assert_close(symmetric_info_nce(x, y, temperature), expected)


def test_the_printed_equation_has_no_temperature():
    x, y = pair()
    assert symmetric_info_nce(x, y) == symmetric_info_nce(x, y, 1.0)


def test_swapping_the_two_sides_changes_nothing():
    x, y = pair()
    torch.testing.assert_close(symmetric_info_nce(x, y, 0.2), symmetric_info_nce(y, x, 0.2))


def test_the_length_of_a_vector_does_not_matter():
    x, y = pair()
    torch.testing.assert_close(symmetric_info_nce(3 * x, y / 7, 0.2), symmetric_info_nce(x, y, 0.2))


def test_no_other_vectors_match_independent_ones_better_than_themselves():
    x = torch.eye(6)
    least = symmetric_info_nce(x, x, 0.5)
    # each finds itself, at cosine 1, among five at cosine 0
    torch.testing.assert_close(least, 2 * torch.log1p(5 * torch.exp(torch.tensor(-2.0))))
    for seed in range(20):
        other = pair(6, 6, seed)[0]
        assert symmetric_info_nce(x, other, 0.5) > least
    assert symmetric_info_nce(x, x[torch.tensor([1, 0, 2, 3, 4, 5])], 0.5) > least


def test_gradients_reach_both_sides_and_draw_pairs_together():
    x, y = (part.requires_grad_() for part in pair())
    symmetric_info_nce(x, y, 0.1).backward()
    with torch.no_grad():
        nearer = F.cosine_similarity(x - 0.05 * x.grad, y - 0.05 * y.grad).mean()
        assert nearer > F.cosine_similarity(x, y).mean()
