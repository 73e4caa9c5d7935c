"""Models against each other over users and over seeds, against scipy on the raw values and tests by hand."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_runs import run
from scipy import stats

from lib.analysis import comparisons
from lib.core.names import MODEL, reads_text
from lib.evaluation import significance
from lib.evaluation.significance import holm

DATASET = "toy"


# Partners


def test_partners_are_the_own_and_the_matched_base_where_they_were_run():
    contrastive, generative = (("toy", "minilm", "gccf", kind) for kind in ("contrastive", "generative"))
    changed = ("toy", "minilm", "gccf", "contrastive+weight=1")
    base, matched = (("toy", "none", "gccf", kind) for kind in ("base", "base@contrastive"))
    alone = ("toy", "minilm", "sgl", "contrastive")
    models = [contrastive, alone, generative, base, changed, matched]
    assert comparisons.base_partners(models) == [
        (contrastive, base), (contrastive, matched), (generative, base), (changed, base)
    ]  # fmt: skip
    elsewhere = ("other", "none", "gccf", "base")
    assert comparisons.base_partners([contrastive, elsewhere]) == []


# Over users


def test_user_means_average_seeds_per_user():
    first, second = run(seed=1), run(seed=2)
    (frame,) = comparisons.user_means([first, second]).values()
    expected = (first.per_user["ndcg@5"] + second.per_user["ndcg@5"]) / 2
    np.testing.assert_allclose(frame["ndcg@5"], expected)


def test_summary_holds_an_interval_for_each_model_and_metric():
    table = comparisons.ranking_summary([run(), run(alignment="generative")], np.random.default_rng(0))
    assert len(table) == 12 and list(table)[:5] == ["dataset", "encoder", "backbone", "alignment", "metric"]
    assert table.eval("ci_low < mean < ci_high").all()


def test_significance_compares_with_the_base_of_the_same_backbone():
    runs = [run(), run("gccf", shift=0.3), run(alignment="contrastive", seed=1, shift=0.1), run("sgl", "contrastive")]
    table = comparisons.over_users(runs, np.random.default_rng(0))
    assert set(table["backbone"]) == {"lightgcn"}  # sgl has no base, gccf nothing to compare
    alone = significance.compare(runs[0].per_user, runs[2].per_user, np.random.default_rng(0))
    np.testing.assert_allclose(table["p"], alone["p"])
    assert comparisons.over_users(runs[:1], np.random.default_rng(0)).empty


def test_comparisons_are_with_own_and_matched_base_and_draw_in_that_order():
    runs = [run(seed=1), run(alignment="base@contrastive", seed=2), run(alignment="contrastive", seed=3, shift=0.01)]
    runs.append(run(alignment="generative", seed=4))
    table = comparisons.over_users(runs, np.random.default_rng(0))
    rng, frames = np.random.default_rng(0), {one.settings.alignment: one.per_user for one in runs}
    pairs = [("contrastive", "base"), ("generative", "base"), ("contrastive", "base@contrastive")]
    for alignment, against in pairs:  # intervals follow from random draws, so results from their order
        wanted = significance.compare(frames[against], frames[alignment], rng)
        found = table[(table["alignment"] == alignment) & (table["against"] == against)].reset_index(drop=True)
        shown = ["metric", "difference", "ci_low", "ci_high", "p", "p_wilcoxon"]
        pd.testing.assert_frame_equal(found[shown], wanted[shown])
    assert len(table) == 3 * 6


def test_holm_runs_over_all_comparisons_of_a_dataset():
    runs = [run(), run(alignment="contrastive", seed=1), run(alignment="generative", seed=2)]
    table = comparisons.over_users(runs, np.random.default_rng(0))
    np.testing.assert_allclose(table["p_holm"], significance.holm(table["p"]))
    assert len(table) == 12


def test_best_are_the_highest_and_what_a_test_does_not_tell_apart():
    runs = [
        run(seed=1),
        run(alignment="contrastive", seed=1, shift=0.3),
        run(alignment="generative", seed=1, shift=0.3),
    ]
    runs += [run("gccf", seed=4)]
    noise = np.random.default_rng(0).normal(0, 1e-3, len(runs[2].per_user))
    runs[2].per_user["recall@20"] += noise - noise.mean() - 1e-5  # a little lower on average, and hardly ever the same
    best = comparisons.best_models(runs)
    found = {model[2:4] for model in best if model[4] == "recall@20"}
    assert found == {("lightgcn", "contrastive"), ("lightgcn", "generative"), ("gccf", "base")}
    runs[2].per_user["recall@20"] -= 0.05
    found = {model[2:4] for model in comparisons.best_models(runs) if model[4] == "recall@20"}
    assert found == {("lightgcn", "contrastive"), ("gccf", "base")}


# Over seeds


def ranking(values: dict, metric="recall", k=20) -> pd.DataFrame:
    """The frame of `ranking_table` from {(backbone, alignment): {seed: value}}."""
    rows = [
        (DATASET, "minilm" if reads_text(kind) else "none", backbone, kind, seed, metric, k, value)
        for (backbone, kind), by_seed in values.items()
        for seed, value in by_seed.items()
    ]
    return pd.DataFrame(rows, columns=[*MODEL, "seed", "metric", "k", "value"])


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
    rows = comparisons.over_seeds(ranking(VALUES))
    assert list(zip(rows.backbone, rows.alignment, rows.against, strict=True)) == [
        ("gccf", "contrastive", "base"),
        ("gccf", "contrastive", "base@contrastive"),
        ("gccf", "generative", "base"),
        ("sgl", "contrastive", "base"),
    ]
    assert set(rows.metric) == {"recall@20"} and set(rows.encoder) == {"minilm"}


def test_welch_on_the_values_of_each_cell():
    rows = comparisons.over_seeds(ranking(VALUES)).set_index(["backbone", "alignment", "against"])
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
        row = comparisons.over_seeds(ranking(VALUES)).set_index("backbone").loc["sgl"]
    assert row.difference == pytest.approx(0.015) and row.base_seeds == 1
    assert row[["base_sd", "ci_low", "ci_high", "p", "p_holm"]].isna().all()


def test_correction_runs_over_the_tested_rows_with_one_kind_of_base():
    rows = comparisons.over_seeds(ranking(VALUES))
    own = rows[(rows.against == "base") & rows.p.notna()]
    np.testing.assert_allclose(own.p_holm, holm(own.p))
    matched = rows[rows.against != "base"]
    np.testing.assert_allclose(matched.p_holm, matched.p)


def test_by_seed_uses_the_seeds_that_both_have():
    rows = comparisons.differences_by_seed(ranking(VALUES))
    rows = rows[(rows.backbone == "gccf") & (rows.alignment == "contrastive") & (rows.against == "base")]
    assert dict(zip(rows.seed, rows.difference, strict=True)) == pytest.approx({1: 0.10, 2: 0.10})


def test_nothing_to_compare_gives_empty_frames():
    alone = ranking({("gccf", "base"): {1: 0.1}})
    assert comparisons.over_seeds(alone).empty and comparisons.differences_by_seed(alone).empty
    assert "p_holm" in comparisons.over_seeds(alone) and "difference" in comparisons.differences_by_seed(alone)


# Runs that do not count


def test_a_model_stopped_in_a_dip_when_one_of_its_runs_did():
    def made(alignment, values):
        settings = SimpleNamespace(backbone="sgl", alignment=alignment)
        return SimpleNamespace(settings=settings, history=pd.DataFrame({"recall@20": values}))

    runs = [made("base", [0.1, 0.2]), made("generative", [0.1, 0.05, 0.09]), made("generative", [0.1, 0.2])]
    assert comparisons.stopped_in_a_dip(runs) == {("sgl", "generative")}
