"""How sure the numbers are: bootstrap intervals, paired tests over users, Holm's correction."""

import numpy as np
import pandas as pd
from scipy import stats

from lib.files import UserError

CHUNK = 2**24  # resampling weights held at once (128 MiB)


def bootstrap_mean(values, rng: np.random.Generator, draws: int = 1000, level: float = 0.95):
    """Percentile bootstrap interval of the mean over rows: [n] or [n, m] -> low and high, each a scalar or [m].

    All columns share the resampled rows, so a difference of columns is a paired comparison.
    """
    values = np.asarray(values, dtype=float)
    n = len(values)
    step = max(CHUNK // n, 1)
    means = [
        rng.multinomial(n, np.full(n, 1 / n), size=min(step, draws - done)) @ values / n
        for done in range(0, draws, step)
    ]
    low, high = np.quantile(np.concatenate(means), ((1 - level) / 2, (1 + level) / 2), axis=0)
    return low, high


def bootstrap_difference(base, other, rng: np.random.Generator, draws: int = 1000, level: float = 0.95):
    """Bootstrap interval of mean(other) - mean(base) over the same rows [n] or [n, m]: pairs are resampled together."""
    return bootstrap_mean(np.asarray(other, dtype=float) - np.asarray(base, dtype=float), rng, draws, level)


def paired_tests(base, other) -> tuple[float, float]:
    """Two-sided p-values of the paired t test and the Wilcoxon signed-rank test on users [n]; 1 if nothing differs."""
    difference = np.asarray(other, dtype=float) - np.asarray(base, dtype=float)
    if not difference.any():
        return 1.0, 1.0
    return float(stats.ttest_1samp(difference, 0).pvalue), float(stats.wilcoxon(difference).pvalue)


def holm(p) -> np.ndarray:
    """Holm's step-down correction of p-values [m] (Holm 1979): reject where the result is below the level."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def summary(per_user: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Mean of each metric over users with its 95% bootstrap interval: columns metric, mean, ci_low, ci_high."""
    values = per_user.drop(columns="user")
    low, high = bootstrap_mean(values, rng)
    return pd.DataFrame({"metric": values.columns, "mean": values.mean().values, "ci_low": low, "ci_high": high})


def compare(base: pd.DataFrame, other: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Paired comparison of two per-user frames (user and one column per metric), one row per metric.

    Columns metric, difference (other - base), ci_low, ci_high (95%), p (t test, which asks about the mean that the
    tables show), p_wilcoxon and p_holm (p corrected over the metrics). Raises UserError when the users differ.
    """
    base, other = (frame.set_index("user").sort_index() for frame in (base, other))
    if not base.index.equals(other.index):
        raise UserError(
            f"the two runs were tested on different users ({len(base)} and {len(other)}): compare runs of one dataset"
        )
    other = other[base.columns]
    low, high = bootstrap_difference(base, other, rng)
    tests = np.array([paired_tests(base[metric], other[metric]) for metric in base.columns])
    columns = {"metric": base.columns, "difference": (other - base).mean().values, "ci_low": low, "ci_high": high}
    columns |= {"p": tests[:, 0], "p_wilcoxon": tests[:, 1], "p_holm": holm(tests[:, 0])}
    return pd.DataFrame(columns)


def conclusion(better: int, worse: int, of: int) -> str:
    """What `of` comparisons say of a claim on all of them: the one rule behind every verdict.

    Supported where all are better; not supported where some are worse and none better; otherwise inconclusive, as where
    nothing can be told apart.
    """
    return "supported" if better == of else "not supported" if worse and not better else "inconclusive"
