"""Slopes of trends and separation of clusters, each beside that of base (docs/methods/rlmrec.md 9.2, 9.3)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.analysis.item_maps import clusters, separation_estimates
from lib.analysis.text_overlap import FIRST_ITEMS
from lib.analysis.trend import item_pairs, slope_estimates
from lib.core.progress import Progress
from lib.evaluation.significance import jackknife

TREND = ("slope", "slope of bins")
CLUSTERS = ("silhouette", "nmi")


def semantic_scores(
    text: np.ndarray, spaces: Mapping[tuple[str, str], np.ndarray], n_items: int = FIRST_ITEMS
) -> pd.DataFrame:
    """How items of spaces {(backbone, alignment): [n, d]} follow their texts [n, T], each beside base of its backbone.

    Columns backbone, alignment, measure (TREND, CLUSTERS), value, error (standard, over items), difference (to base),
    difference_error (paired: the same items are left out of both), freedom (of both errors); NaN for base. Errors are a
    jackknife over blocks of items, since pairs of items are not independent.
    """
    pairs = item_pairs(text, n_items)
    # the clusters are those of the texts, so they are the same for every space
    labels, estimates = clusters(text[pairs.sample]), {}
    with Progress(len(spaces), "scores", "space") as progress:
        for model, space in spaces.items():
            space = np.asarray(space)
            found = slope_estimates(pairs, space) | separation_estimates(space[pairs.sample], labels, pairs.n_blocks)
            estimates |= {(measure, *model): values for measure, values in found.items()}
            progress.update()
    rows = []
    for (measure, backbone, alignment), own in estimates.items():
        to_base = own - estimates[measure, backbone, "base"]
        change = (np.nan, np.nan) if alignment == "base" else jackknife(to_base)
        rows.append((backbone, alignment, measure, *jackknife(own), *change, len(own) - 2))
    columns = ["backbone", "alignment", "measure", "value", "error", "difference", "difference_error", "freedom"]
    return pd.DataFrame(rows, columns=columns)
