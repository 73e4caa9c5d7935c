"""What cold start and leave-one-out make of a dataset, beside what is published, and how sure means over it are."""

import numpy as np
import pandas as pd

from lib.core.errors import unknown
from lib.data.interactions import SPLITS
from lib.data.sequences.cold_start import cold_start
from lib.data.sequences.leave_one_out import leave_one_out
from lib.data.sequences.long_tail import groups, item_counts, thresholds
from lib.data.sequences.rows import SplitRows
from lib.data.sequences.user_sequences import Sequences
from lib.papers.pte.published import published

PROTOCOLS = {"cold_start": cold_start, "leave_one_out": leave_one_out}
# published are NDCG and MRR, so a second moment of NDCG is known up to this much; see `ndcg_errors`
LEAST_OF_MRR = np.min(np.arange(1, 11) / np.log2(np.arange(2, 12)) ** 2)


def split(sequences: Sequences, protocol: str) -> SplitRows:
    """The rows of a protocol, as published; raises UserError for an unknown one."""
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    return PROTOCOLS[protocol](sequences)


def counts(sequences: Sequences, protocol: str, rows: SplitRows) -> pd.DataFrame:
    """What a protocol gives: columns dataset, protocol, quantity, value, published (empty where nothing is).

    Rows by split, events in them, what `rows.counts` says of targets, and shares of the tail: of users and items, and
    of the test rows that are about them (long_tail.groups, with the thresholds of the dataset).
    """
    found = {"users": sequences.n_users, "items": sequences.n_items}
    found |= {f"{name} rows" if name in SPLITS else name: value for name, value in rows.counts.items()}
    found["share of test targets unknown to train"] = found["test targets unknown to train"] / len(rows.test)
    user, item = sequences.tail or thresholds(sequences)
    found |= {"events of a head user": user, "events of a head item": item}
    found["share of tail users"] = (sequences.lengths - 1 < user).mean()
    found["share of tail items"] = (item_counts(sequences)[1:] < item).mean()
    of_rows = groups(sequences, rows.test, (user, item)).mean()
    found |= {f"share of test rows of tail {side}s": of_rows[f"tail_{side}"] for side in ("user", "item")}
    table = pd.DataFrame(found.items(), columns=["quantity", "value"])
    table.insert(0, "dataset", sequences.name)
    table.insert(1, "protocol", protocol)
    known = published("counts").rename(columns={"value": "published"})
    return table.merge(known, "left", on=["dataset", "protocol", "quantity"], validate="one_to_one")


def in_words(sequences: Sequences, rows: SplitRows) -> pd.DataFrame:
    """The rows of all splits as one reads them, for data that are small enough: split, user, history, target."""
    title = np.concatenate([[""], sequences.items.title])
    tables = [
        pd.DataFrame(
            {
                "split": name,
                "user": sequences.users.id.to_numpy()[part.user],
                "history": [" ".join(title[items[items > 0]]) for items in part.history],
                "target": title[part.target],
            }
        )
        for name, part in ((name, getattr(rows, name)) for name in SPLITS)
    ]
    return pd.concat(tables, ignore_index=True)


def ndcg_errors(dataset: str, rows: int) -> pd.DataFrame:
    """The least and the greatest standard error of NDCG@10 behind each published cold-start row of a dataset.

    Over n test rows it is sqrt((E[x^2] - NDCG^2) / n) with x = 1[r <= 10] / log2(r + 1). For ranks up to 10,
    0.742 / r <= 1 / log2(r + 1)^2 <= 1 / r, so E[x^2] lies between 0.742 MRR and MRR. Columns backbone, method, ndcg,
    mrr, error_low, error_high; no row for a dataset that the tables lack.
    """
    cells = published("cold_start").query("dataset == @dataset and k == 10")
    wide = cells.pivot(index=["backbone", "method"], columns="metric", values="value").reset_index()
    wide = wide.reindex(columns=["backbone", "method", "ndcg", "mrr"])
    least, most = (share * wide.mrr - wide.ndcg**2 for share in (LEAST_OF_MRR, 1))
    return wide.assign(error_low=np.sqrt(least.clip(lower=0) / rows), error_high=np.sqrt(most.clip(lower=0) / rows))
