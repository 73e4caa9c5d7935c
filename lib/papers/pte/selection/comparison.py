"""Policies trained on one half of the rewarded users and items, and compared on the other half."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.papers.pte.selection.candidate_selectors import chosen, table
from lib.papers.pte.selection.settings import SelectionSettings
from lib.papers.pte.selection.sides import Side
from lib.papers.pte.selection.sweeps import Selected, fit_side, select

Worth = dict[str, dict[str, np.ndarray]]


class Compared(NamedTuple):
    """What came of the unseen half of a side: its rows among the rewarded ones, picks and worth by policy, and how the
    policy was fitted.
    """

    rows: np.ndarray
    picks: dict[str, np.ndarray]
    worth: Worth
    selected: Selected


def on_halves(
    users: Side, items: Side, settings: SelectionSettings, seed: int, rng: np.random.Generator
) -> dict[str, Compared]:
    """Both sides by name. The halves are drawn by `rng`; raises UserError where too few candidates differ."""
    train, unseen = {}, {}
    for side in (users, items):
        order = rng.permutation(len(side.rewarded))
        train[side.name], unseen[side.name] = (np.sort(half) for half in np.array_split(order, 2))
    of_users, of_items = users.of(train[users.name]), items.of(train[items.name])
    selected = select(of_users, of_items, settings, seed)
    found = {}
    for side, other, whole in ((of_users, of_items, users), (of_items, of_users, items)):
        before, references = selected[side.name].before, selected[other.name].references
        regression = fit_side(side, other, before, references, settings, seed, regression=True)
        known = whole.of(unseen[side.name]), other, before, references
        picks, worth = chosen(*known, selected[side.name].fitted.policy, regression.policy, settings, seed)
        found[side.name] = Compared(unseen[side.name], picks, worth, selected[side.name])
    return found


def tables(found: dict[str, Compared], dataset: str, seed: int, rng: np.random.Generator) -> pd.DataFrame:
    """selection.csv of both sides."""
    parts = [table(side.worth, dataset, name, seed, rng) for name, side in found.items()]
    return pd.concat(parts, ignore_index=True)
