"""How well interactions are predicted from each table: what a decision maker with the same probes would risk.

    risk            log loss, mean of -log2 p(y | u, i), in bits; Brier score, mean of (p - y)^2
    V-information   H(Y) - log loss, in bits: what the probe can use of the table (Xu et al. 2020)

Each is of test pairs, with a bootstrap over users; a difference of two tables has its error over users. Estimates of
V-information below 0 say that a probe is worse than one that sees nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special
from scipy.sparse import csr_matrix

from lib.core.errors import unknown
from lib.core.progress import Progress
from lib.evaluation.click_metrics import weighted_auc
from lib.evaluation.significance import jackknife, with_errors
from lib.evaluation.verdicts.rules import decided
from lib.papers.pte.dominance.labelled_pairs import Split
from lib.papers.pte.dominance.pair_vectors import Vectors, centred, features, for_cold
from lib.papers.pte.dominance.probes import PROBES, fitted_probe, losses, sees_sides
from lib.papers.pte.dominance.resampling import DRAWS, over_units, with_interval

METRICS = ("log_loss", "brier", "auc", "v_information")


class Predictions(NamedTuple):
    """P(y = 1) [n] of the test pairs of one split by one probe, by table and rule for cold vectors."""

    users: np.ndarray
    labels: np.ndarray
    p: dict[tuple[str, str], np.ndarray]


def predictions(
    tables: Mapping[str, Vectors],
    splits: Mapping[str, Split],
    observed: csr_matrix,
    ids: Collection[str] = (),
    probes: Sequence[str] = PROBES,
    seed: int = 0,
) -> dict[tuple[str, str], Predictions]:
    """Predictions by split and probe, from probes that are fitted anew for each table.

    ids: names of tables that have no vector for cold users and items; in cold splits they stand there twice, by the
    mean and by zero (`pair_vectors`). Raises UserError for an unknown name and for tables that do not fit `observed`.
    """
    if strangers := set(ids) - set(tables):
        raise unknown("table", min(strangers), tables)
    tables = {name: centred(name, table, observed) for name, table in tables.items()}
    found = {}
    with Progress(len(splits) * len(probes) * len(tables), "probes", "table") as progress:
        for split_name, split in splits.items():
            for probe in probes:
                p = {}
                for name, table in tables.items():
                    for rule in rules(split, name in ids):
                        p[name, rule] = probed([for_cold(table, split, observed, rule)], split, probe, seed)
                    progress.update()
                found[split_name, probe] = Predictions(split.test.users, split.test.labels, p)
    return found


def rules(split: Split, is_id: bool) -> tuple[str, ...]:
    """How a table gets vectors of the cold ones: ID tables in both ways where there are any."""
    return ("mean", "zero") if is_id and (split.cold_users.any() or split.cold_items.any()) else ("own",)


def probed(parts: Sequence[Vectors], split: Split, probe: str, seed: int = 0) -> np.ndarray:
    """P(y = 1) of the test pairs [n] by a probe fitted on the train pairs, from one table or several side by side."""
    x, x_test = (features(parts, pairs, sees_sides(probe)) for pairs in (split.train, split.test))
    return fitted_probe(probe, x, split.train.labels, seed)(x_test)


def risks(predicted: Mapping[tuple[str, str], Predictions], seed: int = 0, draws: int = DRAWS) -> pd.DataFrame:
    """Every metric with its 95% interval: columns split, probe, table, cold, metric, value, ci_low, ci_high."""
    rows = []
    for (split, probe), found in predicted.items():
        for (table, cold), p in found.p.items():
            samples = over_units(found.users, _metrics_of(found.labels, p), np.random.default_rng(seed), draws)
            for metric, column in zip(METRICS, samples.T, strict=True):
                keys = {"split": split, "probe": probe, "table": table, "cold": cold, "metric": metric}
                rows.append(keys | with_interval(column))
    return pd.DataFrame(rows)


def _metrics_of(labels: np.ndarray, p: np.ndarray):
    """The statistic weights [m, n] -> METRICS [m, 4]."""
    bits, squares = losses(labels, p), (p - labels) ** 2

    def statistic(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(1)
        log_loss, brier, rate = (weights @ values / total for values in (bits, squares, labels))
        entropy = (special.entr(rate) + special.entr(1 - rate)) / np.log(2)
        return np.stack([log_loss, brier, weighted_auc(labels, p, weights), entropy - log_loss], axis=1)

    return statistic


def compared(first: str, second: str, found: Predictions) -> list[tuple[str, tuple[str, str], tuple[str, str]]]:
    """Which predictions of two tables belong together: rule, and the keys of both; ID tables meet by the same rule."""
    names = {name for name, _ in found.p}
    for name in (first, second):
        if name not in names:
            raise unknown("table", name, names)
    pairs = [(one, other) for one in found.p for other in found.p if (one[0], other[0]) == (first, second)]
    alike = [pair for pair in pairs if "own" in (pair[0][1], pair[1][1]) or pair[0][1] == pair[1][1]]
    return [(one[1] if other[1] == "own" else other[1], one, other) for one, other in alike]


def differences(predicted: Mapping[tuple[str, str], Predictions], first: str, second: str) -> pd.DataFrame:
    """How many bits more of usable information the first table has, and the verdict: better, worse or inconclusive.

    Columns split, probe, cold, difference (log loss of the second minus that of the first), error (of paired
    differences, over users), freedom, ci_low, ci_high, p and those of `rules.decided`; all rows are one family.
    """
    rows = []
    for (split, probe), found in predicted.items():
        for cold, one, other in compared(first, second, found):
            gain = losses(found.labels, found.p[other]) - losses(found.labels, found.p[one])
            error, freedom = user_error(gain, found.users)
            keys = {"split": split, "probe": probe, "cold": cold}
            rows.append(keys | {"gain": gain.mean(), "variance": error**2, "freedom": freedom})
    table = pd.DataFrame(rows)
    effects = with_errors(table["gain"], [table["variance"]], [table["freedom"]])
    return decided(table[["split", "probe", "cold"]].join(effects))


def user_error(values: np.ndarray, users: np.ndarray) -> tuple[float, int]:
    """The standard error of a mean over pairs [n] when users are drawn, by jackknife, and its degrees of freedom.

    Of a single user it is NaN: nothing is known then of how users differ.
    """
    _, which = np.unique(users, return_inverse=True)
    sums, counts = np.bincount(which, values), np.bincount(which)
    if len(sums) < 2:
        return np.nan, 0
    without = (sums.sum() - sums) / (len(values) - counts)
    _, error = jackknife([values.mean(), *without])
    return float(error), len(sums) - 1
