"""Is V a garbling of U: can V be computed from U, for items that the map has not seen?

A map g: U -> V is fitted on 70% of the items and judged on those (`in`) and on the other 30% (`held_out`):

    R2          = 1 - sum |v - g(u)|^2 / sum |v - mean of the fitted v|^2         0: no better than without U
    retrieval@1 = share of items whose own v is nearest to g(u), by cosine of centred vectors, among those judged
    ISI         = as in `sufficiency`

On the items of the fit any map that is flexible enough looks perfect, whatever U is (docs/methods/pte-dominance.md 2).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from lib.core.errors import UserError, unknown
from lib.core.progress import Progress
from lib.evaluation.target_rank import rank_of_target
from lib.papers.pte.dominance.resampling import DRAWS, over_units, weighted_mean, with_interval
from lib.papers.pte.dominance.sufficiency import JointGaussian, isi, scaled

FITTED = 0.7  # share of items
FEWEST = 20  # items
MAPS = ("ridge", "mlp", "knn")
PAIRINGS = ("true", "permuted", "random")
COLUMNS = ["source", "target", "pairing", "estimator", "measure", "sample", "value", "ci_low", "ci_high"]
STRENGTHS = np.logspace(-3, 6, 19)  # of ridge, for inputs with variance 1
NEIGHBOURS = 10
LEAST_GAIN = 1e-3  # of R2 within 10 epochs, or the network stops


class Items(NamedTuple):
    """Positions of items: those of the fit, and equally many (or all) of the fit and of the others to judge it on."""

    fitted: np.ndarray
    judged: dict[str, np.ndarray]  # by sample: in, held_out


def split_items(n: int, rng: np.random.Generator) -> Items:
    """70% of n items for the fit; as many of them as there are others are judged. Raises UserError below 20 items."""
    if n < FEWEST:
        raise UserError(f"{n} items are too few to fit a map on some and test it on others: give {FEWEST} or more")
    order = rng.permutation(n)
    fitted, others = np.split(order, [round(FITTED * n)])
    return Items(fitted, {"in": fitted[: len(others)], "held_out": others})


def garbling_table(
    tables: Mapping[str, np.ndarray],
    maps: Sequence[str] = MAPS,
    pairings: Sequence[str] = PAIRINGS,
    seed: int = 0,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """How well each table [n, d] of the same items gives each other one, with 95% bootstrap intervals over items.

    Columns source, target, pairing, estimator (the map; for ISI `gaussian` and closed forms), measure (r2, retrieval@1,
    isi), sample (in, held_out), value, ci_low, ci_high. The table itself as its source is the control V = U; the two
    other controls are `permuted`, where items get the source's vectors of others, and `random`, where they get normal
    ones of the same width. A closed form is no mean over items, so it has no interval, and is of the fit.
    Raises UserError for tables of different lengths, too few items, or numbers that are not finite.
    """
    tables, n = _checked(tables)
    items = split_items(n, np.random.default_rng(seed))
    cells = [(source, target, pairing) for source in tables for target in tables for pairing in pairings]
    cells = [cell for cell in cells if cell[0] != cell[1] or cell[2] == "true"]
    rows = []
    with Progress(len(cells), "garbling", "pair of tables") as progress:
        for source, target, pairing in cells:
            u = _paired(tables[source], pairing, np.random.default_rng([seed, 1]))
            for row in _measures(u, tables[target], items, maps, seed, draws):
                rows.append({"source": source, "target": target, "pairing": pairing, **row})
            progress.update()
    return pd.DataFrame(rows, columns=COLUMNS)


def isi_matrix(table: pd.DataFrame, sample: str, estimator: str = "gaussian") -> pd.DataFrame:
    """ISI of a `garbling_table` as a matrix, sources in rows and targets in columns, in the tables' order."""
    rows = table.query("estimator == @estimator and measure == 'isi' and sample == @sample and pairing == 'true'")
    names = list(dict.fromkeys(table["source"]))
    return rows.pivot(index="source", columns="target", values="value").loc[names, names]


def _checked(tables: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], int]:
    tables = {name: np.asarray(table, dtype=float) for name, table in tables.items()}
    sizes = {name: len(table) for name, table in tables.items()}
    if len(set(sizes.values())) != 1:
        raise UserError(f"tables of different lengths, {sizes}: row i of every table must be item i")
    for name, table in tables.items():
        if table.ndim != 2 or not np.isfinite(table).all():
            raise UserError(f"table '{name}' holds more than finite vectors [n, d]: leave out items without a vector")
    return tables, next(iter(sizes.values()))


def _paired(source: np.ndarray, pairing: str, rng: np.random.Generator) -> np.ndarray:
    if pairing not in PAIRINGS:
        raise unknown("pairing", pairing, PAIRINGS)
    if pairing == "permuted":
        return source[rng.permutation(len(source))]
    return rng.normal(size=source.shape) if pairing == "random" else source


def _measures(u: np.ndarray, v: np.ndarray, items: Items, maps, seed: int, draws: int) -> Iterator[dict]:
    """The rows of one pair of tables."""
    for kind in maps:
        guess = fitted_map(kind, u[items.fitted], v[items.fitted], seed)
        mean = v[items.fitted].mean(0)
        for sample, judged in items.judged.items():
            for measure, statistic in _of_guess(guess(u[judged]), v[judged], mean).items():
                yield {"estimator": kind, "measure": measure, "sample": sample} | _interval(judged, statistic, draws)
    joint = JointGaussian(u[items.fitted], v[items.fitted])
    for sample, judged in items.judged.items():
        mean = weighted_mean(joint.log_ratios(u[judged], v[judged]))
        found = _interval(judged, lambda weights, mean=mean: isi(mean(weights), joint.width), draws)
        yield {"estimator": "gaussian", "measure": "isi", "sample": sample} | found
    for estimator, value in joint.closed_forms.items():
        yield {"estimator": estimator, "measure": "isi", "sample": "in", "value": value}


def _interval(judged: np.ndarray, statistic, draws: int) -> dict[str, float]:
    # the same draws for every measure, so that what differs between them is not the draws
    return with_interval(over_units(np.arange(len(judged)), statistic, np.random.default_rng(0), draws))


def _of_guess(guess: np.ndarray, v: np.ndarray, mean: np.ndarray) -> dict:
    """The statistics of guesses g(u) [n, d] of v [n, d]: name -> weights [m, n] to [m]."""
    missed, spread = ((v - other) ** 2 for other in (guess, mean))
    return {
        "r2": lambda weights: 1 - (weights @ missed.sum(1)) / (weights @ spread.sum(1)),
        "retrieval@1": weighted_mean(found_first(guess - mean, v - mean)),
    }


def found_first(guess: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Whether each guess [n, d] is nearer to its own row of v [n, d] than to all others, by cosine; a tie is a miss."""
    unit = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(float).tiny) for x in (guess, v)]
    scores = torch.from_numpy(unit[0] @ unit[1].T)
    return (rank_of_target(scores, torch.arange(len(v))) == 1).double().numpy()


def fitted_map(kind: str, u: np.ndarray, v: np.ndarray, seed: int = 0):
    """A map from rows of U [n, d_u] to rows of V [n, d_v], fitted on these: a function of new rows of U.

    ridge: its strength by leave-one-out; mlp: two hidden layers of 128, stopped where a tenth of the items gets no
    better; knn: the mean of 10 neighbours by inverse distance, which repeats the items of the fit exactly.
    Raises UserError for another kind.
    """
    from sklearn.linear_model import RidgeCV  # here, as sklearn takes a second to import
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.neural_network import MLPRegressor

    models = {
        "ridge": lambda: RidgeCV(STRENGTHS),
        "mlp": lambda: MLPRegressor(
            hidden_layer_sizes=(128, 128), early_stopping=True, tol=LEAST_GAIN, random_state=seed
        ),
        "knn": lambda: KNeighborsRegressor(min(NEIGHBOURS, len(u)), weights="distance"),
    }
    if kind not in models:
        raise unknown("map", kind, models)
    of_u, of_v = scaled(u), scaled(v)
    model = models[kind]().fit(of_u(u), of_v(v) if v.shape[1] > 1 else of_v(v)[:, 0])
    return lambda new: model.predict(of_u(new)).reshape(len(new), -1) / of_v.axes + of_v.mean
