"""Whether the items that a model gets to see tell if the target will be liked, measured without a language model.

    evidence of a sample = sum_r rating_r / r  /  sum_r 1 / r      over its retrieved items, best first: r = 1, 2, ...
    relevance AUC        = AUC of the evidence for the target's label, over samples

The weights 1/r are those of Eq. 8: they need no scale, so that kinds of vectors with other ranges of similarity can be
compared, and where a whole history is shown its order still counts. Where ratings are unknown, labels stand for them.
Generous users give more evidence whatever is retrieved: what that alone is worth is the row `history`, the plain mean
of all earlier ratings. Where histories hold liked items only, all of them alike, similarity takes their place: then the
question is whether what is near to liked items is liked, and neither `recent` nor `history` can say anything.
"""

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.data.samples import Samples
from lib.evaluation.click_metrics import weighted_auc
from lib.papers.rallrec.retrieval import NONE

PAIRS = 2**22  # numbers of item vectors gathered at once, and bootstrap weights


def relevance(
    samples: Samples,
    rows: np.ndarray,
    positions: dict[str, np.ndarray],
    vectors: dict[str, np.ndarray],
    rng: np.random.Generator,
    draws: int = 1000,
) -> pd.DataFrame:
    """Relevance AUC with a 95% interval: vectors, metric, value, ci_low, ci_high, above_recent and its interval.

    `positions` [len(rows), K] by kind of retrieval, `vectors` [n_items, D] of those kinds that have some. Samples
    without a candidate are left out. Intervals are percentiles over resampled users, the same ones for all kinds, so
    that above_recent, the gain over `recent`, is a paired comparison; without `recent` it is missing.
    """
    rows = np.asarray(rows)
    found = evidence(samples, rows, positions, vectors)
    some = np.logical_and.reduce([np.isfinite(values) for values in found.values()])
    labels, users = (samples.rows[name].to_numpy()[rows][some] for name in ("label", "user"))
    if len(np.unique(labels)) < 2:
        raise UserError(f"{samples.name}: all {len(labels)} samples with a history have one label: take more samples")
    weights = user_weights(users, rng, draws)
    drawn = {kind: _aucs(values[some], labels, weights) for kind, values in found.items()}
    # the first line counts every sample once
    table = [_line(kind, aucs, drawn.get("recent")) for kind, aucs in drawn.items()]
    return pd.DataFrame(table)


def evidence(
    samples: Samples, rows: np.ndarray, positions: dict[str, np.ndarray], vectors: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The evidence of each sample [len(rows)] by kind, NaN without a candidate; `history` last."""
    ratings = known_ratings(samples)
    targets = samples.rows.item.to_numpy()[rows]
    found = {}
    for kind, places in positions.items():
        values = None if ratings is None else ratings[places]
        if values is None and kind in vectors:
            values = similarities(vectors[kind], targets, samples.events.item.to_numpy()[places])
        if values is not None:
            found[kind] = _weighted_mean(values, places != NONE)
    return found if ratings is None else found | {"history": _history_mean(samples, rows, ratings)}


def known_ratings(samples: Samples) -> np.ndarray | None:
    """A number per event that says how much it was liked [n_events]; None where all are the same."""
    ratings = samples.events.rating.to_numpy(dtype=float)
    if np.isnan(ratings).all() and "label" in samples.events:
        ratings = samples.events.label.to_numpy(dtype=float)
    known = ratings[~np.isnan(ratings)]
    if len(known) and known.min() == known.max() or not len(known):
        return None
    return np.where(np.isnan(ratings), known.mean(), ratings)


def similarities(vectors: np.ndarray, targets: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Dot products of each target's vector with those of its items [n] and [n, K] -> [n, K]."""
    result = np.empty(items.shape)
    at_once = max(1, PAIRS // (items.shape[1] * vectors.shape[1]))
    for start in range(0, len(items), at_once):
        here = slice(start, start + at_once)
        result[here] = np.einsum("nkd,nd->nk", vectors[items[here]], vectors[targets[here]])
    return result


def _weighted_mean(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Mean of each row [n, K] by 1/rank, over what is there; NaN where nothing is."""
    weights = there / np.arange(1, values.shape[1] + 1)
    with np.errstate(invalid="ignore"):
        return (weights * values).sum(1) / weights.sum(1)


def _history_mean(samples: Samples, rows: np.ndarray, ratings: np.ndarray) -> np.ndarray:
    """Mean rating of each sample's whole history; NaN where it is empty."""
    start, stop = (samples.rows[name].to_numpy()[rows] for name in ("start", "stop"))
    sums = np.concatenate([[0], np.cumsum(ratings)])
    with np.errstate(invalid="ignore"):
        return (sums[stop] - sums[start]) / (stop - start)


def user_weights(users: np.ndarray, rng: np.random.Generator, draws: int) -> np.ndarray:
    """How often each sample counts [draws + 1, n]: once in line 0, then as often as its user is drawn."""
    _, which = np.unique(users, return_inverse=True)
    n = which.max() + 1
    counts = rng.multinomial(n, np.full(n, 1 / n), size=draws)
    return np.concatenate([np.ones((1, len(users)), np.float32), counts[:, which].astype(np.float32)])


def _aucs(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUC of `scores` [n] under each line of weights [m, n]: [m]."""
    at_once = max(1, PAIRS // len(scores))
    parts = [weights[start : start + at_once] for start in range(0, len(weights), at_once)]
    return np.concatenate([weighted_auc(labels, scores, part.astype(float)) for part in parts])


def _line(kind: str, aucs: np.ndarray, recent: np.ndarray | None) -> dict:
    """One line of the table, from the AUC on all samples and then on every draw."""
    line = {"vectors": kind, "metric": "relevance_auc", **_interval("value", "ci", aucs)}
    missing = np.full(len(aucs), np.nan)
    return line | _interval("above_recent", "above_recent_ci", missing if recent is None else aucs - recent)


def _interval(name: str, interval: str, values: np.ndarray) -> dict[str, float]:
    low, high = np.nanpercentile(values[1:], [2.5, 97.5]) if np.isfinite(values).any() else (np.nan, np.nan)
    return {name: values[0], f"{interval}_low": low, f"{interval}_high": high}
