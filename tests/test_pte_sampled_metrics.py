"""Whether sampled metrics keep the order of two methods, on ranks of which it is known."""

import numpy as np
import pytest

from lib.papers.pte import sampled_metrics


@pytest.fixture(scope="module")
def ranks():
    """Of 4,000 rows `sharp` has a tenth at rank 1 and no other hit; `broad` has all targets among the best 5% of 1,000.

    Among 100 negatives broad's targets are nearly always within 10, so that the order turns.
    """
    rng = np.random.default_rng(0)
    whole = {
        "sharp": np.where(rng.random(4000) < 0.1, 1, rng.integers(300, 1000, 4000)),
        "broad": rng.integers(11, 51, 4000),
        "broader": rng.integers(11, 53, 4000),
    }
    return {
        name: {"full_masked": found.astype(float), "neg100": 1.0 + rng.hypergeometric(found - 1, 1000 - found, 100)}
        for name, found in whole.items()
    }


def test_an_order_that_turns_is_told(ranks):
    table = sampled_metrics.pairs(ranks).set_index(["metric", "method", "other"])
    assert len(table) == 2 * 3
    for metric in ("hr@10", "ndcg@10"):
        assert table.loc[(metric, "sharp", "broad"), ["turned", "clearly"]].all()
    row = table.loc["hr@10", "sharp", "broad"]
    within = {name: {kind: (found <= 10).mean() for kind, found in of.items()} for name, of in ranks.items()}
    assert row.whole == pytest.approx(within["sharp"]["full_masked"] - within["broad"]["full_masked"])
    assert row.sampled == pytest.approx(within["sharp"]["neg100"] - within["broad"]["neg100"])
    assert 0 < row.whole_low < row.whole < row.whole_high and row.sampled_low < row.sampled < row.sampled_high < 0
    same = table.loc["hr@10", "broad", "broader"]
    assert same.whole == same.whole_low == same.whole_high == 0 and not same.turned, "neither has a hit among all"


def test_an_order_that_nobody_knows_does_not_turn_clearly():
    rng = np.random.default_rng(3)
    clearly = 0
    for _ in range(20):
        ranks = {
            name: {kind: rng.integers(1, 60, 150).astype(float) for kind in ("full_masked", "neg100")} for name in "ab"
        }
        clearly += sampled_metrics.pairs(ranks).clearly.sum()
    assert clearly <= 2


def test_a_hit_among_samples_may_be_far_down(ranks):
    found = sampled_metrics.ranks_of_hits(ranks["broad"])
    assert len(found) > 3900 and found.min() == 11 and found.max() == 50
