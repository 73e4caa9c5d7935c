"""What tables of HR, NDCG and MRR with one target per row must satisfy if their cells are means over one test set.

I1  No metric falls with k.
I2  From k to k', MRR gains between log2(k' + 1) / k' and log2(k + 2) / (k + 1) times what NDCG gains.
I3  Overall = p tail + (1 - p) head, with one share p of tail rows for all methods and metrics of a dataset.
I4  MRR@k <= NDCG@k <= HR@k.

Tables are tidy: one row per metric (hr, ndcg, mrr) and k with its `value` from 0 to 1, a `group` in tables of long
tails, and any columns that tell cells apart (dataset, backbone, method, loss, encoder, seed, ...), here called keys.
`rounding` is how far a cell may be from its exact value, half of its last digit.
"""

import numpy as np
import pandas as pd

from lib.core.errors import UserError, unknown
from lib.evaluation.target_rank import TIES

ROUNDING = 5e-7  # six digits, as results.records writes tables
METRICS = ("mrr", "ndcg", "hr")  # in the order of I4
GROUPINGS = {"item": ("tail_item", "head_item"), "user": ("tail_user", "head_user")}
NO_KEYS = ("metric", "k", "value", "published", "comparable", "delta", "ci_low", "ci_high")
TINY = 1e-12  # what floating point may add to a difference of cells


def violations(results: pd.DataFrame, rounding: float = ROUNDING, ties: str = "expected") -> pd.DataFrame:
    """The checks of a table that fail: none if its cells can be means over one test set. Arguments as of `checks`."""
    table = checks(results, rounding, ties)
    return table[~table["holds"]].reset_index(drop=True)


def checks(results: pd.DataFrame, rounding: float = ROUNDING, ties: str = "expected") -> pd.DataFrame:
    """Every check of I1 to I4 that the cells of a table allow, one row each.

    Columns: keys, group (if there is one), invariant, cells (which are compared), gap (how far they are beyond the
    bound), allowed (how far rounding alone can bring them) and holds. ties: how ranks were counted (target_rank).
    Raises UserError for a value that is no number from 0 to 1, a cell that stands twice and an unknown `ties`.
    """
    if ties not in TIES:
        raise unknown("ties", ties, TIES)
    keys, cells = _checked(results)
    gained = gains(results)
    tables = [
        _rising(gained, keys, rounding),
        *_gaining(gained, keys, rounding, ties),
        *_in_order(cells, keys, rounding),
    ]
    if "group" in keys:
        shares = tail_shares(results, rounding)
        named = shares.assign(group=shares["grouping"])[keys]
        cells = "tail share by " + shares["metric"] + "@" + shares["k"].astype(str)
        tables.append(_table(named, "I3", cells, shares["gap"], 2 * rounding))
    return pd.concat(tables, ignore_index=True)


def _checked(results: pd.DataFrame) -> tuple[list[str], pd.DataFrame]:
    """The keys of a table, with `group` if there is one, and its cells of known metrics."""
    keys = [name for name in results if name not in NO_KEYS]
    cells = results[results["metric"].isin(METRICS)]
    outside = ~cells["value"].between(0, 1)  # also true of NaN
    if outside.any():
        row = cells[outside].iloc[0]
        raise UserError(f"{_named(row, keys)} is {row['value']}: metrics are numbers from 0 to 1, not percent")
    twice = cells.duplicated([*keys, "metric", "k"])
    if twice.any():
        row = _named(cells[twice].iloc[0], keys)
        raise UserError(f"{row} stands twice: tell the two apart by a column of their own")
    return keys, cells


def _named(row: pd.Series, keys: list[str]) -> str:
    return " ".join([*(str(row[name]) for name in keys), f"{row['metric']}@{row['k']}"])


def _table(named: pd.DataFrame, invariant: str, cells: pd.Series, gap: pd.Series, allowed) -> pd.DataFrame:
    """Checks of one kind, without those that lack a cell."""
    table = named.assign(invariant=invariant, cells=cells, gap=gap, allowed=allowed).dropna(subset=["gap"])
    return table.assign(holds=table["gap"] <= table["allowed"] + TINY)


def _text(column: pd.Series) -> pd.Series:
    return column.astype(str)


# I1, I2 and I4: within a row of the printed table


def gains(results: pd.DataFrame) -> pd.DataFrame:
    """What each metric gains from a k to the next in the table: keys, metric, k, next_k, gain."""
    keys, cells = _checked(results)
    cells = cells.sort_values("k", kind="stable")
    following = cells.groupby([*keys, "metric"], sort=False, dropna=False)[["k", "value"]].shift(-1)
    table = cells.assign(next_k=following["k"], gain=following["value"] - cells["value"])
    table = table[[*keys, "metric", "k", "next_k", "gain"]].dropna(subset=["next_k"])
    return table.astype({"next_k": int}).reset_index(drop=True)


def _rising(gained: pd.DataFrame, keys: list[str], rounding: float) -> pd.DataFrame:
    """I1: a hit within k is one within k' > k; each of the two cells may be off by its rounding."""
    cells = gained["metric"] + "@" + _text(gained["k"]) + " to @" + _text(gained["next_k"])
    return _table(gained[keys], "I1", cells, -gained["gain"], 2 * rounding)


def _gaining(gained: pd.DataFrame, keys: list[str], rounding: float, ties: str) -> list[pd.DataFrame]:
    """I2: one check of the least that MRR gains and one of the most; both gains are differences of two cells."""
    wide = gained.pivot(index=[*keys, "k", "next_k"], columns="metric", values="gain").reindex(columns=METRICS)
    wide = wide.reset_index()
    least, most = gain_bounds(wide["k"], wide["next_k"], ties)
    step = ", " + _text(wide["k"]) + " to " + _text(wide["next_k"])
    low, high = least * wide["ndcg"] - wide["mrr"], wide["mrr"] - most * wide["ndcg"]
    return [
        _table(wide[keys], "I2", "least gain of mrr" + step, low, 2 * rounding * (1 + least)),
        _table(wide[keys], "I2", "most gain of mrr" + step, high, 2 * rounding * (1 + most)),
    ]


def gain_bounds(k, next_k, ties: str = "expected"):
    """The least and the most that MRR can gain from k to next_k, as multiples of what NDCG gains; arrays or numbers.

    What is gained are targets at ranks k < r <= next_k. One adds 1 / log2(r + 1) to the sum behind NDCG and 1 / r to
    that behind MRR: log2(r + 1) / r times as much. This ratio falls with r (its derivative has the sign of
    r / (r + 1) - ln(r + 1), which is negative for r > 0), so the last rank, next_k, gives the least and the first the
    most: k + 1 where ranks are whole (`optimistic`), any rank above k where ties share theirs (`expected`). Sums of
    such terms, and so means, keep both bounds.
    """
    first = k + 1 if ties == "optimistic" else k
    return np.log2(next_k + 1) / next_k, np.log2(first + 1) / first


def _in_order(cells: pd.DataFrame, keys: list[str], rounding: float) -> list[pd.DataFrame]:
    """I4: 1 / r <= 1 / log2(r + 1) <= 1 for every rank r >= 1."""
    wide = cells.pivot(index=[*keys, "k"], columns="metric", values="value").reindex(columns=METRICS).reset_index()
    pairs = [("mrr", "ndcg"), ("ndcg", "hr"), ("mrr", "hr")]
    names = (f"{low} and {high}@" + _text(wide["k"]) for low, high in pairs)
    gaps = (wide[low] - wide[high] for low, high in pairs)
    return [_table(wide[keys], "I4", name, gap, 2 * rounding) for name, gap in zip(names, gaps, strict=True)]


# I3: between the groups of a long tail


def tail_shares(results: pd.DataFrame, rounding: float = ROUNDING) -> pd.DataFrame:
    """The share p of tail rows that overall = p tail + (1 - p) head implies, for each method and metric.

    Columns: keys without group, metric, k, grouping (item, user), overall, tail, head, low and high (the shares from 0
    to 1 that cells so rounded allow; NaN where none does), common (the share that most rows of the dataset and grouping
    allow) and gap, |overall - p tail - (1 - p) head| at the common share. Rounding brings it to 2 * rounding: one for
    overall, p and 1 - p for the other two.
    """
    keys, cells = _checked(results)
    index = [*(name for name in keys if name != "group"), "metric", "k"]
    wide = cells.pivot(index=index, columns="group", values="value").reset_index()
    wide = wide.reindex(columns=[*index, "overall", *sum(GROUPINGS.values(), ())])
    tables = [
        wide[[*index, "overall"]].assign(grouping=grouping, tail=wide[tail], head=wide[head])
        for grouping, (tail, head) in GROUPINGS.items()
    ]
    table = pd.concat(tables, ignore_index=True).dropna(subset=["overall", "tail", "head"])
    table = table.assign(**_allowed_shares(table, 2 * rounding + TINY))
    of = [table[name] for name in ("dataset", "grouping") if name in table]
    p = table["common"] = table["low"].groupby(of).transform(lambda low: _common(low, table["high"][low.index]))
    return table.assign(gap=(table["overall"] - p * table["tail"] - (1 - p) * table["head"]).abs())


def _allowed_shares(table: pd.DataFrame, allowed: float) -> dict[str, pd.Series]:
    """The least and the greatest p from 0 to 1 with |overall - head - p (tail - head)| <= allowed; NaN without one."""
    with np.errstate(divide="ignore", invalid="ignore"):  # of equal groups every share is allowed, or none
        ends = [
            (table["overall"] - table["head"] + off) / (table["tail"] - table["head"]) for off in (-allowed, allowed)
        ]
    low, high = np.minimum(*ends).clip(lower=0), np.maximum(*ends).clip(upper=1)
    return {"low": low.where(low <= high), "high": high.where(low <= high)}


def _common(low: pd.Series, high: pd.Series) -> float:
    """The middle of those shares that most of the ranges low..high hold."""
    low, high = low.dropna().to_numpy(), high.dropna().to_numpy()
    if not len(low):
        return 0.5  # none fits any row, so each is as good
    # where most ranges overlap, one of them starts
    holding = (low <= low[:, None]) & (low[:, None] <= high)
    most = holding.sum(1).argmax()
    return (low[most] + high[holding[most]].min()) / 2
