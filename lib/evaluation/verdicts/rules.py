"""The rules from numbers to words. Each is stated here once, and every table and sentence calls it."""

import numpy as np
import pandas as pd
from scipy import stats

LEVEL = 0.05  # a corrected p-value below it shows a difference
BAND_OF_A_RUN = 0.02  # relative, around the paper's value, for any one metric of a run
BAND_OF_OWN_RUNS = 0.05  # relative, around an earlier run of our own, since machines differ at small scales
CURVE_BAND = 0.005  # of validation Recall@20, absolute, around a point of a public curve
CELLS_OF_PAPER = 18  # published base cells from which the spread between seeds is estimated


# A difference between two models


def told_apart(p: float | pd.Series) -> bool | pd.Series:
    """Whether a corrected p-value, or each of a series, shows a difference; an unknown one (NaN) does not."""
    return p < LEVEL


def difference_verdict(difference: float, p: float, words=("better", "worse", "not told apart")) -> str:
    """'better', 'worse' or 'not told apart', or the three `words` in their place: the sign, where p is small enough."""
    above, below, neither = words
    if not told_apart(p):
        return neither
    return above if difference > 0 else below


def conclusion(better: int, worse: int, of: int) -> str:
    """What `of` comparisons say of a claim on all of them.

    Supported where all are better; not supported where some are worse and none better; otherwise inconclusive, as where
    nothing can be told apart.
    """
    return "supported" if better == of else "not supported" if worse and not better else "inconclusive"


# An effect with an interval


def interval_verdict(low: float, high: float, noise: float) -> str:
    """What the interval of an effect says of it, when effects up to `noise` come from another seed alone."""
    return "supported" if low > noise else "not supported" if high < -noise else "inconclusive"


def noise_of_base(changes: pd.Series) -> float:
    """The effect that a claim must exceed: the largest change, of either sign, between two runs of base.

    changes: one value for each second run of base. Zero where there is none, so that the interval alone decides.
    """
    # the largest of no changes is NaN
    return float(np.nan_to_num(changes.abs().max()))


def intervals_apart(low: float, high: float, other_low: float, other_high: float) -> bool:
    """Whether two intervals have no value in common."""
    return bool(low > other_high or high < other_low)


# The spread between seeds


def in_standard_errors(difference: pd.Series, spread: pd.Series, seeds, other_seeds) -> pd.Series:
    """Differences between two means over seeds in units of their standard error; `spread` is that of single runs."""
    return difference / (spread * np.sqrt(1 / seeds + 1 / other_seeds))


def times_noise(table: pd.DataFrame, relative_spread: float = np.nan) -> pd.Series:
    """Each difference of the frame of `judged` in units of what the seeds alone would do to it.

    The spread between seeds is that of base where base has several, otherwise `relative_spread` of base's mean.
    """
    spread = table["base_sd"].fillna(relative_spread * table["base"])
    return in_standard_errors(table["difference"], spread, table["seeds"], table["base_seeds"])


def beyond_noise(times: pd.Series, seeds: pd.Series) -> pd.Series:
    """Whether differences in units of the seeds' noise are larger than chance explains (5%, two-sided).

    A spread estimated from few seeds is itself uncertain: Student's quantile with seeds - 1 degrees of freedom, 12.7
    for two seeds; with one seed the spread is that of the paper's cells.
    """
    freedom = np.where(seeds > 1, seeds - 1, CELLS_OF_PAPER - 1)
    return times.abs() > stats.t.ppf(0.975, freedom)


# Nearness to a published value


def band(metric: str, k: int) -> float:
    """The relative deviation from a published value that still counts as reproduced."""
    return 0.02 if (metric, k) == ("recall", 20) else 0.03


def within(deviation: float | pd.Series, limit: float | pd.Series) -> bool | pd.Series:
    """Whether a deviation, or each of a series, is no larger than its limit in either direction."""
    return abs(deviation) <= limit


def reproduction_verdicts(table: pd.DataFrame) -> np.ndarray:
    """'within', 'outside, no more than seeds do' or 'outside' for each row: [n].

    table: columns deviation and band (relative), times_noise (NaN with one seed, which shows no spread) and seeds.
    """
    # clip: one seed has no degree of freedom, but then times_noise is NaN and nothing is explained
    few = stats.t.ppf(0.975, (table["seeds"] - 1).clip(lower=1))  # a spread of few seeds is itself uncertain
    explained = table["times_noise"].abs() < few
    choices = ["within", "outside, no more than seeds do"]
    return np.select([within(table["deviation"], table["band"]), explained], choices, "outside")


# Runs that do not count


def ended_in_a_dip(history: pd.DataFrame) -> bool:
    """Whether patience ended a run that was recovering.

    That is, its validation recall had fallen by more than a tenth of its best, and by the last evaluation it had
    climbed back more than half of that.
    """
    values = history["recall@20"].dropna()
    after = values.loc[values.idxmax() :]
    fallen = after.max() - after.min()
    return bool(fallen > 0.1 * after.max() and after.iloc[-1] - after.min() > fallen / 2)


def without_dips(table: pd.DataFrame, stopped: set[tuple[str, str]]) -> tuple[pd.DataFrame, str]:
    """The rows (columns backbone, alignment) of models that are not in `stopped`, and a note on the others.

    stopped: (backbone, alignment) of models with a run that `ended_in_a_dip`. Such a run tells of its stopping rule
    and not of its alignment, so a verdict on alignment does not count it.
    """
    models = list(zip(table["backbone"], table["alignment"], strict=True))
    names = ", ".join(" ".join(model) for model in dict.fromkeys(models) if model in stopped)
    kept = table[np.array([model not in stopped for model in models], dtype=bool)]
    return kept, f"; not counted: {names}, stopped in a dip" if names else ""
