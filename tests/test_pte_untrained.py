"""Untrained recommenders against loops over users and items, and what their ranks must satisfy whatever the data."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_sequences import drawn, lists

from lib.core.errors import UserError
from lib.data.sequences.cold_start import cold_start
from lib.data.sequences.leave_one_out import leave_one_out
from lib.data.sequences.long_tail import groups
from lib.data.sequences.negatives import negatives
from lib.evaluation import invariants
from lib.evaluation.target_rank import rank_of_target
from lib.papers.pte import untrained
from lib.papers.pte.protocol_figure import CANDIDATES, untrained_figure

SHORT = 6  # of histories, so that users have more events than they show


@pytest.fixture(scope="module", params=["cold_start", "leave_one_out"])
def case(request):
    """Sequences, the rows of a protocol, and vectors of which some are equal."""
    sequences = drawn(3, n_users=70, n_items=45)
    cold = request.param == "cold_start"
    rows = cold_start(sequences, last=SHORT + 1) if cold else leave_one_out(sequences, length=SHORT)
    vectors = np.random.default_rng(0).normal(size=(45, 5)).astype(np.float32)
    vectors[10:14] = vectors[0]
    return sequences, rows, vectors


def cosine(a, b) -> float:
    return round(float(a @ b) / math.sqrt(float(a @ a) * float(b @ b)), untrained.DECIMALS)


def by_hand(name, rows, row, vectors) -> list[float]:
    """Scores of all items for one test row, item by item."""
    vectors, items = vectors.astype(float), [item for item in rows.test.history[row].tolist() if item]
    if name == "popularity":
        raise AssertionError("counted by the test itself")
    shown = [vectors[item - 1] / math.sqrt(vectors[item - 1] @ vectors[item - 1]) for item in items]
    score = {
        "last_item": lambda own: cosine(own, shown[-1]),
        "content_mean": lambda own: cosine(own, sum(shown)),
        "content_max": lambda own: max(cosine(own, one) for one in shown),
    }[name]
    return [score(own) for own in vectors]


@pytest.mark.parametrize("name", ["last_item", "content_mean", "content_max"])
def test_scores_by_text_are_those_of_a_loop(case, name):
    sequences, rows, vectors = case
    scorer = untrained.scorers(sequences, rows.train, vectors)[name]
    scores = scorer(torch.from_numpy(rows.test.history).long())
    expected = [by_hand(name, rows, row, vectors) for row in range(len(rows.test))]
    assert scores.numpy() == pytest.approx(np.array(expected), abs=2 * 10**-untrained.DECIMALS)
    same = scores[:, [0, 10, 11, 12, 13]]
    assert (same == same[:, :1]).all(), "items with the same text tie exactly"


def test_popularity_counts_what_train_shows_and_ignores_histories(case):
    sequences, rows, vectors = case
    cold = len(rows.test) < sequences.n_users
    taken = lists(sequences)
    of_train = {user: taken[user][-SHORT - 1 :] if cold else taken[user][:-2] for user in rows.train.user.tolist()}
    counted = [sum(items.count(item) for items in of_train.values()) for item in range(1, 46)]
    scorer = untrained.scorers(sequences, rows.train, vectors)["popularity"]
    drawn_anew = torch.randint(0, 46, (9, SHORT), generator=torch.Generator().manual_seed(1))
    for history in (torch.from_numpy(rows.test.history).long(), drawn_anew):
        assert scorer(history).tolist() == [counted] * len(history)


def rank_by_hand(scores, target, candidates) -> float:
    own, others = scores[target - 1], [scores[item - 1] for item in candidates if item != target]
    return 1 + sum(score > own for score in others) + sum(score == own for score in others) / 2


@pytest.mark.parametrize("name", ["popularity", "content_max"])
def test_ranks_are_those_of_a_loop_over_candidates(case, name, monkeypatch):
    sequences, rows, vectors = case
    test, everything = rows.test, range(1, 46)
    scorer = untrained.scorers(sequences, rows.train, vectors)[name]
    scores = scorer(torch.from_numpy(test.history).long()).tolist()
    drawn_items = negatives(sequences, test, seed=5, count=9)
    whole = untrained.ranks(scorer, sequences, test, drawn_items)
    assert list(whole) == ["full", "full_masked", "neg9"]
    for row, target in enumerate(test.target.tolist()):
        known = set(sequences.item[test.start[row] : test.stop[row]].tolist())
        candidates = {"full": everything, "full_masked": set(everything) - known, "neg9": drawn_items[row].tolist()}
        for kind, items in candidates.items():
            assert whole[kind][row] == rank_by_hand(scores[row], target, items)
    assert (whole["full_masked"] <= whole["full"]).all() and (whole["neg9"] <= whole["full_masked"]).all()
    assert (whole["full_masked"] < whole["full"]).any()
    monkeypatch.setattr(untrained, "CHUNK", 45 * 4)  # four rows at a time
    parts = untrained.ranks(scorer, sequences, test, drawn_items)
    assert all((parts[kind] == whole[kind]).all() for kind in whole)


def test_a_history_of_padding_alone_says_nothing():
    sequences = drawn(2)
    rows = cold_start(sequences, per_user="all_prefixes")
    empty = rows.test.lengths == 0
    vectors = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    for name, scorer in untrained.scorers(sequences, rows.train, vectors).items():
        found = untrained.ranks(scorer, sequences, rows.test)["full"][empty]
        assert (found == 20.5).all() == (name != "popularity"), name


def test_a_target_that_was_taken_before_still_competes(case):
    sequences, rows, vectors = case
    again = (rows.train.history == rows.train.target[:, None]).any(1)
    assert again.sum() > 3
    scorer = untrained.scorers(sequences, rows.train, vectors)["content_max"]
    found = untrained.ranks(scorer, sequences, rows.train)["full_masked"][again]
    assert (found <= 3).all(), "its cosine to the history is 1, which only items with the same text reach"


@pytest.fixture(scope="module")
def results():
    """A table of leave-one-out by groups, and the ranks behind it."""
    sequences = drawn(3, n_users=200, n_items=150)
    rows = leave_one_out(sequences).test
    rng = np.random.default_rng(0)
    drawn_items = negatives(sequences, rows, seed=1)
    scores = {"skilled": rng.normal(size=(200, 150)), "random": rng.normal(size=(200, 150))}
    scores["skilled"][np.arange(200), rows.target - 1] += 1
    ranks = {
        name: untrained.ranks(lambda history, own=own: torch.from_numpy(own), sequences, rows, drawn_items)
        for name, own in scores.items()
    }
    of = groups(sequences, rows)
    return untrained.means(ranks, np.random.default_rng(4), of), ranks, of


def test_means_are_means_and_lie_in_their_intervals(results):
    table, ranks, of = results
    assert len(table) == 2 * 3 * 5 * 3 * 5
    cells = table.set_index(["method", "candidates", "group", "metric", "k"])
    for kind, found in ranks["skilled"].items():
        for group in of:
            hits = [rank <= 10 for rank, inside in zip(found, of[group], strict=True) if inside]
            cell = cells.loc["skilled", kind, group, "hr", 10]
            assert cell.value == pytest.approx(sum(hits) / len(hits))
            error = math.sqrt(cell.value * (1 - cell.value) / len(hits))
            assert cell.ci_low < cell.value < cell.ci_high
            assert cell.ci_high - cell.ci_low == pytest.approx(2 * 1.96 * error, rel=0.2)
    again = untrained.means(ranks, np.random.default_rng(4), of)
    pd.testing.assert_frame_equal(table, again)


def test_results_satisfy_the_invariants(results):
    table, *_ = results
    checked = invariants.checks(table.assign(dataset="drawn"))
    assert set(checked.invariant) == {"I1", "I2", "I3", "I4"} and checked.holds.all()
    broken = table.assign(dataset="drawn")
    broken.loc[broken.query("metric == 'ndcg' and k == 20").index[0], "value"] = 0.9
    assert not invariants.checks(broken).holds.all()


def test_groups_without_rows_are_left_out():
    ranks = {"some": {"full": np.array([1.0, 2, 30])}}
    of = pd.DataFrame({"overall": [True] * 3, "tail_item": [False] * 3})
    assert untrained.means(ranks, np.random.default_rng(0), of).group.unique().tolist() == ["overall"]
    assert untrained.means(ranks, np.random.default_rng(0)).group.unique().tolist() == ["overall"]


def test_items_without_words_are_one_sentence():
    with pytest.raises(UserError, match="drawn says nothing of its items in words"):
        untrained.item_vectors(drawn(), "tfidf")


def test_the_words_of_an_item_make_its_vector(tmp_path):
    words = ["red ball", "blue ball", "red car", "blue car"]
    sequences = drawn(n_items=40)
    sequences.items["title"] = [words[item % 4] for item in range(40)]
    (tmp_path / "encoders").mkdir()
    (tmp_path / "encoders/few.yaml").write_text("name: few\nkind: tfidf\nmodel: TF-IDF\ndimensions: 3\n")
    found = untrained.item_vectors(sequences, "few", params=tmp_path, data=tmp_path)
    assert found.shape == (40, 3) and (found == np.tile(found[:4], (10, 1))).all()
    assert len({tuple(row) for row in found.tolist()}) == 4


def test_the_figure_shows_each_mean_once(results):
    table, *_ = results
    both = pd.concat(
        [table.assign(protocol="leave_one_out"), table.query("candidates != 'neg100'").assign(protocol="cold_start")]
    )
    figure = untrained_figure(both)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["cold start", "leave-one-out", "leave-one-out"]
    shown = both.query("group == 'overall' and metric == 'ndcg' and k == 10")
    drawn_values = [line.get_xdata() for axes in figure.axes for line in axes.lines if line.get_marker() in "o^s"]
    assert sorted(np.concatenate(drawn_values)) == pytest.approx(sorted(shown.value))
    assert {text.get_text() for text in figure.legends[0].get_texts()} == set(CANDIDATES.values())


def test_rank_of_target_is_what_ranks_use():
    """Ties are expected ones: a scorer that gives everything the same score ranks each target in the middle."""
    sequences = drawn(1)
    rows = leave_one_out(sequences).test
    found = untrained.ranks(lambda history: torch.zeros(len(history), 40), sequences, rows)["full"]
    zeros = torch.zeros(len(rows), 40)
    assert found.tolist() == rank_of_target(zeros, torch.from_numpy(rows.target).long() - 1).tolist() == [20.5] * 60
