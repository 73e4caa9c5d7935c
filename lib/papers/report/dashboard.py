"""What the report's figure 2 shows of one dataset and backbone; dashboard_figure.py draws it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

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
    points: pd.DataFrame  # space, x, y, cluster
    separation: pd.DataFrame  # space, silhouette, nmi


def overlap_counts(data: Dashboard) -> pd.DataFrame:
    """What panels (b) and (c) draw, as counts: columns neighbours, space, overlap, items (with that overlap)."""
    tables = []
    for k, overlaps in ((100, data.nearest_100), (20, data.nearest_20)):
        counts = overlaps.apply(lambda values: values.round(6).value_counts()).fillna(0).astype(int)
        long = counts.rename_axis("overlap").reset_index().melt("overlap", var_name="space", value_name="items")
        tables.append(long[long["items"] > 0].assign(neighbours=k).sort_values(["space", "overlap"]))
    return pd.concat(tables, ignore_index=True)[["neighbours", "space", "overlap", "items"]]


def measure(spaces: dict[str, np.ndarray], text: np.ndarray, cache: Path) -> Dashboard:
    """Everything the report's figure 2 shows, for item spaces {alignment: [n, d]} and text vectors [n, T].

    cache: the folder where coordinates of maps are kept.
    """
    sample = sampled_items(len(text))
    mapped = {label: space[sample] for label, space in ({**spaces, "text": text}).items()}
    # clusters of the texts colour every map: where colours stay together, so does the meaning
    labels = clusters(mapped["text"])
    points, separations = [], []
    with Progress(len(mapped), "maps", "space") as progress:
        for label, space in mapped.items():
            x, y = umap_coordinates(space, cache).T
            points.append(pd.DataFrame({"space": label, "x": x, "y": y, "cluster": labels}))
            separations.append({"space": label, **separation(space, labels)})
            progress.update()
    return Dashboard(
        *alignment_trend(text, spaces),
        item_overlap(spaces, text, 100, FIRST_ITEMS),
        item_overlap(spaces, text, 20),
        pd.concat(points, ignore_index=True),
        pd.DataFrame(separations),
    )
