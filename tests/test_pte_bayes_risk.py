"""Risks, ROC order and fusion on planted preferences, of which one table knows more than another."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score, roc_curve

from lib.core.errors import UserError
from lib.papers.pte.dominance import bayes_risk, fusion, labelled_pairs, pair_vectors, probes, roc_order
from lib.papers.pte.dominance.bayes_risk import Predictions
from lib.papers.pte.dominance.figures import increment_curves, roc_bands
from lib.papers.pte.dominance.pair_vectors import Vectors
from lib.papers.pte.dominance.resampling import over_units, weighted_mean

USERS, ITEMS, WIDTH = 250, 200, 4
SPLITS = ("warm", "cold users", "cold items", "tail items")


@pytest.fixture(scope="module")
def world():
    """True tastes and qualities, and matrices of who takes what: the 30 best of noisy scores, 40% of them held out."""
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(USERS, WIDTH)), rng.normal(size=(ITEMS, WIDTH))
    scores = 1.5 * users @ items.T / np.sqrt(WIDTH) + rng.normal(size=ITEMS) + rng.gumbel(size=(USERS, ITEMS))
    taken = np.argsort(-scores, axis=1)[:, :30]
    row, held = np.repeat(np.arange(USERS), 30), rng.random(USERS * 30) < 0.4
    parts = [csr_matrix((np.ones(m.sum()), (row[m], taken.ravel()[m])), (USERS, ITEMS)) for m in (~held, held)]
    return Vectors(users, items), *parts


@pytest.fixture(scope="module")
def splits(world):
    return labelled_pairs.splits(*world[1:])


def blurred(vectors: Vectors, noise: float, seed: int = 0) -> Vectors:
    rng = np.random.default_rng(seed)
    return Vectors(*(side + noise * rng.normal(size=side.shape) for side in vectors))


@pytest.fixture(scope="module")
def tables(world):
    """`text` knows the tastes, `id` is a garbling of it: the same with noise on top."""
    text = blurred(world[0], 0.2)
    return {"text": text, "id": blurred(text, 1.5, seed=1), "noise": blurred(Vectors(*(0 * x for x in text)), 1, 2)}


@pytest.fixture(scope="module")
def predicted(world, splits, tables):
    return bayes_risk.predictions(tables, splits, world[1], ids=["id"], probes=["logistic"])


# Pairs


def keys(pairs, label) -> set:
    chosen = pairs.labels == label
    return set(zip(pairs.users[chosen], pairs.items[chosen], strict=True))


def test_pairs_are_held_out_ones_and_their_negatives(world, splits):
    _, observed, held_out = world
    held, seen = (set(zip(*matrix.nonzero(), strict=True)) for matrix in (held_out, observed))
    assert tuple(splits) == SPLITS
    for split in splits.values():
        for pairs in split[:2]:
            assert keys(pairs, 1) <= held and not keys(pairs, 0) & (held | seen)
            positives, negatives = (np.bincount(pairs.users[pairs.labels == label]) for label in (1, 0))
            assert (positives == negatives).all(), "each user has as many of both"
        assert not keys(split.train, 1) & keys(split.test, 1)
    whole = splits["warm"]
    assert keys(whole.train, 1) | keys(whole.test, 1) == held, "everything here is warm"


def test_excluded_interactions_are_neither_positives_nor_negatives(world):
    _, observed, held_out = world
    kept = np.random.default_rng(1).random(held_out.nnz) < 0.5
    users, items = held_out.nonzero()
    halves = [csr_matrix((np.ones(m.sum()), (users[m], items[m])), (USERS, ITEMS)) for m in (kept, ~kept)]
    others = set(zip(*halves[1].nonzero(), strict=True))
    for excluded, meets in ((halves[1], False), (None, True)):
        found = labelled_pairs.splits(observed, halves[0], excluded=excluded)
        pairs = set().union(*(keys(part, label) for one in found.values() for part in one[:2] for label in (0, 1)))
        assert bool(pairs & others) == meets  # without being told, some of them are taken for negatives


def test_cold_ones_are_in_no_training_pair(world, splits):
    for name, side in (("cold users", 0), ("cold items", 1)):
        cold = (splits[name].cold_users, splits[name].cold_items)[side]
        assert cold.mean() == pytest.approx(labelled_pairs.TESTED, abs=0.01)
        assert not cold[splits[name].train[side]].any() and cold[splits[name].test[side]].all()
    degree = world[1].getnnz(axis=0)
    tail = splits["tail items"].test.items
    assert np.isin(tail, np.argsort(-degree, kind="stable")[ITEMS // 5 :]).all()
    assert keys(splits["tail items"].test, 1) <= keys(splits["warm"].test, 1)


def test_popularity_predicts_nothing(world, splits):
    """Of all pairs as of training ones: the AUC of held-out popularity is a coin's, not so with uniform negatives."""
    popularity = np.asarray(world[2].sum(0)).ravel()
    pairs = splits["cold users"].train
    assert roc_auc_score(pairs.labels, popularity[pairs.items]) == pytest.approx(0.5, abs=0.05)
    uniform = np.random.default_rng(0).integers(ITEMS, size=len(pairs.items))
    assert roc_auc_score(pairs.labels, popularity[np.where(pairs.labels == 1, pairs.items, uniform)]) > 0.6


def test_a_user_without_a_negative_is_left_out():
    users, items = np.array([0, 0, 1]), np.array([0, 1, 0])
    known = np.array([0, 1, 2])  # of two items: user 0 has both, user 1 the first
    pairs = labelled_pairs.with_negatives(users, items, known, np.random.default_rng(0), 2)
    assert pairs.users.tolist() == [1, 1] and pairs.items.tolist() == [0, 1] and pairs.labels.tolist() == [1, 0]


# Vectors


def test_what_takes_the_place_of_cold_vectors(world, splits):
    _, observed, _ = world
    vectors = pair_vectors.centred("text", world[0], observed)
    split = splits["cold users"]
    zero, mean, own = (pair_vectors.for_cold(vectors, split, observed, rule) for rule in ("zero", "mean", "own"))
    assert (zero.users[split.cold_users] == 0).all() and (zero.users == vectors.users)[~split.cold_users].all()
    assert mean.users[7] == pytest.approx(vectors.items[observed[7].indices].mean(0), abs=1e-5)
    assert (mean.items == vectors.items).all() and (own.users == vectors.users).all()
    of_items = pair_vectors.for_cold(vectors, splits["cold items"], observed, "mean")
    assert of_items.items[3] == pytest.approx(vectors.users[observed[:, 3].nonzero()[0]].mean(0), abs=1e-5)
    with pytest.raises(UserError, match="unknown rule for cold vectors 'zeros': did you mean 'zero'"):
        pair_vectors.for_cold(vectors, split, observed, "zeros")


def test_features_are_products_and_sides():
    part = Vectors(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
    pairs = labelled_pairs.Pairs(np.array([0]), np.array([0]), np.array([1.0]))
    assert pair_vectors.features([part], pairs, sides=False).tolist() == [[11, 3, 8]]
    assert pair_vectors.features([part, part], pairs, sides=True).tolist() == [[11, 3, 8, 1, 2, 3, 4] * 2]


# Probes and risks


@pytest.mark.parametrize("probe", ["logistic", "small mlp", "trees"])
def test_probes_come_near_the_true_risk(probe):
    """y ~ sigmoid(2 x): no probe can lose less than the true probabilities do, nor much more."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3500, 3)).astype(np.float32)
    p = 1 / (1 + np.exp(-2 * x[:, 0]))
    y = (rng.random(3500) < p).astype(float)
    guess = probes.fitted_probe(probe, x[:1500], y[:1500])(x[1500:])
    truth = probes.losses(y[1500:], p[1500:]).mean()
    assert truth - 0.01 < probes.losses(y[1500:], guess).mean() < truth + 0.03
    one, again = (probes.fitted_probe(probe, x[:200], y[:200])(x[200:]) for _ in range(2))
    assert (one == again).all()


def test_metrics_are_those_of_sklearn(predicted):
    table = bayes_risk.risks(predicted, draws=50).set_index(["split", "table", "cold", "metric"]).sort_index()
    assert len(table) == 4 * (3 + 4 + 4 + 3), "a metric for each table, ID tables twice where there is something cold"
    for split, cold in (("warm", "own"), ("cold items", "mean")):
        found = predicted[split, "logistic"]
        p, y = found.p["id", cold], found.labels
        value = table["value"].xs((split, "id", cold))
        assert value["log_loss"] == pytest.approx(log_loss(y, p) / np.log(2))
        assert value["brier"] == pytest.approx(brier_score_loss(y, p))
        assert value["auc"] == pytest.approx(roc_auc_score(y, p))
        assert value["v_information"] == pytest.approx(1 - value["log_loss"]), "half of the pairs are positives"
    inside = (table["ci_low"] - 1e-9 <= table["value"]) & (table["value"] <= table["ci_high"] + 1e-9)
    assert inside.all()


def test_the_table_that_knows_more_risks_less(predicted):
    table = bayes_risk.risks(predicted, draws=50).query("metric == 'v_information'")
    value = table.set_index(["split", "table", "cold"])["value"]
    for split in SPLITS:
        rest = value[split]
        assert rest["text", "own"] > max(rest["id"]) and rest["text", "own"] > 0.1
        assert abs(rest["noise", "own"]) < 0.02
    assert value["cold users", "id", "zero"] < 0.01 < value["cold users", "id", "mean"]
    found = bayes_risk.differences(predicted, "text", "id")
    assert found["verdict"].eq("better").all() and found["cold"].tolist() == ["own", *["mean", "zero"] * 2, "own"]
    gaps = [value[row.split, "text", "own"] - value[row.split, "id", row.cold] for row in found.itertuples()]
    assert found["difference"].to_numpy() == pytest.approx(gaps)
    assert bayes_risk.differences(predicted, "id", "text")["verdict"].eq("worse").all()
    same = bayes_risk.differences(predicted, "id", "id")
    assert same["cold"].tolist() == found["cold"].tolist() and same["verdict"].eq("inconclusive").all()


def test_the_error_over_users_is_that_of_whole_users():
    """Pairs of a user that say the same are one observation: the error is that of the users' own values."""
    values = np.random.default_rng(0).normal(size=100)
    error, freedom = bayes_risk.user_error(np.repeat(values, 6), np.repeat(np.arange(100), 6))
    assert error == pytest.approx(values.std(ddof=1) / 10) and freedom == 99
    assert np.isnan(bayes_risk.user_error(values, np.zeros(100, int))[0]), "one user says nothing of others"


def test_the_error_over_users_is_that_of_a_bootstrap():
    """Users with many pairs and with few: draws of whole users spread as much as the jackknife says."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(80), rng.integers(1, 15, 80))
    values = rng.normal(size=80)[users] + rng.normal(size=len(users))
    drawn = over_units(users, weighted_mean(values), rng, 4000)[1:]
    assert bayes_risk.user_error(values, users)[0] == pytest.approx(drawn.std(), rel=0.06)


# ROC order


def test_roc_is_that_of_sklearn_under_weights():
    rng = np.random.default_rng(0)
    labels, p = (rng.random(300) < 0.4).astype(float), rng.random(300).round(1)  # many ties
    weights = rng.integers(0, 4, size=(3, 300)).astype(float)
    for row, curve in zip(weights, roc_order.roc(labels, p, weights), strict=True):
        false, true, _ = roc_curve(labels, p, sample_weight=row)
        assert curve == pytest.approx(np.interp(roc_order.ALPHAS, false, true))


def scored(gap: float, other: float = 1.0, n: int = 2500, seed: int = 0) -> Predictions:
    """Two tests of the same state with normal scores: `first` shifted by `gap` and spread by `other` for positives."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([1.0, 0.0], n)
    first, second = rng.normal(size=2 * n), rng.normal(size=2 * n) + labels
    first = np.where(labels == 1, gap + other * first, first)
    squeezed = {name: 1 / (1 + np.exp(-x)) for name, x in (("first", first), ("second", second))}
    return Predictions(np.tile(np.arange(n), 2), labels, {(name, "own"): p for name, p in squeezed.items()})


@pytest.mark.parametrize(
    ("gap", "spread", "verdict"),
    [(1.6, 1.0, "dominates"), (0.4, 1.0, "dominated"), (1.4, 3.0, "crossing"), (1.05, 1.0, "inconclusive")],
)
def test_roc_verdicts_on_known_tests(gap, spread, verdict):
    """Equal spreads order two normal tests by their gaps; a wider one is better at one end and worse at the other."""
    curves, verdicts = roc_order.roc_order({("s", "p"): scored(gap, spread)}, "first", "second", draws=200)
    assert verdicts["verdict"].tolist() == [verdict]
    assert len(curves) == 99 and (curves["low"] <= curves["difference"]).all()


def test_a_table_is_equivalent_to_itself_and_a_garbling_does_not_dominate(predicted):
    _, same = roc_order.roc_order(predicted, "id", "id", draws=50)
    assert same["verdict"].eq("equivalent").all()
    _, found = roc_order.roc_order(predicted, "text", "noise", draws=100)
    assert found["verdict"].isin(["dominates", "inconclusive"]).all() and found["worst"].min() > -0.06
    assert found.set_index("split").loc["warm", "verdict"] == "dominates"
    _, back = roc_order.roc_order(predicted, "noise", "text", draws=100)
    assert not back["verdict"].isin(["dominates", "equivalent"]).any()


def test_the_band_holds_the_whole_true_difference():
    """Of two equal tests the true difference is 0: about 19 of 20 bands hold it everywhere."""
    held = 0
    for seed in range(60):
        found = scored(1.0, n=120, seed=seed)
        curve = roc_order.roc_difference(found, ("first", "own"), ("second", "own"), seed, draws=120)
        held += ((curve["low"] <= 0) & (curve["high"] >= 0)).all()
    assert held >= 51


def test_costs_of_errors(predicted):
    labels, p = np.array([1, 1, 0, 0.0]), np.array([0.9, 0.3, 0.6, 0.1])
    assert roc_order.costs_of_errors(labels, p, 1.0).tolist() == [0, 0.5, 0.5, 0]
    # false positives that cost nine times as much: act above 0.9 only
    assert roc_order.costs_of_errors(labels, p, 9.0) == pytest.approx([0.1, 0.1, 0, 0])
    warm = {("warm", "logistic"): predicted["warm", "logistic"]}
    found = roc_order.cost_risks(warm, "text", "noise").set_index("cost_ratio")
    assert len(found) == 9
    assert found["difference"].to_numpy() == pytest.approx((found["second"] - found["first"]).to_numpy())
    assert found.loc[1.0, "verdict"] == "better" and not found["verdict"].eq("worse").any()


# Fusion


@pytest.fixture(scope="module")
def fused(world, splits, tables):
    """What useless and useful IDs add to a text."""
    text, more = blurred(world[0], 1.5, 3), {"noise": tables["noise"], "truth": world[0]}
    return {
        name: fusion.increments(
            {"text": text, name: ids}, splits["warm"], world[1], "text", name, ["logistic"], (0.25, 1.0)
        )
        for name, ids in more.items()
    }


def test_useless_ids_add_nothing(fused):
    table, verdicts = fused["noise"]
    assert table["verdict"].ne("better").all() and verdicts["verdict"].tolist() == ["inconclusive"]
    last = table.iloc[-1]
    assert last["ci_low"] < 0.005 and abs(last["difference"]) < 0.01


def test_ids_that_know_what_no_text_says_keep_adding(fused, splits):
    table, verdicts = fused["truth"]
    assert table["verdict"].eq("better").all() and verdicts["verdict"].tolist() == ["not supported"]
    assert table["pairs"].iloc[-1] == len(splits["warm"].train.labels)


def gains_of(means, users, seed=0):
    """Gains [3 draws, n] by training pairs, around the given means."""
    rng = np.random.default_rng(seed)
    return {("own", "mlp", n): mean + 0.3 * rng.normal(size=(3, len(users))) for n, mean in means.items()}


@pytest.mark.parametrize(
    ("means", "verdict"),
    [
        ({100: 0.2, 1000: 0.1, 10000: 0.0}, "supported"),
        ({100: 0.0, 1000: 0.2, 10000: 0.2}, "not supported"),
        ({100: 0.2, 1000: 0.2, 10000: 0.3}, "not supported"),
        ({100: 0.2, 1000: 0.15, 10000: 0.1}, "inconclusive"),  # less, but not gone
        ({100: 0.0, 1000: 0.0, 10000: 0.0}, "inconclusive"),
        ({100: -0.2, 1000: 0.0, 10000: 0.0}, "inconclusive"),
    ],
)
def test_verdicts_on_planted_increments(means, verdict):
    users = np.arange(2000)
    gains = gains_of(means, users)
    table = fusion._judged(gains, users)
    assert fusion.claim_verdicts(table, gains, users)["verdict"].tolist() == [verdict]


def test_smaller_parts_lie_in_larger_ones(splits):
    small, large = (fusion._part(splits["warm"], share, [0, 1]).train for share in (0.25, 0.5))
    for label in (0, 1):
        assert keys(small, label) < keys(large, label)
    assert small.labels.mean() == 0.5 and len(small.labels) == fusion._size(splits["warm"], 0.25)


# Input and figures


def test_broken_input_is_one_sentence(world, splits, tables):
    vectors, observed, held_out = world
    with pytest.raises(UserError, match="held-out pairs are observed, too"):
        labelled_pairs.splits(observed, observed)
    with pytest.raises(UserError, match="of shapes"):
        labelled_pairs.splits(observed, held_out.T.tocsr())
    few = csr_matrix(([1.0] * 3, ([0, 1, 2], held_out[:3].argmax(1).A1)), held_out.shape)
    with pytest.raises(UserError, match="part of 'warm' has . pairs, fewer than 50"):
        labelled_pairs.splits(observed, few)
    with pytest.raises(UserError, match="table 't' has users"):
        bayes_risk.predictions({"t": Vectors(vectors.users[1:], vectors.items)}, splits, observed)
    with pytest.raises(UserError, match="unknown table 'ids': did you mean 'id'"):
        bayes_risk.predictions(tables, splits, observed, ids=["ids"])
    with pytest.raises(UserError, match="unknown probe 'tree': did you mean 'trees'"):
        bayes_risk.predictions(tables, splits, observed, probes=["tree"])
    with pytest.raises(UserError, match="unknown table 'llm'"):
        fusion.increments(tables, splits["warm"], observed, "llm", "id")


def test_figures_show_what_the_tables_hold(predicted, fused):
    curves, _ = roc_order.roc_order(predicted, "text", "id", draws=20)
    figure = roc_bands(curves, "text", "id")
    assert len(figure.axes) == 2 * 6, "four splits, two of them with two rules"
    assert figure.axes[0].lines[1].get_ydata() == pytest.approx(curves["first"].iloc[:99].to_numpy())
    table = pd.concat([fused["noise"][0], fused["truth"][0].assign(probe="mlp")])
    lines = [axes.get_title(loc="left") for axes in increment_curves(table).axes]
    assert lines == ["logistic regression", "MLP"]
