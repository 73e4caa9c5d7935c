"""Alignment trend: how the cosine of two items follows that of their texts (docs/methods/rlmrec.md 9.2)."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import special

from lib.analysis.text_overlap import FIRST_ITEMS, unit_rows
from lib.evaluation.significance import jackknife

BLOCKS = 50  # of items, each of which the jackknife leaves out once
REPORT_EDGES = np.linspace(-0.1, 1, 22)
FEWEST_PAIRS = 51  # the report drops bins with 50 pairs or fewer


def sampled_items(n: int, n_items: int = FIRST_ITEMS, seed: int = 2025) -> np.ndarray:
    """The items whose pairs and maps are measured where all are too many, the same for every space."""
    return np.random.default_rng(seed).permutation(n)[:n_items]


class Pairs(NamedTuple):
    """All unordered pairs of the sampled items."""

    sample: np.ndarray
    first: torch.Tensor
    second: torch.Tensor
    blocks: np.ndarray  # of both items of a pair, as one number
    n_blocks: int
    text: np.ndarray  # cosine of the two texts


def item_pairs(text: np.ndarray, n_items: int = FIRST_ITEMS, seed: int = 2025) -> Pairs:
    """The pairs among `sampled_items` of text vectors [n, T]."""
    sample = sampled_items(len(text), n_items, seed)
    first, second = torch.triu_indices(len(sample), len(sample), 1, dtype=torch.int32)
    n_blocks = min(BLOCKS, len(sample))
    blocks = (first.numpy() % n_blocks) * n_blocks + second.numpy() % n_blocks
    return Pairs(sample, first, second, blocks, n_blocks, _pair_cosines(text[sample], first, second))


def alignment_trend(
    text: np.ndarray, spaces: dict, n_items: int = FIRST_ITEMS, seed: int = 2025
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean cosine of item pairs in each space {label: [n, d]} as a function of their text cosine.

    Returns two frames. One row per bin and space: bins ('report': 21 equal bins, those with few pairs dropped, drawn at
    their middle; 'equal counts': 20 of equally many pairs), low, high, text_cosine, mean, ci_low, ci_high, pairs,
    space. And one row per space: space, slope, ci_low, ci_high, spearman. Pairs share items, so the 95% intervals are a
    jackknife over blocks of items.
    """
    pairs = item_pairs(text, n_items, seed)
    # many pairs may have the same text cosine, and then several quantiles are one value
    quantiles = np.unique(np.quantile(pairs.text, np.linspace(0, 1, 21)))
    rank, trends, slopes = pd.Series(pairs.text).rank(), [], []
    for label, space in spaces.items():
        y = _pair_cosines(space[pairs.sample], pairs.first, pairs.second)
        report, counts = _binned(pairs, y, REPORT_EDGES), _binned(pairs, y, quantiles)
        report["text_cosine"] = (report["low"] + report["high"]) / 2
        report, counts = report[report["pairs"] >= FEWEST_PAIRS], counts[counts["pairs"] > 0]
        trends += [report.assign(bins="report", space=label), counts.assign(bins="equal counts", space=label)]
        slope, error = jackknife(_slopes(pairs, y))
        margin = special.stdtrit(pairs.n_blocks - 1, 0.975) * error
        # Spearman's coefficient is Pearson's of the ranks; those of the text serve all spaces
        spearman = np.corrcoef(rank, pd.Series(y).rank())[0, 1]
        slopes.append((label, slope, slope - margin, slope + margin, spearman))
    slopes = pd.DataFrame(slopes, columns=["space", "slope", "ci_low", "ci_high", "spearman"])
    return pd.concat(trends, ignore_index=True), slopes


def slope_estimates(pairs: Pairs, space: np.ndarray) -> dict[str, np.ndarray]:
    """Two slopes of the trend in a space [n, d], each [1 + n_blocks]: from all items, then without each block of them.

    'slope' is the least-squares slope over all pairs; 'slope of bins' that of the line through the points which the
    report draws, so that rare text cosines count as much as frequent ones.
    """
    y = _pair_cosines(space[pairs.sample], pairs.first, pairs.second)
    counts, means, _ = _bin_means(pairs, y, REPORT_EDGES)
    drawn = counts[0] >= FEWEST_PAIRS
    middle = ((REPORT_EDGES[1:] + REPORT_EDGES[:-1]) / 2)[drawn]
    return {"slope": _slopes(pairs, y), "slope of bins": np.array([_line(middle, row) for row in means[:, drawn]])}


def _line(x: np.ndarray, y: np.ndarray) -> float:
    """Least-squares slope through the points that there are."""
    there = np.isfinite(y)  # a bin may be empty without a block of items
    return np.polyfit(x[there], y[there], 1)[0] if there.sum() > 1 else np.nan


def _bin_means(pairs: Pairs, y: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs and mean of y per bin of the text cosine, [1 + n_blocks, bins] each, and its mean [bins]."""
    width = len(edges)
    # 0 is below the first edge; the last bin is closed on the right
    bins = np.minimum(np.searchsorted(edges, pairs.text, side="right"), width - 1)
    cells = pairs.blocks * width + bins
    counts = _totals(cells, None, pairs.n_blocks, width)
    with np.errstate(invalid="ignore"):  # an empty bin has no mean
        means = _totals(cells, y, pairs.n_blocks, width) / counts
        centres = np.bincount(bins, pairs.text, width) / counts[0]
    return counts[:, 1:], means[:, 1:], centres[1:]


def _binned(pairs: Pairs, y: np.ndarray, edges: np.ndarray) -> pd.DataFrame:
    """Mean of y per bin with its interval, one row per bin."""
    counts, means, centres = _bin_means(pairs, y, edges)
    mean, error = jackknife(means)
    margin = special.stdtrit(pairs.n_blocks - 1, 0.975) * error
    columns = {"low": edges[:-1], "high": edges[1:], "text_cosine": centres}
    columns |= {"mean": mean, "ci_low": mean - margin, "ci_high": mean + margin, "pairs": counts[0].astype(int)}
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


def _slopes(pairs: Pairs, y: np.ndarray) -> np.ndarray:
    """Least-squares slope of y on the text cosine over all pairs, then without each block: [1 + n_blocks]."""
    # in double precision, since the differences below cancel most of the digits
    x, y = pairs.text.astype(float), y.astype(float)
    n, sx, sy, sxy, sxx = (
        _totals(pairs.blocks, weights, pairs.n_blocks, 1)[:, 0] for weights in (None, x, y, x * y, x * x)
    )
    return (n * sxy - sx * sy) / (n * sxx - sx * sx)
