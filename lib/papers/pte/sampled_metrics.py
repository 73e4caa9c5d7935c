"""What a metric among sampled candidates says in place of the one among all: do two methods keep their order?"""

from itertools import combinations

import numpy as np
import pandas as pd

from lib.evaluation.significance import bootstrap_mean
from lib.evaluation.target_rank import metrics_of_ranks

KINDS = {"whole": "full_masked", "sampled": "neg100"}  # negatives are never visible items, so neither compete those


def pairs(ranks: dict[str, dict[str, np.ndarray]], rng: np.random.Generator) -> pd.DataFrame:
    """The difference of every two methods among all candidates and among sampled ones, one row per pair and metric.

    ranks: method -> candidates -> [n], all of the same rows. Columns metric (hr@10, ndcg@10), method, other; for whole
    and sampled the difference method - other with its paired 95% bootstrap interval (whole, whole_low, whole_high and
    so on); turned: the two have opposite signs; clearly: and neither interval holds 0.
    """
    values = {
        (method, kind): pd.DataFrame(metrics_of_ranks(found[candidates], [10])).drop(columns="mrr@10")
        for method, found in ranks.items()
        for kind, candidates in KINDS.items()
    }
    names = [*combinations(ranks, 2)]
    tables = []
    for kind in KINDS:
        gains = pd.concat([values[own, kind] - values[other, kind] for own, other in names], axis=1, keys=names)
        low, high = bootstrap_mean(gains, rng)
        tables.append(pd.DataFrame({kind: gains.mean(), f"{kind}_low": low, f"{kind}_high": high}))
    table = pd.concat(tables, axis=1).rename_axis(["method", "other", "metric"]).reset_index()
    opposite = table.whole * table.sampled < 0
    surely = (table.whole_low * table.whole_high > 0) & (table.sampled_low * table.sampled_high > 0)
    return table.assign(turned=opposite, clearly=opposite & surely)


def ranks_of_hits(ranks: dict[str, np.ndarray], k: int = 10) -> np.ndarray:
    """The ranks [hits] among all candidates of one method's targets that are within k among sampled ones."""
    return ranks[KINDS["whole"]][ranks[KINDS["sampled"]] <= k]
