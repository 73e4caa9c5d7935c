"""Figures of the case study: ISI as heat maps, ROC curves with their band, what IDs add by the number of pairs."""

import pandas as pd

from lib.papers.pte.dominance.roc_order import TOLERANCE, roc_verdict
from lib.results import display_names
from lib.results.plots.theme import (
    BAND,
    GREY,
    PAGE,
    Figure,
    figure_function,
    grid_of,
    legend_below,
    light_grid,
    series,
    whiskers,
)

HALF = 0.6  # ISI above which cells are dark
DIFFERENCE = "difference, 95% band"
SPARSE = {"markersize": 3, "markerfacecolor": "white", "markevery": 0.25}  # marks on curves of 99 points
RULES = {"own": "trained IDs", "mean": "cold IDs by mean", "zero": "cold IDs by zero"}
PROBES = {"logistic": "logistic regression", "mlp": "MLP", "small mlp": "small MLP", "trees": "boosted trees"}


@figure_function
def isi_heat_maps(matrices: dict[str, pd.DataFrame]) -> Figure:
    """ISI of every table (rows) for every other one (columns), a panel per title: published, in-sample, held-out.

    matrices: as of `garbling.isi_matrix`, each with names of its own; the last one is what the title tells.
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
    first, second, *_ = matrix.index
    figure.said = (
        f"ISI from {first} to {second} is {matrix.loc[first, second]:.2f} and back {matrix.loc[second, first]:.2f} "
        f"({title})"
    )
    return figure


@figure_function
def roc_bands(curves: pd.DataFrame, first: str, second: str) -> Figure:
    """Above the ROC curves of two tables, below their difference with its simultaneous band: one column per split.

    curves: of `roc_order.roc_order` by one probe; a split that has two rules for cold vectors has a column for each.
    The grey stripe is the tolerance.
    """
    groups = list(curves.groupby(["split", "cold"], sort=False))
    (_, of_first), (_, of_second), (_, of_both) = series([first, second, DIFFERENCE])
    figure = Figure(figsize=(PAGE, 3.9), layout="constrained")
    panels = figure.subplots(2, len(groups), sharex=True, sharey="row", squeeze=False, height_ratios=(1.3, 1))
    for (above, below), ((split, cold), rows) in zip(panels.T, groups, strict=True):
        above.plot([0, 1], [0, 1], ":", color=GREY, linewidth=0.8)
        for column, style in (("first", of_first), ("second", of_second)):
            above.plot(rows["alpha"], rows[column], **style, **SPARSE)
        above.set_title(split if cold == "own" else f"{split},\nIDs by {cold}")
        below.axhspan(-TOLERANCE, TOLERANCE, color=GREY, alpha=0.25, linewidth=0)
        below.fill_between(rows["alpha"], rows["low"], rows["high"], color=of_both["color"], **BAND)
        below.plot(rows["alpha"], rows["difference"], **of_both, **SPARSE)
        below.set_xlabel("false positive rate")
        for axes in (above, below):
            light_grid(axes, "both")
    panels[0, 0].set_ylabel("true positive rate")
    panels[1, 0].set_ylabel(f"{first} less {second}")
    legend_below(figure, panels[:, 0])
    counts = pd.Series([roc_verdict(rows) for _, rows in groups]).value_counts()
    found = [f"{verdict} in {count}" for verdict, count in counts.items()]
    figure.said = f"{first} against {second} in {len(groups)} ROC comparisons: {display_names.listed(found)}"
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
        for cold, style in series(part["cold"]):
            rows, style["label"] = part[part["cold"] == cold], RULES[cold]
            bars = whiskers(rows, "difference")
            axes.errorbar(rows["pairs"], rows["difference"], bars, markersize=3.5, markerfacecolor="white", **style)
        ticks = sorted(part["pairs"].unique())
        axes.set(title=PROBES[probe], xlabel="training pairs", xscale="log")
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], rotation=30)
        axes.minorticks_off()
        light_grid(axes)
    panels[0].set_ylabel("bits that IDs add")
    legend_below(figure, panels)
    most = table[table["pairs"] == table["pairs"].max()]
    low, high = most["difference"].min(), most["difference"].max()
    gains = f"{low:.3f}" if len(most) == 1 else f"{low:.3f} to {high:.3f}"
    figure.said = f"with {table['pairs'].max():,} training pairs IDs add {gains} bits to texts"
    return figure
