"""Alignment trend: how the cosine of two items follows that of their texts (docs/methods/rlmrec.md 9.2)."""

import numpy as np
import pandas as pd
import torch
from scipy import stats

from lib.analysis.text_overlap import FIRST_ITEMS, unit_rows

BLOCKS = 50  # of items, each of which the jackknife leaves out once


def alignment_trend(
    text: np.ndarray, spaces: dict, n_items: int = FIRST_ITEMS, seed: int = 2025
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean cosine of item pairs in each space {label: [n, d]} as a function of their text cosine.

    All unordered pairs of one random sample of items, the same for all spaces, in 20 bins of equal size. Returns two
    frames: one row per bin and space (low, high, text_cosine, mean, ci_low, ci_high, pairs, space) and one per space
    (space, slope, ci_low, ci_high, spearman). Pairs share items, so the 95% intervals are a jackknife over blocks of
    items.
    """
    sample = np.random.default_rng(seed).permutation(len(text))[:n_items]
    first, second = torch.triu_indices(len(sample), len(sample), 1, dtype=torch.int32)
    n_blocks = min(BLOCKS, len(sample))
    blocks = (first.numpy() % n_blocks) * n_blocks + second.numpy() % n_blocks  # of both items of a pair, as one number
    x = _pair_cosines(text[sample], first, second)
    # many pairs may have the same text cosine, and then several quantiles are one value
    edges = np.unique(np.quantile(x, np.linspace(0, 1, 21)))
    rank, trends, slopes = stats.rankdata(x), [], []
    for label, space in spaces.items():
        y = _pair_cosines(space[sample], first, second)
        trends.append(_binned(x, y, edges, blocks, n_blocks).assign(space=label))
        slope = np.ravel(_jackknife(_slopes(x, y, blocks, n_blocks)))
        # Spearman's coefficient is Pearson's of the ranks; those of the text serve all spaces
        slopes.append((label, *slope, np.corrcoef(rank, stats.rankdata(y))[0, 1]))
    trend = pd.concat(trends, ignore_index=True)
    trend = trend[trend["pairs"] > 0].reset_index(drop=True)
    return trend, pd.DataFrame(slopes, columns=["space", "slope", "ci_low", "ci_high", "spearman"])


def _binned(x, y, edges, blocks, n_blocks: int) -> pd.DataFrame:
    """Mean of y per bin of x with its interval, one row per bin; the last bin is closed on the right."""
    width = len(edges)
    bins = np.minimum(np.searchsorted(edges, x, side="right"), width - 1)  # 0 is below the first edge
    counts = _totals(blocks * width + bins, None, n_blocks, width)
    with np.errstate(invalid="ignore"):  # an empty bin has no mean
        means = _totals(blocks * width + bins, y, n_blocks, width) / counts
        centres = np.bincount(bins, x, width) / counts[0]
        mean, low, high = _jackknife(means[:, 1:])
    columns = {"low": edges[:-1], "high": edges[1:], "text_cosine": centres[1:]}
    columns |= {"mean": mean, "ci_low": low, "ci_high": high, "pairs": counts[0, 1:].astype(int)}
    return pd.DataFrame(columns)


def _pair_cosines(vectors, first, second) -> np.ndarray:
    """The cosine of each pair of rows `first` and `second`: [pairs]."""
    unit = unit_rows(vectors).cpu()
    return (unit @ unit.T)[first, second].numpy()


def _totals(cells, weights, n_blocks: int, width: int) -> np.ndarray:
    """Sums per bin over all pairs (row 0) and over the pairs without each block of items: [1 + n_blocks, width]."""
    # a cell is (block of one item, block of the other, bin) as one number, so one pass sums them all
    sums = np.bincount(cells, weights, n_blocks * n_blocks * width)
    sums = sums.reshape(n_blocks, n_blocks, width).astype(float)
    # pairs with an item in the block, on either side; those with both there would count twice
    touched = sums.sum(0) + sums.sum(1) - np.einsum("ggw->gw", sums)
    total = sums.sum((0, 1))
    return np.vstack([total, total - touched])


def _slopes(x, y, blocks, n_blocks: int) -> np.ndarray:
    """Least-squares slope of y on x over all pairs, then without each block: [1 + n_blocks, 1]."""
    # in double precision, since the differences below cancel most of the digits
    x, y = x.astype(float), y.astype(float)
    n, sx, sy, sxy, sxx = (_totals(blocks, weights, n_blocks, 1) for weights in (None, x, y, x * y, x * x))
    return (n * sxy - sx * sy) / (n * sxx - sx * sx)


def _jackknife(estimates: np.ndarray):
    """Value and 95% interval, three arrays [m], from estimates [1 + n_blocks, m]: the whole, then without a block."""
    whole, without = estimates[0], estimates[1:]
    n_blocks = len(without)
    error = np.sqrt((n_blocks - 1) / n_blocks * ((without - without.mean(0)) ** 2).sum(0))
    margin = stats.t.ppf(0.975, n_blocks - 1) * error
    return whole, whole - margin, whole + margin
