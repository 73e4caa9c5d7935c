"""Classifiers that predict whether a pair is an interaction, with the same effort for every table.

Each has three settings to choose from, by log loss on the same fifth of the pairs, which also stops the two that learn
step by step; the one that is best there is used as it is. Usable information depends on the probe, so there are some:

logistic    logistic regression on dot and Hadamard product
mlp         two hidden layers of 128 on these and both vectors
small mlp   the same with two of 16: less capacity
trees       gradient-boosted trees on dot and Hadamard product
"""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import numpy as np

from lib.core.errors import UserError, unknown
from lib.evaluation.click_metrics import CLIP

PROBES = ("logistic", "mlp", "trees")
CAPACITIES = ("logistic", "small mlp", "mlp")
WIDTHS = {"small mlp": 16, "mlp": 128}
VALIDATED = 0.2  # share of pairs
EPOCHS, PATIENCE = 60, 5


def sees_sides(probe: str) -> bool:
    """Whether a probe sees the two vectors of a pair beside their products. Raises UserError for an unknown probe."""
    if probe not in {*PROBES, *CAPACITIES}:
        raise unknown("probe", probe, {*PROBES, *CAPACITIES})
    return probe in WIDTHS


def fitted_probe(probe: str, x: np.ndarray, y: np.ndarray, seed: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """A function that gives P(y = 1) [m] of rows [m, k], fitted on x [n, k] and y [n].

    Raises UserError for an unknown probe, or where a part of the pairs has one label only.
    """
    held = np.random.default_rng(seed).random(len(y)) < VALIDATED
    if min(len(np.unique(y[part])) for part in (held, ~held)) < 2:
        raise UserError(
            f"{len(y)} pairs are too few for a probe: both labels must be among those that pick its settings"
        )
    mean, spread = x[~held].mean(0), x[~held].std(0)
    spread = np.where(spread > 0, spread, 1)

    def standard(rows: np.ndarray) -> np.ndarray:
        return (rows - mean) / spread

    parts = standard(x[~held]), y[~held], standard(x[held]), y[held]
    models = [fit(*parts, seed) for fit in _candidates(probe)]
    best = min(models, key=lambda model: losses(y[held], _positive(model, parts[2])).mean())
    return lambda rows: _positive(best, standard(rows))


def losses(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Log loss of each prediction, in bits: [n]."""
    p = np.clip(p, CLIP, 1 - CLIP)
    return -np.where(y == 1, np.log2(p), np.log2(1 - p))


def _positive(model, x: np.ndarray) -> np.ndarray:
    return model.predict_proba(x)[:, 1].astype(float)


def _candidates(probe: str) -> list[Callable]:
    if probe == "logistic":
        return [partial(_logistic, strength) for strength in (1e-3, 1e-2, 1)]
    if probe == "trees":
        return [partial(_trees, leaves) for leaves in (4, 8, 16)]
    sees_sides(probe)  # raises for what is no probe
    return [partial(_mlp, WIDTHS[probe], alpha) for alpha in (0.1, 3, 30)]


def _logistic(strength: float, x, y, x_held, y_held, seed: int):
    from sklearn.linear_model import LogisticRegression  # here, as sklearn takes a second to import

    return LogisticRegression(C=strength, max_iter=300).fit(x, y)


def _trees(leaves: int, x, y, x_held, y_held, seed: int):
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_leaf_nodes=leaves, max_iter=200, early_stopping=True, random_state=seed)
    return model.fit(x, y, X_val=x_held, y_val=y_held)


def _mlp(width: int, alpha: float, x, y, x_held, y_held, seed: int):
    """Stopped by log loss: sklearn's own early stopping looks at accuracy, which overconfident probes keep."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(hidden_layer_sizes=(width, width), alpha=alpha, random_state=seed)
    best, lowest, since = None, np.inf, 0
    for _ in range(EPOCHS):
        model.partial_fit(x, y, classes=[0, 1])
        loss, since = losses(y_held, _positive(model, x_held)).mean(), since + 1
        if loss < lowest:
            best, lowest, since = deepcopy(model), loss, 0
        if since >= PATIENCE:
            break
    return best
