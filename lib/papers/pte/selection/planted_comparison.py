"""The planted world's policies trained on one half of the entities and compared on the other.

Half of the rewarded users and items train, the others are unseen: their rewards are known here, though no policy has
been fitted to them, and so is which of their candidates is good.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.papers.pte.selection.candidate_selectors import of_picks
from lib.papers.pte.selection.comparison import Compared, on_halves, tables
from lib.papers.pte.selection.planted_world import KINDS, planted_world
from lib.papers.pte.selection.settings import SelectionSettings


class Planted(NamedTuple):
    """selection.csv of the unseen half, and by side what it is made of and how the policies came about."""

    table: pd.DataFrame
    sides: dict[str, Compared]


def compared(settings: SelectionSettings, seed: int, **size: int) -> Planted:
    """The comparison of one seed. The metric `good` is 1 where the good candidate was picked; chance is 1/4.

    size: n_users and n_items of planted_world.
    """
    world, rng = planted_world(settings, seed, **size), np.random.default_rng(seed)
    found = on_halves(world.users, world.items, settings, seed, rng)
    for name, side in found.items():
        good = (world.kinds[name][0][side.rows] == KINDS.index("good")).astype(float)
        for policy, pick in side.picks.items():
            side.worth[policy] |= of_picks({"good": good}, pick)
    return Planted(tables(found, "planted world", seed, rng), found)
