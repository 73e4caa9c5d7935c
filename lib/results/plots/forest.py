"""The forest plot: what alignment changes in every backbone, and on average over them."""

import pandas as pd

from lib.core.names import BACKBONES
from lib.evaluation.verdicts.claims_on_ranking import kind_of_base
from lib.evaluation.verdicts.rules import PRIMARY
from lib.results import display_names
from lib.results.plots.theme import (
    GREY,
    PAGE,
    PALE,
    Figure,
    colour_of,
    figure_function,
    grid_of,
    legend_below,
    marker_of,
    ordered,
)
from lib.results.writers import signed

KINDS = {"matched base": "against Base with the same settings", "base": "against Base as published"}


@figure_function
def forest(table: pd.DataFrame, pooled: pd.DataFrame) -> Figure:
    """Relative differences to base with 95% intervals over users and seeds, one panel per alignment, and their mean.

    table: the frame of `comparisons.against_base`, of which rows with a verdict are drawn; pooled: that of
    `comparisons.pooled`. A diamond is the mean over the backbones, from end to end its interval.
    """
    table = table[table["verdict"].notna()].assign(kind=kind_of_base(table["against"]))
    alignments, backbones = ordered(pooled["alignment"]), ordered(table["backbone"], BACKBONES)
    kinds = [kind for kind in KINDS if kind in set(pooled["against"])]
    metric = display_names.metric(PRIMARY)  # that verdicts are about
    figure, panels = grid_of(len(alignments), height=0.3 * (len(backbones) + 1.6) + 0.7, columns=2)
    figure.set_figwidth(PAGE)
    for axes, alignment in zip(panels, alignments, strict=True):
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.axhline(len(backbones) - 0.4, color=PALE, linewidth=0.8)
        for kind in kinds:
            colour, shift = _style(alignment, kind, kinds)
            rows = table[(table["alignment"] == alignment) & (table["kind"] == kind)]
            _cells(axes, rows, backbones, shift, colour, marker_of(alignment))
            mean = pooled[(pooled["alignment"] == alignment) & (pooled["against"] == kind)]
            _diamond(axes, mean, len(backbones) + 0.15 + shift, colour)
        axes.set(title=f"{display_names.alignment(alignment)} alignment", xlabel=f"change of test {metric} in %")
        axes.tick_params(axis="y", length=0)
        axes.sharex(panels[0])
    names = [display_names.backbone(name) for name in backbones]
    panels[0].set_yticks(range(len(backbones) + 1), [*names, "mean"], weight="bold")
    panels[0].set_ylim(len(backbones) + 0.7, -0.6)
    for shade, kind in zip((GREY, PALE), kinds, strict=False):  # entries for the legend only
        panels[0].plot([], [], "o", markersize=3.5, color=shade, label=KINDS[kind])
    panels[0].plot([], [], "o", markersize=3.5, color=GREY, fillstyle="none", label="hollow: inconclusive")
    legend_below(figure, panels)
    figure.said = _said(table, pooled, kinds[0], metric)
    return figure


def _said(table: pd.DataFrame, pooled: pd.DataFrame, kind: str, metric: str) -> str:
    """The mean change of each alignment against the fairest base, and in how many backbones it shows."""
    parts = []
    for name in ordered(pooled["alignment"]):
        mean = pooled[(pooled["alignment"] == name) & (pooled["against"] == kind)].iloc[0]
        verdicts = table.loc[(table["alignment"] == name) & (table["kind"] == kind), "verdict"]
        each = ", ".join(f"{word} in {(verdicts == word).sum()}" for word in ("better", "worse"))
        parts.append(f"{display_names.alignment(name)} {mean['difference']:+.1%} (clearly {each} of {len(verdicts)})")
    return signed(f"{metric} {KINDS[kind]}, on average: {', '.join(parts)}")


def _style(alignment: str, kind: str, kinds: list[str]) -> tuple[str, float]:
    """Colour and shift of a kind of base: the fair comparison stands above in full colour, the paper's below, paler."""
    colour = colour_of(alignment if kind == kinds[0] else f"{alignment}+")
    return colour, (kinds.index(kind) - (len(kinds) - 1) / 2) * 0.3


def _cells(axes, rows: pd.DataFrame, backbones: list[str], shift: float, colour: str, marker: str) -> None:
    """One mark with its interval for each backbone; filled where the verdict is better or worse."""
    place = [backbones.index(name) + shift for name in rows["backbone"]]
    value, low, high = (100 * rows[name] / rows["base"] for name in ("difference", "ci_low", "ci_high"))
    style = {"fmt": "none", "elinewidth": 1.2, "capsize": 2, "color": colour}
    axes.errorbar(value, place, xerr=[value - low, high - value], **style)
    fill = [colour if verdict != "inconclusive" else "white" for verdict in rows["verdict"]]
    axes.scatter(value, place, 18, fill, marker=marker, edgecolors=colour, zorder=3, gid="backbones")


def _diamond(axes, mean: pd.DataFrame, place: float, colour: str) -> None:
    for row in mean.itertuples():
        low, middle, high = (100 * value for value in (row.ci_low, row.difference, row.ci_high))
        axes.fill([low, middle, high, middle], [place, place - 0.13, place, place + 0.13], color=colour, gid="mean")
