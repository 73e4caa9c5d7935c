"""Clusters, how well spaces keep them apart, and maps: on blobs, against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score, silhouette_score
from sklearn.neighbors import NearestNeighbors

from lib.analysis import item_maps


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def blobs():
    truth = np.repeat([0, 1, 2, 3, 4], [60, 50, 40, 30, 20])
    return normal(0, 5, 12)[truth] * 5 + normal(1, 200, 12) * 0.3, truth


def test_clusters_find_blobs_and_are_numbered_by_size(blobs):
    vectors, truth = blobs
    assert (item_maps.clusters(vectors) == truth).all()
    shuffled = np.random.default_rng(0).permutation(200)
    assert (item_maps.clusters(vectors[shuffled] * 7) == truth[shuffled]).all()


def test_separation_is_high_where_the_labels_live_and_low_elsewhere(blobs):
    vectors, truth = blobs
    own, other = item_maps.separation(vectors, truth), item_maps.separation(normal(2, 200, 12), truth)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert own["nmi"] == pytest.approx(1)
    assert own["silhouette"] == pytest.approx(
        silhouette_score(1 - unit @ unit.T - np.diag(np.diag(1 - unit @ unit.T)), truth, metric="precomputed"), abs=1e-4
    )
    assert other["nmi"] < 0.15 and other["silhouette"] < 0.05


@pytest.mark.parametrize("n_blocks", [10, 200])
def test_scores_without_a_block_are_those_of_the_other_items(blobs, n_blocks):
    vectors, truth = blobs
    space = vectors + 6 * normal(3, *vectors.shape)
    estimates = item_maps.separation_estimates(space, truth, n_blocks)
    refitted = item_maps.clusters(space)
    for block in (None, 0, n_blocks // 2, n_blocks - 1):
        kept = np.arange(200) % n_blocks != block if block is not None else np.full(200, True)
        place = 0 if block is None else 1 + block
        wanted = silhouette_score(space[kept], truth[kept], metric="cosine")
        assert estimates["silhouette"][place] == pytest.approx(wanted, abs=1e-5)
        wanted = normalized_mutual_info_score(truth[kept], refitted[kept])
        assert estimates["nmi"][place] == pytest.approx(wanted, abs=1e-9)
    assert len(estimates["nmi"]) == len(estimates["silhouette"]) == 1 + n_blocks


def test_a_cluster_of_one_item_and_one_that_a_block_takes_away():
    labels = np.array([0, 0, 0, 1, 1, 2])
    vectors = normal(4, 6, 3)
    estimates = item_maps.separation_estimates(vectors, labels, 6)
    assert estimates["silhouette"][0] == pytest.approx(silhouette_score(vectors, labels, metric="cosine"), abs=1e-5)
    wanted = silhouette_score(vectors[:5], labels[:5], metric="cosine")
    assert estimates["silhouette"][6] == pytest.approx(wanted, abs=1e-5)


def test_umap_keeps_blobs_apart_and_is_read_from_its_cache(blobs, tmp_path, monkeypatch):
    vectors, truth = blobs
    places = item_maps.umap_coordinates(vectors, tmp_path)
    assert places.shape == (200, 2)
    nearest = NearestNeighbors(n_neighbors=5).fit(places).kneighbors(return_distance=False)
    assert (truth[nearest] == truth[:, None]).mean() > 0.95
    from umap.utils import fast_knn_indices

    assert fast_knn_indices.stats.cache_path, "what numba compiled is kept for other processes"
    monkeypatch.setattr(item_maps, "_fit_umap", None)
    assert (item_maps.umap_coordinates(torch.from_numpy(vectors), tmp_path) == places).all()
    with pytest.raises(TypeError):  # other content is not in the cache
        item_maps.umap_coordinates(vectors + 1, tmp_path)
