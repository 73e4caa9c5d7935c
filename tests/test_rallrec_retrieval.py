"""Retrieval and reranking against loops that say the same in plain words."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_samples import random_samples, samples_of

from lib.core.errors import UserError
from lib.papers.rallrec import retrieval, settings
from lib.papers.rallrec.rerank import chronological, newest_first, rerank
from lib.papers.rallrec.retrieval import HybridScore, Recency, Retrieved, Similarity, first_distinct, retrieve

SETTINGS = settings.load("paper").rerank


def unit_vectors(n, d=6, seed=0):
    """Random directions, two of them the same and one zero, so that scores tie."""
    vectors = np.random.default_rng(seed).normal(size=(n, d))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[2], vectors[4] = vectors[1], 0
    return vectors.astype(np.float32)


def candidates_of(samples, row, keep_target=False):
    """Positions of the latest rating of each item of a history, oldest first."""
    start, stop, target = samples.rows[["start", "stop", "item"]].iloc[row]
    latest = {}
    for place in range(start, stop):
        latest[samples.events.item[place]] = place
    return sorted(place for item, place in latest.items() if keep_target or item != target)


def retrieved_by_hand(samples, score, k, keep_target=False):
    """score(row, target, places) gives a number per place; the best k, newest first where equal."""
    lists, counts = [], []
    for row in range(len(samples.rows)):
        places = candidates_of(samples, row, keep_target)
        values = np.round(score(row, samples.rows.item[row], places), 4) if places else []
        best = [place for _, place in sorted(zip(values, places, strict=True), reverse=True)][:k]
        lists.append(best + [-1] * (k - len(best)))
        counts.append(len(places))
    return np.array(lists), np.array(counts)


@pytest.mark.parametrize("k", [1, 4, 50])
@pytest.mark.parametrize("fidelity", ["paper", "legacy"])
def test_the_most_similar_of_the_own_history(k, fidelity):
    samples = random_samples()
    vectors = unit_vectors(9)
    items = samples.events.item.to_numpy()
    wanted, counts = retrieved_by_hand(
        samples, lambda row, target, places: vectors[items[places]] @ vectors[target], k, fidelity == "legacy"
    )
    found = retrieve(samples, Similarity(vectors), k, fidelity=fidelity)
    assert found.positions.tolist() == wanted.tolist()
    assert found.candidates.tolist() == counts.tolist()


def test_recent_are_the_newest_different_items():
    samples = random_samples(seed=3)
    found = retrieve(samples, Recency(), 5)
    wanted, _ = retrieved_by_hand(samples, lambda row, target, places: np.zeros(len(places)), 5)
    assert found.positions.tolist() == wanted.tolist()


@pytest.mark.parametrize("over", ["catalogue", "history"])
@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_the_hybrid_score_mixes_two_softmaxes(over, temperature):
    samples = random_samples(seed=1)
    text, colla = unit_vectors(9, seed=1), unit_vectors(9, d=3, seed=2)
    items = samples.events.item.to_numpy()

    def softmax(logits):
        return np.exp(logits) / np.exp(logits).sum()

    def score(row, target, places):
        total = 0
        for vectors, weight in ((text, 0.3), (colla, 0.7)):
            logits = vectors.astype(float) @ vectors[target] / temperature
            here = items[places]
            total = total + weight * (softmax(logits)[here] if over == "catalogue" else softmax(logits[here]))
        return total * 10

    found = retrieve(samples, HybridScore(text, colla, 0.3, temperature, over), 4)
    assert found.positions.tolist() == retrieved_by_hand(samples, score, 4)[0].tolist()


def test_how_samples_are_cut_into_chunks_does_not_matter(monkeypatch):
    samples, score = random_samples(seed=5, n_users=30), Similarity(unit_vectors(9))
    whole = retrieve(samples, score, 4)
    monkeypatch.setattr(retrieval, "PAIRS", 7)
    monkeypatch.setattr(retrieval, "TABLE", 20)
    pieces = retrieve(samples, score, 4)
    assert whole.positions.tolist() == pieces.positions.tolist()
    rows = np.array([5, 2, 40])
    assert retrieve(samples, score, 4, rows).positions.tolist() == whole.positions[rows].tolist()


def test_vectors_of_other_items_are_refused():
    with pytest.raises(UserError, match="9 items, but there are vectors of 8"):
        retrieve(random_samples(), Similarity(unit_vectors(8)), 3)


def test_a_user_without_history_gets_nothing():
    events = pd.DataFrame({"user": [0, 1], "item": [0, 1], "rating": [4.0, 2.0], "time": [0, 1]})
    frame = pd.DataFrame({"id": [0, 1]})
    found = retrieve(samples_of(events, frame, frame), Recency(), 2)
    assert (found.positions == -1).all() and (found.candidates == 0).all()


def test_first_distinct_keeps_the_first_of_equal_entries():
    lists = np.array([[3, 1, 3, 2], [-1, 5, -1, 5], [7, 7, 7, 7]])
    assert first_distinct(lists, 3).tolist() == [[3, 1, 2], [5, -1, -1], [7, -1, -1]]


def test_the_hybrid_quota_takes_half_by_text():
    by_text, by_colla = np.array([[1, 2, 3, 4, 5]]), np.array([[2, 9, 1, 8, 7]])
    assert retrieval.hybrid_quota(by_text, by_colla, 5).tolist() == [[1, 2, 3, 9, 8]]


# Reranking


def lists_of(n_candidates, k, rng, shift=0):
    """One sample's similar and recent lists of a history of places 0 to n - 1, the last one the newest."""
    similar = rng.permutation(n_candidates)[:k] + shift
    recent = np.arange(n_candidates)[::-1][:k] + shift
    pad = [(0, k - len(similar))]
    return [np.pad(part, pad, constant_values=-1)[None] for part in (similar, recent)]


def both(similar, recent, n_candidates):
    counts = np.full(len(similar), n_candidates)
    return Retrieved(similar, counts), Retrieved(recent, counts)


def reranked_by_hand(similar, recent, k, alpha, beta, duplicates):
    scores = {}
    for weight, places in ((alpha, similar), (1 - alpha, recent)):
        for rank, place in enumerate(places, start=1):
            if place >= 0:
                scores.setdefault(place, []).append(weight * rank**-beta)
    totals = {place: (max if duplicates == "max" else sum)(values) for place, values in scores.items()}
    return sorted(totals, key=lambda place: -round(totals[place], 12))[:k], totals


@given(
    st.integers(1, 40), st.integers(1, 12), st.floats(0, 1), st.floats(0.1, 3), st.sampled_from(["max", "sum"]),
    st.integers(0, 99),
)  # fmt: skip
def test_the_best_by_equation_8(n, k, alpha, beta, duplicates, seed):
    similar, recent = lists_of(n, k, np.random.default_rng(seed))
    chosen = SETTINGS.model_copy(update=dict(alpha=alpha, beta=beta, duplicates=duplicates))
    (found,) = rerank(*both(similar, recent, n), chosen)
    if n <= k:
        assert found.tolist() == similar[0].tolist()
        return
    best, totals = reranked_by_hand(similar[0], recent[0], k, alpha, beta, duplicates)
    # equal scores may stand in either order: what counts is the scores, and that nothing comes twice
    assert [round(totals[place], 10) for place in found] == [round(totals[place], 10) for place in best]
    assert len(set(found.tolist())) == k == len(found) and (found >= 0).all()


@pytest.mark.parametrize(("alpha", "quota"), [(1 / 2, 15), (0.6666666667, 20), (4 / 5, 24)])
def test_quotas_without_overlap(alpha, quota):
    similar, recent = np.arange(30)[None], 200 - np.arange(30)[None]
    (found,) = rerank(*both(similar, recent, 201), SETTINGS.model_copy(update={"alpha": alpha}))
    assert (found < 100).sum() == quota
    assert sorted(found[found < 100]) == list(range(quota))


def test_alpha_at_its_ends():
    similar, recent = lists_of(50, 10, np.random.default_rng(0))
    for alpha, wanted in ((1, similar), (0, recent), (1 - 1e-9, similar), (1e-9, recent)):
        found = rerank(*both(similar, recent, 50), SETTINGS.model_copy(update={"alpha": alpha}))
        assert found.tolist() == wanted.tolist()


def test_only_the_ranks_count_and_not_where_the_events_lie():
    rng = np.random.default_rng(4)
    lists = [lists_of(50, 10, rng, shift) for shift in (0, 1000)]
    similar, recent = (
        np.vstack([np.where(part >= 0, part, -1) for part in parts]) for parts in zip(*lists, strict=True)
    )
    together = rerank(*both(similar, recent, 50), SETTINGS)
    for row in (0, 1):
        alone = rerank(*both(similar[row : row + 1], recent[row : row + 1], 50), SETTINGS)
        assert alone.tolist() == together[row : row + 1].tolist()
    moved = rerank(*both(similar + 7000, recent + 7000, 50), SETTINGS)
    assert (moved - 7000).tolist() == together.tolist()


def test_the_chosen_items_in_the_order_of_time():
    similar, recent = lists_of(50, 10, np.random.default_rng(1))
    by_score = rerank(*both(similar, recent, 50), SETTINGS)
    by_time = rerank(*both(similar, recent, 50), SETTINGS.model_copy(update={"order": "chronological"}))
    assert by_time.tolist() == np.sort(by_score).tolist() != by_score.tolist()


def test_orders_of_time_keep_what_is_missing_behind():
    places = np.array([[4, 9, -1, 2]])
    assert chronological(places).tolist() == [[2, 4, 9, -1]]
    assert newest_first(places).tolist() == [[9, 4, 2, -1]]


def legacy_by_hand(similar, recent, k, flavour):
    first = 2 * k // 3
    if flavour == "legacy_books":
        kept = [place for place in similar if place >= 0][:first]
        return kept + [place for place in recent if place >= 0 and place not in kept][: k - len(kept)]
    kept = sorted((place for place in similar if place >= 0), reverse=True)[:first]
    added = [place for place in recent if place >= 0 and place not in kept][: k - len(kept)]
    return kept + sorted(added)


@given(st.integers(1, 40), st.integers(3, 12), st.sampled_from(["legacy_books", "legacy_films"]), st.integers(0, 99))
def test_the_fixed_two_thirds_of_the_public_code(n, k, flavour, seed):
    similar, recent = lists_of(n, k, np.random.default_rng(seed))
    chosen = SETTINGS.model_copy(update={"order": flavour, "reorder_short": True})
    (found,) = rerank(*both(similar, recent, n), chosen)
    assert [place for place in found.tolist() if place >= 0] == legacy_by_hand(similar[0], recent[0], k, flavour)


def test_short_histories_are_reordered_on_request_only():
    similar, recent = lists_of(4, 6, np.random.default_rng(2))
    kept = rerank(*both(similar, recent, 4), SETTINGS)
    assert kept.tolist() == similar.tolist()
    moved = rerank(*both(similar, recent, 4), SETTINGS.model_copy(update={"reorder_short": True, "alpha": 0.2}))
    assert sorted(moved[0]) == sorted(similar[0]) and moved.tolist() != similar.tolist()


def test_the_scale_of_similarities_does_not_matter():
    samples, vectors = random_samples(seed=8), unit_vectors(9, seed=8)
    found = retrieve(samples, Similarity(vectors), 4).positions
    assert retrieve(samples, Similarity(1000 * vectors), 4).positions.tolist() == found.tolist()


def test_what_rounding_makes_of_equal_vectors_decides_nothing():
    """Items 1 and 2 have one direction, and differ in the last bit: the newer one comes first, whatever the scale."""
    samples, vectors = random_samples(seed=8), unit_vectors(9, seed=8)
    equal = retrieve(samples, Similarity(vectors), 4).positions
    for scale in (1, 1000):
        nudged = scale * vectors
        nudged[1] = np.nextafter(nudged[1], np.float32(np.inf))
        assert retrieve(samples, Similarity(nudged), 4).positions.tolist() == equal.tolist()
