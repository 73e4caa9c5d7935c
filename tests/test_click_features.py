"""Samples as numbers, against a plain loop over rows."""

import dataclasses
import time

import numpy as np
import pandas as pd
import pytest
import rated_toys

from lib.core.errors import UserError
from lib.models.click import features as module
from lib.models.click.features import FeatureSettings, features

SAMPLES = rated_toys.likes(n_users=30, per_user=15)
TRAINING = np.flatnonzero(SAMPLES.rows.split == "train")


def numbers_of(found, name) -> np.ndarray:
    """The columns of one field."""
    ends = np.cumsum([field.width for field in found.fields])
    place = [field.name for field in found.fields].index(name)
    return found.numbers[:, ends[place] - found.fields[place].width : ends[place]]


def meaning(samples, row, length) -> dict[str, list]:
    """What the fields of one row hold, read as a reader would."""
    sample, history = samples.rows.iloc[row], samples.history(row).tail(length)
    user, item = samples.users.iloc[sample.user], samples.items.iloc[sample["item"]]
    padding = [None] * (length - len(history))
    return {
        "user": [sample.user],
        "user_taste": [user.taste],
        "item": [sample["item"]],
        "item_title": [item.title],
        "item_genre": [item.genre],
        "history_item": padding + history["item"].tolist(),
        "history_rating": padding + history.rating.tolist(),
    }


def test_every_number_stands_for_one_value_and_unknown_ones_are_zero():
    training = TRAINING[:100]  # few, so that later rows show much that is new
    found = features(SAMPLES, training, FeatureSettings(history=6))
    rows = [meaning(SAMPLES, row, 6) for row in range(len(SAMPLES.rows))]
    assert [field.name for field in found.fields] == list(rows[0])
    known = {name: {value for row in training for value in rows[row][name]} - {None} for name in rows[0]}
    known["item"] |= known["history_item"]
    known["history_item"] = known["item"]  # one vocabulary for both
    meant = {name: {} for name in rows[0]}  # what each number was found to stand for
    for field in found.fields:
        columns = numbers_of(found, field.name)
        numbers_of_vocabulary = meant[field.shares or field.name]
        for row, values in enumerate(rows):
            for number, value in zip(columns[row], values[field.name], strict=True):
                assert (number == 0) == (value not in known[field.name])
                if number:
                    assert numbers_of_vocabulary.setdefault(int(number), value) == value
        assert columns.max() < field.size == len(known[field.name]) + 1
        assert len(set(numbers_of_vocabulary.values())) == len(numbers_of_vocabulary)
    assert (numbers_of(found, "user")[TRAINING[100:]] == 0).any()  # the test would show nothing otherwise
    np.testing.assert_array_equal(found.labels, SAMPLES.rows.label)


@pytest.mark.parametrize("beyond", [1, 2])
def test_items_of_histories_may_lie_beyond_those_of_all_targets(beyond):
    """BookCrossing has such: the last item in order is nobody's target."""
    kept = SAMPLES.rows["item"] < SAMPLES.rows["item"].max() + 1 - beyond
    samples = dataclasses.replace(SAMPLES, rows=SAMPLES.rows[kept].reset_index(drop=True))
    found = features(samples, np.flatnonzero(samples.rows.split == "train"), FeatureSettings(history=6))
    sizes = {field.name: field.size for field in found.fields}
    assert sizes["item"] == sizes["history_item"] > numbers_of(found, "history_item").max()
    numbers = {"item": {}, "history_item": {}}
    for row in range(len(samples.rows)):
        values = meaning(samples, row, 6)
        for name, of_field in numbers.items():
            of_field.update(zip(numbers_of(found, name)[row].tolist(), values[name], strict=True))
    both = (set(numbers["item"]) & set(numbers["history_item"])) - {0}
    assert both and all(numbers["item"][number] == numbers["history_item"][number] for number in both)


def test_a_missing_value_is_a_value_and_a_missing_rating_is_none():
    users = SAMPLES.users.assign(taste=SAMPLES.users.taste.where(SAMPLES.users.index % 2 == 0))
    events = SAMPLES.events.assign(rating=np.nan)
    samples = dataclasses.replace(SAMPLES, users=users, events=events)
    found = features(samples, TRAINING, FeatureSettings(history=4))
    taste = numbers_of(found, "user_taste")[:, 0]
    odd = samples.rows.user.to_numpy() % 2 == 1
    assert len(set(taste[odd])) == 1 and taste[odd][0] not in (0, *taste[~odd])
    assert (numbers_of(found, "history_rating") == 0).all()


def test_only_named_fields_are_read():
    found = features(SAMPLES, TRAINING, FeatureSettings(history=4, user_fields=[], item_fields=["genre"]))
    assert [field.name for field in found.fields] == ["user", "item", "item_genre", "history_item", "history_rating"]
    with pytest.raises(UserError, match="toy: unknown field of items 'genres': did you mean 'genre'"):
        features(SAMPLES, TRAINING, FeatureSettings(history=4, item_fields=["genres"]))


def test_what_cannot_be_trained_on_is_refused(monkeypatch):
    with pytest.raises(UserError, match="toy: no row to train on"):
        features(SAMPLES, np.array([], int), FeatureSettings(history=4))
    monkeypatch.setattr(module, "LARGEST", 20)
    with pytest.raises(UserError, match="toy: user has 31 values; click models take 19"):
        features(SAMPLES, TRAINING, FeatureSettings(history=4))


def test_the_fingerprint_follows_all_that_a_model_can_see():
    settings = FeatureSettings(history=4)
    base = features(SAMPLES, TRAINING, settings).fingerprint
    assert features(rated_toys.likes(n_users=30, per_user=15), TRAINING, settings).fingerprint == base
    other_genre = SAMPLES.items.assign(genre=np.roll(SAMPLES.items.genre, 1))
    rated = SAMPLES.rows.assign(rating=6 - SAMPLES.rows.rating)
    label = rated.assign(label=(rated.rating > SAMPLES.liked_above).astype(int))
    changed = [{"items": other_genre}, {"rows": label}]
    found = {features(dataclasses.replace(SAMPLES, **change), TRAINING, settings).fingerprint for change in changed}
    assert len(found | {base, features(SAMPLES, TRAINING, FeatureSettings(history=5)).fingerprint}) == 4


def test_many_rows_take_seconds():
    """No loop over users or rows."""
    n = 200_000
    events = pd.DataFrame(
        {"user": np.arange(n) // 100, "item": np.arange(n) % 3000, "rating": 4.0, "time": np.arange(n)}
    )
    events["split"] = "train"
    rows = events.assign(label=1, start=np.arange(n) // 100 * 100, stop=np.arange(n))
    users, items = pd.DataFrame({"id": np.arange(n // 100)}), pd.DataFrame({"id": np.arange(3000)})
    samples = dataclasses.replace(SAMPLES, users=users, items=items, events=events, rows=rows)
    start = time.process_time()
    features(samples, np.arange(n), FeatureSettings(history=30))
    assert time.process_time() - start < 4  # 0.6 s measured; a loop over rows takes a minute
