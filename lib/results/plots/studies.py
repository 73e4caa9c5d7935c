"""One cell under changed conditions: lines, gains, sensitivity."""

import numpy as np
import pandas as pd

from lib.results.plots.theme import (
    GREY,
    Figure,
    colour_of,
    figure_function,
    grid_of,
    legend_below,
    light_grid,
    ordered,
    whiskers,
)

SETTINGS = {
    "weight": "weight of the alignment",
    "mask_ratio": "share of masked nodes",
    "embedding_size": "embedding size",
}


@figure_function
def study_lines(table: pd.DataFrame, x: str, metric: str = "recall@20", gains: pd.DataFrame | None = None) -> Figure:
    """A test metric against a study's condition `x`, one line per alignment, with 95% intervals over users.

    table: x, alignment, metric, mean, ci_low, ci_high; gains adds a panel of the paired differences to base: x,
    alignment, metric, difference, ci_low, ci_high. Values that are no numbers stand in their order.
    """
    gains = None if gains is None or gains.empty else gains  # of a grid of base models
    figure, panels = grid_of(1 if gains is None else 2, height=2.4, sharey=False)
    _lines(panels[0], table[table["metric"] == metric].rename(columns={"mean": "value"}), x)
    panels[0].set(title=f"test {metric}, 95% CI over users", xlabel=x)
    if gains is not None:
        _lines(panels[1], gains[gains["metric"] == metric].rename(columns={"difference": "value"}), x)
        panels[1].axhline(0, color=GREY, linewidth=0.8, linestyle=":")
        panels[1].set(title="difference to base, users paired", xlabel=x)
    legend_below(figure, panels)
    return figure


@figure_function
def study_gains(gains: pd.DataFrame, x: str, metrics=("recall@20", "ndcg@20"), against: str = "base") -> Figure:
    """Paired differences by the condition `x`, one panel per metric, with 95% intervals over users.

    gains: x, alignment, metric, difference, ci_low, ci_high.
    """
    figure, panels = grid_of(len(metrics), height=2.6, sharey=False)
    for axes, metric in zip(panels, metrics, strict=True):
        _lines(axes, gains[gains["metric"] == metric].rename(columns={"difference": "value"}), x)
        axes.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
        axes.tick_params(axis="x", rotation=30)
        axes.set_title(f"test {metric}, difference to {against}")
    legend_below(figure, panels)
    return figure


@figure_function
def sensitivity_lines(table: pd.DataFrame, metric: str = "recall@20") -> Figure:
    """A test metric against one setting per panel, one line per alignment; the published value has a ring.

    table: columns setting, value, published (bool), alignment, metric, mean, ci_low, ci_high.
    """
    table = table[table["metric"] == metric]
    settings = list(table["setting"].unique())
    figure, panels = grid_of(len(settings), height=2.3, columns=2)
    for axes, setting in zip(panels, settings, strict=True):
        part = table[table["setting"] == setting]
        _lines(axes, part.rename(columns={"value": "at", "mean": "value"}), "at")
        ring = part[part["published"]]
        axes.scatter(ring["value"], ring["mean"], s=60, facecolors="none", edgecolors="black", label="published value")
        values = np.sort(part["value"].unique())
        axes.set(xlabel=SETTINGS.get(setting, setting), xscale="log" if values[-1] > 5 * values[0] else "linear")
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()
    for axes in panels[::2]:
        axes.set_ylabel(f"test {metric}, 95% CI")
    legend_below(figure, panels)
    return figure


def _lines(axes, table: pd.DataFrame, x: str) -> None:
    """`value` with whiskers ci_low..ci_high by `x`, one line per alignment; names on the axis get no lines between."""
    numeric = pd.api.types.is_numeric_dtype(table[x])
    values = sorted(table[x].unique()) if numeric else list(table[x].unique())
    places = dict(zip(values, values if numeric else range(len(values)), strict=True))
    alignments = ordered(table["alignment"])
    # side by side, where several alignments have a mark at the same name
    shared = not numeric and table.groupby(x)["alignment"].nunique().max() > 1
    for index, alignment in enumerate(alignments):
        shift = 0.15 * (index - (len(alignments) - 1) / 2) if shared else 0
        rows = table[table["alignment"] == alignment]
        rows = rows.assign(place=rows[x].map(places).astype(float) + shift).sort_values("place")
        style = {
            "marker": "o",
            "markersize": 3,
            "capsize": 2,
            "elinewidth": 0.8,
            "linestyle": "-" if numeric else "none",
        }
        colour = colour_of(alignment)
        axes.errorbar(rows["place"], rows["value"], whiskers(rows), color=colour, label=alignment, **style)
    if not numeric:
        axes.set_xticks(range(len(values)), values)
    light_grid(axes)
