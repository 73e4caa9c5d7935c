"""Recommenders that learn nothing: by popularity, or by how near an item's text is to what a user has taken.

Whatever is trained has to beat them. A scorer takes histories [n, length] of item numbers, left-padded with 0, and
gives scores [n, n_items], in column i - 1 that of item i. The rank of a target is taken among candidates:

full          all items
full_masked   all items but those visible in its row, unless the target itself is one
neg100        the target and 100 items drawn once for its row, none of them visible in it
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.data.sequences.rows import Rows, inside, visible
from lib.data.sequences.user_sequences import Sequences
from lib.evaluation.significance import bootstrap_mean
from lib.evaluation.target_rank import KS, metrics_of_ranks, rank_of_target
from lib.language import encoders

Scorer = Callable[[Tensor], Tensor]

CHUNK = 2**24  # scores held at once (64 MiB)
DECIMALS = 5  # of a cosine: items with the same text tie, in whatever order a processor sums


def item_vectors(
    sequences: Sequences, encoder: str, params: Path = ROOT / "params", data: Path = ROOT / "data"
) -> np.ndarray:
    """Vectors float32 [n_items, T] of what the data say of each item; raises UserError where they say nothing."""
    if sequences.texts is None:
        raise UserError(f"{sequences.name} says nothing of its items in words: add title or description to its items")
    found, _ = encoders.encode(sequences.texts.tolist(), encoders.settings(encoder, params), Path(data) / "cache/text")
    return found


def scorers(sequences: Sequences, train: Rows, vectors: np.ndarray) -> dict[str, Scorer]:
    """The four untrained scorers by name, from the rows of train and the text vectors [n_items, T] of all items."""
    _, place = inside(train.start, train.stop + 1)
    taken = np.bincount(sequences.item[place], minlength=sequences.n_items + 1)[1:]
    texts = F.pad(F.normalize(torch.from_numpy(vectors)), (0, 0, 1, 0))  # row 0, of the padding, has no direction
    by_text = {"last_item": by_last_item, "content_mean": by_content_mean, "content_max": by_content_max}
    return {
        "popularity": partial(by_popularity, torch.from_numpy(taken)),
        **{name: partial(scorer, texts) for name, scorer in by_text.items()},
    }


def by_popularity(taken: Tensor, history: Tensor) -> Tensor:
    """How often each item was taken [n_items], whatever the history."""
    return taken.expand(len(history), -1)


def by_last_item(texts: Tensor, history: Tensor) -> Tensor:
    """cos(e_i, e_last), with unit vectors e in the rows of texts [1 + n_items, T] and `last` the last visible item."""
    return _cosines(texts, texts[history[:, -1]])


def by_content_mean(texts: Tensor, history: Tensor) -> Tensor:
    """cos(e_i, sum_j e_j) over the items j of the history, which orders items as their mean cosine to it does."""
    return _cosines(texts, F.normalize(F.embedding_bag(history, texts, mode="sum")))


def by_content_max(texts: Tensor, history: Tensor) -> Tensor:
    """max_j cos(e_i, e_j) over the items j of the history; all items tie where there is none."""
    best = texts.new_full((len(history), len(texts) - 1), -torch.inf)
    for items in history.T.flip(0):  # the last of all histories, those before them, ...
        if not len(shown := items.nonzero().ravel()):
            break  # nothing but padding stands further left
        best[shown] = torch.maximum(best[shown], texts[items[shown]] @ texts[1:].T)
    return best.round_(decimals=DECIMALS)


def _cosines(texts: Tensor, unit: Tensor) -> Tensor:
    """Cosines [n, n_items] of unit vectors [n, T] with all items."""
    return (unit @ texts[1:].T).round_(decimals=DECIMALS)


def ranks(
    scorer: Scorer, sequences: Sequences, rows: Rows, negatives: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """The rank of each row's target, ties expected, by candidates: full, full_masked, and with `negatives` neg<m>.

    negatives: items [n, m] of negatives.negatives. All kinds of candidates come of the same scores.
    """
    taken, parts = visible(sequences, rows), []
    step = max(CHUNK // sequences.n_items, 1)
    for part in (slice(start, start + step) for start in range(0, len(rows), step)):
        target = torch.from_numpy(rows.target[part]).long() - 1
        scores = scorer(torch.from_numpy(rows.history[part]).long())
        mask = torch.from_numpy(taken[part, 1:].toarray())
        found = {"full": rank_of_target(scores, target), "full_masked": rank_of_target(scores, target, mask)}
        if negatives is not None:
            columns = torch.column_stack([target, torch.from_numpy(negatives[part]).long() - 1])
            found[f"neg{negatives.shape[1]}"] = rank_of_target(scores.gather(1, columns), torch.zeros_like(target))
        parts.append(found)
    return {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}


def means(
    ranks: dict[str, dict[str, np.ndarray]], rng: np.random.Generator, groups: pd.DataFrame | None = None, ks=KS
) -> pd.DataFrame:
    """Mean metrics with 95% intervals by a bootstrap over rows, which are users: all of them, or also by group.

    ranks: method -> candidates -> [n]; groups: those of long_tail.groups. Columns method, candidates, group, metric, k,
    value, ci_low, ci_high; groups without a row are left out. All methods share the rows of a draw.
    """
    values = pd.concat(
        {
            (method, candidates): pd.DataFrame(metrics_of_ranks(found, ks))
            for method, by_candidates in ranks.items()
            for candidates, found in by_candidates.items()
        },
        axis=1,
    )
    groups = pd.DataFrame({"overall": True}, values.index) if groups is None else groups.loc[:, groups.any()]
    tables = []
    for name, inside_group in groups.items():
        part = values[inside_group.to_numpy()]
        low, high = bootstrap_mean(part, rng)
        table = pd.DataFrame({"group": name, "value": part.mean(), "ci_low": low, "ci_high": high})
        tables.append(table.rename_axis(["method", "candidates", "metric"]).reset_index())
    table = pd.concat(tables, ignore_index=True)
    table[["metric", "k"]] = table.metric.str.split("@", expand=True)
    return table.astype({"k": int})[["method", "candidates", "group", "metric", "k", "value", "ci_low", "ci_high"]]
