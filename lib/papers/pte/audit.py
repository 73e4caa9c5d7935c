"""Which blocks of the published tables can be means over one test set, from their printed cells alone.

A block is what a table prints of one method, backbone and dataset. `cells` are those of published.published.
"""

import pandas as pd

from lib.evaluation.invariants import checks
from lib.papers.pte.published import HALF_DIGIT

BLOCK = ["dataset", "backbone", "method"]


def checked(cells: pd.DataFrame, ties: str = "expected") -> pd.DataFrame:
    """All checks of a table (invariants.checks) and `times`: the gap as a multiple of what rounding can cause.

    ties: `expected` grants the wider bound of I2, which no way to rank ties can exceed.
    """
    table = checks(cells, HALF_DIGIT, ties)
    return table.assign(times=table["gap"] / table["allowed"])


def blocks(cells: pd.DataFrame, ties: str = "expected") -> pd.DataFrame:
    """One row per block: which invariants fail in it, and where it misses by most.

    Columns dataset, backbone, method, checks, failed (how many), failed_alone (how many of those that know nothing of
    the other blocks), invariants, worst (its cells), gap, times and consistent: no check fails.
    """
    # taken alone, as if on a dataset of its own, a block may have any share of tail rows, as long as it is one
    alone = checked(cells.assign(dataset=cells[BLOCK].agg(" ".join, axis=1)), ties)
    failed_alone = (~alone["holds"]).groupby(alone["dataset"]).sum()
    rows = []
    for block, part in checked(cells, ties).groupby(BLOCK):
        failed, worst = part[~part["holds"]], part.loc[part["times"].idxmax()]
        where = " ".join([str(worst[name]) for name in ("group", "invariant", "cells") if name in worst])
        invariants = " ".join(sorted(set(failed["invariant"])))
        counts = len(part), len(failed), failed_alone[" ".join(block)]
        rows.append((*block, *counts, invariants, where, worst["gap"], worst["times"]))
    columns = [*BLOCK, "checks", "failed", "failed_alone", "invariants", "worst", "gap", "times"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(consistent=table["failed"] == 0)


def leads(cells: pd.DataFrame, method: str = "pte") -> pd.DataFrame:
    """How far a method's cells are above the best of the others: the cell's keys, value, best, of, gain_pct."""
    cell = [name for name in cells if name not in ("method", "value")]
    own, others = cells[cells["method"] == method], cells[cells["method"] != method]
    best = others.loc[others.groupby(cell)["value"].idxmax()].rename(columns={"value": "best", "method": "of"})
    table = own.merge(best, on=cell, validate="one_to_one").drop(columns="method")
    return table.assign(gain_pct=100 * (table["value"] / table["best"] - 1))
