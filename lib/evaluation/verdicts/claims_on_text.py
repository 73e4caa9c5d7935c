"""Does alignment put the meaning of texts into vectors? What overlaps, changes, pairs of users and trends say."""

import numpy as np
import pandas as pd

from lib.core.names import BASE_AGAIN
from lib.evaluation.verdicts.rules import interval_verdict, intervals_apart, noise_of_base


def overlap_verdicts(table: pd.DataFrame) -> list[str]:
    """One sentence per alignment: for which backbones does its overlap lie above that of base?

    table: rows of one setting of `text_overlap.overlap_gains`. The interval of the gain must lie beyond the largest
    difference that rows named BASE_AGAIN show between two runs of base: above it supports the claim, below its negative
    does not, anything else is inconclusive.
    """
    noise = noise_of_base(table.loc[table["alignment"] == BASE_AGAIN, "gain_pct"])
    sentences = []
    for alignment, part in table[~table["alignment"].isin(["base", BASE_AGAIN])].groupby("alignment", sort=False):
        found = np.array([interval_verdict(row.gain_low, row.gain_high, noise) for row in part.itertuples()])
        backbones = part["backbone"].groupby(found).agg(", ".join)
        order = [name for name in ("supported", "inconclusive", "not supported") if name in backbones]
        count = f"{(found == 'supported').sum()} of {len(part)} backbones above base"
        count += f" by more than two runs of base differ ({noise:.1f}%)" if noise else ""
        sentences.append("; ".join([f"{alignment}: {count}", *(f"{name} for {backbones[name]}" for name in order)]))
    return sentences


def near_chance(table: pd.DataFrame) -> bool:
    """Whether every overlap with the texts of other items lies within 20% of that of random spaces, as it should.

    table: columns permuted and chance, as in `text_overlap.overlap_gains`.
    """
    return bool((table["permuted"] / table["chance"] - 1).abs().max() < 0.2)


def change_verdicts(table: pd.DataFrame) -> list[str]:
    """One sentence per alignment: does the overlap of all items rise on average, as that of the picked ones does?

    table: the frame of `risen_items.changes_from_base`. The interval must lie beyond the change of a second base run.
    """
    noise, sentences = noise_of_base(table.loc[table["alignment"] == BASE_AGAIN, "mean"]), []
    for row in table[table["alignment"] != BASE_AGAIN].itertuples():
        mean = _with_minus_signs(f"{row.mean:+.4f} [{row.ci_low:+.4f}, {row.ci_high:+.4f}]")
        verdict = interval_verdict(row.ci_low, row.ci_high, noise)
        sentences.append(
            f"{row.alignment}: a rise on average is {verdict}, all items {mean}, the picked ones {row.top_mean:+.4f}; "
            f"{row.rises:.0%} rise, {row.falls:.0%} fall, {row.unchanged:.0%} stay"
        )
    return sentences


def pair_verdicts(table: pd.DataFrame) -> list[str]:
    """One sentence per alignment: does the partner move towards the user? table: that of `distant_users.pair_summary`.

    The interval of the change of `nearer` must lie beyond the change of a second base run.
    """
    changes = table[(table["measure"] == "nearer") & (table["space"] != "base")]
    noise, sentences = noise_of_base(changes.loc[changes["space"] == BASE_AGAIN, "difference"]), []
    for row in changes[changes["space"] != BASE_AGAIN].itertuples():
        verdict = interval_verdict(-row.difference_high, -row.difference_low, noise)  # nearer means fewer in between
        change = f"{row.difference:+.3f} [{row.difference_low:+.3f}, {row.difference_high:+.3f}]"
        sentences.append(
            f"{row.space}: {verdict}; {row.mean:.3f} of the far users are nearer than the partner, "
            f"{_with_minus_signs(change)} to base"
        )
    return sentences


def trend_verdicts(slopes: pd.DataFrame) -> list[str]:
    """One sentence per alignment: is the slope of its trend told apart from that of base?

    slopes: columns space, ci_low and ci_high, as `trend.alignment_trend` gives them, with a space named base.
    """
    rows = slopes.set_index("space")
    base = rows.loc["base"]
    sentences = []
    for name in rows.index.drop("base"):
        apart = intervals_apart(rows.ci_low[name], rows.ci_high[name], base.ci_low, base.ci_high)
        found = "apart" if apart else "touch, not told apart"
        sentences.append(f"trend of {name} alignment against base: intervals {found}")
    return sentences


def _with_minus_signs(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
