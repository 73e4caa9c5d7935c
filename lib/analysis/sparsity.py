"""Who gains: test metrics by the train degree of users and items (docs/methods/rlmrec.md 12)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.analysis import comparisons
from lib.core.names import COMPARISON, is_matched, is_plain
from lib.evaluation.seed_spread import seed_spread
from lib.evaluation.significance import variance_of_difference, with_errors
from lib.evaluation.verdicts.rules import decided
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

    hits: the frame of `run_hits.hits_of_run` for each run. A hit ranks among all items, not only among those of its
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
    return _stacked({name: comparisons.ranking_summary(runs, rng) for name, runs in parts.items()})


def group_differences(parts: dict[str, list[Part]]) -> pd.DataFrame:
    """`comparisons.against_base` of each group under each other; all groups are one family."""
    table = _stacked({name: comparisons.against_base(runs) for name, runs in parts.items()})
    return comparisons.judged(table.drop(columns=comparisons.JUDGED))


def _stacked(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, names=["group"]).reset_index("group").reset_index(drop=True)


def sparse_against_dense(parts: dict[str, list[Part]], metric: str = "recall@20") -> pd.DataFrame:
    """Is the gain of alignment in the sparsest group another than in the densest? One row per comparison with base.

    Columns of COMPARISON, sparse and dense (the two gains), sparse_low (lower end of the 95% interval of sparse), those
    of `significance.with_errors` for sparse - dense, whose chance is that of users and of seeds, and of
    `rules.decided`, for which all rows are a family. Models with changed settings are left out.
    """
    first, last = ([run for run in group if _is_judged(run)] for group in (list(parts.values())[i] for i in (0, -1)))
    gains = [_gains(runs, metric) for runs in (first, last)]
    # what the spread between seeds is about: by how much one run ranks the sparse better than the dense
    sparse, dense = comparisons.samples(first), comparisons.samples(last)
    apart = {model: _means(sparse[model], metric) - _means(dense[model], metric) for model in sparse}
    spread, users = seed_spread(apart, relative=False), [comparisons.user_means(runs) for runs in (first, last)]
    variances, freedoms = [], []
    for model, base in comparisons.base_partners(users[0]):
        sources = [variance_of_difference(*(_change(means, model, base, metric) for means in users))]
        for key in (model, base):
            variance, freedom = spread.of(key)  # of one run
            sources.append((variance / len(apart[key]), freedom))
        variances.append([variance for variance, _ in sources])
        freedoms.append([freedom for _, freedom in sources])
    table = gains[0][COMPARISON].assign(sparse=gains[0]["difference"], sparse_low=gains[0]["ci_low"])
    table["dense"] = gains[1]["difference"]
    variances, freedoms = (np.array(found, dtype=float).reshape(-1, 3).T for found in (variances, freedoms))
    return decided(pd.concat([table, with_errors(table["sparse"] - table["dense"], variances, freedoms)], axis=1))


def _is_judged(run: Ranked) -> bool:
    return is_plain(run.settings.alignment) or is_matched(run.settings.alignment)


def _gains(runs: list[Part], metric: str) -> pd.DataFrame:
    """The rows of `comparisons.against_base` on one metric."""
    table = comparisons.against_base(runs)
    return table[table["metric"] == metric].reset_index(drop=True)


def _means(frames: list[pd.DataFrame], metric: str) -> np.ndarray:
    return np.array([frame[metric].mean() for frame in frames])


def _change(means: dict, model, base, metric: str) -> pd.Series:
    """What each user gains over base."""
    ours, theirs = (means[key].set_index("user")[metric] for key in (model, base))
    return ours - theirs
