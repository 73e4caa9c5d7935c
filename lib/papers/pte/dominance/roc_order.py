"""Blackwell's order for a state of two values, interaction or not: one ROC curve nowhere below the other.

For two states, U dominates V exactly if for every rate of false positives a test based on U finds as many positives as
one based on V (Blackwell 1953). The same order says that U has the lower risk whatever the two errors cost:

    ROC_first(a) >= ROC_second(a) - .01     for a in .01, .02 ... .99
    risk(c) = mean of  [c * false positive + false negative] / (1 + c),  c = .01 ... 100, acting where p > c / (1 + c)

The curves are those of a probe's predictions, so this is the order of what that probe can use.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.evaluation.significance import with_errors
from lib.evaluation.verdicts.rules import decided
from lib.papers.pte.dominance.bayes_risk import Predictions, compared, user_error
from lib.papers.pte.dominance.resampling import DRAWS, over_units

TOLERANCE = 0.01  # of the true positive rate
ALPHAS = np.arange(1, 100) / 100  # false positive rates
COST_RATIOS = 10.0 ** np.arange(-2, 2.5, 0.5)  # cost of a false positive over that of a false negative
LEVEL = 0.95
VERDICTS = ("dominates", "dominated", "equivalent", "crossing", "inconclusive")


def roc(labels: np.ndarray, p: np.ndarray, weights: np.ndarray, alphas: np.ndarray = ALPHAS) -> np.ndarray:
    """True positive rates [m, len(alphas)] at false positive rates, where row r counts weights[m, r] times.

    Between two thresholds the curve is a line, which is what a test reaches that draws between them; so it is among
    equal predictions.
    """
    order = np.argsort(-p, kind="stable")
    # the last of each run of equal predictions: only there a threshold can lie
    last = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)
    rates = []
    for label in (0, 1):
        sums = np.cumsum(weights[:, order] * (labels[order] == label), axis=1)[:, last]
        rates.append(np.pad(sums / sums[:, -1:], ((0, 0), (1, 0))))
    return np.stack([np.interp(alphas, *curve) for curve in zip(*rates, strict=True)])


def roc_difference(
    found: Predictions, first: tuple[str, str], second: tuple[str, str], seed: int = 0, draws: int = DRAWS
) -> pd.DataFrame:
    """Both curves and their difference with a simultaneous 95% band, over users: a row per false positive rate.

    Columns alpha, first, second (true positive rates), difference, low, high. The band is difference +- c s(alpha),
    s the bootstrap standard deviation and c the 95% quantile of the largest deviation in units of s, over all alpha:
    with 95% probability it holds the whole true curve. Near the ends, where no draw may differ, s is at least one pair.
    """

    def both(weights: np.ndarray) -> np.ndarray:
        return np.stack([roc(found.labels, found.p[key], weights) for key in (first, second)], axis=1)

    curves = over_units(found.users, both, np.random.default_rng(seed), draws)  # [1 + draws, 2, alphas]
    drawn = curves[:, 0] - curves[:, 1]
    spread = np.maximum(drawn[1:].std(axis=0, ddof=1), 1 / len(found.labels))
    margin = np.quantile(np.abs((drawn[1:] - drawn[0]) / spread).max(1), LEVEL) * spread
    columns = {"alpha": ALPHAS, "first": curves[0, 0], "second": curves[0, 1], "difference": drawn[0]}
    return pd.DataFrame(columns | {"low": drawn[0] - margin, "high": drawn[0] + margin})


def roc_verdict(curve: pd.DataFrame, tolerance: float = TOLERANCE) -> str:
    """What the band of a `roc_difference` says of the first table, one of VERDICTS.

    dominates: nowhere surely worse than by the tolerance, that is, the whole band lies above -tolerance; dominated: all
    below +tolerance; equivalent: both; crossing: somewhere surely better and somewhere surely worse by more than the
    tolerance.
    """
    above, below = (curve["low"] > -tolerance).all(), (curve["high"] < tolerance).all()
    if above and below:
        return "equivalent"
    if above or below:
        return "dominates" if above else "dominated"
    crosses = (curve["low"] > tolerance).any() and (curve["high"] < -tolerance).any()
    return "crossing" if crosses else "inconclusive"


def roc_order(
    predicted: Mapping[tuple[str, str], Predictions], first: str, second: str, seed: int = 0, draws: int = DRAWS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves and verdicts of two tables in every split, by every probe and rule for cold vectors.

    curves: split, probe, cold and the columns of `roc_difference`; verdicts: split, probe, cold, verdict, worst (the
    lowest end of the band) and best (its highest).
    """
    curves, verdicts = [], []
    for (split, probe), found in predicted.items():
        for cold, one, other in compared(first, second, found):
            keys = {"split": split, "probe": probe, "cold": cold}
            curve = roc_difference(found, one, other, seed, draws)
            curves.append(curve.assign(**keys)[[*keys, *curve]])
            ends = {"worst": curve["low"].min(), "best": curve["high"].max()}
            verdicts.append(keys | {"verdict": roc_verdict(curve)} | ends)
    return pd.concat(curves, ignore_index=True), pd.DataFrame(verdicts)


def cost_risks(predicted: Mapping[tuple[str, str], Predictions], first: str, second: str) -> pd.DataFrame:
    """Risk of both tables by what errors cost: split, probe, cold, cost_ratio, first, second, difference and its test.

    difference is the second's risk minus the first's, over users; `verdict` (better, worse, inconclusive) is that of
    `rules.decided`, with all cost ratios of one split, probe and rule as a family.
    """
    parts = []
    for (split, probe), found in predicted.items():
        for cold, one, other in compared(first, second, found):
            table = pd.DataFrame([_cost_row(found, one, other, ratio) for ratio in COST_RATIOS])
            effects = with_errors(table.pop("gain"), [table.pop("variance")], [table.pop("freedom")])
            keys = pd.DataFrame({"split": split, "probe": probe, "cold": cold}, index=table.index)
            parts.append(pd.concat([keys, table, decided(effects)], axis=1))
    return pd.concat(parts, ignore_index=True)


def _cost_row(found: Predictions, one, other, ratio: float) -> dict:
    costs = [costs_of_errors(found.labels, found.p[key], ratio) for key in (one, other)]
    gain = costs[1] - costs[0]
    error, freedom = user_error(gain, found.users)
    means = {"first": costs[0].mean(), "second": costs[1].mean(), "gain": gain.mean()}
    return {"cost_ratio": ratio, **means, "variance": error**2, "freedom": freedom}


def costs_of_errors(labels: np.ndarray, p: np.ndarray, ratio: float) -> np.ndarray:
    """What each decision costs [n] when the action is taken where that costs least by the prediction."""
    acts = p > ratio / (1 + ratio)
    return np.where(labels == 1, np.where(acts, 0, 1), np.where(acts, ratio, 0)) / (1 + ratio)
