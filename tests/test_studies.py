"""Conditions of a study against comparisons by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.analysis import studies
from lib.evaluation import significance

USERS = 300


def run(shift: float, seed: int):
    """A run whose users differ by `shift` from those of another run of the same seed, but for a little noise."""
    rng = np.random.default_rng(seed)
    values = (
        0.2
        + rng.normal(0, 0.05, USERS)
        + shift
        + np.random.default_rng(int(1e6 * abs(shift)) + 7).normal(0, 0.01, USERS)
    )
    return SimpleNamespace(
        per_user=pd.DataFrame({"user": np.arange(USERS), "recall@20": values, "ndcg@20": values / 2})
    )


@pytest.fixture
def runs():
    shifts = {("base", 0.0): 0.0, ("contrastive", 0.0): 0.02, ("base", 0.5): -0.1, ("contrastive", 0.5): -0.1001}
    return [
        ({"alignment": alignment, "noise": noise}, run(shift, seed))
        for (alignment, noise), shift in shifts.items()
        for seed in (1, 2)
    ]


def test_means_average_seeds_and_keep_labels(runs):
    table = studies.means(runs, np.random.default_rng(0))
    row = table.query("alignment == 'contrastive' and noise == 0 and metric == 'recall@20'").iloc[0]
    own = [one.per_user["recall@20"] for labels, one in runs if labels == {"alignment": "contrastive", "noise": 0.0}]
    assert row["mean"] == pytest.approx(np.mean(own))
    assert row.ci_low < row["mean"] < row.ci_high and len(table) == 8


def test_differences_are_with_the_base_of_the_same_label(runs):
    table = studies.differences(runs, shared=("noise",))
    assert set(table.alignment) == {"contrastive"} and len(table) == 4
    recall = table[table.metric == "recall@20"].set_index("noise")
    base, other = (
        np.mean([one.per_user["recall@20"] for labels, one in runs if labels == {"alignment": kind, "noise": 0.0}])
        for kind in ("base", "contrastive")
    )
    assert recall.loc[0.0, "difference"] == pytest.approx(other - base)
    np.testing.assert_allclose(recall.p_holm, significance.holm(recall.p))
    assert table.loc[table.metric == "ndcg@20", "verdict"].isna().all()
    # a large gain without noise, and next to none with it
    assert recall.loc[0.0, "verdict"] == "better" and recall.loc[0.5, "verdict"] == "inconclusive"


def test_other_runs_tell_of_the_spread_between_seeds(runs):
    first = runs[::2]  # one seed of each
    assert set(studies.differences(first, shared=("noise",))["verdict"].dropna()) == {"inconclusive"}
    settings = SimpleNamespace(model=("toy", "none", "sgl", "base"))
    others = [SimpleNamespace(settings=settings, per_user=run(0.0, seed).per_user) for seed in (1, 2, 3)]
    recall = studies.differences(first, shared=("noise",), others=others).set_index(["noise", "metric"])
    assert recall.loc[(0.0, "recall@20"), "verdict"] == "better"


def test_differences_may_have_another_reference(runs):
    table = studies.differences(runs, base={"noise": 0.0}, shared=("alignment",))
    assert set(table.noise) == {0.5}
    assert table[table.metric == "recall@20"].set_index("alignment").difference["base"] == pytest.approx(-0.1, abs=0.01)
