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
    from sklearn.metrics import normalized_mutual_info_score, silhouette_score

    unit = unit_rows(space).cpu().numpy()
    refitted = clusters(space, len(np.unique(labels)))
    return {
        "silhouette": float(silhouette_score(unit, labels, metric="cosine")),
        "nmi": float(normalized_mutual_info_score(labels, refitted)),
    }


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

    with warnings.catch_warnings():  # islands in the neighbour graph are a finding, not a fault
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        # a fixed random_state makes UMAP use one thread anyway; asked for more it only warns
        return UMAP(n_jobs=1, **options).fit_transform(vectors)
