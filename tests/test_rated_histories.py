"""From ratings to samples: histories, splits, selection and edges against plain loops."""

from time import process_time

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from lib.core.errors import UserError
from lib.data.dataset_settings import SampleSettings, Selection
from lib.data.rated import histories, selection
from lib.data.rated.edges import graph_edges
from lib.data.rated.ratings import Ratings

LOOSE = SampleSettings(min_history=1)


def ratings(rows, timed=True, **columns) -> Ratings:
    """Ratings of (user, item, rating, time) in the order of a file."""
    events = pd.DataFrame(rows, columns=["user", "item", "rating", "time"]).astype({"rating": float})
    events = events.assign(**columns) if timed else events.assign(time=np.nan)
    known = [pd.DataFrame(index=pd.Index(sorted(set(events[side])))) for side in ("user", "item")]
    return Ratings(events, *known)


def random_rows(seed=0, n=300, users=12, items=15):
    rng = np.random.default_rng(seed)
    pairs = rng.choice(users * items, min(n, users * items), replace=False)
    return [(int(p % users) + 3, int(p // users) + 5, int(rng.integers(1, 6)), int(rng.integers(0, 40))) for p in pairs]


def by_loop(rows, min_history):
    """(user, item, label, time, history of (item, rating)) of every sample in global order, as the paper's code."""
    seen, made = {}, []
    for user, item, rating, time in sorted(rows, key=lambda row: (row[3], row[0], row[1])):
        if len(seen.setdefault(user, [])) >= min_history:
            made.append((user, item, int(rating > 3), time, tuple(seen[user])))
        seen[user].append((item, rating))
    return made


def as_tuples(samples):
    ids = samples.items.id.to_numpy(), samples.users.id.to_numpy()
    return [
        (ids[1][row.user], ids[0][row.item], row.label, row.time,
         tuple(zip(ids[0][samples.history(n).item], samples.history(n).rating, strict=True)))
        for n, row in enumerate(samples.rows.itertuples())
    ]  # fmt: skip


PAIRS = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 8), st.integers(1, 5), st.integers(0, 9)),
    min_size=12, max_size=40, unique_by=lambda row: row[:2],
)  # fmt: skip


@hypothesis.settings(max_examples=40)
@given(PAIRS, st.integers(0, 4))
def test_histories_are_those_of_a_plain_loop(rows, min_history):
    expected = by_loop(rows, min_history)
    if not expected:
        return
    samples = histories.samples(ratings(rows), SampleSettings(min_history=min_history), "toy")
    assert as_tuples(samples) == expected
    for n, row in enumerate(samples.rows.itertuples()):
        past = samples.history(n)
        assert (past.user == row.user).all() and (past.time <= row.time).all() and row.item not in set(past.item)


@hypothesis.settings(max_examples=20)
@given(PAIRS)
def test_the_order_of_the_file_does_not_matter(rows):
    one, other = (
        histories.samples(ratings(order), SampleSettings(min_history=0), "toy") for order in (rows, rows[::-1])
    )
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    "count, ratios, sizes",
    [
        (970_009, (8, 1, 1), (776_007, 97_000, 97_002)),
        (141_829, (0.8, 0.1, 0.1), (113_463, 14_182, 14_184)),
        (8_723, (9, 0, 1), (7_065, 785, 873)),
        (10, (8, 1, 1), (8, 1, 1)),
    ],
)
def test_split_sizes_are_the_papers(count, ratios, sizes):
    splits = histories._split(count, ratios, "paper")
    assert tuple((splits == name).sum() for name in ("train", "validation", "test")) == sizes
    assert list(splits) == sorted(splits, key=("train", "validation", "test").index)


def test_legacy_carves_no_validation():
    splits = histories._split(8_723, (9, 0, 1), "legacy")
    assert [(splits == name).sum() for name in ("train", "validation", "test")] == [7_850, 0, 873]


def test_events_belong_to_the_period_in_which_they_lie():
    samples = histories.samples(ratings(random_rows()), SampleSettings(min_history=3), "toy")
    rows, events = samples.rows, samples.events
    first = {split: rows[rows.split == split].iloc[0] for split in ("validation", "test")}
    for event in events.itertuples():  # by (time, user, item), as samples are ordered
        key = (event.time, event.user, event.item)
        begun = [split for split, row in first.items() if (row.time, row.user, row["item"]) <= key]
        assert event.split == (begun or ["train"])[-1]


def edges(samples, fidelity):
    return set(zip(*(side.tolist() for side in graph_edges(samples, fidelity)), strict=True))


@pytest.mark.parametrize("timed", [True, False])
def test_the_graph_knows_no_target_of_validation_and_test(timed):
    samples = histories.samples(ratings(random_rows(), timed), LOOSE, "toy")
    held = {pair for split in ("validation", "test") for pair in _pairs(samples.of_split(split))}
    assert held and not held & edges(samples, "paper")
    assert set(_pairs(samples.of_split("train"))) <= edges(samples, "paper")
    if not timed:  # all but these targets
        assert edges(samples, "paper") == set(_pairs(samples.events)) - held


def test_the_legacy_graph_leaves_out_the_last_of_each_user_and_knows_test_targets():
    rows = random_rows()
    samples = histories.samples(ratings(rows), LOOSE, "toy", "legacy")
    last = {user: item for user, item, _, _ in sorted(rows, key=lambda row: (row[3], row[0], row[1]))}
    ids = {(samples.users.id[user], samples.items.id[item]) for user, item in edges(samples, "legacy")}
    assert ids == {row[:2] for row in rows} - set(last.items())
    test = {(samples.users.id[user], samples.items.id[item]) for user, item in _pairs(samples.of_split("test"))}
    assert test & ids == test - set(last.items()) != set()
    with pytest.raises(UserError, match="unknown fidelity 'lagacy': did you mean 'legacy'?"):
        graph_edges(samples, "lagacy")


def _pairs(frame):
    return list(zip(frame.user, frame.item, strict=True))


def test_the_first_of_repeated_pairs_stays_and_legacy_keeps_all():
    rows = [(1, 1, 5, 10), (1, 2, 4, 20), (1, 1, 2, 30), (2, 1, 3, 5), (2, 2, 3, 15), (2, 3, 1, 25)]
    paper = histories.samples(ratings(rows[::-1]), LOOSE, "toy")
    assert paper.events[paper.events.user == 0][["item", "rating"]].values.tolist() == [[0, 5], [1, 4]]
    assert paper.notes == ["1 later ratings of an item by the same user are left out."]
    legacy = histories.samples(ratings(rows), LOOSE, "toy", "legacy")
    assert len(legacy.events) == 6 and legacy.repeats
    again = legacy.rows[(legacy.rows.user == 0) & (legacy.rows.item == 0)]
    assert 0 in set(legacy.history(again.index[0]).item)


def test_a_rating_is_liked_above_the_threshold_only():
    rows = [(1, n, rating, n) for n, rating in enumerate([3, 3.5, 3, 4, 5, 1])]
    samples = histories.samples(ratings(rows), SampleSettings(min_history=0), "toy")
    assert samples.rows.label.tolist() == [0, 1, 0, 1, 1, 0]
    books = SampleSettings(min_history=0, liked_above=4, scale=(0, 10))
    samples = histories.samples(ratings([(1, n, r, n) for n, r in enumerate([0, 4, 5, 10])]), books, "toy")
    assert samples.rows.label.tolist() == [0, 0, 1, 1]


def test_without_dates_each_user_has_one_sample_of_a_shuffle():
    rows = random_rows(n=100)
    samples = histories.samples(ratings(rows, timed=False), SampleSettings(min_history=4, ratios=(9, 0, 1)), "toy")
    own = {user: [row[1] for row in rows if row[0] == user] for user in {row[0] for row in rows}}
    for user, item, _, time, history in as_tuples(samples):
        files = own[user]
        expected = np.array(files)[np.random.RandomState(42).permutation(len(files))]
        assert [*(item for item, _ in history), item] == expected.tolist() and time == -1
    assert sorted(samples.rows.user) == [n for n, user in enumerate(samples.users.id) if len(own[user]) > 4]
    assert not samples.timed and "no dates" in samples.notes[-1]


def test_a_split_of_the_datas_own_is_kept_with_the_files_order_among_equal_times():
    rows = [(1, 9, np.nan, 10), (1, 3, np.nan, 10), (2, 3, np.nan, 12), (1, 4, np.nan, 20)]
    own = {"split": ["train", "train", "validation", "test"], "label": [1, 0, 1, 1]}
    samples = histories.samples(ratings(rows, **own), SampleSettings(min_history=0), "toy")
    assert samples.items.id[samples.events.item].tolist() == [9, 3, 4, 3]
    assert samples.rows.split.tolist() == own["split"] and samples.rows.label.tolist() == own["label"]
    assert samples.rows.rating.isna().all()


def bounded_by_loop(pairs, users, items):
    """As the paper's code: count, drop all that are out of bounds, count again."""
    while True:
        counts = [pd.Series([pair[side] for pair in pairs]).value_counts() for side in (0, 1)]
        kept = [p for p in pairs if users[0] <= counts[0][p[0]] <= users[1] and items[0] <= counts[1][p[1]] <= items[1]]
        if len(kept) == len(pairs):
            return pairs
        pairs = kept


@pytest.mark.parametrize("seed", range(4))
def test_bounds_go_on_until_none_is_broken(seed):
    rows = random_rows(seed, n=110)
    rules = Selection(user_ratings=(5, 11), item_ratings=(6, 10))
    kept = selection.bounded(ratings(rows).events, rules)
    assert [*zip(kept.user, kept.item, strict=True)] == bounded_by_loop([row[:2] for row in rows], (5, 11), (6, 10))


def test_the_most_rated_items_and_the_smaller_ids_among_equals():
    items = pd.Series(["b", "a", "c", "c", "d", "a", "b", "e"])
    assert selection.most_rated(items, 2).tolist() == ["a", "b"]
    assert selection.most_rated(items, 4).tolist() == ["a", "b", "c", "d"]


def test_all_ratings_of_the_kept_items_come_back_for_those_who_have_enough():
    """Item 1 and 2 survive by users 1 to 3; users 4 (two ratings) and 5 (one) were out of bounds; item 3 is unknown."""
    rows = [(user, item, 3, 0) for user in (1, 2, 3) for item in (1, 2, 3)] + [(4, 1, 3, 0), (4, 2, 3, 0), (5, 1, 3, 0)]
    code = Selection(user_ratings=(3, 5), item_ratings=(3, None), then_all_of_users_with=2)
    kept = selection.selected(ratings(rows).events, pd.Index([1, 2]), SampleSettings(code=code))
    assert sorted(zip(kept.user, kept.item, strict=True)) == [(u, i) for u in (1, 2, 3, 4) for i in (1, 2)]
    five = SampleSettings(code=code, filter="5core")
    with pytest.raises(UserError, match="the 5-core of data is empty"):
        selection.selected(ratings(rows).events, pd.Index([1, 2]), five)


@pytest.mark.parametrize(
    "change, settings, sentence",
    [
        ({"rating": 7}, LOOSE, "outside the scale from 1 to 5"),
        ({"rating": np.nan}, LOOSE, "neither a rating nor a label"),
        ({"time": np.nan}, LOOSE, "some ratings have no time"),
        ({}, SampleSettings(min_history=500), "toy has no sample"),
        ({}, SampleSettings(code=Selection(item_ratings=(500, None))), "toy: no rating is left"),
    ],
)
def test_data_that_cannot_be_used_is_one_sentence(change, settings, sentence):
    made = ratings(random_rows())
    for column, value in change.items():
        made.events[column] = made.events[column].astype(float)
        made.events.loc[4, column] = value
    with pytest.raises(UserError, match=sentence):
        histories.samples(made, settings, "toy")


def test_a_million_ratings_take_seconds():
    """There is no loop over users or ratings."""
    rng = np.random.default_rng(0)
    pairs = rng.choice(6040 * 3706, 1_000_000, replace=False)
    rows = {"user": pairs // 3706, "item": pairs % 3706, "rating": rng.integers(1, 6, len(pairs)).astype(float)}
    events = pd.DataFrame(rows | {"time": rng.integers(0, 10**8, len(pairs))})
    known = [pd.DataFrame(index=range(count)) for count in (6040, 3706)]
    begun = process_time()
    samples = histories.samples(Ratings(events, *known), SampleSettings(), "toy")
    assert len(samples.rows) == 1_000_000 - 5 * 6040 and process_time() - begun < 20
