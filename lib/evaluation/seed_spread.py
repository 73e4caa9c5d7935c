"""How far another seed moves a number, estimated from all cells together.

A cell of two or three seeds hardly knows its own spread: with two, Student's quantile is 12.7. All cells of a table
together know it well, so their variances are pooled, relative to each cell's mean squared, since better models have
larger numbers. A cell that spreads more than the others, by an F test, keeps its own variance and leaves the pool, so
that one unstable model neither hides behind the stable ones nor blurs them.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

LEVEL = 0.05  # of the F test, over all cells together
FEWEST_FREEDOM = 2  # with one pair of runs, which may be close by chance, 5% of false verdicts become up to 13%
FEWEST_CELLS = 3  # with fewer it cannot be said which one spreads more than the others

Variance = tuple[float, int]  # and its degrees of freedom


class SeedSpread(NamedTuple):
    """The pooled variance between single runs, and the cells that keep their own."""

    pooled: Variance  # NaN and 0 where the cells together have fewer than FEWEST_FREEDOM
    apart: dict[Hashable, Variance]

    def of(self, cell: Hashable) -> Variance:
        """The variance between runs of a cell, with several seeds or one, and its degrees of freedom."""
        return self.apart.get(cell, self.pooled)


def seed_spread(values: Mapping[Hashable, Sequence[float]], relative: bool = True) -> SeedSpread:
    """The spread behind the values of each cell, one value per seed.

    relative: variances in units of the cell's mean squared. Copies, cells with the very same values, count once.
    """
    cells = {}
    for cell, own in values.items():
        own = np.asarray(own, dtype=float)
        scale = own.mean() ** 2 if relative else 1
        if len(own) > 1 and scale > 0:  # a model without a single hit has no relative spread
            cells[cell] = float(own.var(ddof=1) / scale), len(own) - 1
    distinct = list(dict.fromkeys(cells.values()))
    apart = set()
    while stands_out := _standing_out([found for found in distinct if found not in apart]):
        apart.add(stands_out)
    rest = [found for found in distinct if found not in apart]
    return SeedSpread(known(*_pooled(rest)), {cell: found for cell, found in cells.items() if found in apart})


def known(variance: float, freedom: int) -> Variance:
    """A variance between runs, or NaN and 0 where it has too few degrees of freedom to stand behind a verdict."""
    return (variance, freedom) if freedom >= FEWEST_FREEDOM else (np.nan, 0)


def _pooled(found: Sequence[Variance]) -> Variance:
    freedom = sum(freedom for _, freedom in found)
    return (sum(variance * freedom for variance, freedom in found) / freedom if freedom else np.nan), freedom


def _standing_out(found: Sequence[Variance]) -> Variance | None:
    """The largest variance, if it is larger than the others explain."""
    if len(found) < FEWEST_CELLS:
        return None
    largest = max(found)
    others, freedom = _pooled([one for one in found if one is not largest])
    # each could have been the largest: Bonferroni's correction
    p = len(found) * special.fdtrc(largest[1], freedom, largest[0] / others) if others else float(not largest[0])
    return largest if p < LEVEL else None
