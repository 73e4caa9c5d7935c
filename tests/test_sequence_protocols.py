"""Cold-start and leave-one-out rows, long tail and negatives, each beside a loop over users that does the same."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from drawn_sequences import drawn, lists, padded

from lib.core.errors import UserError
from lib.data.interactions import SPLITS
from lib.data.sequences.cold_start import cold_start
from lib.data.sequences.leave_one_out import leave_one_out
from lib.data.sequences.long_tail import groups, item_counts, thresholds
from lib.data.sequences.negatives import negatives
from lib.data.sequences.rows import visible
from lib.data.sequences.user_sequences import at_least

SEEDS = pytest.mark.parametrize("seed", range(4))


def as_rows(rows) -> list[tuple]:
    return list(zip(rows.user.tolist(), rows.history.tolist(), rows.target.tolist(), strict=True))


@SEEDS
def test_cold_start_rows_are_those_of_a_loop(seed):
    sequences = drawn(seed, n_users=57)
    taken, split = lists(sequences), cold_start(sequences)
    last_time = [sequences.time[end - 1] for end in sequences.start[1:]]
    order = sorted(range(57), key=lambda user: (last_time[user], user))
    cuts = {"train": order[:45], "validation": order[45:50], "test": order[50:]}
    for name, users in cuts.items():
        expected = [(user, padded(taken[user][-11:-1], 10), taken[user][-1]) for user in users]
        assert as_rows(getattr(split, name)) == expected
        assert getattr(split, name).lengths.tolist() == [len(taken[user][-11:-1]) for user in users]
        assert split.counts[name] == len(users)
    assert split.counts["events"] == sum(min(len(items), 11) for items in taken)
    everybody = np.concatenate([getattr(split, name).user for name in SPLITS])
    assert sorted(everybody) == list(range(57)), "a user is missing or in two splits"
    seen = {item for user in cuts["train"] for item in taken[user][-11:]}
    assert split.counts["test targets unknown to train"] == sum(taken[user][-1] not in seen for user in cuts["test"])


def test_test_targets_unknown_to_train_are_counted():
    sequences = drawn(1, n_users=80, n_items=250, longest=4)
    split = cold_start(sequences)
    known = {item for row in split.train.whole.tolist() for item in row}
    unknown = sum(item not in known for item in split.test.target.tolist())
    assert 0 < unknown == split.counts["test targets unknown to train"]
    train = {item for items in lists(sequences) for item in items[:-2]}
    unknown = sum(items[-1] not in train for items in lists(sequences))
    assert 0 < unknown == leave_one_out(sequences).counts["test targets unknown to train"]


@SEEDS
def test_all_prefixes_make_a_row_of_every_event(seed):
    sequences = drawn(seed)
    taken, split = lists(sequences), cold_start(sequences, last=6, per_user="all_prefixes")
    one = cold_start(sequences)
    for name in SPLITS:
        expected = [
            (user, padded(taken[user][:place], 5), taken[user][place])
            for user in getattr(one, name).user.tolist()
            for place in range(len(taken[user]))
        ]
        assert as_rows(getattr(split, name)) == expected
    assert split.counts["events"] == len(sequences.item) and (split.test.lengths == 0).sum() == len(one.test)


def test_a_published_split_is_kept_and_ordered_by_its_rank():
    words = np.array(["test", "train", "validation", "train", "test", "train"])
    published = pd.DataFrame({"split": words, "rank": [5, 2, 3, 0, 4, 1]})
    sequences = drawn(n_users=6, timed=False, published=published)
    split = cold_start(sequences)
    assert [getattr(split, name).user.tolist() for name in SPLITS] == [[3, 5, 1], [2], [4, 0]]
    drawn_anew = cold_start(replace(drawn(n_users=60, timed=False)), seed=3)
    assert len(drawn_anew.train) == 48 and drawn_anew.train.user.tolist() != sorted(drawn_anew.train.user)
    assert cold_start(drawn(timed=False), seed=3).test.user.tolist() == drawn_anew.test.user.tolist()
    assert cold_start(drawn(timed=False), seed=4).test.user.tolist() != drawn_anew.test.user.tolist()


@SEEDS
def test_leave_one_out_rows_are_those_of_a_loop(seed):
    sequences = drawn(seed)
    taken, split = lists(sequences), leave_one_out(sequences, length=7)
    test = [(user, padded(items[:-1], 7), items[-1]) for user, items in enumerate(taken)]
    validation = [(user, padded(items[:-2], 7), items[-2]) for user, items in enumerate(taken)]
    train = [(user, padded(items[:-3], 7), items[-3]) for user, items in enumerate(taken) if len(items) > 3]
    assert (as_rows(split.train), as_rows(split.validation), as_rows(split.test)) == (train, validation, test)
    assert len(train) < len(test), "nobody in the drawn data has three events"
    assert split.train.whole.tolist() == [padded(items[:-2], 8) for items in taken if len(items) > 3]
    assert split.test.lengths.tolist() == [min(len(items) - 1, 7) for items in taken]
    assert leave_one_out(sequences).test.history.shape == (60, 200)


def test_what_is_visible_is_more_than_a_short_history():
    sequences = drawn(2)
    taken, test = lists(sequences), leave_one_out(sequences, length=4).test
    for shown, items in zip(visible(sequences, test).toarray(), taken, strict=True):
        assert set(np.flatnonzero(shown)) == {*items[:-1]}
    for shown, items in zip(visible(sequences, test, target=True).toarray(), taken, strict=True):
        assert set(np.flatnonzero(shown)) == {*items}
    cold = cold_start(sequences).test  # of a cold user the last events are all there is
    for shown, history in zip(visible(sequences, cold).toarray(), cold.history.tolist(), strict=True):
        assert set(np.flatnonzero(shown)) == {*history} - {0}


def test_targets_that_the_history_holds_stay_and_are_counted():
    sequences = drawn(5, n_items=12)
    taken = lists(sequences)
    counts = cold_start(sequences).counts
    last = sum(items[-1] == items[-2] for items in taken)
    anywhere = sum(items[-1] in items[-11:-1] for items in taken)
    assert 0 < last == counts["targets that are also the last visible item"]
    assert last < anywhere == counts["targets in their own history"]
    counts = leave_one_out(sequences).counts
    last += sum(items[-2] == items[-3] for items in taken)
    assert counts["targets that are also the last visible item"] == last


@SEEDS
@pytest.mark.parametrize("counted", ["all", "train"])
def test_groups_of_the_long_tail_are_those_of_a_loop(seed, counted):
    sequences = drawn(seed, tail=(12, 25))
    taken, test = lists(sequences), leave_one_out(sequences).test
    events = Counter(item for items in taken for item in (items if counted == "all" else items[:-2]))
    assert item_counts(sequences, counted).tolist() == [events[item] for item in range(41)]
    for tail in (None, (9, 22)):
        user_from, item_from = tail or (12, 25)
        found = groups(sequences, test, tail, counted)
        assert list(found) == ["overall", "tail_item", "head_item", "tail_user", "head_user"] and found.overall.all()
        assert found.tail_user.tolist() == [len(items) - 1 < user_from for items in taken]
        assert found.tail_item.tolist() == [events[items[-1]] < item_from for items in taken]
        assert (found.head_user == ~found.tail_user).all() and (found.head_item == ~found.tail_item).all()
        assert found.mean().between(0.05, 1).all(), "a group without rows tests nothing"


@SEEDS
def test_thresholds_of_our_own_put_at_most_four_fifths_into_the_tail(seed):
    sequences = drawn(seed, n_users=63)
    taken = lists(sequences)
    events = Counter(item for items in taken for item in items)
    sides = [len(items) - 1 for items in taken], [events[item] for item in range(1, 41)]
    for threshold, side in zip(thresholds(sequences), sides, strict=True):
        share = [sum(count < limit for count in side) / len(side) for limit in (threshold, threshold + 1)]
        assert share[0] <= 0.8 < share[1]
    user, item = thresholds(sequences)
    expected = groups(sequences, leave_one_out(sequences).test, (user, item))
    pd.testing.assert_frame_equal(groups(sequences, leave_one_out(sequences).test), expected)


@SEEDS
def test_negatives_are_distinct_and_neither_visible_nor_the_target(seed):
    sequences = drawn(seed, n_items=300, longest=40)
    for rows in (leave_one_out(sequences, length=5).test, leave_one_out(sequences).validation):
        found = negatives(sequences, rows, seed)
        assert found.shape == (60, 100) and found.min() >= 1 and found.max() <= 300
        for user, items in enumerate(found.tolist()):
            visible_items = lists(sequences)[user][: rows.stop[user] - sequences.start[user]]
            assert len({*items}) == 100 and not {*items} & {*visible_items, int(rows.target[user])}
        np.testing.assert_array_equal(found, negatives(sequences, rows, seed))
        assert (found != negatives(sequences, rows, seed + 1)).any()


def test_negatives_may_be_all_that_is_left_and_every_free_item_is_as_likely():
    sequences = drawn(3, n_users=4, n_items=40)
    test = leave_one_out(sequences).test
    free = [sorted({*range(1, 41)} - {*items}) for items in lists(sequences)]
    least = min(map(len, free))
    few = [row for row in range(4) if len(free[row]) == least][0]
    assert sorted(negatives(sequences, test, 0, least)[few].tolist()) == free[few]
    pairs = Counter(
        pair
        for seed in range(2000)
        for pair in combinations(sorted(negatives(sequences, test, seed, 4)[few].tolist()), 2)
    )
    possible = list(combinations(free[few], 2))
    assert {*pairs} <= {*possible}
    counts, expected = np.array([pairs[pair] for pair in possible]), 2000 * 6 / len(possible)
    # chi-squared lies within five of its standard deviations of its mean
    assert ((counts - expected) ** 2 / expected).sum() < len(possible) + 5 * np.sqrt(2 * len(possible))
    with pytest.raises(UserError, match=r"drawn: 4 rows leave fewer than 40 items .* ids \d+ only \d+: draw fewer"):
        negatives(sequences, test, 0, 40)


def test_users_with_two_events_are_refused_and_can_be_left_out():
    sequences = drawn(6, n_users=30, shortest=1, longest=12)
    short = [user for user, items in enumerate(lists(sequences)) if len(items) < 3]
    for protocol in (cold_start, leave_one_out):
        with pytest.raises(UserError) as caught:
            protocol(sequences)
        said = f"drawn: {len(short)} users have fewer than 3 events, ids {short[0] * 3 + 7}"
        assert str(caught.value).startswith(said)
        assert "'sequences: {min_events: 3}' in dataset.yaml" in str(caught.value)
    kept = at_least(sequences, 3)
    assert lists(kept) == [items for items in lists(sequences) if len(items) >= 3] and kept.n_items == 40
    assert kept.users.id.tolist() == [user * 3 + 7 for user in range(30) if user not in short]
    assert f"{len(short)} users with fewer than 3 events are left out." in kept.notes
    assert leave_one_out(kept).counts["test"] == 30 - len(short)
    with pytest.raises(UserError, match="no user has 99 events: lower min_events"):
        at_least(sequences, 99)


def test_what_a_protocol_cannot_do_is_one_sentence():
    with pytest.raises(UserError, match="no dates, so nothing tells which users came first: put split.parquet"):
        cold_start(drawn(timed=False))
    with pytest.raises(UserError, match="drawn has 9 users, too few to cut 8:1:1"):
        cold_start(drawn(n_users=9))
    with pytest.raises(UserError, match="unknown number of rows per user 'all': known: all_prefixes, one"):
        cold_start(drawn(), per_user="all")
    with pytest.raises(UserError, match="unknown events to count 'trian': did you mean 'train'"):
        item_counts(drawn(), "trian")
    with pytest.raises(UserError, match="drawn: 6 rows show nothing of their user"):
        groups(drawn(), cold_start(drawn(), per_user="all_prefixes").test)
