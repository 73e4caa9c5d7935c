"""Bootstrap over units, such as users with all their pairs: a statistic in each draw, and its interval."""

from collections.abc import Callable

import numpy as np

DRAWS = 1000
CHUNK = 2**22  # weights held at once (32 MiB)


def over_units(units, statistic: Callable, rng: np.random.Generator, draws: int = DRAWS) -> np.ndarray:
    """A statistic of all rows, then of each bootstrap sample: [1 + draws, ...].

    units [n]: rows of one unit are drawn together. statistic: takes weights [m, n], how often each row counts, and
    gives [m, ...]. Equal generators draw equal samples, so differences of two results are paired comparisons.
    """
    _, which = np.unique(np.asarray(units), return_inverse=True)
    n = which.max() + 1
    step = max(CHUNK // len(which), 1)
    parts = [statistic(np.ones((1, len(which))))]
    for done in range(0, draws, step):
        counts = rng.multinomial(n, np.full(n, 1 / n), size=min(step, draws - done))
        parts.append(statistic(counts[:, which].astype(float)))
    return np.concatenate(parts)


def with_interval(samples: np.ndarray) -> dict[str, float]:
    """value, ci_low and ci_high (95% percentiles) of [1 + draws] of `over_units`, without draws that are NaN."""
    known = samples[1:][~np.isnan(samples[1:])]
    low, high = np.quantile(known, (0.025, 0.975)) if len(known) else (np.nan, np.nan)
    return {"value": float(samples[0]), "ci_low": float(low), "ci_high": float(high)}


def weighted_mean(values) -> Callable:
    """The statistic mean of values [n]: weights [m, n] -> [m]."""
    values = np.asarray(values, dtype=float)
    return lambda weights: weights @ values / weights.sum(1)
