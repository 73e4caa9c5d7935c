"""Rated samples as click models read them: a table of numbers, one column for each field and some for the history."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field as Option

from lib.core.errors import UserError, unknown
from lib.core.files import digest
from lib.core.settings import Strict
from lib.data.samples import Samples

LARGEST = 2**24  # numbers travel as float32, which holds all integers below this


class FeatureSettings(Strict):
    """Which fields there are, and how much of the history."""

    history: int = Option(ge=1, le=10_000, description="so many of the latest rated items are read")
    user_fields: tuple[str, ...] | None = Option(None, description="columns of users; null: all that are known")
    item_fields: tuple[str, ...] | None = Option(None, description="columns of items; null: all that are known")


@dataclass(frozen=True)
class Field:
    """Some columns of the table that hold numbers of one vocabulary."""

    name: str
    size: int  # numbers are 1 to size - 1, and 0 = unknown or nothing
    width: int = 1  # columns; more than one for the history, of which the mean is taken
    shares: str = ""  # the field whose vectors it takes; '' if it has its own


@dataclass(frozen=True, eq=False)
class Features:
    """Fields, their numbers [n, columns] in the order of the fields, and labels [n]; one row for each of the samples.

    0 stands for what the rows of training do not show, such as a user who came later, and for places before the
    beginning of a history: no vector belongs to it.
    """

    fields: tuple[Field, ...]
    numbers: np.ndarray
    labels: np.ndarray

    @property
    def fingerprint(self) -> str:
        """Content hash of all that a model can see."""
        names = [[field.name, field.size, field.width, field.shares] for field in self.fields]
        return digest(names, self.numbers.tobytes(), self.labels.astype(np.int8).tobytes())


def features(samples: Samples, training: np.ndarray, settings: FeatureSettings) -> Features:
    """The features of all samples; `training` [k] says at which of `samples.rows` models are trained.

    Vocabularies are those of these rows and of the histories that they read. Raises UserError where a field is not
    known, or where no row is there to train on.
    """
    if not len(training):
        raise UserError(f"{samples.name}: no row to train on: give samples of the split 'train', or few-shot rows")
    rows, events = samples.rows, samples.events
    users, items = rows.user.to_numpy(), rows.item.to_numpy()
    earlier = _history(rows, settings.history)
    past_items = _at(events.item.to_numpy(), earlier)
    past_ratings = _at(pd.factorize(events.rating)[0], earlier)
    columns = [("user", users, 1, "")]
    columns += _attributes(samples.users, users, settings.user_fields, "user", samples.name)
    columns += [("item", items, 1, "")]
    columns += _attributes(samples.items, items, settings.item_fields, "item", samples.name)
    columns += [("history_item", past_items, settings.history, "item")]
    columns += [("history_rating", past_ratings, settings.history, "")]
    # one vocabulary for an item as target and in a history
    vocabularies = {"item": np.concatenate([items[training], past_items[training].ravel()])}
    fields, numbers = [], np.empty((len(rows), sum(width for _, _, width, _ in columns)), np.int32)
    for name, codes, width, shares in columns:
        table, size = _vocabulary(codes, vocabularies.get(shares or name, codes[training]))
        place = sum(field.width for field in fields)
        numbers[:, place : place + width] = table[codes].reshape(len(rows), width)
        fields.append(Field(name, size, width, shares))
    _check_sizes(fields, samples.name)
    return Features(tuple(fields), numbers, rows.label.to_numpy())


def _history(rows: pd.DataFrame, length: int) -> np.ndarray:
    """Places in events of the last `length` entries of each history [n, length], oldest first; -1 before its start."""
    start, stop = rows.start.to_numpy(), rows.stop.to_numpy()
    places = stop[:, None] + np.arange(-length, 0)
    return np.where(places >= start[:, None], places, -1)


def _at(codes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """codes[places], -1 where a place is -1."""
    return np.append(codes, -1).astype(np.int32)[places]  # the last one is what -1 points at


def _attributes(known: pd.DataFrame, index, wanted: Iterable[str] | None, side: str, dataset: str) -> list[tuple]:
    """What is known of each row's user or item as codes 0, 1, ...; a missing value is a value too."""
    there = [str(name) for name in known.columns if name != "id"]
    for name in wanted or ():
        if name not in there:
            raise UserError(f"{dataset}: {unknown(f'field of {side}s', name, there)}")
    columns = []
    for name in there if wanted is None else wanted:
        codes = pd.factorize(known[name], use_na_sentinel=False)[0]
        columns.append((f"{side}_{name}", codes[index], 1, ""))
    return columns


def _vocabulary(codes: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, int]:
    """The number of each code 0, 1, ...: from 1 on for those in `known`, 0 for all others and, at its end, for -1.

    With how many numbers there are.
    """
    # a history may hold items beyond the last target's: both must come to the same numbers
    is_known = np.zeros(max(codes.max(initial=-1), known.max(initial=-1)) + 2, bool)
    is_known[known] = True
    is_known[-1] = False  # what -1 points at
    return np.where(is_known, np.cumsum(is_known), 0).astype(np.int32), int(is_known.sum()) + 1


def _check_sizes(fields: list[Field], dataset: str) -> None:
    for field in fields:
        if field.size >= LARGEST:
            raise UserError(f"{dataset}: {field.name} has {field.size:,} values; click models take {LARGEST - 1:,}")
