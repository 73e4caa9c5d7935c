"""Figures of the case study: ISI as heat maps, ROC curves with their band, what IDs add by the number of pairs."""

import pandas as pd

from lib.papers.pte.dominance.roc_order import TOLERANCE
from lib.results.plots.theme import (
    BAND,
    COLOURS,
    GREY,
    PAGE,
    Figure,
    figure_function,
    grid_of,
    legend_below,
    light_grid,
    whiskers,
)

PALETTE = list(COLOURS.values())
HALF = 0.6  # ISI above which cells are dark


@figure_function
def isi_heat_maps(matrices: dict[str, pd.DataFrame]) -> Figure:
    """ISI of every table (rows) for every other one (columns), a panel per title: published, in-sample, held-out.

    matrices: as of `garbling.isi_matrix`, each with names of its own.
    """
    figure, panels = grid_of(len(matrices), height=2.1, columns=len(matrices), sharey=False)
    figure.set_figwidth(PAGE)
    for axes, (title, matrix) in zip(panels, matrices.items(), strict=True):
        image = axes.imshow(matrix.to_numpy(), vmin=0, vmax=1, cmap="Blues")
        for row, values in enumerate(matrix.to_numpy()):
            for column, value in enumerate(values):
                colour = "white" if value > HALF else "black"
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour)
        axes.set_xticks(range(matrix.shape[1]), matrix.columns)
        axes.set_yticks(range(matrix.shape[0]), matrix.index)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set(title=title, xlabel="what is to be told")
    panels[0].set_ylabel("what tells it")
    figure.colorbar(image, ax=panels, shrink=0.8, label="ISI")
    return figure


@figure_function
def roc_bands(curves: pd.DataFrame, first: str, second: str) -> Figure:
    """Above the ROC curves of two tables, below their difference with its simultaneous band: one column per split.

    curves: of `roc_order.roc_order` by one probe; a split that has two rules for cold vectors has a column for each.
    The grey stripe is the tolerance.
    """
    groups = list(curves.groupby(["split", "cold"], sort=False))
    figure = Figure(figsize=(PAGE, 3.9), layout="constrained")
    panels = figure.subplots(2, len(groups), sharex=True, sharey="row", squeeze=False, height_ratios=(1.3, 1))
    for (above, below), ((split, cold), rows) in zip(panels.T, groups, strict=True):
        above.plot([0, 1], [0, 1], ":", color=GREY, linewidth=0.8)
        for name, column, colour in ((first, "first", PALETTE[1]), (second, "second", PALETTE[0])):
            above.plot(rows["alpha"], rows[column], color=colour, label=name)
        above.set_title(split if cold == "own" else f"{split},\nIDs by {cold}")
        below.axhspan(-TOLERANCE, TOLERANCE, color=GREY, alpha=0.25, linewidth=0)
        below.fill_between(rows["alpha"], rows["low"], rows["high"], color=PALETTE[2], **BAND)
        below.plot(rows["alpha"], rows["difference"], color=PALETTE[2], label="difference, 95% band")
        below.set_xlabel("false positive rate")
        for axes in (above, below):
            light_grid(axes, "both")
    panels[0, 0].set_ylabel("true positive rate")
    panels[1, 0].set_ylabel(f"{first} less {second}")
    legend_below(figure, panels[:, 0])
    return figure


@figure_function
def increment_curves(table: pd.DataFrame) -> Figure:
    """What IDs add to texts by the number of training pairs, with 95% intervals: a panel per probe, a line per rule.

    table: the increments of `fusion.increments`.
    """
    probes = list(dict.fromkeys(table["probe"]))
    figure, panels = grid_of(len(probes), height=2.3)
    for axes, probe in zip(panels, probes, strict=True):
        axes.axhline(0, color=GREY, linestyle=":", linewidth=0.8)
        part = table[table["probe"] == probe]
        for (cold, rows), colour in zip(part.groupby("cold", sort=False), PALETTE, strict=False):
            label = "trained IDs" if cold == "own" else f"cold IDs by {cold}"
            bars = whiskers(rows, "difference")
            axes.errorbar(rows["pairs"], rows["difference"], bars, color=colour, label=label, marker="o", markersize=3)
        ticks = sorted(part["pairs"].unique())
        axes.set(title=probe, xlabel="training pairs", xscale="log")
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], rotation=30)
        axes.minorticks_off()
        light_grid(axes)
    panels[0].set_ylabel("bits that IDs add")
    legend_below(figure, panels)
    return figure
