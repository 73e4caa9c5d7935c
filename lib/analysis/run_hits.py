"""The hits of a run by groups of items, measured on its vectors or as they were recorded with it."""

import numpy as np
import pandas as pd

from lib.analysis import kept_measures
from lib.analysis.item_hits import item_hits
from lib.core.files import ROOT
from lib.data.interactions import Interactions
from lib.training.run_folder import Run

MEASURE = ROOT / "lib" / "analysis" / "item_hits.py"  # with what it imports, the code that the numbers follow from
KEPT = "item_hits.parquet"


def hits_of_run(run: Run, data: Interactions, groups: pd.Categorical) -> pd.DataFrame:
    """`item_hits` of a run by its final vectors, or as recorded with it for these groups."""
    kept = kept_measures.measured(run, KEPT, MEASURE)
    if kept is not None and _are_those(groups, kept, data):
        return kept
    return item_hits(run.final, data, groups)


def _are_those(groups: pd.Categorical, found: pd.DataFrame, data: Interactions) -> bool:
    """Whether recorded hits are of these groups: the test items in each follow from the data alone."""
    users = np.flatnonzero(np.diff(data.test.indptr))
    wanted = [np.diff(data.test[users][:, groups.codes == code].indptr) for code in range(len(groups.categories))]
    names = np.repeat(np.asarray(groups.categories, dtype=object), len(users))
    return list(found["group"]) == list(names) and np.array_equal(found["relevant"], np.concatenate(wanted))
