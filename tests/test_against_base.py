"""Differences to base over items and seeds: by hand, and how often the rule errs where nothing differs."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lib.core.names import BACKBONES
from lib.evaluation.verdicts import against_base, rules

COLUMNS = ["backbone", "alignment", "effect", "error", "freedom"]


def table(effects: dict, again: dict, error=1.0, freedom=999):
    """Rows of {(backbone, alignment): effect} and of further runs of base {(backbone, seed): effect}, beside base."""
    rows = [(backbone, "base", np.nan, np.nan, freedom) for backbone in {backbone for backbone, _ in effects}]
    rows += [(*model, effect, error, freedom) for model, effect in effects.items()]
    rows += [(backbone, against_base.again(seed), x, error, freedom) for (backbone, seed), x in again.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def judged(rows):
    return against_base.judged(rows, "effect", "error").set_index(["backbone", "alignment"])


def test_the_two_sources_of_chance_are_added():
    rows = table({("a", "contrastive"): 9.0, ("b", "contrastive"): -9.0}, {("a", 2): 3.0, ("b", 2): -1.0})
    found = judged(rows)
    total, seeds = 1 + 5.0, 5.0  # the mean of 9 and 1, from two pairs of runs
    freedom = total**2 / (1 / 999 + seeds**2 / 2)
    margin = stats.t.ppf(0.975, freedom) * np.sqrt(total)
    row = found.loc[("a", "contrastive")]
    assert row["seed_error"] == pytest.approx(np.sqrt(5))
    assert [row["total_low"], row["total_high"]] == pytest.approx([9 - margin, 9 + margin])
    p = 2 * stats.t.sf(9 / np.sqrt(total), freedom)
    assert row["p_holm"] == pytest.approx(2 * p)  # two comparisons
    detectable = (stats.t.ppf(1 - 0.05 / 4, freedom) + stats.t.ppf(0.8, freedom)) * np.sqrt(total)
    assert row["detectable"] == pytest.approx(detectable)
    assert found["verdict"].dropna().tolist() == ["inconclusive"] * 2  # 9 is 3.7 errors, but seeds are little known


def test_planted_effects_are_found_and_rows_of_base_have_no_verdict():
    again = {(backbone, 2): x for backbone, x in zip(BACKBONES, (1, -1, 0.5, -0.5, 1, -1), strict=True)}
    found = judged(
        table({("gccf", "contrastive"): 12.0, ("sgl", "generative"): -12.0, ("dccf", "generative"): 1}, again)
    )
    said = found["verdict"]
    assert said["gccf", "contrastive"] == "supported" and said["sgl", "generative"] == "not supported"
    assert said["dccf", "generative"] == "inconclusive" and said.notna().sum() == 3
    assert found.loc[("dccf", "generative"), "detectable"] < 10


def test_without_a_second_run_of_base_everything_is_inconclusive():
    found = judged(table({("a", "contrastive"): 1e6}, {}, error=0.001))
    row = found.loc[("a", "contrastive")]
    assert (
        row["verdict"] == "inconclusive"
        and np.isnan(row[["p_holm", "detectable", "total_low", "seed_error"]].astype(float)).all()
    )


def test_settings_are_families_of_their_own():
    rows = [table({("a", "contrastive"): x, ("b", "generative"): 0.0}, {("a", 2): s}) for x, s in ((5.0, 1), (9.0, 3))]
    both = pd.concat([part.assign(vectors=name) for part, name in zip(rows, ("ego", "final"), strict=True)])
    both = against_base.judged(both.reset_index(drop=True), "effect", "error", ["vectors"])
    for part, name in zip(rows, ("ego", "final"), strict=True):
        alone = against_base.judged(part, "effect", "error")
        own = both[both["vectors"] == name].drop(columns="vectors").reset_index(drop=True)
        pd.testing.assert_frame_equal(own, alone)
    again = against_base.judged(both, "effect", "error", ["vectors"])
    pd.testing.assert_frame_equal(again, both)  # judging twice is judging once


def test_an_infinite_gain_says_nothing():
    rows = table({("a", "contrastive"): np.inf, ("a", "generative"): 1.0}, {("a", 2): 0.1})
    assert judged(rows)["verdict"].dropna().tolist() == ["inconclusive"] * 2


def test_seeds_of_one_backbone_share_a_run_and_so_count_as_variance_around_their_mean():
    runs = np.random.default_rng(0).normal(size=5)
    changes = runs[1:] - runs[0]
    variance, freedom = rules.spread_of_base(changes, ["a"] * 4)
    assert variance == pytest.approx(2 * runs.var(ddof=1)) and freedom == 4
    assert rules.spread_of_base(changes) == pytest.approx((np.mean(changes**2), 4))
    assert rules.spread_of_base([3.0, np.nan, 1.0], ["a", "a", "b"]) == pytest.approx((5.0, 2))
    assert np.isnan(rules.spread_of_base([], [])[0])


@pytest.mark.parametrize(
    ("sd_items", "sd_seeds", "seeds"), [(1.0, 0.1, 2), (1.0, 1.0, 2), (0.1, 1.0, 3), (0.1, 1.0, 2)]
)
def test_where_nothing_differs_a_family_shows_an_effect_in_one_of_twenty(sd_items, sd_seeds, seeds):
    rng, wrong, repetitions = np.random.default_rng(0), 0, 120
    for _ in range(repetitions):
        effects, again = {}, {}
        for backbone in BACKBONES:
            base, *further = rng.normal(0, sd_seeds, seeds)
            for alignment in ("contrastive", "generative"):
                effects[backbone, alignment] = rng.normal(0, sd_seeds) - base + rng.normal(0, sd_items)
            again |= {(backbone, seed): run - base for seed, run in enumerate(further)}
        wrong += (judged(table(effects, again, error=sd_items))["verdict"].dropna() != "inconclusive").any()
    assert wrong <= stats.binom.ppf(0.999, repetitions, 0.05)
