"""Threshold, k-core and split, held against brute force and properties."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.errors import UserError
from lib.data import preprocess
from lib.data.dataset_settings import DatasetSettings

pairs = st.sets(st.tuples(st.integers(0, 12), st.integers(0, 9)), min_size=1, max_size=80)
ratios = st.tuples(*[st.integers(1, 5)] * 3)
seeds = st.integers(0, 2**31)


def frame(cells, rng=None) -> pd.DataFrame:
    user, item = np.array(sorted(cells)).T
    rating = np.arange(len(user)) % 5 + 1.0
    events = pd.DataFrame({"user": user, "item": item, "rating": rating, "timestamp": np.arange(len(user))})
    return events if rng is None else events.sample(frac=1, random_state=rng)


def core_by_loop(cells, core):
    cells = set(cells)
    while True:
        weak = {c for c in cells if sum(d[0] == c[0] for d in cells) < core or sum(d[1] == c[1] for d in cells) < core}
        if not weak:
            return cells
        cells -= weak


@settings(deadline=None)
@given(pairs, st.integers(1, 5))
def test_k_core_is_what_a_loop_finds(cells, core):
    expected = core_by_loop(cells, core)
    if not expected:
        with pytest.raises(UserError, match=f"the {core}-core of data is empty"):
            preprocess.k_core(frame(cells), core)
        return
    found = preprocess.k_core(frame(cells), core)
    assert set(zip(found.user, found.item, strict=True)) == expected and len(found) == len(expected)


@settings(deadline=None)
@given(pairs, ratios, seeds)
def test_split_is_complete_and_everyone_keeps_a_train_edge(cells, ratios, seed):
    events = frame(cells)
    user, item = events.user.to_numpy(), events.item.to_numpy()
    labels = preprocess.split(user, item, ratios, seed)
    assert set(labels) <= {"train", "validation", "test"}
    train = labels == "train"
    assert set(user[train]) == set(user) and set(item[train]) == set(item)
    assert (labels == preprocess.split(user, item, ratios, seed)).all()


@settings(deadline=None)
@given(pairs, ratios, seeds)
def test_split_has_the_shares_as_far_as_train_edges_allow(cells, ratios, seed):
    events = frame(cells)
    labels = preprocess.split(events.user.to_numpy(), events.item.to_numpy(), ratios, seed)
    counts = [int((labels == label).sum()) for label in ("train", "validation", "test")]
    total, share = len(labels), len(labels) * ratios[0] / sum(ratios)
    # never more than one reserved edge per user and one per item
    nodes = events.user.nunique() + events.item.nunique()
    assert share - 0.5 <= counts[0] <= max(share + 0.5, nodes)
    rest = (total - counts[0]) * ratios[1] / (ratios[1] + ratios[2])
    assert abs(counts[1] - rest) <= 0.5


def test_split_of_dense_data_is_exactly_3_1_1_and_random():
    user, item = (side.ravel() for side in np.indices((50, 40)))
    labels = preprocess.split(user, item)
    assert [(labels == label).sum() for label in ("train", "validation", "test")] == [1200, 400, 400]
    assert (labels != preprocess.split(user, item, seed=1)).any()
    # no user or item is favoured: shares per user vary like draws without replacement, 24 +- 3.1
    per_user = np.bincount(user[labels == "train"])
    assert per_user.min() > 15 and per_user.max() < 33 and 2 < per_user.std() < 4.3


@settings(deadline=None)
@given(pairs, seeds, st.integers(0, 1000))
def test_row_order_does_not_matter(cells, seed, shuffle):
    chosen = DatasetSettings(name="toy", title="Toy", split={"seed": seed})
    one = preprocess.prepare(frame(cells), None, None, chosen)
    two = preprocess.prepare(frame(cells, shuffle), None, None, chosen)
    assert one.fingerprint == two.fingerprint
    pd.testing.assert_frame_equal(one.events, two.events)


@settings(deadline=None)
@given(pairs, seeds)
def test_interactions_hold_every_event_once_in_its_split(cells, seed):
    chosen = DatasetSettings(name="toy", title="Toy", split={"seed": seed})
    data = preprocess.prepare(frame(cells), None, None, chosen)
    everything = data.train + data.validation + data.test
    assert everything.nnz == len(cells) and everything.max() == 1
    for label in ("train", "validation", "test"):
        own = data.events[data.events.split == label]
        assert getattr(data, label).nnz == len(own)
        assert getattr(data, label).toarray()[own.user, own.item].all()
    raw = {(data.users.id[u], data.items.id[i]) for u, i in zip(*everything.nonzero(), strict=True)}
    assert raw == cells


def test_dense_ids_follow_raw_ids_and_frames_are_cut_to_those_kept():
    events = pd.DataFrame({"user": [9, 9, 2], "item": ["b", "c", "c"], "rating": [5.0, 1, 4], "timestamp": [1, 2, 3]})
    titles = pd.DataFrame({"title": ["A", "B", "C"]}, index=["a", "b", "c"])
    data = preprocess.prepare(events, None, titles, DatasetSettings(name="toy", title="Toy"))
    assert data.users.id.tolist() == [2, 9] and data.items.title.tolist() == ["B", "C"]
    assert data.events[["user", "item", "rating"]].values.tolist() == [[0, 1, 4], [1, 0, 5], [1, 1, 1]]
    strict = DatasetSettings(name="toy", title="Toy", minimum_rating=4)
    assert preprocess.prepare(events, None, titles, strict).events.rating.tolist() == [4, 5]


def test_thresholds_that_cannot_work_say_why():
    events = frame({(0, 0), (1, 1)})
    with pytest.raises(UserError, match="minimum_rating 9 removes every interaction of data: its best rating is 2"):
        preprocess.threshold(events, 9)
    with pytest.raises(UserError, match="data has no ratings: remove minimum_rating"):
        preprocess.threshold(events.assign(rating=np.nan), 3)


def test_the_share_of_very_sparse_data_is_train():
    labels = preprocess.split(np.arange(5), np.arange(5))
    assert (labels == "train").all()
