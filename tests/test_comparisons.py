"""Models against each other over users and over seeds, against scipy on the raw values and tests by hand."""

import warnings

import numpy as np
import pandas as pd
import pytest
from made_runs import run
from scipy import stats

from lib.analysis import comparisons
from lib.core.errors import UserError
from lib.evaluation.significance import holm

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


# Over users and seeds


def test_user_means_average_seeds_per_user():
    first, second = run(seed=1), run(seed=2)
    (frame,) = comparisons.user_means([first, second]).values()
    expected = (first.per_user["ndcg@5"] + second.per_user["ndcg@5"]) / 2
    np.testing.assert_allclose(frame["ndcg@5"], expected)


def test_summary_holds_an_interval_for_each_model_and_metric():
    table = comparisons.ranking_summary([run(), run(alignment="generative")], np.random.default_rng(0))
    assert len(table) == 12 and list(table)[:5] == ["dataset", "encoder", "backbone", "alignment", "metric"]
    assert table.eval("ci_low < mean < ci_high").all()


def at_20(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["metric"] == "recall@20"].set_index(["backbone", "alignment", "against"])


@pytest.fixture
def runs():
    """Two backbones with two to three seeds of base, matched base and two alignments."""
    made = [run(seed=seed) for seed in (1, 2, 3)] + [run("gccf", seed=seed) for seed in (11, 12, 13)]
    made += [run(alignment="base@contrastive", seed=seed, shift=0.01) for seed in (4, 5)]
    made += [run(alignment="contrastive", seed=seed, shift=0.05) for seed in (6, 7, 8)]
    return [*made, *(run("gccf", "generative", seed=seed, shift=-0.04) for seed in (9, 10)), run("sgl", "contrastive")]


def test_an_error_is_made_of_users_and_of_seeds(runs):
    row = at_20(comparisons.against_base(runs)).loc["lightgcn", "contrastive", "base"]
    cells = {}
    for one in runs:
        cells.setdefault(one.settings.model, []).append(one.per_user["recall@20"].to_numpy())
    relative = [np.var(np.mean(cell, 1), ddof=1) / np.mean(cell) ** 2 for cell in cells.values() if len(cell) > 1]
    freedoms = [len(cell) - 1 for cell in cells.values() if len(cell) > 1]
    spread = np.average(relative, weights=freedoms)
    ours, base = (
        cells["amazon", encoder, "lightgcn", kind] for encoder, kind in (("minilm", "contrastive"), ("none", "base"))
    )
    change = np.mean(ours, 0) - np.mean(base, 0)
    of_users, of_seeds = change.var(ddof=1) / 200, spread * (np.mean(ours) ** 2 + np.mean(base) ** 2) / 3
    assert (row["seeds"], row["base_seeds"], row["difference"]) == (3, 3, pytest.approx(change.mean()))
    assert (row["user_error"], row["seed_error"]) == (pytest.approx(of_users**0.5), pytest.approx(of_seeds**0.5))
    assert row["error"] == pytest.approx((of_users + of_seeds) ** 0.5)
    assert row["relative"] == pytest.approx(change.mean() / np.mean(base))
    assert row["p"] == pytest.approx(2 * stats.t.sf(change.mean() / row["error"], row["freedom"]))


def test_every_aligned_model_meets_the_bases_of_its_backbone_in_one_family(runs):
    table = comparisons.against_base(runs)
    rows = at_20(table)
    assert set(rows.index) == {
        ("lightgcn", "contrastive", "base"),
        ("lightgcn", "contrastive", "base@contrastive"),
        ("gccf", "generative", "base"),
    }  # sgl has no base
    np.testing.assert_allclose(rows["p_holm"], holm(rows["p"]))
    assert rows["verdict"].tolist() == ["better", "better", "worse"]
    assert table.loc[table["metric"] != "recall@20", ["p_holm", "verdict", "detectable"]].isna().all(axis=None)


def test_cells_with_changed_settings_stand_without_a_verdict_and_an_own_alignment_has_one(runs):
    beside = [run("gccf", "generative+weight=1", seed=3, shift=1), run("gccf", "squared", seed=3, shift=1)]
    table = at_20(comparisons.against_base([*runs, *beside]))
    assert pd.isna(table.loc["gccf", "generative+weight=1", "base"]["verdict"])
    assert table.loc["gccf", "squared", "base"]["verdict"] == "better" and table["verdict"].notna().sum() == 4


def test_without_two_further_seeds_nothing_is_concluded():
    alone = [run(seed=1), run(alignment="contrastive", seed=2, shift=0.5)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a reader of the notebook need not hear of it
        row = at_20(comparisons.against_base(alone)).iloc[0]
    assert row["verdict"] == "inconclusive" and np.isnan(row["p"]) and row["ci_low"] > 0  # over users
    further = [run("sgl", seed=seed) for seed in (3, 4, 5)]  # that tell how far seeds spread
    for count, verdict in ((2, "inconclusive"), (3, "better")):
        assert at_20(comparisons.against_base([*alone, *further[:count]])).iloc[0]["verdict"] == verdict


def test_chance_alone_is_rarely_told_apart():
    """Five percent of differences between models that differ by users and seeds only."""
    rng, found = np.random.default_rng(0), []
    for _ in range(60):
        models = {}
        taste = rng.normal(0.2, 0.1, 300)  # what users bring to every model
        for cell in range(8):
            models[cell] = [
                pd.DataFrame({"user": range(300), "recall@20": taste + rng.normal(0, 0.05, 300) + rng.normal(0, 0.01)})
                for _ in range(3)
            ]
        pairs = [(cell, cell + 1) for cell in range(0, 8, 2)]
        found += (comparisons.differences(models, pairs)["p"] < 0.05).tolist()
    assert 0.01 < np.mean(found) < 0.075  # errors are rather too large than too small


def test_untrained_models_have_no_seeds():
    text, base = run(seed=1, shift=0.1), [run(seed=seed) for seed in (2, 3, 4)]
    models = {"text": [text.per_user], "base": [one.per_user for one in base]}
    with_seeds = comparisons.differences(models, [("text", "base")])
    without = comparisons.differences(models, [("text", "base")], untrained=["text"])
    assert (without["seed_error"] < with_seeds["seed_error"]).all()


def test_different_users_are_refused():
    ours, base = run(seed=1), run(seed=2)
    models = {"ours": [ours.per_user.head(150)], "base": [base.per_user]}
    with pytest.raises(UserError, match="different users \\(200 and 150\\)"):
        comparisons.differences(models, [("ours", "base")])


def test_nothing_to_compare_gives_empty_frames():
    alone = comparisons.against_base([run()])
    assert alone.empty and comparisons.pooled(alone).empty and {"p_holm", "verdict"} <= set(alone)


# Over backbones


def test_the_pooled_effect_is_a_t_test_over_backbones():
    backbones = ("gccf", "lightgcn", "sgl", "simgcl")
    runs = [run(name, seed=seed) for name in backbones for seed in (1, 2)]
    runs += [run(name, "contrastive", seed=10 + 3 * place, shift=0.03) for place, name in enumerate(backbones)]
    runs += [run("gccf", "base@contrastive", seed=77)]
    table = comparisons.against_base(runs)
    pooled = comparisons.pooled(table).set_index("against")
    relative = at_20(table).query("against == 'base'")["relative"]
    truth = stats.ttest_1samp(relative, 0)
    row = pooled.loc["base"]
    assert (row["backbones"], row["difference"], row["p"]) == (
        4,
        pytest.approx(relative.mean()),
        pytest.approx(truth.pvalue),
    )
    interval = truth.confidence_interval()
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert pooled.loc["matched base", "verdict"] == "inconclusive" and np.isnan(pooled.loc["matched base", "p"])


def test_best_are_the_highest_and_what_is_not_told_apart():
    runs = [run(seed=seed) for seed in (1, 2)] + [run("gccf", seed=seed) for seed in (3, 4)]
    runs += [run(alignment="contrastive", seed=seed, shift=0.3) for seed in (5, 6)]
    runs += [run(alignment="generative", seed=seed, shift=0.3) for seed in (7, 8)]
    found = {model[2:4] for model in comparisons.best_models(runs) if model[4] == "recall@20"}
    assert found == {("lightgcn", "contrastive"), ("lightgcn", "generative"), ("gccf", "base")}
    for one in runs[-2:]:
        one.per_user["recall@20"] -= 0.1
    found = {model[2:4] for model in comparisons.best_models(runs) if model[4] == "recall@20"}
    assert found == {("lightgcn", "contrastive"), ("gccf", "base")}
