"""Does alignment put the meaning of texts into vectors? What overlaps, changes, pairs of users and trends say.

Every verdict is that of `against_base.judged`, over items (or users) and seeds.
"""

import numpy as np
import pandas as pd

from lib.evaluation.significance import with_errors
from lib.evaluation.verdicts.against_base import OPPOSITE, is_again, is_aligned, judged, seed_variance
from lib.evaluation.verdicts.rules import decided

TRENDS = {"slope": "slope over all pairs", "slope of bins": "slope through the report's bins"}
WORDS_OF_MEASURES = TRENDS | {"silhouette": "silhouette of the text clusters", "nmi": "NMI with the text clusters"}

# Overlap


def judged_gains(table: pd.DataFrame, setting=("vectors", "items", "neighbours")) -> pd.DataFrame:
    """Rows of `text_overlap.overlap_gains` with the verdict on each gain, which is relative, in percent."""
    return judged(table, "gain_pct", "gain_error", [name for name in setting if name in table])


def overlap_verdicts(table: pd.DataFrame) -> list[str]:
    """One sentence per alignment: for which backbones does its overlap lie above that of base?

    table: rows of one setting of `judged_gains`. Behind an inconclusive backbone stands the gain that would have shown.
    """
    sentences = []
    for alignment, part in table[is_aligned(table["alignment"])].groupby("alignment", sort=False):
        said = part["backbone"] + [detectable(row, ".1f", "%") for row in part.itertuples()]
        names = said.groupby(part["verdict"]).agg(", ".join)
        order = [name for name in ("supported", "inconclusive", "not supported") if name in names]
        count = f"{(part['verdict'] == 'supported').sum()} of {len(part)} backbones above base"
        sentences.append("; ".join([f"{alignment}: {count}", *(f"{name} for {names[name]}" for name in order)]))
    return sentences


def detectable(row, digits: str, unit: str = "") -> str:
    """' (2.1% would show)' behind an inconclusive row of `judged`, nothing behind another."""
    if row.verdict != "inconclusive":
        return ""
    return f" ({row.detectable:{digits}}{unit} would show)" if row.detectable == row.detectable else " (seeds unknown)"


def spread_said(table: pd.DataFrame, effect: str) -> str:
    """How well one setting's rows of `judged` know what another seed does to them, in a sentence."""
    variance, freedom = seed_variance(table, effect)
    if not freedom:
        return "spread between seeds: unknown without two further runs of base, so nothing can be told apart"
    runs, of = int(is_again(table["alignment"]).sum()), table.loc[is_again(table["alignment"]), "backbone"].nunique()
    return (
        f"spread between seeds: two runs of base differ by {np.sqrt(variance):.3g} (standard deviation), from {runs} "
        f"further runs of base of {of} backbones"
    )


def near_chance(table: pd.DataFrame) -> bool:
    """Whether every overlap with the texts of other items lies within 20% of that of random spaces, as it should.

    table: columns permuted and chance, as in `text_overlap.overlap_gains`.
    """
    return bool((table["permuted"] / table["chance"] - 1).abs().max() < 0.2)


# Cases


def change_verdicts(changes: pd.DataFrame, gains: pd.DataFrame) -> list[str]:
    """One sentence per alignment: does the overlap of all items rise on average, as that of the picked ones does?

    changes: the frame of `risen_items.changes_from_base`; gains: rows of `judged_gains` for the same items and one
    backbone, whose verdicts these are.
    """
    gains, sentences = gains.set_index("alignment"), []
    for row in changes[is_aligned(changes["alignment"])].itertuples():
        gain = gains.loc[row.alignment]
        mean, picked = _with_minus_signs(f"{row.mean:+.4f} ({gain.gain_pct:+.1f}%)|{row.top_mean:+.4f}").split("|")
        sentences.append(
            f"{row.alignment}: a rise on average is {gain.verdict}{detectable(gain, '.1f', '%')}, all items {mean}, "
            f"the picked ones {picked}; {row.rises:.0%} rise, {row.falls:.0%} fall, {row.unchanged:.0%} stay"
        )
    return sentences


def judged_pairs(summaries: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Frames of `distant_users.pair_summary`, {backbone: frame}, with the verdict on each difference to base.

    Columns backbone, alignment (the space), then those of `pair_summary` and of `against_base.judged`. The claim is
    that partners come nearer, so that fewer far users are; for the cosine, which rises where all users draw closer too,
    nothing is claimed.
    """
    frames = [table.assign(backbone=backbone) for backbone, table in summaries.items()]
    table = pd.concat(frames, ignore_index=True).rename(columns={"space": "alignment"})
    table.insert(0, "backbone", table.pop("backbone"))
    claimed = table[table["measure"] == "nearer"]
    found = judged(claimed, "difference", "difference_error", words=OPPOSITE)
    return table.join(found[found.columns.difference(table.columns, sort=False)])


def pair_verdicts(table: pd.DataFrame) -> list[str]:
    """One sentence per alignment: does the partner move towards the user?

    table: rows of one backbone of `judged_pairs`.
    """
    changes, sentences = table[table["measure"] == "nearer"], []
    for row in changes[is_aligned(changes["alignment"])].itertuples():
        change = f"{row.difference:+.3f}{_total_interval(row, '.3f')}"
        sentences.append(
            f"{row.alignment}: {row.verdict}{detectable(row, '.3f')}; {row.mean:.3f} of the far users are nearer than "
            f"the partner, {_with_minus_signs(change)} to base"
        )
    return sentences


# Trend and clusters


def judged_scores(table: pd.DataFrame, backbone: str) -> pd.DataFrame:
    """Rows of `semantic_scores.semantic_scores` with the verdict on each difference to base, for one backbone.

    Each measure and kind of `vectors` is a family of its own. Of other backbones only runs of base may be in the table:
    they tell what seeds do.
    """
    found = judged(table, "difference", "difference_error", ["vectors", "measure"])
    return found[(found["backbone"] == backbone) | is_again(found["alignment"])]


def score_verdicts(table: pd.DataFrame) -> list[str]:
    """One sentence per alignment and measure: is it above that of base? table: rows of one kind of vectors."""
    sentences = []
    for row in table[is_aligned(table["alignment"])].itertuples():
        change = _with_minus_signs(f"{row.difference:+.3f}{_total_interval(row, '.3f')}")
        what = WORDS_OF_MEASURES[row.measure]
        sentences.append(f"{row.alignment}: a higher {what} is {row.verdict}{detectable(row, '.3f')}, {change} to base")
    return sentences


def slopes_of_base(table: pd.DataFrame, backbone: str) -> pd.DataFrame:
    """Whether base itself is flat: one row per kind of slope, each a family, from one kind of vectors.

    table: rows of `judged_scores`. Columns measure, then those of `significance.with_errors` (difference is that to a
    slope of 0) and of `rules.decided`. A single run varies by half of what the difference between two does.
    """
    found = []
    for measure in TRENDS:
        rows = table[table["measure"] == measure]
        base = rows[(rows["backbone"] == backbone) & (rows["alignment"] == "base")].iloc[0]
        variance, freedom = seed_variance(rows, "difference")
        errors = with_errors([base["value"]], [[base["error"] ** 2], [variance / 2]], [[base["freedom"]], [freedom]])
        found.append(decided(errors, ("rises", "falls", "inconclusive")).assign(measure=measure))
    return pd.concat(found, ignore_index=True)


def flat_verdicts(table: pd.DataFrame, backbone: str) -> list[str]:
    """One sentence per kind of slope: is base flat, as in the report's figure? table: as for `slopes_of_base`."""
    sentences = []
    for row in slopes_of_base(table, backbone).itertuples():
        slope, interval = _with_minus_signs(f"{row.difference:+.3f}| [{row.ci_low:+.3f}, {row.ci_high:+.3f}]").split(
            "|"
        )
        found = f"not flat, it {row.verdict}: unlike base in the report's figure"
        if row.verdict == "inconclusive":
            found = f"not told apart from flat{detectable(row, '.3f')}, as base is in the report's figure"
        if row.p != row.p:
            interval, found = "", "inconclusive, since the spread between seeds is unknown"
        sentences.append(f"base of {backbone}, {TRENDS[row.measure]} {slope}{interval}: {found}")
    return sentences


def order_of_slopes(table: pd.DataFrame, backbone: str, measure: str = "slope of bins") -> str:
    """Whether the slopes stand in the order of the report's figure: base, generative, contrastive; with the verdicts.

    table: rows of one kind of vectors of `judged_scores`.
    """
    rows = table[(table["measure"] == measure) & (table["backbone"] == backbone) & ~is_again(table["alignment"])]
    rising = rows.sort_values("value")["alignment"].tolist()
    wanted = [name for name in ("base", "generative", "contrastive") if name in rising]
    same = "as in" if [name for name in rising if name in wanted] == wanted else "unlike"
    steeper = [
        f"{row.alignment} steeper than base is {row.verdict}" for row in rows.itertuples() if row.alignment != "base"
    ]
    return (
        f"{TRENDS[measure]}, from flat to steep: {', '.join(rising)}, {same} the report's figure; {'; '.join(steeper)}"
    )


def cluster_claim(table: pd.DataFrame) -> str:
    """Whether text clusters are further apart than in base, as they look in the report's maps, in one sentence.

    table: rows of one kind of vectors of `judged_scores`.
    """
    rows = table[is_aligned(table["alignment"]) & ~table["measure"].isin(list(TRENDS))]
    said = [
        f"{alignment}: " + ", ".join(f"{WORDS_OF_MEASURES[row.measure]} {row.verdict}" for row in part.itertuples())
        for alignment, part in rows.groupby("alignment", sort=False)
    ]
    return f"clusters further apart than in base: {'; '.join(said)}"


def _total_interval(row, digits: str) -> str:
    """' [-0.1, +0.2]' over items and seeds; nothing where the spread between seeds is unknown."""
    known = row.total_low == row.total_low
    return f" [{row.total_low:+{digits}}, {row.total_high:+{digits}}]" if known else ""


def _with_minus_signs(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
