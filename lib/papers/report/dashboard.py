"""What the report's figure 2 shows of one dataset and backbone; dashboard_figure.py draws it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.linalg import orthogonal_procrustes

from lib.analysis.cluster_words import cluster_words
from lib.analysis.item_maps import clusters, separation, umap_coordinates
from lib.analysis.text_overlap import FIRST_ITEMS, item_overlap
from lib.analysis.trend import alignment_trend, sampled_items
from lib.core.progress import Progress


class Dashboard(NamedTuple):
    """Frames behind the report's figure 2 for one dataset and backbone."""

    trend: pd.DataFrame  # alignment_trend
    slopes: pd.DataFrame
    nearest_100: pd.DataFrame  # item_overlap among the first 3000 items, K = 100
    nearest_20: pd.DataFrame  # item_overlap among all items, K = 20
    points: pd.DataFrame  # space, x, y, cluster; the maps of all spaces turned alike
    separation: pd.DataFrame  # space, silhouette, nmi
    clusters: tuple[str, ...] = ()  # the name of each cluster


def overlap_counts(data: Dashboard) -> pd.DataFrame:
    """What panels (b) and (c) draw, as counts: columns neighbours, space, overlap, items (with that overlap)."""
    tables = []
    for k, overlaps in ((100, data.nearest_100), (20, data.nearest_20)):
        counts = overlaps.apply(lambda values: values.round(6).value_counts()).fillna(0).astype(int)
        long = counts.rename_axis("overlap").reset_index().melt("overlap", var_name="space", value_name="items")
        tables.append(long[long["items"] > 0].assign(neighbours=k).sort_values(["space", "overlap"]))
    return pd.concat(tables, ignore_index=True)[["neighbours", "space", "overlap", "items"]]


def measure(
    spaces: dict[str, np.ndarray], text: np.ndarray, cache: Path, texts: Sequence[str] | None = None
) -> Dashboard:
    """Everything the report's figure 2 shows, for item spaces {alignment: [n, d]} and text vectors [n, T].

    cache: the folder where coordinates of maps are kept; texts: those of the n items, whose words name the clusters.
    """
    sample = sampled_items(len(text))
    mapped = {label: space[sample] for label, space in ({**spaces, "text": text}).items()}
    # clusters of the texts colour every map: where colours stay together, so does the meaning
    labels = clusters(mapped["text"])
    maps, separations = {}, []
    with Progress(len(mapped), "maps", "space") as progress:
        for label, space in mapped.items():
            maps[label] = umap_coordinates(space, cache)
            separations.append({"space": label, **separation(space, labels)})
            progress.update()
    named = () if texts is None else tuple(cluster_words([texts[item] for item in sample], labels))
    return Dashboard(
        *alignment_trend(text, spaces),
        item_overlap(spaces, text, 100, FIRST_ITEMS),
        item_overlap(spaces, text, 20),
        _points(turned_alike(maps), labels),
        pd.DataFrame(separations),
        named,
    )


def _points(maps: dict[str, np.ndarray], labels: np.ndarray) -> pd.DataFrame:
    columns = [(name, places.T) for name, places in maps.items()]
    frames = [pd.DataFrame({"space": name, "x": x, "y": y, "cluster": labels}) for name, (x, y) in columns]
    return pd.concat(frames, ignore_index=True)


def turned_alike(maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Maps {space: [n, 2]} of the same items, centred and turned or mirrored so that items lie where they can.

    The first one is turned to that of the text, the others to the first: a map's orientation means nothing, and only
    alike can they be compared by eye (orthogonal Procrustes; no distance within a map changes).
    """
    centred = {name: places - places.mean(0) for name, places in maps.items()}
    first = next(iter(centred))
    reference = centred["text"]
    for name in [name for name in centred if name != "text"]:
        centred[name] = centred[name] @ orthogonal_procrustes(centred[name], reference)[0]
        reference = centred[first]
    return centred
