"""Relevance of retrieved items, the orderings on planted data, and merging of predictions."""

import numpy as np
import pytest
from planted_samples import planted, random_samples
from sklearn.metrics import roc_auc_score

from lib.core.errors import UserError
from lib.papers.rallrec import collaborative, mixture, relevance, settings, text_alignment
from lib.papers.rallrec.merging import consistency_curve, merge
from lib.papers.rallrec.retrieval import Recency, Similarity, retrieve

PAPER = settings.load("paper")


def test_evidence_is_the_mean_rating_by_rank():
    samples = random_samples(seed=1)
    rows = np.arange(len(samples.rows))
    positions = retrieve(samples, Recency(), 3).positions
    found = relevance.evidence(samples, rows, {"recent": positions}, {})
    for row in rows:
        places = [place for place in positions[row] if place >= 0]
        weights = [1 / rank for rank in range(1, len(places) + 1)]
        ratings = samples.events.rating[places]
        expected = np.average(ratings, weights=weights) if places else np.nan
        assert found["recent"][row] == pytest.approx(expected, nan_ok=True)
        history = samples.history(row).rating
        assert found["history"][row] == pytest.approx(history.mean() if len(history) else np.nan, nan_ok=True)


def test_where_only_liked_items_are_known_their_similarity_counts():
    samples = random_samples(seed=1)
    samples.events.rating, samples.events["label"] = np.nan, 1.0
    vectors = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    rows = np.flatnonzero(samples.rows.stop - samples.rows.start > 8)
    positions = retrieve(samples, Similarity(vectors), 2, rows).positions
    found = relevance.evidence(samples, rows, {"recent": positions, "mix": positions}, {"mix": vectors})
    first, second = samples.events.item.to_numpy()[positions[0]]
    target = vectors[samples.rows.item[rows[0]]]
    assert list(found) == ["mix"], "without similarities nothing can be said of recent items"
    assert found["mix"][0] == pytest.approx((vectors[first] @ target + vectors[second] @ target / 2) / 1.5, rel=1e-5)
    samples.events["label"] = (np.arange(len(samples.events)) % 2).astype(float)
    assert set(relevance.evidence(samples, rows, {"mix": positions}, {})) == {"mix", "history"}


def test_intervals_resample_users_and_gains_are_paired():
    samples, _ = planted(seed=3, n_users=60, n_items=60, per_user=20)
    rows = np.arange(len(samples.rows))
    positions = {"recent": retrieve(samples, Recency(), 5).positions}
    positions["same"] = positions["recent"]
    table = relevance.relevance(samples, rows, positions, {}, np.random.default_rng(0), draws=300).set_index("vectors")
    recent, same = table.loc["recent"], table.loc["same"]
    assert recent.ci_low < recent.value < recent.ci_high
    evidence = relevance.evidence(samples, rows, positions, {})["recent"]
    assert recent.value == pytest.approx(roc_auc_score(samples.rows.label, evidence))
    assert same.above_recent == same.above_recent_ci_low == same.above_recent_ci_high == 0
    # by hand: draw users, repeat all their samples
    rng, values = np.random.default_rng(9), []
    by_user = [np.flatnonzero(samples.rows.user == user) for user in range(60)]
    for _ in range(300):
        drawn = np.concatenate([by_user[user] for user in rng.integers(0, 60, 60)])
        values.append(roc_auc_score(samples.rows.label[drawn], evidence[drawn]))
    low, high = np.percentile(values, [2.5, 97.5])
    assert recent.ci_low == pytest.approx(low, abs=0.01) and recent.ci_high == pytest.approx(high, abs=0.01)


def test_users_are_drawn_and_not_samples():
    users = np.array([7, 3, 7, 7, 9])
    weights = relevance.user_weights(users, np.random.default_rng(0), draws=50)
    assert (weights[0] == 1).all() and weights.shape == (51, 5)
    assert (weights[1:, 0] == weights[1:, 2]).all() and (weights[1:, 0] == weights[1:, 3]).all()
    assert (weights[1:, [0, 1, 4]].sum(1) == 3).all() and len(np.unique(weights[1:, 0])) > 2


def test_samples_of_one_label():
    samples, _ = planted(n_users=20, n_items=20, per_user=8)
    rows = np.flatnonzero(samples.rows.label == 1)
    with pytest.raises(UserError, match="have one label"):
        relevance.relevance(samples, rows, {"recent": retrieve(samples, Recency(), 2, rows).positions}, {}, None)


def relevance_by_kind(seed):
    """Relevance AUC by kind of vectors, from planted ratings and texts through the whole chain."""
    samples, text = planted(seed)
    train, tiny = samples.events[samples.events.split == "train"], settings.load("tiny")
    edges = train.user.to_numpy(), train.item.to_numpy()
    quick = {"epochs": 30, "evaluate_every": 2, "learning_rate": 0.01, "batch_size": 512, "reg_weight": 1e-3}
    chosen = tiny.collaborative.model_copy(update=quick)
    colla = collaborative.collaborative_vectors(edges, 200, 240, chosen, seed, device="cpu").vectors
    quick = {"epochs": 100, "learning_rate": 3e-3}
    ssl = text_alignment.aligned_vectors(text, colla, tiny.alignment.model_copy(update=quick), seed).vectors
    parts = {"text": text, "colla": colla, "ssl": ssl}
    vectors = {kind: mixture.mixture(kind, parts, PAPER.mixture) for kind in ("text", "colla", "mix", "mix3")}
    vectors["ssl"] = mixture.unit_rows(ssl)
    rows = np.flatnonzero(samples.rows.split != "train")
    positions = {kind: retrieve(samples, Similarity(v), 5, rows).positions for kind, v in vectors.items()}
    positions["recent"] = retrieve(samples, Recency(), 5, rows).positions
    table = relevance.relevance(samples, rows, positions, vectors, np.random.default_rng(0), draws=2)
    return dict(zip(table.vectors, table.value, strict=True))


def test_joint_vectors_find_more_relevant_items_on_planted_data():
    """Texts are wrong or say nothing for three items in ten and half of what they say is style; ratings are few.

    So each part has what the other lacks, and alignment learns what of a text matters. The orderings are those of means
    over seeds, as far as chance allows.
    """
    found = [relevance_by_kind(seed) for seed in range(4)]
    mean = {kind: np.mean([values[kind] for values in found]) for kind in found[0]}
    assert mean["mix"] > max(mean["text"], mean["colla"]) + 0.003
    assert mean["mix3"] > mean["mix"] - 0.005
    assert mean["ssl"] > mean["text"] + 0.005, "alignment leaves out what no taste cares for"
    assert min(mean["text"], mean["colla"]) > mean["recent"] + 0.02


# Merging


def test_merging_weighs_by_variance():
    reasoning, general = np.array([[0.9, 0.5, 0.7], [1, 0, np.nan]]), np.array([[0.2, 0.4], [0.3, 0.3]])
    chosen = PAPER.merging.model_copy(update={"reasoning_scale": 2.0})
    expected = []
    for a, b in ((reasoning[0], general[0]), (np.array([1.0, 0]), general[1])):
        of_a, of_b = 0.1 / (np.var(a) / 2 + 1e-3), 1 / (np.var(b) + 1e-3)
        expected.append((of_a * np.mean(a) + of_b * np.mean(b)) / (of_a + of_b))
    assert merge(reasoning, general, chosen) == pytest.approx(expected)


def test_a_model_that_contradicts_itself_counts_less():
    general = np.full((2, 3), 0.2)
    sure, unsure = np.array([[0.9, 0.9], [0.8, 1.0]])
    merged = merge(np.array([sure, unsure]), general, PAPER.merging)
    assert 0.2 < merged[1] < merged[0] < 0.9
    assert merge(general, general, PAPER.merging) == pytest.approx([0.2, 0.2])


def test_predictions_that_cannot_be_merged():
    good = np.full((3, 2), 0.5)
    for bad, said in (
        (np.full((2, 2), 0.5), "3 rows of reasoning and 2 of general"),
        (np.array([[0.5], [np.nan], [0.1]]), "row 1 of the general predictions has none"),
        (np.array([[0.5], [0.2], [1.7]]), "row 2 of the general predictions holds a value outside"),
    ):
        with pytest.raises(UserError, match=said):
            merge(good, bad, PAPER.merging)


def test_accuracy_along_the_variance():
    predictions = np.array([[0.9, 0.9], [0.1, 0.7], [0.6, 0.8], [0.0, 1.0]])
    curve = consistency_curve(predictions, np.array([1, 1, 0, 1]), window=2)
    # sorted by variance: rows 0 (right), 2 (wrong), 1 (wrong), 3 (0.5 is no yes, wrong)
    assert curve["accuracy"].tolist() == [0.5, 0, 0]
    assert curve["variance"] == pytest.approx([0.005, 0.05, 0.17])
    assert len(consistency_curve(predictions, np.ones(4))["accuracy"]) == 1
