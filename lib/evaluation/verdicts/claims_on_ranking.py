"""Does alignment rank better? What comparisons with base say over users and seeds, for the sparse, in a study."""

import pandas as pd

from lib.evaluation.verdicts.rules import PRIMARY, conclusion

GAIN_MORE, FARE_WORSE = "GAIN MORE than dense ones", "fare worse than dense ones"  # what the claim on sparsity counts
NOTHING = "the grid has base models only, so there is nothing to compare"
KINDS_OF_BASE = {"base": "base", "matched base": "base with the same settings"}


def kind_of_base(against: pd.Series) -> pd.Series:
    """'base' or 'matched base', a key of KINDS_OF_BASE, for each name of a base that something is compared with."""
    return against.map(lambda name: name if name == "base" else "matched base")


# Over all backbones


def ranking_claims(pooled: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """One sentence for each alignment and kind of base: the effect over the backbones, and in how many it shows.

    pooled, table: the frames of `comparisons.pooled` and `comparisons.against_base`.
    """
    return [_ranking_claim(row, table) for row in pooled.itertuples()] or [NOTHING]


def _ranking_claim(row, table: pd.DataFrame) -> str:
    same = (table["alignment"] == row.alignment) & (kind_of_base(table["against"]) == row.against)
    found = table[table["verdict"].notna() & same]
    counts = found["verdict"].value_counts()
    claim = claim_verdict(row.verdict)
    effect = f"{row.difference:+.1%} on average of {row.backbones}" + interval(row)
    each = f"better in {counts.get('better', 0)}, worse in {counts.get('worse', 0)}"
    open_ones = found[found["verdict"] == "inconclusive"]
    hidden = (open_ones["detectable"] / open_ones["base"]).dropna()
    if len(open_ones):
        each += f", inconclusive in {len(open_ones)}" + detectable_range(hidden)
    return f"{row.alignment} against {KINDS_OF_BASE[row.against]}: {claim}, {effect}; by itself {each}"


def claim_verdict(verdict: str) -> str:
    """What a verdict on an effect says of the claim that the effect is positive."""
    return {"better": "supported", "worse": "not supported"}.get(verdict, "inconclusive")


def interval(row) -> str:
    """' [-1.0%, +2.0%]' for a relative effect with ci_low and ci_high; nothing for a single backbone."""
    return f" [{row.ci_low:+.1%}, {row.ci_high:+.1%}]" if row.p == row.p else ", without an interval"


def detectable_range(relative: pd.Series) -> str:
    """What inconclusive comparisons would have shown, from their smallest detectable differences over base."""
    if relative.empty:
        return " (the spread between seeds is unknown)"
    low, high = f"{relative.min():.1%}", f"{relative.max():.1%}"
    return f" (a difference of {low} would show)" if low == high else f" (differences of {low} to {high} would show)"


# Sparse users and items against dense ones


def sparsity_verdict(row) -> str:
    """What a row of `sparsity.sparse_against_dense` says of sparse users or items: 'GAIN MORE than dense ones', ...

    To gain more, alignment must surely help the sparse, and surely more than the dense: a smaller loss is no gain.
    """
    above = GAIN_MORE if row.sparse_low > 0 else "fare better, without a sure gain"
    words = {"better": above, "worse": FARE_WORSE}
    return words.get(row.verdict, f"not told apart from dense ones{_detectable(row)}")


def sparsity_verdicts(table: pd.DataFrame, side: str) -> list[str]:
    """One sentence per row of `sparse_against_dense`: are sparse users or items ('user', 'item') helped more?"""
    return [
        f"{row.backbone} {row.alignment} against {row.against}: sparse {side}s {sparsity_verdict(row)}"
        for row in table.itertuples()
    ] or [NOTHING]


def sparsity_claim(table: pd.DataFrame) -> str:
    """One sentence on the claim that alignment helps the sparse more, from the rows of `sparse_against_dense`."""
    found = [sparsity_verdict(row) for row in table.itertuples()]
    n, more, less = len(found), found.count(GAIN_MORE), found.count(FARE_WORSE)
    return f"{conclusion(more, less, n)}: the sparse gain more in {more} of {n}, fare worse in {less}"


def sparsity_claims(table: pd.DataFrame) -> str:
    """`sparsity_claim` for each kind of base, in one sentence."""
    parts = table.groupby(kind_of_base(table["against"]))
    return "; ".join(f"against {KINDS_OF_BASE[base]}: {sparsity_claim(part)}" for base, part in parts) or NOTHING


# A study: one cell under changed conditions


def study_claim(table: pd.DataFrame) -> str:
    """What the rows of `studies.differences` say of a claim on the primary metric in all of them, with the counts."""
    rows = table[table["metric"] == PRIMARY]
    if rows.empty:
        return NOTHING
    count = rows["verdict"].value_counts().get
    better, worse, n = count("better", 0), count("worse", 0), len(rows)
    return f"{conclusion(better, worse, n)} (better in {better} of {n}, worse in {worse})"


def study_claims(table: pd.DataFrame) -> dict[str, str]:
    """`study_claim` for each alignment of the table."""
    return {kind: study_claim(part) for kind, part in table.groupby("alignment", sort=False)} or {"base": NOTHING}


def study_verdicts(table: pd.DataFrame) -> list[str]:
    """One sentence per comparison of `studies.differences` on the primary metric, with interval and verdict.

    Behind an inconclusive one stands the smallest difference that would have shown.
    """
    rows = table[table["metric"] == PRIMARY]
    labels = list(table.columns[: table.columns.get_loc("metric")])
    return [
        f"{' '.join(str(getattr(row, name)) for name in labels)}: {row.difference:+.4f} "
        f"[{row.ci_low:+.4f}, {row.ci_high:+.4f}], {row.verdict}{_detectable(row)}"
        for row in rows.itertuples()
    ] or [NOTHING]


def _detectable(row) -> str:
    if row.verdict != "inconclusive":
        return ""
    known = f"{row.detectable:.4f} would show" if row.detectable == row.detectable else "seeds' spread unknown"
    return f" ({known})"
