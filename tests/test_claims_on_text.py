"""What overlaps, changes, pairs and trends say: an effect must lie beyond what two runs of base differ by."""

import numpy as np
import pandas as pd
import pytest

from lib.analysis import risen_items
from lib.core.names import BASE_AGAIN
from lib.evaluation.verdicts import claims_on_text


@pytest.mark.parametrize(("noise", "supported"), [(None, "2 of 5 backbones above base;"), (3.0, "1 of 5")])
def test_gain_verdicts_ask_for_more_than_another_seed_makes(noise, supported):
    rows = [("a", "base", np.nan, np.nan, np.nan), ("a", "contrastive", 5.0, 4.0, 6.0), ("b", "contrastive", 3, 2, 4)]
    rows += [("c", "contrastive", 0, -1, 1), ("d", "contrastive", -5, -6, -4), ("e", "contrastive", -3, -4, -2)]
    again = [("a", BASE_AGAIN, -3.0, -4.0, -2.0), ("b", BASE_AGAIN, 1.0, 0.0, 2.0)] if noise else []
    table = pd.DataFrame(rows + again, columns=["backbone", "alignment", "gain_pct", "gain_low", "gain_high"])
    (sentence,) = claims_on_text.overlap_verdicts(table)
    assert sentence.startswith(f"contrastive: {supported}") and ("(3.0%)" in sentence) == bool(noise)
    if noise:
        assert sentence.endswith("supported for a; inconclusive for b, c, e; not supported for d")
    else:
        assert sentence.endswith("supported for a, b; inconclusive for c; not supported for d, e")


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.1, "is supported"), (-0.1, "is not supported"), (0, "is inconclusive")]
)
def test_change_verdicts_follow_the_interval(shift, verdict):
    base = np.random.default_rng(1).random(300)
    noise = np.random.default_rng(2).normal(size=300) * 0.1
    overlaps = pd.DataFrame({"base": base, "contrastive": base + shift + noise - noise.mean()})
    rows = risen_items.changes_from_base(overlaps, np.random.default_rng(0))
    (sentence,) = claims_on_text.change_verdicts(rows)
    assert verdict in sentence and "contrastive" in sentence
    again = rows.assign(alignment=BASE_AGAIN, mean=-0.3)  # another seed makes more than that
    (sentence,) = claims_on_text.change_verdicts(pd.concat([rows, again]))
    assert "inconclusive" in sentence


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(-0.2, -0.1, "supported"), (0.1, 0.2, "not supported"), (-0.1, 0.1, "inconclusive")]
)
def test_pair_verdicts_follow_the_interval(low, high, verdict):
    rows = [
        ("base", "nearer", 0.5, 0, 0),
        ("contrastive", "cosine", 9, 9, 9),
        ("contrastive", "nearer", 0.4, low, high),
    ]
    summary = pd.DataFrame(rows, columns=["space", "measure", "mean", "difference_low", "difference_high"])
    summary = summary.assign(difference=-0.1)
    (sentence,) = claims_on_text.pair_verdicts(summary)
    assert sentence.startswith(f"contrastive: {verdict}; 0.400 of") and "\N{MINUS SIGN}0.100" in sentence
    again = summary[2:].assign(space=BASE_AGAIN, difference=0.15)  # another seed makes more than half of that
    (sentence,) = claims_on_text.pair_verdicts(pd.concat([summary, again]))
    assert sentence.startswith("contrastive: inconclusive")


def test_permuted_texts_must_overlap_by_chance():
    table = pd.DataFrame({"permuted": [0.0110, 0.0095], "chance": 0.01})
    assert claims_on_text.near_chance(table)
    assert not claims_on_text.near_chance(table.assign(permuted=[0.0121, 0.01]))
    assert not claims_on_text.near_chance(table.assign(permuted=[0.0079, 0.01]))


def test_trends_are_told_apart_where_their_intervals_are():
    rows = [
        ("base", 0.1, 0.2),
        ("contrastive", 0.21, 0.3),
        ("generative", 0.15, 0.4),
        ("kar", 0.0, 0.05),
        ("low", 0.05, 0.15),
    ]
    assert claims_on_text.trend_verdicts(pd.DataFrame(rows, columns=["space", "ci_low", "ci_high"])) == [
        "trend of contrastive alignment against base: intervals apart",
        "trend of generative alignment against base: intervals touch, not told apart",
        "trend of kar alignment against base: intervals apart",
        "trend of low alignment against base: intervals touch, not told apart",
    ]
