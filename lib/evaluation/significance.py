"""How sure the numbers are: bootstrap intervals, errors from several sources of chance, Holm's correction."""

import numpy as np
import pandas as pd
from scipy import special

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


def variance_of_difference(a: pd.Series, b: pd.Series) -> tuple[float, int]:
    """The squared standard error of mean(a) - mean(b), for values indexed by user, some of whom may be in both.

    That of Welch's test where no user is in both, of the paired t test where all are, and what lies between otherwise;
    with its degrees of freedom, those of the smaller sample.
    """
    # what each user adds to the difference of means: those in both samples add to both means
    part_of = [(part - part.mean()) / np.sqrt(len(part) * (len(part) - 1)) for part in (a, b)]
    # fill_value=0: a user of one sample only adds nothing to the other mean
    variance = (part_of[0].sub(part_of[1], fill_value=0) ** 2).sum()
    # Welch's degrees of freedom are never fewer than those of the smaller sample, so this errs on the safe side
    return float(variance), min(len(a), len(b)) - 1


def with_errors(difference, variances, freedoms) -> pd.DataFrame:
    """What differences [n] with several sources of chance say, such as users and seeds: one row each.

    variances, freedoms: [sources, n], the variance that each source gives a difference and the degrees of freedom from
    which that is known; NaN for a source that is unknown. Columns difference, error (standard), freedom
    (Satterthwaite's), ci_low, ci_high (95%, of the known sources) and p of Student's t, NaN where a source is unknown.
    """
    difference, variances, freedoms = (np.asarray(x, dtype=float) for x in (difference, variances, freedoms))
    unknown, variances = np.isnan(variances).any(0), np.nan_to_num(variances)
    total = variances.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(variances == 0, 0, variances**2 / freedoms)  # what has no variance needs no freedom
        freedom = np.where(total > 0, total**2 / parts.sum(0), np.inf)
        t = np.where(difference == 0, 0, np.abs(difference) / np.sqrt(total))
    p, margin = 2 * special.stdtr(freedom, -t), special.stdtrit(freedom, 0.975) * np.sqrt(total)
    columns = {"difference": difference, "error": np.sqrt(total), "freedom": freedom}
    columns |= {"ci_low": difference - margin, "ci_high": difference + margin, "p": np.where(unknown, np.nan, p)}
    return pd.DataFrame(columns)


def jackknife(estimates) -> tuple[np.ndarray, np.ndarray]:
    """Value and standard error, each [...], of estimates [1 + n_blocks, ...]: from all rows, then without each block.

    A difference of two estimates that leave out the same blocks is one too, and its error is then paired.
    """
    estimates = np.asarray(estimates, dtype=float)
    without = estimates[1:]
    squares = ((without - without.mean(0)) ** 2).sum(0)
    return estimates[0], np.sqrt((len(without) - 1) / len(without) * squares)


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
