"""How much of the text's meaning a vector space holds: neighbours, trend, clusters, maps (spec rlmrec 9).

A space is a matrix [n_items, d]; closeness is the cosine throughout, only UMAP sees raw vectors as the report does.
"""

import warnings
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score, silhouette_score

from lib.files import UserError, atomic_path, digest
from lib.progress import Progress, without_widgets
from lib.statistics import bootstrap_mean

REPORT_ITEMS = 3000  # the report searches neighbours among the first 3000 items, and samples as many elsewhere
GROUPS = 50  # blocks of items for the jackknife
AGAIN = "base again"  # base with another seed: as an alignment, its gain is what chance in training makes


def _unit(vectors) -> torch.Tensor:
    """Rows of length one: [n, d]; a zero row stays zero."""
    return torch.nn.functional.normalize(torch.as_tensor(vectors).detach().float(), dim=1)


# Neighbour overlap (spec 9.1)


def neighbours(vectors, k: int, chunk: int = 1024) -> np.ndarray:
    """The k rows of highest cosine for each row of [n, d], nearest first and never itself: [n, k] by exact search.

    Equal cosines (items with the same text) come in no particular order. Raises UserError when there are not k others.
    """
    unit = _unit(vectors)
    if not 0 < k < len(unit):
        raise UserError(f"cannot find {k} neighbours among {len(unit)} items: use at most {len(unit) - 1}")
    found = []
    for rows in torch.arange(len(unit), device=unit.device).split(chunk):
        cosine = unit[rows] @ unit.T
        # by index: duplicates of an item may rank before the item itself
        cosine[torch.arange(len(rows)), rows] = -torch.inf
        found.append(cosine.topk(k).indices.to(torch.int32))
    return torch.cat(found).cpu().numpy()


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Jaccard index of two neighbour lists per item: [n, k] and [n, k] -> [n], ids unique within a row."""
    ids = np.sort(np.concatenate([a, b], axis=1), axis=1)
    shared = (ids[:, 1:] == ids[:, :-1]).sum(axis=1)
    return shared / (ids.shape[1] - shared)


def chance_overlap(n: int, k: int) -> float:
    """Expected Jaccard index of two random k-subsets of the n - 1 other items (spec 9.1: 0.0170 for 3000 and 100)."""
    shared = np.arange(k + 1)
    return float(stats.hypergeom(n - 1, k, k).pmf(shared) @ (shared / (2 * k - shared)))


def item_overlap(spaces: dict, text, k: int, n_items: int | None = None) -> pd.DataFrame:
    """Overlap of each item's k neighbours in each space with those in the text, among the first `n_items` items.

    spaces: {label: [n, d]}, text: [n, T]; one row per item, one column per label.
    """
    wanted = neighbours(text[:n_items], k)
    return pd.DataFrame({label: overlap(neighbours(space[:n_items], k), wanted) for label, space in spaces.items()})


def overlap_table(
    spaces: dict, text, rng: np.random.Generator, ks=(20, 100), items=("all", "first3000"), draws: int = 1000
) -> pd.DataFrame:
    """Mean overlap with the text [n, T] of each space {label: [n, d]}, with a 95% bootstrap interval over items.

    Columns vectors (the label), items, neighbours, mean_jaccard, ci_low, ci_high, chance, permuted: `chance` is the
    value for random spaces, `permuted` is measured against the texts of other items.
    """
    if unknown_items := set(items) - {"all", "first3000"}:
        raise UserError(f"items must be 'all' or 'first3000', not '{unknown_items.pop()}'")
    sizes = {name: len(text) if name == "all" else min(len(text), REPORT_ITEMS) for name in items}
    tables = {n: _overlap_of_first(n, spaces, text, rng, ks, draws) for n in dict.fromkeys(sizes.values())}
    table = pd.concat([tables[n].assign(items=name) for name, n in sizes.items()], ignore_index=True)
    table.insert(1, "items", table.pop("items"))
    return table


def _overlap_of_first(n: int, spaces: dict, text, rng, ks, draws: int) -> pd.DataFrame:
    """The overlap table of the first n items."""
    found = _overlaps(n, spaces, text, rng, ks)
    return pd.concat([_levels(k, values, permuted, rng, draws) for k, values, permuted in found])


def _overlaps(n: int, spaces: dict, text, rng, ks):
    """For each k: the overlaps of the first n items [n, spaces], and the means against the texts of other items."""
    near = {label: neighbours(space[:n], max(ks)) for label, space in spaces.items()}
    wanted = neighbours(text[:n], max(ks))
    other = rng.permutation(n)
    shuffled = np.argsort(other)[wanted[other]]  # neighbours after item i is given the text of item other[i]
    for k in ks:  # nearest first, so the k nearest are the head of the longer list
        values = pd.DataFrame({label: overlap(ids[:, :k], wanted[:, :k]) for label, ids in near.items()})
        yield k, values, [overlap(ids[:, :k], shuffled[:, :k]).mean() for ids in near.values()]


def _levels(k: int, values: pd.DataFrame, permuted: list[float], rng, draws: int) -> pd.DataFrame:
    low, high = bootstrap_mean(values, rng, draws)
    columns = {"vectors": list(values), "neighbours": k, "mean_jaccard": values.mean().to_numpy(), "ci_low": low}
    columns |= {"ci_high": high, "chance": chance_overlap(len(values), k), "permuted": permuted}
    return pd.DataFrame(columns)


# Gains over base, as the report's Table 1 has them


def overlap_gains(
    spaces: dict, text, rng: np.random.Generator, ks=(20, 100), n_items: int | None = None, draws: int = 1000
) -> pd.DataFrame:
    """Overlap with the text [n, T] of spaces {(backbone, alignment): [n, d]}, and what each gains over its base.

    Columns backbone, alignment, neighbours, mean_jaccard, ..., permuted as in `overlap_table`, then those of `gains`;
    among the first `n_items` rows if given. Users and their texts go in the same way. Raises UserError without a base.
    """
    tables = []
    for k, values, permuted in _overlaps(len(text[:n_items]), spaces, text, rng, ks):
        gained = gains(values, rng, draws)
        level = _levels(k, values, permuted, rng, draws).drop(columns="vectors").set_index(gained.index)
        tables.append(level.join(gained).reset_index())
    return pd.concat(tables, ignore_index=True)


def gains(values: pd.DataFrame, rng: np.random.Generator, draws: int = 1000) -> pd.DataFrame:
    """Gain of each model over the base of its backbone, from the overlap of every item [n] under (backbone, alignment).

    Index backbone, alignment; columns difference (of means), difference_low, difference_high, gain_pct (difference
    over the mean of base), gain_low, gain_high; NaN for base. The 95% intervals are a paired bootstrap: a draw of
    items counts for both models. Raises UserError where a backbone has no base.
    """
    models, n = list(values), len(values)
    bases = [(backbone, "base") for backbone, _ in models]
    if lacking := {backbone for backbone, _ in set(bases) - set(models)}:
        raise UserError(f"no base run of {', '.join(sorted(lacking))}: a gain needs the base of the same backbone")
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
    table = pd.DataFrame(columns, pd.MultiIndex.from_tuples(models, names=["backbone", "alignment"]))
    return table.drop("base", level="alignment").reindex(table.index)


def gain_verdicts(table: pd.DataFrame) -> list[str]:
    """One sentence per alignment: for which backbones does its overlap lie above that of base?

    table: rows of one setting of `overlap_gains`. The interval of the gain must lie beyond the largest difference that
    rows named `AGAIN` show between two runs of base (zero where there are none): above it supports the claim, below
    its negative does not, anything else is inconclusive.
    """
    noise = np.nan_to_num(table.loc[table["alignment"] == AGAIN, "gain_pct"].abs().max())
    sentences = []
    for alignment, part in table[~table["alignment"].isin(["base", AGAIN])].groupby("alignment", sort=False):
        found = np.select(
            [part["gain_low"] > noise, part["gain_high"] < -noise], ["supported", "not supported"], "inconclusive"
        )
        groups = part["backbone"].groupby(found).agg(", ".join)
        order = [name for name in ("supported", "inconclusive", "not supported") if name in groups]
        count = f"{(found == 'supported').sum()} of {len(part)} backbones above base"
        count += f" by more than two runs of base differ ({noise:.1f}%)" if noise else ""
        sentences.append("; ".join([f"{alignment}: {count}", *(f"{name} for {groups[name]}" for name in order)]))
    return sentences


# Alignment trend (spec 9.2)


def alignment_trend(text, spaces: dict, n_items: int = REPORT_ITEMS, seed: int = 2025, bins: str = "quantile"):
    """Mean cosine of item pairs in each space {label: [n, d]} as a function of their text cosine.

    All unordered pairs of one random sample of items, the same for all spaces. bins: "quantile" for 20 bins of equal
    size, "report" for its 21 equal widths on -0.1..1.0 without bins of 50 pairs or fewer. Returns two frames: one row
    per bin and space (low, high, text_cosine, mean, ci_low, ci_high, pairs, space) and one per space (space, slope,
    ci_low, ci_high, spearman). Pairs share items, so the 95% intervals are a jackknife over blocks of items.
    """
    sample = np.random.default_rng(seed).permutation(len(text))[:n_items]
    first, second = torch.triu_indices(len(sample), len(sample), 1, dtype=torch.int32)
    groups = min(GROUPS, len(sample))
    blocks = (first.numpy() % groups) * groups + second.numpy() % groups
    x = _pair_cosines(text[sample], first, second)
    edges, rank, trends, slopes = _edges(x, bins), stats.rankdata(x), [], []
    for label, space in spaces.items():
        y = _pair_cosines(space[sample], first, second)
        trends.append(_binned(x, y, edges, blocks, groups).assign(space=label))
        slope = np.ravel(_jackknife(_slopes(x, y, blocks, groups)))
        slopes.append((label, *slope, np.corrcoef(rank, stats.rankdata(y))[0, 1]))
    trend = pd.concat(trends, ignore_index=True)
    if bins == "report":
        trend["text_cosine"] = (trend["low"] + trend["high"]) / 2
    trend = trend[trend["pairs"] > (50 if bins == "report" else 0)].reset_index(drop=True)
    return trend, pd.DataFrame(slopes, columns=["space", "slope", "ci_low", "ci_high", "spearman"])


def _binned(x, y, edges, blocks, groups: int) -> pd.DataFrame:
    """Mean of y per bin of x with its interval, one row per bin; the last bin is closed on the right."""
    width = len(edges)
    bins = np.minimum(np.searchsorted(edges, x, side="right"), width - 1)  # 0 is below the first edge
    counts = _totals(blocks * width + bins, None, groups, width)
    with np.errstate(invalid="ignore"):  # an empty bin has no mean
        means = _totals(blocks * width + bins, y, groups, width) / counts
        centres = np.bincount(bins, x, width) / counts[0]
        mean, low, high = _jackknife(means[:, 1:])
    columns = {"low": edges[:-1], "high": edges[1:], "text_cosine": centres[1:]}
    columns |= {"mean": mean, "ci_low": low, "ci_high": high, "pairs": counts[0, 1:].astype(int)}
    return pd.DataFrame(columns)


def _pair_cosines(vectors, first, second) -> np.ndarray:
    unit = _unit(vectors).cpu()
    return (unit @ unit.T)[first, second].numpy()


def _edges(x: np.ndarray, bins: str) -> np.ndarray:
    if bins == "report":
        return np.linspace(-0.1, 1.0, 22)
    if bins == "quantile":
        return np.unique(np.quantile(x, np.linspace(0, 1, 21)))
    raise UserError(f"bins must be 'quantile' or 'report', not '{bins}'")


def _totals(cells, weights, groups: int, width: int) -> np.ndarray:
    """Sums per bin over all pairs (row 0) and over the pairs without each block of items: [1 + groups, width]."""
    sums = np.bincount(cells, weights, groups * groups * width).reshape(groups, groups, width).astype(float)
    touched = sums.sum(0) + sums.sum(1) - np.einsum("ggw->gw", sums)
    total = sums.sum((0, 1))
    return np.vstack([total, total - touched])


def _slopes(x, y, blocks, groups: int) -> np.ndarray:
    """Least-squares slope of y on x over all pairs, then without each block: [1 + groups, 1]."""
    x, y = x.astype(float), y.astype(float)
    n, sx, sy, sxy, sxx = (_totals(blocks, weights, groups, 1) for weights in (None, x, y, x * y, x * x))
    return (n * sxy - sx * sy) / (n * sxx - sx * sx)


def _jackknife(estimates: np.ndarray):
    """Value and 95% interval, three arrays [m], from estimates [1 + groups, m]: the whole, then without each block."""
    whole, without = estimates[0], estimates[1:]
    groups = len(without)
    error = np.sqrt((groups - 1) / groups * ((without - without.mean(0)) ** 2).sum(0))
    margin = stats.t.ppf(0.975, groups - 1) * error
    return whole, whole - margin, whole + margin


# Clusters and maps (spec 9.3)


def clusters(vectors, k: int = 5, seed: int = 2025) -> np.ndarray:
    """k-means labels [n] of the rows' directions, best of 10 restarts; cluster 0 is the largest."""
    labels = KMeans(k, n_init=10, random_state=seed).fit_predict(_unit(vectors).cpu().numpy())
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    return np.argsort(order)[labels]


def separation(space, labels: np.ndarray) -> dict[str, float]:
    """How well labels [n] fit a space [n, d]: cosine silhouette, and NMI with k-means refitted in that space."""
    unit = _unit(space).cpu().numpy()
    refitted = clusters(space, len(np.unique(labels)))
    return {
        "silhouette": float(silhouette_score(unit, labels, metric="cosine")),
        "nmi": float(normalized_mutual_info_score(labels, refitted)),
    }


def umap_coordinates(vectors, cache: Path, seed: int = 42, n_neighbors: int = 30, min_dist: float = 0.1) -> np.ndarray:
    """Two-dimensional Euclidean UMAP of [n, d]: [n, 2], kept in the folder `cache` under the content's digest.

    Coordinates change with platform and numba version even for one seed, hence the cache.
    """
    vectors = np.ascontiguousarray(torch.as_tensor(vectors).detach().cpu(), dtype=np.float32)
    options = {"random_state": seed, "n_neighbors": n_neighbors, "min_dist": min_dist}
    path = Path(cache) / f"{digest(vectors.tobytes(), vectors.shape, options, version('umap-learn'))}.npy"
    if not path.exists():
        coordinates = _fit_umap(vectors, options)
        with atomic_path(path) as temporary:
            np.save(temporary, coordinates)
    return np.load(path)


def _fit_umap(vectors: np.ndarray, options: dict) -> np.ndarray:
    with without_widgets():
        from umap import UMAP  # here because its import compiles for seconds

    with warnings.catch_warnings():  # islands in the neighbour graph are a finding, not a fault
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        return UMAP(n_jobs=1, **options).fit_transform(vectors)


# The report's dashboard


class Dashboard(NamedTuple):
    """Frames behind the report's figure 2 for one dataset and backbone; `plots.dashboard` draws it."""

    trend: pd.DataFrame  # alignment_trend
    slopes: pd.DataFrame
    nearest_100: pd.DataFrame  # item_overlap among the first 3000 items, K = 100
    nearest_20: pd.DataFrame  # item_overlap among all items, K = 20
    points: pd.DataFrame  # space, x, y, cluster
    separation: pd.DataFrame  # space, silhouette, nmi


def dashboard(spaces: dict, text, cache: Path, seed: int = 2025, bins: str = "quantile") -> Dashboard:
    """Everything the report's figure 2 shows, for item spaces {alignment: [n, d]} and text vectors [n, T]."""
    sample = np.random.default_rng(seed).permutation(len(text))[:REPORT_ITEMS]
    mapped = {label: space[sample] for label, space in ({**spaces, "text": text}).items()}
    labels = clusters(mapped["text"], seed=seed)
    points, separations = [], []
    with Progress(len(mapped), "maps", "space") as progress:
        for label, space in mapped.items():
            x, y = umap_coordinates(space, cache).T
            points.append(pd.DataFrame({"space": label, "x": x, "y": y, "cluster": labels}))
            separations.append({"space": label, **separation(space, labels)})
            progress.update()
    return Dashboard(
        *alignment_trend(text, spaces, seed=seed, bins=bins),
        item_overlap(spaces, text, 100, REPORT_ITEMS),
        item_overlap(spaces, text, 20),
        pd.concat(points, ignore_index=True),
        pd.DataFrame(separations),
    )
