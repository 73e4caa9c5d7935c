"""How good predicted probabilities of a like are, and how sure that is: by rows, by seeds, and of two models.

Labels [n] are 1 = liked and 0; predictions p [n] are probabilities, or [n, m] of m models beside one another.
"""

import numpy as np
import pandas as pd
from scipy import special

from lib.core.errors import UserError
from lib.evaluation.significance import with_errors

METRICS = ("auc", "log_loss", "acc")
CLIP = 1e-7  # log loss of a certain and wrong prediction is finite
DRAWS = 2000
CHUNK = 2**22  # resampling weights held at once (32 MiB)


def scores(labels, p) -> dict[str, float]:
    """ROC-AUC, log loss and accuracy at p > 0.5 of one model. Raises UserError for what is no prediction."""
    labels, p = checked(labels, p)
    weights = np.ones((1, len(labels)))
    return {name: float(values[0, 0]) for name, values in _weighted(labels, p[:, None], weights).items()}


def references(labels) -> dict[str, float]:
    """What needs no model: base rate, accuracy of the more frequent class, log loss of always saying the base rate."""
    rate = float(np.mean(labels))
    entropy = float(special.entr(rate) + special.entr(1 - rate))
    return {"base_rate": rate, "majority_acc": max(rate, 1 - rate), "constant_log_loss": entropy}


def resampled(labels, p, rng: np.random.Generator, draws: int = DRAWS) -> dict[str, np.ndarray]:
    """Each metric in bootstrap samples of the rows: name -> [draws, m]; all models share the rows of a draw.

    A difference of columns is therefore a paired comparison. AUC is NaN in a draw with one class only.
    """
    labels, p = checked(labels, p)
    n, columns = len(labels), p.reshape(len(p), -1)
    step = max(CHUNK // n, 1)
    parts = []
    for done in range(0, draws, step):
        size = min(step, draws - done)
        # how often each row is drawn, in place of the rows themselves, so that predictions are sorted once
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(float)
        parts.append(_weighted(labels, columns, weights))
    return {name: np.concatenate([part[name] for part in parts]) for name in METRICS}


def with_intervals(labels, p, rng: np.random.Generator, draws: int = DRAWS) -> pd.DataFrame:
    """Metrics of one model with 95% bootstrap intervals over rows: columns metric, value, ci_low, ci_high."""
    values, samples = scores(labels, p), resampled(labels, p, rng, draws)
    rows = [(name, values[name], *_interval(samples[name][:, 0])) for name in METRICS]
    return pd.DataFrame(rows, columns=["metric", "value", "ci_low", "ci_high"])


def difference(labels, base, other, rng: np.random.Generator, draws: int = DRAWS) -> pd.DataFrame:
    """Metrics of `other` minus those of `base` on the same rows, by a paired bootstrap over rows.

    Columns metric, difference, ci_low, ci_high (95%) and p: two-sided, twice the share of draws on the other side of 0,
    never below 2 / (draws + 1), since no finite number of draws shows less.
    """
    before, after = scores(labels, base), scores(labels, other)
    samples = resampled(labels, np.column_stack([base, other]), rng, draws)
    rows = []
    for name in METRICS:
        gains = samples[name][:, 1] - samples[name][:, 0]
        gains = gains[~np.isnan(gains)]
        beyond = min((gains <= 0).sum(), (gains >= 0).sum())
        p = min(2 * (beyond + 1) / (len(gains) + 1), 1.0)
        rows.append((name, after[name] - before[name], *_interval(gains), p))
    return pd.DataFrame(rows, columns=["metric", "difference", "ci_low", "ci_high", "p"])


def difference_over_seeds(base, other) -> dict[str, float]:
    """The paired t-test of one metric over seeds, other minus base [seeds] each: difference, ci_low, ci_high, p.

    Seeds stand in the same order. With a single seed nothing is known of its spread: limits and p are NaN.
    """
    gains = np.asarray(other, dtype=float) - np.asarray(base, dtype=float)
    n = len(gains)
    if n < 2:
        return {"difference": float(gains.mean()), "ci_low": np.nan, "ci_high": np.nan, "p": np.nan}
    row = with_errors([gains.mean()], [[gains.var(ddof=1) / n]], [[n - 1]]).iloc[0]
    return {name: float(row[name]) for name in ("difference", "ci_low", "ci_high", "p")}


def checked(labels, p) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions as arrays; raises UserError when they are not of the same rows or no probabilities."""
    labels, p = np.asarray(labels, dtype=float), np.asarray(p, dtype=float)
    if len(labels) != len(p) or not len(p):
        raise UserError(
            f"{len(p)} predictions for {len(labels)} labels: give one prediction for each row, and some rows"
        )
    if not np.isin(labels, (0, 1)).all():
        raise UserError(f"row {int(np.argmin(np.isin(labels, (0, 1))))}: a label is 1 (liked) or 0, nothing else")
    outside = ~((p >= 0) & (p <= 1))  # also true of NaN
    if outside.any():
        row = int(np.argwhere(outside)[0][0])
        raise UserError(f"row {row}: {p[row]} is no probability: give values from 0 to 1")
    return labels, p


def _interval(samples) -> tuple[float, float]:
    known = samples[~np.isnan(samples)]
    return tuple(np.quantile(known, (0.025, 0.975))) if len(known) else (np.nan, np.nan)


def _weighted(labels, p, weights) -> dict[str, np.ndarray]:
    """Metrics of p [n, m] where row r counts weights[d, r] times: name -> [d, m]."""
    clipped = np.clip(p, CLIP, 1 - CLIP)
    losses = -np.where(labels[:, None] == 1, np.log(clipped), np.log1p(-clipped))
    hits = (p > 0.5) == (labels[:, None] == 1)
    total = weights.sum(1, keepdims=True)
    auc = np.stack([weighted_auc(labels, column, weights) for column in p.T], axis=1)
    return {"auc": auc, "log_loss": weights @ losses / total, "acc": weights @ hits / total}


def weighted_auc(labels, p, weights) -> np.ndarray:
    """ROC-AUC [d] of p [n] where row r counts weights[d, r] times; NaN without both labels.

    How often a liked row is predicted above one that is not, ties counting half.
    """
    liked, others = np.flatnonzero(labels == 1), np.flatnonzero(labels != 1)
    others = others[np.argsort(p[others], kind="stable")]
    below = np.zeros((len(weights), len(others) + 1))
    np.cumsum(weights[:, others], axis=1, out=below[:, 1:])  # [:, k]: the weight of the k lowest
    low, high = (np.searchsorted(p[others], p[liked], side) for side in ("left", "right"))
    wins = np.einsum("dr,dr->d", weights[:, liked], below[:, low] + below[:, high]) / 2
    pairs = weights[:, liked].sum(1) * below[:, -1]
    return np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def delong(labels, base, other) -> dict[str, float]:
    """DeLong's test of two AUCs on the same rows (DeLong et al. 1988): difference, ci_low, ci_high (95%) and p."""
    from scipy import stats  # takes a second to import: not for who needs no test by DeLong

    labels, p = checked(labels, np.column_stack([base, other]))
    liked, others = p[labels == 1], p[labels == 0]
    if min(len(liked), len(others)) < 2:
        raise UserError("an AUC has a spread only where there are two liked rows and two others: give more rows")
    among_all = stats.rankdata(np.concatenate([liked, others]), axis=0)
    # for each row the share of the other class that it is ranked against rightly
    of_liked = (among_all[: len(liked)] - stats.rankdata(liked, axis=0)) / len(others)
    of_others = 1 - (among_all[len(liked) :] - stats.rankdata(others, axis=0)) / len(liked)
    gain = of_liked[:, 1].mean() - of_liked[:, 0].mean()
    variance = sum(np.diff(part, axis=1).var(ddof=1) / len(part) for part in (of_liked, of_others))
    row = with_errors([gain], [[variance]], [[np.inf]]).iloc[0]
    return {name: float(row[name]) for name in ("difference", "ci_low", "ci_high", "p")}
