"""How sure the numbers are: bootstrap intervals, tests over users, Holm's correction."""

import numpy as np
import pandas as pd
from scipy import stats

from lib.core.errors import UserError

CHUNK = 2**24  # resampling weights held at once (128 MiB)


def bootstrap_mean(values, rng: np.random.Generator, draws: int = 1000, level: float = 0.95):
    """Percentile bootstrap interval of the mean over rows: [n] or [n, m] -> low and high, each a scalar or [m].

    All columns share the resampled rows, so a difference of columns is a paired comparison.
    """
    values = np.asarray(values, dtype=float)
    n = len(values)
    step = max(CHUNK // n, 1)
    # how often each row is drawn, in place of the rows themselves: one product gives the means of many draws
    means = [
        rng.multinomial(n, np.full(n, 1 / n), size=min(step, draws - done)) @ values / n
        for done in range(0, draws, step)
    ]
    low, high = np.quantile(np.concatenate(means), ((1 - level) / 2, (1 + level) / 2), axis=0)
    return low, high


def bootstrap_difference(base, other, rng: np.random.Generator):
    """Bootstrap interval of mean(other) - mean(base) over the same rows [n] or [n, m]: pairs are resampled together."""
    return bootstrap_mean(np.asarray(other, dtype=float) - np.asarray(base, dtype=float), rng)


def paired_tests(base, other) -> tuple[float, float]:
    """Two-sided p-values of the paired t test and the Wilcoxon signed-rank test on users [n]; 1 if nothing differs."""
    difference = np.asarray(other, dtype=float) - np.asarray(base, dtype=float)
    # neither test is defined without any difference
    if not difference.any():
        return 1.0, 1.0
    return float(stats.ttest_1samp(difference, 0).pvalue), float(stats.wilcoxon(difference).pvalue)


def difference_of_means(a: pd.Series, b: pd.Series) -> dict[str, float]:
    """mean(a) - mean(b) with ci_low, ci_high (95%) and p, for values indexed by user of which some may be in both.

    Welch's test where no user is in both, the paired t test where all are, and what lies between otherwise; degrees of
    freedom are those of the smaller sample.
    """
    # what each user adds to the difference of means: those in both samples add to both means
    part_of = [(part - part.mean()) / np.sqrt(len(part) * (len(part) - 1)) for part in (a, b)]
    # fill_value=0: a user of one sample only adds nothing to the other mean
    error = np.sqrt((part_of[0].sub(part_of[1], fill_value=0) ** 2).sum())
    # Welch's degrees of freedom are never fewer than those of the smaller sample, so this errs on the safe side
    difference, t = a.mean() - b.mean(), stats.t(min(len(a), len(b)) - 1)
    p = 2 * t.sf(abs(difference) / error) if error > 0 else float(difference == 0)
    margin = t.ppf(0.975) * error
    return {"difference": difference, "ci_low": difference - margin, "ci_high": difference + margin, "p": p}


def holm(p) -> np.ndarray:
    """Holm's step-down correction of p-values [m] (Holm 1979): reject where the result is below the level."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    # the running maximum keeps a larger p from ending below a smaller one
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def means_with_intervals(per_user: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
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
    # the metrics in one order, since from here on columns go by position
    other = other[base.columns]
    low, high = bootstrap_difference(base, other, rng)
    tests = np.array([paired_tests(base[metric], other[metric]) for metric in base.columns])
    columns = {"metric": base.columns, "difference": (other - base).mean().values, "ci_low": low, "ci_high": high}
    columns |= {"p": tests[:, 0], "p_wilcoxon": tests[:, 1], "p_holm": holm(tests[:, 0])}
    return pd.DataFrame(columns)
