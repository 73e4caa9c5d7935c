"""What alignment changes in the vectors of single runs: differences to base, judged over items and over seeds.

Further runs of base stand among the rows as if they were aligned, under the names of `again`. Their true difference to
base is 0, so they tell how far seeds alone move a number.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.core.names import BASE_AGAIN
from lib.evaluation.significance import with_errors
from lib.evaluation.verdicts.rules import decided, spread_of_base

CLAIM = ("supported", "not supported", "inconclusive")  # of the claim that a difference is above 0
OPPOSITE = ("not supported", "supported", "inconclusive")  # of the claim that it is below
ADDED = ["seed_error", "total_low", "total_high", "p_holm", "detectable", "verdict"]


def again(seed: int) -> str:
    """'base again 2024': the name under which a further run of base stands among the aligned ones."""
    return f"{BASE_AGAIN} {seed}"


def is_again(names: pd.Series) -> pd.Series:
    """Which names are those of further runs of base."""
    return names.str.startswith(BASE_AGAIN)


def is_aligned(names: pd.Series) -> pd.Series:
    """Which names are those of neither base nor a further run of it."""
    return (names != "base") & ~is_again(names)


def judged(
    table: pd.DataFrame, effect: str, error: str, setting: Sequence[str] = (), words: Sequence[str] = CLAIM
) -> pd.DataFrame:
    """A table of single runs with what may be said of each alignment's difference to base.

    table: one row per setting, backbone and alignment, columns backbone, alignment, `freedom` and those named `effect`
    (difference to base) and `error` (its standard error over items, users or pairs, known with that freedom). The rows
    of a setting are one family. Its seeds' variance comes from all further runs of base in it, whatever their backbone.
    Added are seed_error, total_low and total_high (95%, over both sources of chance), p_holm, detectable and verdict,
    one of the words of `rules.decided`; rows of base have none. Without two further runs of base none is told apart.
    """
    families = [part for _, part in table.groupby(list(setting), sort=False)] if setting else [table]
    found = [_judged_family(part, effect, error, words) for part in families]
    return table.drop(columns=ADDED, errors="ignore").join(pd.concat(found))


def _judged_family(table: pd.DataFrame, effect: str, error: str, words: Sequence[str]) -> pd.DataFrame:
    rows, (spread, freedom) = table[is_aligned(table["alignment"])], seed_variance(table, effect)
    # where base has no overlap at all a gain is infinite: nothing can be said of it
    known = rows[effect].where(np.isfinite(rows[effect]))
    variances = [rows[error] ** 2 + 0 * known, np.full(len(rows), spread)]
    freedoms = [rows["freedom"], np.full(len(rows), freedom)]
    effects = decided(with_errors(known, variances, freedoms).set_index(rows.index), words)
    effects["seed_error"] = np.sqrt(spread)
    # an interval over items alone would look like one over both
    columns = effects.rename(columns={"ci_low": "total_low", "ci_high": "total_high"})[ADDED]
    columns[["total_low", "total_high"]] = columns[["total_low", "total_high"]].where(effects["p"].notna())
    return columns


def seed_variance(table: pd.DataFrame, effect: str) -> tuple[float, int]:
    """`rules.spread_of_base` of the further runs of base in one setting of a table as `judged` takes it."""
    rows = table[is_again(table["alignment"])]
    return spread_of_base(rows[effect], rows["backbone"])
