"""The rules from numbers to words. Each is stated here once, and every table and sentence calls it."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import special  # not stats, which takes a second to import, in the kernel of every training

from lib.evaluation.seed_spread import known
from lib.evaluation.significance import holm

LEVEL = 0.05  # a corrected p-value below it shows an effect
POWER = 0.8  # of a test, with which it shows a difference that is called detectable
PRIMARY = "recall@20"  # the one metric that verdicts on ranking are about; the others stand beside it
WORDS = ("better", "worse", "inconclusive")
BAND_OF_A_RUN = 0.02  # relative, around the paper's value, for any one metric of a run
BAND_OF_OWN_RUNS = 0.05  # relative, around an earlier run of our own, since machines differ at small scales
CURVE_BAND = 0.005  # of validation Recall@20, absolute, around a point of a public curve


# An effect: the one rule


def decided(effects: pd.DataFrame, words: Sequence[str] = WORDS) -> pd.DataFrame:
    """A family of effects with what may be said of each: columns p_holm, detectable and verdict are added.

    effects: columns difference, error, freedom and p, as `significance.with_errors` gives them from everything that
    chance does, users (or items) and seeds alike; whatever else tells rows apart. p_holm is p after Holm's correction
    over the rows; `verdict` is the first of the words where it is below LEVEL and the difference above 0, the second
    where it is below 0, else the third. `detectable` is the smallest true difference that such a family would show in
    four of five repetitions: what an inconclusive row may still hide. A row without p, whose spread between seeds is
    unknown, is inconclusive and detects nothing. Rows that repeat another exactly, as copies of base give, count once.
    """
    above, below, neither = words
    tested = effects["p"].notna()
    test = effects[tested].groupby(["difference", "error", "p"], sort=False).ngroup()  # the number of each row's test
    tests = effects.loc[test.drop_duplicates().index, "p"]
    adjusted = dict(zip(test[tests.index], holm(tests), strict=True))
    table = effects.assign(p_holm=test.map(adjusted).reindex(effects.index).astype(float))
    level = LEVEL / max(len(tests), 1)
    freedom = table["freedom"].astype(float)  # an empty frame has no types
    quantiles = special.stdtrit(freedom, 1 - level / 2) + special.stdtrit(freedom, POWER)
    shown = table["p_holm"] < LEVEL
    choices = [shown & (table["difference"] > 0), shown & (table["difference"] < 0)]
    detectable = np.where(tested, quantiles * table["error"], np.nan)
    return table.assign(detectable=detectable, verdict=np.select(choices, [above, below], neither))


def conclusion(better: int, worse: int, of: int) -> str:
    """What `of` comparisons say of a claim on all of them.

    Supported where all are better; not supported where some are worse and none better; otherwise inconclusive, as where
    nothing can be told apart.
    """
    return "supported" if better == of else "not supported" if worse and not better else "inconclusive"


def spread_of_base(changes: Iterable[float], of: Iterable | None = None) -> tuple[float, int]:
    """The variance that seeds give a difference between two single runs, and its degrees of freedom.

    changes: differences between two runs of base, whose true value is 0. of: the run that each was measured from, where
    several share one (a third seed of a backbone), which makes them depend on each other. NaN and 0 where there are
    fewer than two.
    """
    changes = pd.Series(list(changes), dtype=float)
    runs = np.arange(len(changes)) if of is None else np.array(list(of))
    finite = np.isfinite(changes).to_numpy()
    squares, freedom = 0.0, int(finite.sum())
    for _, own in changes[finite].groupby(runs[finite]):
        # the shared run stands at 0; the variance of a difference is twice that of a run
        squares += 2 * len(own) * np.var([0, *own], ddof=1)
    return known(squares / max(freedom, 1), freedom)


# Nearness to a published value


def in_standard_errors(difference: pd.Series, spread: pd.Series, seeds, other_seeds) -> pd.Series:
    """Differences between two means over seeds in units of their standard error; `spread` is that of single runs."""
    return difference / (spread * np.sqrt(1 / seeds + 1 / other_seeds))


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
    few = special.stdtrit((table["seeds"] - 1).clip(lower=1), 0.975)  # a spread of few seeds is itself uncertain
    explained = table["times_noise"].abs() < few
    choices = ["within", "outside, no more than seeds do"]
    return np.select([within(table["deviation"], table["band"]), explained], choices, "outside")
