"""Samples contradict nothing: what is refused, and with which sentence; what the fingerprint follows."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from lib.core.errors import UserError
from lib.data.samples import Samples


def toy(**change) -> Samples:
    """Two users with three and two ratings; samples for all but the first of each."""
    events = pd.DataFrame(
        {"user": [0, 0, 0, 1, 1], "item": [2, 0, 1, 1, 2], "rating": [4.0, 3, 5, 1, 4], "time": [10, 10, 30, 5, 20]}
    )
    events["split"] = ["train", "train", "test", "train", "validation"]
    rows = events.iloc[[1, 4, 2]].assign(label=[0, 1, 1], start=[0, 3, 0], stop=[1, 4, 2]).reset_index(drop=True)
    fields = {"items": pd.DataFrame({"id": ["a", "b", "c"]}), "users": pd.DataFrame({"id": [7, 9]})}
    return Samples("toy", **fields | {"events": events, "rows": rows} | {"liked_above": 3, "scale": (1, 5)} | change)


def changed(frame: str, row: int, **values):
    """The toy with other values in one row of events or rows."""
    made = getattr(toy(), frame).copy()
    for column, value in values.items():
        made[column] = made[column].astype(object)
        made.loc[row, column] = value
        made[column] = made[column].infer_objects()
    return toy(**{frame: made})


def test_histories_and_splits_are_what_the_slices_say():
    samples = toy()
    assert samples.history(2)[["item", "rating", "label"]].values.tolist() == [[2, 4, 1], [0, 3, 0]]
    assert samples.of_split("test").item.tolist() == [1] and samples.of_split("validation").user.tolist() == [1]


@pytest.mark.parametrize(
    "frame, row, values, sentence",
    [
        (
            "rows",
            0,
            {"item": 2, "rating": 4.0, "label": 1},
            "rows, row 0: the target, item 2, is in the history of its",
        ),
        ("rows", 1, {"start": 2}, "rows, row 1: the history of user 1 is of another user"),
        ("rows", 1, {"start": 0, "stop": 2}, "rows, row 1: the history of user 1 is of another user"),
        ("rows", 1, {"stop": 2}, "rows, row 1: the history from 3 to 2 is no slice of 5 events"),
        ("rows", 1, {"start": 6, "stop": 7}, "rows, row 1: the history from 6 to 7 is no slice of 5 events"),
        ("rows", 2, {"time": 9}, "rows, row 2: its history holds ratings that are later than the sample"),
        ("events", 1, {"time": 9}, "events, row 1: it is earlier than the rating before it, of the same user"),
        ("events", 3, {"rating": 0.5}, "events, row 3: the rating 0.5 is outside the scale from 1 to 5: mend"),
        ("rows", 0, {"rating": 6.0, "label": 1}, "rows, row 0: the rating 6 is outside the scale"),
        ("rows", 1, {"label": 0}, "rows, row 1: the label 0 is not that of the rating 4, liked being above 3"),
        ("rows", 1, {"label": -1, "rating": np.nan}, "rows, row 1: it has neither a rating nor a label"),
        ("events", 0, {"item": 3}, "events, row 0: item 3 does not exist, there are 3"),
        ("rows", 0, {"user": -1}, "rows, row 0: user -1 does not exist, there are 2"),
        ("events", 2, {"split": "tset"}, "events, row 2: the split 'tset' is none of train, validation, test"),
    ],
)
def test_a_contradiction_is_one_sentence_with_data_and_row(frame, row, values, sentence):
    with pytest.raises(UserError) as caught:
        changed(frame, row, **values)
    assert str(caught.value).startswith(f"toy: {sentence}")


def test_samples_out_of_time_order_are_refused_within_a_split_only():
    rows = toy().rows.assign(split="train")
    with pytest.raises(UserError, match="row 1: it is earlier than the sample before it in its split: sort"):
        toy(rows=rows.iloc[[2, 0, 1]].reset_index(drop=True))
    toy(rows=toy().rows.iloc[[2, 0, 1]].reset_index(drop=True))


def test_columns_thresholds_and_emptiness():
    with pytest.raises(UserError, match="rows has no column 'start'"):
        toy(rows=toy().rows.drop(columns="start"))
    with pytest.raises(UserError, match="toy has no sample: .* lower min_history"):
        toy(rows=toy().rows[:0])
    with pytest.raises(UserError, match="liked_above is 5 and ratings go from 1 to 5"):
        toy(liked_above=5)


def test_data_without_dates_or_with_repeats_may_do_what_others_may_not():
    toy(events=toy().events.assign(time=[9, 8, 7, 6, 5]), rows=toy().rows.assign(time=[3, 2, 1]), timed=False)
    rows = toy().rows.assign(item=[2, 2, 1], rating=[4.0, 4, 5], label=1)
    toy(rows=rows, repeats=True)


def test_labels_of_unknown_ratings_are_given():
    events = toy().events.drop(columns="label").assign(rating=np.nan)
    with pytest.raises(UserError, match="neither a rating nor a label"):
        toy(events=events, rows=toy().rows.assign(rating=np.nan))
    toy(events=events.assign(label=1), rows=toy().rows.assign(rating=np.nan))


def test_the_fingerprint_follows_the_content_only():
    same = toy(items=pd.DataFrame({"id": list("xyz"), "title": list("xyz")}), notes=["A note."])
    assert same.fingerprint == toy().fingerprint == dataclasses.replace(toy(), name="other").fingerprint
    narrow = toy().events.astype({"user": "int32", "rating": "float32", "time": "int32"})
    assert toy(events=narrow).fingerprint == toy().fingerprint
    others = [
        changed("events", 0, rating=5.0), changed("rows", 2, start=1), changed("events", 1, split="validation"),
        toy(timed=False), toy(scale=(0, 5)), toy(users=pd.DataFrame({"id": [1, 2, 3]})),
    ]  # fmt: skip
    assert len({other.fingerprint for other in [toy(), *others]}) == len(others) + 1
