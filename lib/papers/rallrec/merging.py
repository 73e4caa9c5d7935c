"""Predictions of a reasoning and a general language model, merged by how consistent each is with itself (RALLRec+)."""

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.papers.rallrec.settings import MergingSettings


def merge(reasoning: np.ndarray, general: np.ndarray, settings: MergingSettings) -> np.ndarray:
    """Merged probabilities [n] from `reasoning` [n, samples] and `general` [n, runs].

        p = (a mean_A + b mean_B) / (a + b),  a = w_A / (var_A / tau_A + eps),  b = w_B / (var_B / tau_B + eps)

    A row on which a model contradicts itself has a large variance there and counts less. The variances are those of the
    given predictions; a single one has none. For B the mean over runs takes the place of the public code's first run.
    A missing prediction, such as an answer without yes or no, is NaN and is left out; raises UserError for a row
    without any, for values that are no probabilities and for different numbers of rows.
    """
    means, variances = zip(
        *(_moments(name, p) for name, p in (("reasoning", reasoning), ("general", general))), strict=True
    )
    if len(means[0]) != len(means[1]):
        raise UserError(f"{len(means[0])} rows of reasoning and {len(means[1])} of general predictions: score the same")
    a = settings.reasoning_weight / (variances[0] / settings.reasoning_scale + settings.epsilon)
    b = settings.general_weight / (variances[1] / settings.general_scale + settings.epsilon)
    return (a * means[0] + b * means[1]) / (a + b)


def consistency_curve(predictions: np.ndarray, labels: np.ndarray, window: int = 500) -> dict[str, np.ndarray]:
    """Accuracy of the mean prediction along its variance: `variance` and `accuracy`, moving means over `window` rows.

    Rows are sorted by variance, equal ones in their given order; with fewer rows than the window it is all of them.
    """
    mean, variance = _moments("given", predictions)
    order = np.argsort(variance, kind="stable")
    right = ((mean > 0.5) == (np.asarray(labels) == 1)).astype(float)
    window = min(window, len(order))
    return {name: _moving_mean(values[order], window) for name, values in (("variance", variance), ("accuracy", right))}


def consistency_curves(predictions: dict[str, np.ndarray], labels: np.ndarray, window: int = 500) -> pd.DataFrame:
    """The curves of several models, one below the other: model, place, variance, accuracy."""
    parts = {name: pd.DataFrame(consistency_curve(p, labels, window)) for name, p in predictions.items()}
    return pd.concat([part.rename_axis("place").reset_index().assign(model=name) for name, part in parts.items()])


def _moving_mean(values: np.ndarray, window: int) -> np.ndarray:
    return np.convolve(values, np.full(window, 1 / window), mode="valid")


def _moments(name: str, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each row, NaN left out."""
    p = np.asarray(predictions, dtype=float)
    p = p[:, None] if p.ndim == 1 else p
    known = ~np.isnan(p)
    if not known.any(axis=1).all():
        row = int(np.flatnonzero(~known.any(axis=1))[0])
        raise UserError(f"row {row} of the {name} predictions has none: score it or leave the row out")
    if ((p < 0) | (p > 1))[known].any():
        row = int(np.flatnonzero(((p < 0) | (p > 1)).any(axis=1))[0])
        raise UserError(
            f"row {row} of the {name} predictions holds a value outside 0 to 1: give probabilities, not logits"
        )
    return np.nanmean(p, axis=1), np.nanvar(p, axis=1)
