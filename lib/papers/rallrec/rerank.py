"""Similar and recent items merged into one list (Eq. 8).

    score of an item at rank r = 1, 2, ... of a channel:  S r^-beta,  S = alpha for similarity, 1 - alpha for recency

and the K best are kept. An item in both lists counts once, with the larger score or with the sum. Since a score depends
on the rank alone, it is the same for all samples: sorting the columns of both lists once sorts every sample.
"""

import numpy as np

from lib.papers.rallrec.retrieval import NONE, Retrieved, first_distinct
from lib.papers.rallrec.settings import RerankSettings

DECIMALS = 12  # of scores: alpha / 20 and (1 - alpha) / 10 are equal for alpha = 2/3, whatever rounding makes of them


def rerank(similar: Retrieved, recent: Retrieved, settings: RerankSettings) -> np.ndarray:
    """The K positions of each sample [n, K], in the order of the prompt; -1 where a history has fewer.

    `similar` has the K most similar items of each sample, best first, `recent` the K newest, newest first. Where the
    whole history fits into K the similarity order stays, unless `reorder_short`. On equal scores the similar item comes
    first.
    """
    merge = {"legacy_books": _legacy_books, "legacy_films": _legacy_films}.get(settings.order, _by_score)
    merged = merge(similar.positions, recent.positions, settings)
    if settings.order == "chronological":
        merged = chronological(merged)
    k = similar.positions.shape[1]
    short = (similar.candidates <= k) & (not settings.reorder_short)
    return np.where(short[:, None], similar.positions, merged)


def chronological(positions: np.ndarray) -> np.ndarray:
    """Positions [n, K] oldest first, -1 still behind them."""
    last = np.iinfo(positions.dtype).max
    ordered = np.sort(np.where(positions == NONE, last, positions), axis=1)
    return np.where(ordered == last, NONE, ordered)


def newest_first(positions: np.ndarray) -> np.ndarray:
    """Positions [n, K] newest first, -1 still behind them."""
    return -np.sort(-positions, axis=1)


def _by_score(similar: np.ndarray, recent: np.ndarray, settings: RerankSettings) -> np.ndarray:
    """Eq. 8."""
    k = similar.shape[1]
    discount = np.arange(1, k + 1) ** -float(settings.beta)
    scores = np.round(np.concatenate([settings.alpha * discount, (1 - settings.alpha) * discount]), DECIMALS)
    both = np.hstack([similar, recent])
    if settings.duplicates == "sum":
        return _by_sum(both, scores, k)
    # the first of two equal entries is the one with the larger score
    return first_distinct(both[:, np.argsort(-scores, kind="stable")], k)


def _by_sum(both: np.ndarray, scores: np.ndarray, k: int) -> np.ndarray:
    """The k entries with the largest sum of the scores of their columns."""
    twice = both[:, :k, None] == both[:, None, k:]  # [n, K, K]
    twice &= both[:, :k, None] != NONE
    sums = np.broadcast_to(scores, both.shape).copy()
    # of its two places one with the sum is enough: the other, with less, comes later and is dropped
    sums[:, k:] += np.einsum("nij,i->nj", twice, scores[:k])
    order = np.argsort(-np.round(sums, DECIMALS), axis=1, kind="stable")
    return first_distinct(np.take_along_axis(both, order, axis=1), k)


def _legacy_books(similar: np.ndarray, recent: np.ndarray, settings: RerankSettings) -> np.ndarray:
    """The public code for BookCrossing: two thirds by similarity, then the newest that are not yet there."""
    k = similar.shape[1]
    return first_distinct(np.hstack([similar[:, : 2 * k // 3], recent]), k)


def _legacy_films(similar: np.ndarray, recent: np.ndarray, settings: RerankSettings) -> np.ndarray:
    """The public code for MovieLens and Amazon: of the K most similar the newest two thirds, newest first, then the
    newest of the history that are not yet there, oldest first.
    """
    k = similar.shape[1]
    first = newest_first(similar)[:, : 2 * k // 3]
    whole = first_distinct(np.hstack([first, recent]), k)
    # entries of `first` are all there and all different, so what was added begins behind them
    added = whole[:, first.shape[1] :]
    return first_distinct(np.hstack([whole[:, : first.shape[1]], chronological(added)]), k)
