"""Clusters of items by their texts, how far vectors keep them apart, and maps (docs/methods/rlmrec.md 9.3)."""

import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from lib.analysis.text_overlap import unit_rows
from lib.core.files import atomic_path, digest
from lib.core.progress import without_widgets


def clusters(vectors, k: int = 5, seed: int = 2025) -> np.ndarray:
    """k-means labels [n] of the rows' directions, best of 10 restarts; cluster 0 is the largest."""
    from sklearn.cluster import KMeans

    labels = KMeans(k, n_init=10, random_state=seed).fit_predict(unit_rows(vectors).cpu().numpy())
    # k-means numbers its clusters at random; by size they keep their colours from one figure to the next. The second
    # argsort inverts the order: it gives the new number of each old one
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    return np.argsort(order)[labels]


def separation(space, labels: np.ndarray) -> dict[str, float]:
    """How well labels [n] fit a space [n, d]: cosine silhouette, and NMI with k-means refitted in that space."""
    return {name: float(values[0]) for name, values in separation_estimates(space, labels, 1).items()}


def separation_estimates(space, labels: np.ndarray, n_blocks: int) -> dict[str, np.ndarray]:
    """The two numbers of `separation`, each [1 + n_blocks]: from all items, then without each block of them.

    A block is every n_blocks-th item. Labels and the k-means of the space stay those of all items: what another k-means
    would find is part of what another run of base differs by.
    """
    blocks = np.arange(len(labels)) % n_blocks
    refitted = clusters(space, len(np.unique(labels)))
    return {"silhouette": _silhouettes(space, labels, blocks), "nmi": _nmis(labels, refitted, blocks)}


def _silhouettes(space, labels: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    unit = unit_rows(space).cpu().numpy()
    distances = np.clip(1 - unit @ unit.T, 0, 2).astype(float)
    np.fill_diagonal(distances, 0)
    k, n_blocks = labels.max() + 1, blocks.max() + 1
    members = np.eye(k * n_blocks)[labels * n_blocks + blocks]  # one column per cluster and block
    sums = (distances @ members).reshape(len(labels), k, n_blocks)
    counts = members.sum(0).reshape(k, n_blocks)
    found = [_silhouette(sums.sum(2), counts.sum(1), labels)]
    for block in range(n_blocks if n_blocks > 1 else 0):
        kept = blocks != block
        rest = (sums.sum(2) - sums[:, :, block])[kept], counts.sum(1) - counts[:, block]
        found.append(_silhouette(*rest, labels[kept]))
    return np.array(found)


def _silhouette(sums: np.ndarray, counts: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette from each item's summed distances to the items of each cluster [n, k] and their counts [k]."""
    rows = np.arange(len(labels))
    alone = counts[labels] == 1
    inside = sums[rows, labels] / np.maximum(counts[labels] - 1, 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    means[rows, labels] = np.inf
    outside, larger = means.min(1), np.maximum(inside, means.min(1))
    # by convention 0 for an item that is alone in its cluster
    return float(np.where(alone | (larger == 0), 0, (outside - inside) / np.where(larger == 0, 1, larger)).mean())


def _nmis(labels: np.ndarray, other: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Normalised mutual information of two labellings, from all items and without each block."""
    shape = blocks.max() + 1, labels.max() + 1, other.max() + 1
    joint = np.zeros(shape)
    np.add.at(joint, (blocks, labels, other), 1)
    total = joint.sum(0)
    return np.array([_nmi(total), *(_nmi(total - part) for part in joint if len(joint) > 1)])


def _nmi(joint: np.ndarray) -> float:
    """Mutual information over the mean of the two entropies, from counts [k, k]."""
    joint = joint / joint.sum()
    rows, columns = joint.sum(1), joint.sum(0)
    of_rows, of_columns = -_plogp(rows), -_plogp(columns)
    mutual = _plogp(joint) + of_rows + of_columns
    return float(2 * mutual / (of_rows + of_columns)) if of_rows + of_columns else 1.0


def _plogp(p: np.ndarray) -> float:
    return float((p[p > 0] * np.log(p[p > 0])).sum())


def umap_coordinates(vectors, cache: Path) -> np.ndarray:
    """Two-dimensional Euclidean UMAP of [n, d]: [n, 2], kept in the folder `cache` under the content's digest.

    Coordinates change with platform and numba version even for one seed, hence the cache.
    """
    vectors = np.ascontiguousarray(torch.as_tensor(vectors).detach().cpu(), dtype=np.float32)
    options = {"random_state": 42, "n_neighbors": 30, "min_dist": 0.1}
    # the version is part of the name: another umap-learn draws another map of the same vectors
    path = Path(cache) / f"{digest(vectors.tobytes(), vectors.shape, options, version('umap-learn'))}.npy"
    if not path.exists():
        coordinates = _fit_umap(vectors, options)
        with atomic_path(path) as temporary:
            np.save(temporary, coordinates)
    return np.load(path)


def _fit_umap(vectors: np.ndarray, options: dict) -> np.ndarray:
    with without_widgets():
        from umap import UMAP  # here because its import compiles for seconds

    _keep_compiled()
    with warnings.catch_warnings():  # islands in the neighbour graph are a finding, not a fault
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        # a fixed random_state makes UMAP use one thread anyway; asked for more it only warns
        return UMAP(n_jobs=1, **options).fit_transform(vectors)


def _keep_compiled() -> None:
    """Have numba keep on disk what it compiles of UMAP: without that, every process compiles it for 12 seconds."""
    from numba.core.dispatcher import Dispatcher
    from umap import distances, layouts, umap_, utils

    for module in (distances, layouts, umap_, utils):
        for function in vars(module).values():
            if isinstance(function, Dispatcher):
                function.enable_caching()
