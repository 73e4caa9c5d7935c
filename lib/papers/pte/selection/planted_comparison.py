"""The planted world's policies trained on one half of the entities and compared on the other.

Half of the rewarded users and items train, the others are unseen: their rewards are known here, though no policy has
been fitted to them, and so is which of their candidates is good.
"""

import numpy as np
import pandas as pd

from lib.papers.pte.selection.candidate_selectors import chosen, of_picks, table
from lib.papers.pte.selection.planted_world import KINDS, planted_world
from lib.papers.pte.selection.settings import SelectionSettings
from lib.papers.pte.selection.sweeps import fit_side, select

Worth = dict[str, dict[str, np.ndarray]]


def compared(settings: SelectionSettings, seed: int) -> tuple[pd.DataFrame, dict[str, Worth]]:
    """selection.csv of the unseen half, and what it is made of: by side, policy and metric, a number per entity.

    The metric `good` is 1 where the good candidate was picked; chance is 1/4.
    """
    world = planted_world(settings, seed)
    rng = np.random.default_rng(seed)
    train, unseen = {}, {}
    for side in (world.users, world.items):
        order = rng.permutation(len(side.rewarded))
        train[side.name], unseen[side.name] = (np.sort(half) for half in np.array_split(order, 2))
    users, items = (side.of(train[side.name]) for side in (world.users, world.items))
    selected = select(users, items, settings, seed)
    worth, tables = {}, []
    for side, other in ((users, items), (items, users)):
        before, references = selected[side.name].before, selected[other.name].references
        regression = fit_side(side, other, before, references, settings, seed, regression=True)
        policy = selected[side.name].fitted.policy
        whole, rows = (world.users if side is users else world.items), unseen[side.name]
        known = whole.of(rows), other, before, references
        picks, values = chosen(*known, policy, regression.policy, settings, seed)
        good = (world.kinds[side.name][0][rows] == KINDS.index("good")).astype(float)
        for name, pick in picks.items():
            values[name] |= of_picks({"good": good}, pick)
        worth[side.name] = values
        tables.append(table(values, "planted", side.name, seed, rng))
    return pd.concat(tables, ignore_index=True), worth
