"""Neighbours in vectors and in texts: how many they share, and what alignment adds (docs/methods/rlmrec.md 9.1, 10).

A space is a matrix of vectors [n, d], one row per item (or per user); closeness is the cosine.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from lib.core.errors import UserError
from lib.evaluation.significance import bootstrap_mean

CHUNK = 1024  # rows whose cosines with all others are held at once
FIRST_ITEMS = 3000  # what 'first3000' means, and how many items are drawn where pairs or maps of all are too many


def unit_rows(vectors: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Rows of length one: [n, d]; a zero row stays zero."""
    return torch.nn.functional.normalize(torch.as_tensor(vectors).detach().float(), dim=1)


# Neighbour overlap


def neighbours(vectors: np.ndarray | torch.Tensor, k: int) -> np.ndarray:
    """The k rows of highest cosine for each row of [n, d], nearest first and never itself: [n, k] by exact search.

    Equal cosines (items with the same text) come in no particular order. Raises UserError when there are not k others.
    """
    unit = unit_rows(vectors)
    if not 0 < k < len(unit):
        raise UserError(f"cannot find {k} neighbours among {len(unit)} items: use at most {len(unit) - 1}")
    found = []
    for rows in torch.arange(len(unit), device=unit.device).split(CHUNK):
        cosine = unit[rows] @ unit.T
        # by index: duplicates of an item may rank before the item itself
        cosine[torch.arange(len(rows)), rows] = -torch.inf
        found.append(cosine.topk(k).indices.to(torch.int32))
    return torch.cat(found).cpu().numpy()


def neighbour_overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Jaccard index of two neighbour lists per item: [n, k] and [n, k] -> [n], ids unique within a row."""
    ids = np.sort(np.concatenate([a, b], axis=1), axis=1)
    # in the sorted union an id of both lists stands beside itself, so all items are counted without a loop
    shared = (ids[:, 1:] == ids[:, :-1]).sum(axis=1)
    return shared / (ids.shape[1] - shared)


def chance_overlap(n: int, k: int) -> float:
    """Expected Jaccard index of two random k-subsets of the n - 1 other items (0.0170 for 3000 and 100)."""
    from scipy import stats  # takes a second to import: not for who needs no chance level

    shared = np.arange(k + 1)
    # the mean of the index and not the index of the mean: it is not linear in the number shared
    return float(stats.hypergeom(n - 1, k, k).pmf(shared) @ (shared / (2 * k - shared)))


def item_overlap(spaces: dict, text: np.ndarray, k: int, n_items: int | None = None) -> pd.DataFrame:
    """Overlap of each item's k neighbours in each space with those in the text, among the first `n_items` items.

    spaces: {label: [n, d]}, text: [n, T]; one row per item, one column per label.
    """
    wanted = neighbours(text[:n_items], k)
    near = {label: neighbours(space[:n_items], k) for label, space in spaces.items()}
    return pd.DataFrame({label: neighbour_overlap(ids, wanted) for label, ids in near.items()})


def mean_overlap(
    spaces: dict, text: np.ndarray, rng: np.random.Generator, ks: Sequence[int] = (20, 100), items=("all", "first3000")
) -> pd.DataFrame:
    """Mean overlap with the text [n, T] of each space {label: [n, d]}, with a 95% bootstrap interval over items.

    Columns vectors (the label), items, neighbours, mean_jaccard, ci_low, ci_high, chance, permuted: `chance` is the
    value for random spaces, `permuted` is measured against the texts of other items. Raises UserError
    for unknown `items`.
    """
    if unknown_items := set(items) - {"all", "first3000"}:
        raise UserError(f"items must be 'all' or 'first3000', not '{unknown_items.pop()}'")
    sizes = {name: len(text) if name == "all" else min(len(text), FIRST_ITEMS) for name in items}
    # by size: two names for the same items cost one search and show the same interval
    tables = {n: _overlap_of_first(n, spaces, text, rng, ks) for n in dict.fromkeys(sizes.values())}
    table = pd.concat([tables[n].assign(items=name) for name, n in sizes.items()], ignore_index=True)
    table.insert(1, "items", table.pop("items"))
    return table


def _overlap_of_first(n: int, spaces: dict, text, rng, ks: Sequence[int]) -> pd.DataFrame:
    """The mean overlaps of the first n items."""
    found = overlaps(n, spaces, text, rng, ks)
    return pd.concat([_means(k, values, permuted, rng) for k, values, permuted in found])


def overlaps(n: int, spaces: dict, text, rng, ks: Sequence[int]) -> Iterator[tuple[int, pd.DataFrame, list[float]]]:
    """For each k: k, the overlaps of the first n items [n, spaces], and the means against the texts of other items."""
    near = {label: neighbours(space[:n], max(ks)) for label, space in spaces.items()}
    wanted = neighbours(text[:n], max(ks))
    other = rng.permutation(n)
    shuffled = np.argsort(other)[wanted[other]]  # neighbours after item i is given the text of item other[i]
    for k in ks:  # nearest first, so the k nearest are the head of the longer list
        values = pd.DataFrame({label: neighbour_overlap(ids[:, :k], wanted[:, :k]) for label, ids in near.items()})
        yield k, values, [neighbour_overlap(ids[:, :k], shuffled[:, :k]).mean() for ids in near.values()]


def _means(k: int, values: pd.DataFrame, permuted: list[float], rng) -> pd.DataFrame:
    """One row per column of `values` [n, spaces]: its mean with interval, beside chance and the permuted texts."""
    low, high = bootstrap_mean(values, rng)
    columns = {"vectors": list(values), "neighbours": k, "mean_jaccard": values.mean().to_numpy(), "ci_low": low}
    columns |= {"ci_high": high, "chance": chance_overlap(len(values), k), "permuted": permuted}
    return pd.DataFrame(columns)


# Gains over base


def overlap_gains(
    spaces: dict, text: np.ndarray, rng: np.random.Generator, ks: Sequence[int], n_items: int | None = None
) -> pd.DataFrame:
    """Overlap with the text [n, T] of spaces {(backbone, alignment): [n, d]}, and what each gains over its base.

    Columns backbone, alignment, neighbours, mean_jaccard, ..., permuted as in `mean_overlap`, then those of
    `gains_over_base`; among the first `n_items` rows if given. Users and their texts go in the same way. Raises
    UserError without a base.
    """
    return gains_table(overlaps(len(text[:n_items]), spaces, text, rng, ks), rng)


def gains_table(found: Iterable[tuple[int, pd.DataFrame, list[float]]], rng: np.random.Generator) -> pd.DataFrame:
    """The table of `overlap_gains` from what `overlaps` found."""
    tables = []
    for k, values, permuted in found:
        gained = gains_over_base(values, rng)
        own = _means(k, values, permuted, rng).drop(columns="vectors").set_index(gained.index)
        tables.append(own.join(gained).reset_index())
    return pd.concat(tables, ignore_index=True)


def gains_over_base(values: pd.DataFrame, rng: np.random.Generator, draws: int = 1000) -> pd.DataFrame:
    """Gain of each model over the base of its backbone, from the overlap of every item [n] under (backbone, alignment).

    Index backbone, alignment; columns difference (of means), difference_low, difference_high, gain_pct (difference
    over the mean of base), gain_low, gain_high, gain_error (standard, over items), freedom (of that error); NaN for
    base. The 95% intervals are a paired bootstrap: a draw of items counts for both models. Raises UserError where a
    backbone has no base.
    """
    models, n = list(values), len(values)
    bases = [(backbone, "base") for backbone, _ in models]
    if lacking := {backbone for backbone, _ in set(bases) - set(models)}:
        raise UserError(f"no base run of {', '.join(sorted(lacking))}: a gain needs the base of the same backbone")
    # the share that each item has in each draw: one product then gives the means of all draws
    weights = rng.multinomial(n, np.full(n, 1 / n), size=draws) / n
    means = np.vstack([values.mean(), weights @ values.to_numpy()])  # the items as they are, then the draws
    base, columns = means[:, [models.index(model) for model in bases]], {}
    with np.errstate(divide="ignore", invalid="ignore"):  # no overlap at all in base
        for names, estimates in (
            (("difference", "difference_low", "difference_high"), means - base),
            (("gain_pct", "gain_low", "gain_high"), 100 * (means / base - 1)),
        ):
            low, high = np.quantile(estimates[1:], (0.025, 0.975), axis=0)
            columns |= dict(zip(names, (estimates[0], low, high), strict=True))
        # the delta method for a ratio of two means of the same items, which needs no draws
        own_base = values[bases].to_numpy()
        residuals = values.to_numpy() - own_base * (means[0] / base[0])
        columns["gain_error"] = 100 * residuals.std(0, ddof=1) / np.sqrt(n) / base[0]
        columns["freedom"] = n - 1.0
    table = pd.DataFrame(columns, pd.MultiIndex.from_tuples(models, names=["backbone", "alignment"]))
    # base keeps its row, as NaN: a gain of exactly zero would look like something measured
    return table.drop("base", level="alignment").reindex(table.index)
