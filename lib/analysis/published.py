"""The numbers that papers, the report and public runs of their code give: params/published/*.csv."""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.files import ROOT

FOLDER = ROOT / "params" / "published"
SEEDS_OF_MEANS = 5  # behind each of RLMRec's cells


def published_table(name: str, folder: Path = FOLDER) -> pd.DataFrame:
    """One of the tables, e.g. 'rlmrec_table1' (columns dataset, backbone, alignment, metric, k, value)."""
    return pd.read_csv(Path(folder) / f"{name}.csv")


def implied_seed_spread(single: pd.DataFrame, means: pd.DataFrame) -> float:
    """Relative standard deviation of Recall@20 between seeds that published base cells imply; no paper prints one.

    single: cells of one seed; means: the same cells as means of five (columns dataset, backbone, alignment, metric, k,
    value). Their differences also hold whatever else differs between the two sources, and the cells are few: an
    estimate (docs/methods/rlmrec.md 11.5).
    """
    cell = ["dataset", "backbone", "alignment", "metric", "k"]
    both = single.merge(means, on=cell, suffixes=("", "_mean"))
    both = both.query("alignment == 'base' and metric == 'recall' and k == 20")
    relative = both["value"] / both["value_mean"] - 1
    # the variance of a difference between one run and a mean of five is that of one run times 1 + 1/5
    return float(np.sqrt((relative**2).mean() / (1 + 1 / SEEDS_OF_MEANS)))
