"""Does alignment rank better? What comparisons with base say over users and seeds, for the sparse, in a study."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.core.names import ALIGNMENTS, COMPARISON
from lib.evaluation.verdicts.rules import conclusion, difference_verdict, told_apart

GAIN_MORE, FARE_WORSE = "GAIN MORE than dense ones", "fare worse than dense ones"  # what the claim on sparsity counts


# Over users and seeds


def judged(over_users: pd.DataFrame, over_seeds: pd.DataFrame) -> pd.DataFrame:
    """One row per comparison that both frames hold, and whether it stands over users and over seeds.

    Each frame has the columns of COMPARISON and p_holm; the first also difference, ci_low, ci_high, the second seeds,
    base_seeds, base and base_sd. Columns of COMPARISON, difference, ci_low, ci_high (over users), p_users, p_seeds
    (both Holm-corrected), seeds, base_seeds, base, base_sd and verdict: better or worse, with 'over users only' where a
    single seed leaves the other question open, or not told apart.
    """
    own = ["p_seeds", "seeds", "base_seeds", "base", "base_sd"]
    over_seeds = over_seeds.rename(columns={"p_holm": "p_seeds"})[[*COMPARISON, *own]]
    table = over_users.rename(columns={"p_holm": "p_users"}).merge(over_seeds, on=COMPARISON)
    direction = np.where(table["difference"] > 0, "better", "worse")
    users, untested = told_apart(table["p_users"]), table["p_seeds"].isna()
    both = users & told_apart(table["p_seeds"])
    users_only = np.char.add(direction, " over users only")
    # the first condition that holds decides; what stands over users but fails over seeds meets neither
    table["verdict"] = np.select([both, users & untested], [direction, users_only], "not told apart")
    return table[[*COMPARISON, "difference", "ci_low", "ci_high", "p_users", *own, "verdict"]]


def ranking_claim(verdicts: Sequence[str]) -> str:
    """One sentence on the claim that alignment ranks better, from the verdicts of its comparisons.

    By `rules.conclusion`, where what holds over users only neither supports the claim nor lets it fail.
    """
    count, n = pd.Series(verdicts).value_counts().get, len(verdicts)
    better, worse = count("better", 0), count("worse", 0)
    result = f"{conclusion(better, worse, n)}: better in {better} of {n}, worse in {worse}"
    users = {name: count(f"{name} over users only", 0) for name in ("better", "worse")}
    if any(users.values()):
        result += f" (over users only: better in {users['better']} more, worse in {users['worse']} more)"
    return result


def ranking_claims(table: pd.DataFrame) -> list[str]:
    """`ranking_claim` for each alignment of the paper and each kind of base, from rows of `judged`."""
    counted = _of_the_paper(table)
    parts = counted.groupby(["alignment", _kind_of_base(counted)])["verdict"]
    return [f"{alignment} against {base}: {ranking_claim(part)}" for (alignment, base), part in parts]


def _of_the_paper(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of alignments that the paper has: cells beside its table are shown, not counted."""
    return table[table["alignment"].isin(ALIGNMENTS)]


def _kind_of_base(table: pd.DataFrame) -> np.ndarray:
    return np.where(table["against"] == "base", "base", "base with the same settings")


# Sparse users and items against dense ones


def sparsity_verdict(row) -> str:
    """What a row of `sparsity.sparse_against_dense` says of sparse users or items: 'GAIN MORE than dense ones', ...

    To gain more, alignment must surely help the sparse, and surely more than the dense: a smaller loss is no gain.
    """
    above = GAIN_MORE if row.sparse_low > 0 else "fare better, without a sure gain"
    return difference_verdict(row.difference, row.p_holm, (above, FARE_WORSE, "not told apart from dense ones"))


def sparsity_verdicts(table: pd.DataFrame, side: str) -> list[str]:
    """One sentence per row of `sparse_against_dense`: are sparse users or items ('user', 'item') helped more?"""
    return [
        f"{row.backbone} {row.alignment} against {row.against}: sparse {side}s {sparsity_verdict(row)}"
        for row in table.itertuples()
    ]


def sparsity_claim(table: pd.DataFrame) -> str:
    """One sentence on the claim that alignment helps the sparse more, from the rows of `sparse_against_dense`."""
    found = [sparsity_verdict(row) for row in table.itertuples()]
    n, more, less = len(found), found.count(GAIN_MORE), found.count(FARE_WORSE)
    return f"{conclusion(more, less, n)}: the sparse gain more in {more} of {n}, fare worse in {less}"


def sparsity_claims(table: pd.DataFrame) -> str:
    """`sparsity_claim` for each kind of base, of the paper's alignments, in one sentence."""
    counted = _of_the_paper(table)
    parts = counted.groupby(_kind_of_base(counted))
    return "; ".join(f"against {base}: {sparsity_claim(part)}" for base, part in parts)


# A study: one cell under changed conditions


def study_claim(table: pd.DataFrame, seeds: int) -> str:
    """What the rows of `studies.differences` say of a claim on Recall@20 in all of them, with the counts.

    One seed settles nothing: what users show of one trained model, another seed may not.
    """
    rows = table[table["metric"] == "recall@20"].itertuples()
    found = [difference_verdict(row.difference, row.p_holm) for row in rows]
    better, worse, n = found.count("better"), found.count("worse"), len(found)
    counts = f"over users better in {better} of {n}, worse in {worse}"
    if seeds == 1:
        return f"inconclusive ({counts}; one seed)"
    return f"{conclusion(better, worse, n)} ({counts}; {seeds} seeds)"


def study_verdicts(table: pd.DataFrame) -> list[str]:
    """One sentence per comparison of `studies.differences` at Recall@20: labels, difference, interval, verdict."""
    rows = table[table["metric"] == "recall@20"]
    measured = ["metric", "difference", "ci_low", "ci_high", "p", "p_wilcoxon", "p_holm"]
    labels = [name for name in table.columns if name not in measured]
    return [
        f"{' '.join(str(getattr(row, name)) for name in labels)}: {row.difference:+.4f} "
        f"[{row.ci_low:+.4f}, {row.ci_high:+.4f}], {difference_verdict(row.difference, row.p_holm)}"
        for row in rows.itertuples()
    ]
