"""Differences over seeds against scipy on the raw values, and verdicts that need users and seeds to agree."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lib import seeds, tables
from lib.statistics import holm

DATASET = "toy"


def ranking(values: dict, metric="recall", k=20) -> pd.DataFrame:
    """The frame of `tables.ranking` from {(backbone, alignment): {seed: value}}."""
    rows = [
        (DATASET, "minilm" if seeds.reads_text(kind) else "none", backbone, kind, seed, metric, k, value)
        for (backbone, kind), by_seed in values.items()
        for seed, value in by_seed.items()
    ]
    return pd.DataFrame(rows, columns=[*tables.MODEL, "seed", "metric", "k", "value"])


VALUES = {
    ("gccf", "base"): {1: 0.10, 2: 0.11, 3: 0.12},
    ("gccf", "contrastive"): {1: 0.20, 2: 0.21, 4: 0.19, 5: 0.23},
    ("gccf", "generative"): {1: 0.12, 2: 0.115, 3: 0.11},
    ("gccf", "base@contrastive"): {1: 0.15, 2: 0.16},
    ("sgl", "base"): {1: 0.30},
    ("sgl", "contrastive"): {1: 0.31, 2: 0.32},
    ("dccf", "generative"): {1: 0.4},  # its base was not run
}


def test_every_aligned_model_meets_the_bases_of_its_backbone():
    rows = seeds.compare(ranking(VALUES))
    assert list(zip(rows.backbone, rows.alignment, rows.against, strict=True)) == [
        ("gccf", "contrastive", "base"),
        ("gccf", "contrastive", "base@contrastive"),
        ("gccf", "generative", "base"),
        ("sgl", "contrastive", "base"),
    ]
    assert set(rows.metric) == {"recall@20"} and set(rows.encoder) == {"minilm"}


def test_welch_on_the_values_of_each_cell():
    rows = seeds.compare(ranking(VALUES)).set_index(["backbone", "alignment", "against"])
    row = rows.loc["gccf", "contrastive", "base"]
    ours, theirs = ([*VALUES["gccf", kind].values()] for kind in ("contrastive", "base"))
    assert row.difference == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert (row.seeds, row.base_seeds, row.base_sd) == (4, 3, pytest.approx(0.01))
    assert row.p == pytest.approx(stats.ttest_ind(ours, theirs, equal_var=False).pvalue)
    # Welch and Satterthwaite by hand
    a, b = np.var(ours, ddof=1) / 4, np.var(theirs, ddof=1) / 3
    margin = stats.t.ppf(0.975, (a + b) ** 2 / (a**2 / 3 + b**2 / 2)) * np.sqrt(a + b)
    assert (row.ci_low, row.ci_high) == (pytest.approx(row.difference - margin), pytest.approx(row.difference + margin))


def test_one_seed_shows_no_spread():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a reader of the notebook need not hear of it
        row = seeds.compare(ranking(VALUES)).set_index("backbone").loc["sgl"]
    assert row.difference == pytest.approx(0.015) and row.base_seeds == 1
    assert row[["base_sd", "ci_low", "ci_high", "p", "p_holm"]].isna().all()


def test_correction_runs_over_the_tested_rows_with_one_kind_of_base():
    rows = seeds.compare(ranking(VALUES))
    own = rows[(rows.against == "base") & rows.p.notna()]
    np.testing.assert_allclose(own.p_holm, holm(own.p))
    matched = rows[rows.against != "base"]
    np.testing.assert_allclose(matched.p_holm, matched.p)


def test_by_seed_uses_the_seeds_that_both_have():
    rows = seeds.by_seed(ranking(VALUES))
    rows = rows[(rows.backbone == "gccf") & (rows.alignment == "contrastive") & (rows.against == "base")]
    assert dict(zip(rows.seed, rows.difference, strict=True)) == pytest.approx({1: 0.10, 2: 0.10})


def test_nothing_to_compare_gives_empty_frames():
    alone = ranking({("gccf", "base"): {1: 0.1}})
    assert seeds.compare(alone).empty and seeds.by_seed(alone).empty
    assert "p_holm" in seeds.compare(alone) and "difference" in seeds.by_seed(alone)


def test_published_spread_recovers_the_spread_that_made_the_cells():
    rng = np.random.default_rng(0)
    draws = 0.1 * (1 + 0.02 * rng.normal(size=(4000, 6)))  # one seed, and five others for the mean
    cells = {"dataset": np.arange(4000), "backbone": "gccf", "metric": "recall", "k": 20}
    single = pd.DataFrame({**cells, "alignment": "base", "value": draws[:, 0]})
    means = pd.DataFrame({**cells, "alignment": "base", "value": draws[:, 1:].mean(1)})
    noise = single.assign(alignment="contrastive", value=9.0)
    found = seeds.published_spread(pd.concat([single, noise]), pd.concat([means, noise.assign(value=1.0)]))
    assert found == pytest.approx(0.02, rel=0.05)


def test_published_spread_of_the_papers_cells():
    single, means = (tables.published(name) for name in ("rlmrec_third_party_seed2023", "rlmrec_table1"))
    assert 0.005 < seeds.published_spread(single, means) < 0.02  # spec rlmrec 11.5: about 2% of Recall@20 at most


def judged(difference, p_users, p_seeds):
    key = dict(zip(seeds.COMPARISON, (DATASET, "minilm", "gccf", "contrastive", "base", "recall@20"), strict=True))
    tests = pd.DataFrame([key | {"difference": difference, "ci_low": 0, "ci_high": 0, "p_holm": p_users}])
    over = pd.DataFrame([key | {"seeds": 3, "base_seeds": 3, "base": 0.2, "base_sd": 0.01, "p_holm": p_seeds}])
    return seeds.judged(tests, over).verdict.item()


def test_a_difference_holds_where_users_and_seeds_agree():
    assert judged(0.1, 0.01, 0.01) == "better"
    assert judged(-0.1, 0.01, 0.01) == "worse"
    assert judged(0.1, 0.01, np.nan) == "better over users only"
    assert judged(-0.1, 0.01, np.nan) == "worse over users only"
    assert {judged(0.1, *p) for p in [(0.2, 0.01), (0.01, 0.2), (0.2, np.nan)]} == {"not told apart"}


def test_claims():
    assert seeds.claim(["better"] * 3).startswith("supported: better in 3 of 3")
    assert seeds.claim(["better", "not told apart"]).startswith("inconclusive")
    assert seeds.claim(["better over users only"] * 2) == (
        "inconclusive: better in 0 of 2, worse in 0 (over users only: better in 2 more, worse in 0 more)"
    )
    mixed = ["better", "worse", "worse over users only"]
    assert seeds.claim(mixed) == (
        "inconclusive: better in 1 of 3, worse in 1 (over users only: better in 0 more, worse in 1 more)"
    )
    assert seeds.claim(["worse", "not told apart"]) == "not supported: better in 0 of 2, worse in 1"
    assert seeds.claim(["worse over users only", "not told apart"]).startswith("inconclusive")
    assert seeds.claim(["not told apart"] * 3).startswith("inconclusive")


def test_noise_alone_is_rarely_beyond_noise():
    """Five percent of differences between runs of one model, however few seeds tell the spread."""
    rng = np.random.default_rng(1)
    for n in (2, 3, 5):
        ours, base = rng.normal(size=(4000, 1)), rng.normal(size=(4000, n))
        table = pd.DataFrame({"difference": ours.mean(1) - base.mean(1), "base_sd": base.std(1, ddof=1), "base": 1.0})
        table = table.assign(seeds=1, base_seeds=n)
        found = seeds.beyond_noise(seeds.times_noise(table), table["base_seeds"])
        assert found.mean() == pytest.approx(0.05, abs=0.012)
    unknown = table.head(1).assign(base_sd=np.nan, base_seeds=1)
    assert not seeds.beyond_noise(seeds.times_noise(unknown), unknown["base_seeds"]).any()


def test_noise_is_the_standard_error_over_seeds():
    rng = np.random.default_rng(0)
    draws = rng.normal(0.2, 0.01, (20000, 5))
    table = pd.DataFrame({"base_sd": [0.01, np.nan], "base": 0.2, "seeds": [2, 1], "base_seeds": [3, 1]})
    differences = draws[:, :2].mean(1) - draws[:, 2:].mean(1), draws[:, 0] - draws[:, 1]
    found = seeds.times_noise(table.assign(difference=[d.std() for d in differences]), published=0.05)
    np.testing.assert_allclose(found, 1, rtol=0.02)  # one relative sd of 0.05 is 0.01 of the base
