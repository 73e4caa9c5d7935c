"""Who gains: test metrics by the train degree of users and items, and rankings without training (spec rlmrec 12)."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import stats

from lib import ranking
from lib.datasets import Interactions
from lib.params import RunSettings
from lib.seeds import COMPARISON, pairs
from lib.statistics import conclusion, holm
from lib.tables import LEVEL, ranking_summary, significance, user_means


class Part(NamedTuple):
    """A run seen in one group only: what `tables.significance` and `tables.ranking_summary` read of a run."""

    settings: RunSettings
    per_user: pd.DataFrame


def degree_groups(degrees, n: int = 5) -> pd.Categorical:
    """The quantile group of each row [len(degrees)], sparsest first, named by its range of degrees ('7-16').

    Rows of one degree stay together, so the groups are only about equally large, and fewer than n where degrees repeat.
    """
    degrees = np.asarray(degrees)
    codes = np.searchsorted(np.quantile(degrees, np.arange(1, n) / n), degrees)
    _, codes = np.unique(codes, return_inverse=True)
    ranges = pd.Series(degrees).groupby(codes).agg(["min", "max"]).itertuples(index=False)
    names = [f"{low}-{high}" if low < high else f"{low}" for low, high in ranges]
    return pd.Categorical.from_codes(codes, names, ordered=True)


def by_users(runs, groups: pd.Categorical, metrics=("recall@20", "ndcg@20")) -> dict[str, list[Part]]:
    """Runs divided by the group [n_users] of the test user: {group: [Part per run]}, sparsest first."""
    frames = [run.per_user[["user", *metrics]] for run in runs]
    return {
        name: [
            Part(run.settings, frame[groups[frame["user"]] == name]) for run, frame in zip(runs, frames, strict=True)
        ]
        for name in groups.categories
    }


def final_vectors(run) -> torch.Tensor:
    """The stored vectors that a run recommends by, users then items: [n_users + n_items, D]."""
    return torch.from_numpy(np.concatenate([run.embeddings["user_final"], run.embeddings["item_final"]]))


def item_hits(final: torch.Tensor, data: Interactions, groups: pd.Categorical, k: int = 20) -> pd.DataFrame:
    """Where the hits of a full ranking by final vectors [n_users + n_items, D] lie, by the group [n_items] of the item.

    One row per test user and group: user, group, relevant (test items in the group), recommended (of the k best), hits.
    """
    codes = np.asarray(groups.codes)
    users = np.flatnonzero(np.diff(data.test.indptr))
    top = ranking.top_items(final[: data.n_users], final[data.n_users :], data.train, users, k).cpu().numpy()
    found, shown, wanted = ranking.hits(top, data.test, users), codes[top], data.test[users]
    frames = [
        pd.DataFrame({
            "user": users,
            "group": name,
            "relevant": np.diff(wanted[:, codes == code].indptr),
            "recommended": (shown == code).sum(1),
            "hits": (found & (shown == code)).sum(1),
        })
        for code, name in enumerate(groups.categories)
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def by_items(runs, hits, k: int = 20) -> dict[str, list[Part]]:
    """Recall@k among the test items of one group, for the users who have some there: {group: [Part per run]}.

    hits: the frame of `item_hits` for each run. A hit ranks among all items, not only among those of its group.
    """
    tables = [frame[frame["relevant"] > 0] for frame in hits]
    tables = [frame.assign(**{f"recall@{k}": frame["hits"] / frame["relevant"]}) for frame in tables]
    columns = ["user", f"recall@{k}"]
    return {
        name: [
            Part(run.settings, frame.loc[frame["group"] == name, columns])
            for run, frame in zip(runs, tables, strict=True)
        ]
        for name in hits[0]["group"].unique()
    }


def shares(hits: pd.DataFrame) -> pd.DataFrame:
    """Each group's share of all test items, of all recommended places and of all hits; rows are groups."""
    totals = hits.groupby("group", sort=False)[["relevant", "recommended", "hits"]].sum()
    return totals / totals.sum()


def levels(parts: dict[str, list[Part]], rng: np.random.Generator) -> pd.DataFrame:
    """`tables.ranking_summary` of each group under each other, the group in the first column."""
    return _stacked({name: ranking_summary(runs, rng) for name, runs in parts.items()})


def gains(parts: dict[str, list[Part]], rng: np.random.Generator) -> pd.DataFrame:
    """`tables.significance` of each group under each other; p_holm is corrected over all groups as well."""
    table = _stacked({name: significance(runs, rng) for name, runs in parts.items()})
    table["p_holm"] = _corrected(table)
    return table


def _stacked(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, names=["group"]).reset_index("group").reset_index(drop=True)


def _corrected(table: pd.DataFrame) -> pd.Series:
    """Holm's correction over the comparisons of a dataset with the same kind of base."""
    return table.groupby(["dataset", table["against"] != "base"])["p"].transform(holm)


def sparse_against_dense(parts: dict[str, list[Part]], metric: str = "recall@20") -> pd.DataFrame:
    """Is the gain of alignment in the sparsest group another than in the densest? One row per comparison with base.

    Columns of COMPARISON, sparse and dense (the two gains), sparse_low (lower end of the 95% interval of sparse),
    difference (sparse - dense) with ci_low, ci_high (95%) and p of a t test, and p_holm over all rows with the same
    kind of base.
    """
    first, *_, last = parts.values()
    first, last, rows = user_means(first), user_means(last), []
    for model, base in pairs(first):
        sparse, dense = (
            means[model].set_index("user")[metric] - means[base].set_index("user")[metric] for means in (first, last)
        )
        row = dict(zip(COMPARISON, (*model, base[3], metric), strict=True))
        sparse_low = difference_of_means(sparse, 0 * sparse)["ci_low"]
        row |= {"sparse": sparse.mean(), "sparse_low": sparse_low, "dense": dense.mean()}
        rows.append(row | difference_of_means(sparse, dense))
    columns = [*COMPARISON, "sparse", "sparse_low", "dense", "difference", "ci_low", "ci_high", "p"]
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = _corrected(table)
    return table


def difference_of_means(a: pd.Series, b: pd.Series) -> dict[str, float]:
    """mean(a) - mean(b) with ci_low, ci_high (95%) and p, for values indexed by user of which some may be in both.

    Welch's test where no user is in both, the paired t test where all are, and what lies between otherwise; degrees of
    freedom are those of the smaller sample.
    """
    # each user's pull on the difference: users in both samples pull on both means
    pull = [(part - part.mean()) / np.sqrt(len(part) * (len(part) - 1)) for part in (a, b)]
    error = np.sqrt((pull[0].sub(pull[1], fill_value=0) ** 2).sum())
    difference, t = a.mean() - b.mean(), stats.t(min(len(a), len(b)) - 1)
    p = 2 * t.sf(abs(difference) / error) if error > 0 else float(difference == 0)
    margin = t.ppf(0.975) * error
    return {"difference": difference, "ci_low": difference - margin, "ci_high": difference + margin, "p": p}


def sparse_verdicts(table: pd.DataFrame, side: str) -> list[str]:
    """One sentence per row of `sparse_against_dense`: are sparse users or items ('user', 'item') helped more?"""
    sentences = []
    for row in table.itertuples():
        if row.p_holm >= LEVEL:
            result = f"sparse {side}s not told apart from dense ones"
        elif row.difference > 0:
            sure = row.sparse_low > 0
            result = f"sparse {side}s {'GAIN MORE than dense ones' if sure else 'fare better, without a sure gain'}"
        else:
            result = f"sparse {side}s fare worse than dense ones"
        sentences.append(f"{row.backbone} {row.alignment} against {row.against}: {result}")
    return sentences


def claim(table: pd.DataFrame) -> str:
    """One sentence on the claim that alignment helps the sparse more, from the rows of `sparse_against_dense`.

    By `statistics.conclusion`: better is a sure gain that is larger than in the densest group, worse the reverse.
    """
    sure = table["p_holm"] < LEVEL
    n, more = len(table), (sure & (table["difference"] > 0) & (table["sparse_low"] > 0)).sum()
    less = (sure & (table["difference"] < 0)).sum()
    return f"{conclusion(more, less, n)}: the sparse gain more in {more} of {n}, fare worse in {less}"


def untrained(data: Interactions, text: torch.Tensor, ks=(5, 10, 20)) -> dict[str, pd.DataFrame]:
    """Per-user test metrics of rankings without training: by text vectors alone, by popularity, and at random.

    text: vectors of users then items [n_users + n_items, T], scored by their dot product as final vectors are.
    """
    popularity = np.concatenate([np.ones(data.n_users), np.log1p(data.train.getnnz(axis=0))])
    finals = {"text only": text, "popularity": torch.from_numpy(popularity)[:, None]}
    tables = {name: ranking.evaluate(final, data.n_users, data.train, data.test, ks) for name, final in finals.items()}
    return tables | {"random": _expected_at_random(data, ks)}


def _expected_at_random(data: Interactions, ks) -> pd.DataFrame:
    """Expected metrics when all items outside train come in random order."""
    n_relevant = np.diff(data.test.indptr)
    users = np.flatnonzero(n_relevant)
    candidates = (data.n_items - np.diff(data.train.indptr))[users, None]
    # the metrics are linear in hits, so hits may be probabilities
    chance = np.where(np.arange(max(ks)) < candidates, n_relevant[users, None] / candidates, 0)
    return pd.DataFrame({"user": users, **ranking.recall_and_ndcg(chance, n_relevant[users], ks)})
