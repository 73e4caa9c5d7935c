"""Who gains: test metrics by the train degree of users and items (docs/methods/rlmrec.md 12)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.analysis.comparisons import base_partners, comparison, corrected, over_users, ranking_summary, user_means
from lib.core.names import COMPARISON
from lib.evaluation.significance import difference_of_means
from lib.training.run_folder import Ranked
from lib.training.run_settings import RunSettings


class Part(NamedTuple):
    """A run seen in one group of users or items only; it serves comparisons as a run does (`Ranked`)."""

    settings: RunSettings
    per_user: pd.DataFrame


# Groups


def degree_groups(degrees, n: int = 5) -> pd.Categorical:
    """The quantile group of each row [len(degrees)], sparsest first, named by its range of degrees ('7-16').

    Rows of one degree stay together, so the groups are only about equally large, and fewer than n where degrees repeat.
    """
    degrees = np.asarray(degrees)
    # the inner quantiles are the borders; equal ones leave groups empty, and np.unique closes the gaps
    codes = np.searchsorted(np.quantile(degrees, np.arange(1, n) / n), degrees)
    _, codes = np.unique(codes, return_inverse=True)
    ranges = pd.Series(degrees).groupby(codes).agg(["min", "max"]).itertuples(index=False)
    names = [f"{low}-{high}" if low < high else f"{low}" for low, high in ranges]
    return pd.Categorical.from_codes(codes, names, ordered=True)


def by_users(runs: Sequence[Ranked], groups: pd.Categorical, metrics=("recall@20", "ndcg@20")) -> dict[str, list[Part]]:
    """Runs divided by the group [n_users] of the test user: {group: [Part per run]}, sparsest first."""
    frames = [run.per_user.assign(group=groups[run.per_user["user"]]) for run in runs]
    return _parts(runs, frames, groups.categories, ["user", *metrics])


def by_items(runs: Sequence[Ranked], hits: list[pd.DataFrame], k: int = 20) -> dict[str, list[Part]]:
    """Recall@k among the test items of one group, for the users who have some there: {group: [Part per run]}.

    hits: the frame of `item_hits.hits_of_run` for each run. A hit ranks among all items, not only among those of its
    group.
    """
    tables = [frame[frame["relevant"] > 0] for frame in hits]
    tables = [frame.assign(**{f"recall@{k}": frame["hits"] / frame["relevant"]}) for frame in tables]
    return _parts(runs, tables, hits[0]["group"].unique(), ["user", f"recall@{k}"])


def _parts(runs: Sequence[Ranked], frames: list[pd.DataFrame], names, columns: list[str]) -> dict[str, list[Part]]:
    """These columns of each run's frame, divided by its column `group`: {group: [Part per run]}."""
    parts = {}
    for name in names:
        inside = [frame.loc[frame["group"] == name, columns] for frame in frames]
        parts[name] = [Part(run.settings, frame) for run, frame in zip(runs, inside, strict=True)]
    return parts


# What runs reach and gain in each group


def item_shares(hits: pd.DataFrame) -> pd.DataFrame:
    """Each group's share of all test items, of all recommended places and of all hits; rows are groups."""
    totals = hits.groupby("group", sort=False)[["relevant", "recommended", "hits"]].sum()
    return totals / totals.sum()


def group_means(parts: dict[str, list[Part]], rng: np.random.Generator) -> pd.DataFrame:
    """`comparisons.ranking_summary` of each group under each other, the group in the first column."""
    return _stacked({name: ranking_summary(runs, rng) for name, runs in parts.items()})


def group_differences(parts: dict[str, list[Part]], rng: np.random.Generator) -> pd.DataFrame:
    """`comparisons.over_users` of each group under each other; p_holm is corrected over all groups as well."""
    table = _stacked({name: over_users(runs, rng) for name, runs in parts.items()})
    table["p_holm"] = corrected(table)
    return table


def _stacked(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, names=["group"]).reset_index("group").reset_index(drop=True)


def sparse_against_dense(parts: dict[str, list[Part]], metric: str = "recall@20") -> pd.DataFrame:
    """Is the gain of alignment in the sparsest group another than in the densest? One row per comparison with base.

    Columns of COMPARISON, sparse and dense (the two gains), sparse_low (lower end of the 95% interval of sparse),
    difference (sparse - dense) with ci_low, ci_high (95%) and p of a t test, and p_holm over all rows with the same
    kind of base.
    """
    first, *_, last = parts.values()
    first, last, rows = user_means(first), user_means(last), []
    for model, base in base_partners(first):
        sparse, dense = (
            means[model].set_index("user")[metric] - means[base].set_index("user")[metric] for means in (first, last)
        )
        # against zeros of the same users this is the interval of the gain itself
        sparse_low = difference_of_means(sparse, 0 * sparse)["ci_low"]
        row = comparison(model, base, metric)
        row |= {"sparse": sparse.mean(), "sparse_low": sparse_low, "dense": dense.mean()}
        rows.append(row | difference_of_means(sparse, dense))
    columns = [*COMPARISON, "sparse", "sparse_low", "dense", "difference", "ci_low", "ci_high", "p"]
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = corrected(table)
    return table
