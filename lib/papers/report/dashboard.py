"""What the report's figure 2 shows of one dataset and backbone; dashboard_figure.py draws it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.analysis.item_maps import clusters, separation, umap_coordinates
from lib.analysis.text_overlap import FIRST_ITEMS, item_overlap
from lib.analysis.trend import alignment_trend
from lib.core.progress import Progress


class Dashboard(NamedTuple):
    """Frames behind the report's figure 2 for one dataset and backbone."""

    trend: pd.DataFrame  # alignment_trend
    slopes: pd.DataFrame
    nearest_100: pd.DataFrame  # item_overlap among the first 3000 items, K = 100
    nearest_20: pd.DataFrame  # item_overlap among all items, K = 20
    points: pd.DataFrame  # space, x, y, cluster
    separation: pd.DataFrame  # space, silhouette, nmi


def tables(board: Dashboard, backbone: str) -> dict[str, pd.DataFrame]:
    """What a dashboard draws, as tables by name; columns backbone and space first.

    trend: panel (a), a row per bin; scores: slopes, rank correlations and how far the maps' clusters are apart, a row
    per space; overlaps: panels (b) and (c), how many items have which overlap. The places of the items on the maps are
    left out: UMAP's axes mean nothing, and they are not the same on another machine.
    """
    slopes = board.slopes.rename(columns={"ci_low": "slope_low", "ci_high": "slope_high"})
    found = {
        "trend": board.trend,
        "scores": board.separation.merge(slopes, how="outer", on="space"),
        "overlaps": pd.concat([_counts(board.nearest_100, 100), _counts(board.nearest_20, 20)], ignore_index=True),
    }
    for name, table in found.items():
        table = table.assign(backbone=backbone)
        found[name] = table[["backbone", "space", *table.columns.drop(["backbone", "space"])]]
    return found


def _counts(overlaps: pd.DataFrame, k: int) -> pd.DataFrame:
    """How many items have each overlap, by space: space, neighbours, jaccard, items."""
    long = overlaps.melt(var_name="space", value_name="jaccard")
    return long.groupby(["space", "jaccard"]).size().rename("items").reset_index().assign(neighbours=k)


def measure(spaces: dict[str, np.ndarray], text: np.ndarray, cache: Path) -> Dashboard:
    """Everything the report's figure 2 shows, for item spaces {alignment: [n, d]} and text vectors [n, T].

    cache: the folder where coordinates of maps are kept.
    """
    # the items that alignment_trend draws as well, by the same seed
    sample = np.random.default_rng(2025).permutation(len(text))[:FIRST_ITEMS]
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
