"""What a metric among sampled candidates says in place of the one among all: do two methods keep their order?"""

from itertools import combinations

import numpy as np
import pandas as pd

from lib.evaluation.significance import with_errors
from lib.evaluation.target_rank import metrics_of_ranks
from lib.evaluation.verdicts.rules import decided

KINDS = {"whole": "full_masked", "sampled": "neg100"}  # negatives are never visible items, so neither compete those


def pairs(ranks: dict[str, dict[str, np.ndarray]]) -> pd.DataFrame:
    """The difference of every two methods among all candidates and among sampled ones, one row per pair and metric.

    ranks: method -> candidates -> [n], all of the same rows. Columns metric (hr@10, ndcg@10), method, other; for whole
    and sampled the difference method - other over paired rows with its 95% interval and verdict (whole, whole_low,
    whole_high, whole_verdict and so on; `rules.decided`, one family for each kind of candidates); turned: the two have
    opposite signs; clearly: and both have a verdict.
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
        freedom = len(gains) - 1
        effects = with_errors(gains.mean(), [gains.var() / len(gains)], [np.full(gains.shape[1], freedom)])
        columns = {"difference": kind, "ci_low": f"{kind}_low", "ci_high": f"{kind}_high", "verdict": f"{kind}_verdict"}
        tables.append(decided(effects)[[*columns]].rename(columns=columns).set_index(gains.columns))
    table = pd.concat(tables, axis=1).rename_axis(["method", "other", "metric"]).reset_index()
    opposite = table.whole * table.sampled < 0
    surely = (table[[f"{kind}_verdict" for kind in KINDS]] != "inconclusive").all(axis=1)
    return table.assign(turned=opposite, clearly=opposite & surely)


def ranks_of_hits(ranks: dict[str, np.ndarray], k: int = 10) -> np.ndarray:
    """The ranks [hits] among all candidates of one method's targets that are within k among sampled ones."""
    return ranks[KINDS["whole"]][ranks[KINDS["sampled"]] <= k]
