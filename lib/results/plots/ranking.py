"""How well models rank: learning curves, bars, sparsity groups, references, cost."""

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from lib.core.names import BACKBONES
from lib.results.plots.theme import (
    BAND,
    COLOURS,
    GREY,
    ON_BARS,
    Figure,
    colour_of,
    figure_function,
    grid_of,
    grouped_bars,
    legend_below,
    light_grid,
    ordered,
    whiskers,
)

MARKERS = dict(zip(BACKBONES, "os^vDP", strict=True))
TIMES = {"seconds_per_epoch": "seconds per epoch", "seconds": "seconds of all epochs"}


@figure_function
def learning_curves(histories: pd.DataFrame, metric: str = "recall@20", public: pd.DataFrame | None = None) -> Figure:
    """Validation metric by epoch, mean over seeds, one panel per backbone; bands span the seeds, dots mark each's best.

    histories: columns backbone, alignment, seed, epoch and `metric`, NaN in epochs without evaluation. public: points
    of others' runs, drawn as crosses: columns backbone, alignment, epoch, public.
    """
    histories = histories.dropna(subset=[metric], ignore_index=True)
    names = ordered(histories["backbone"], BACKBONES)
    figure, panels = grid_of(len(names), height=2.3)
    for axes, backbone in zip(panels, names, strict=True):
        part = histories[histories["backbone"] == backbone]
        for alignment in ordered(part["alignment"]):
            _curve(axes, part[part["alignment"] == alignment], alignment, metric)
        if public is not None and len(points := public[public["backbone"] == backbone]):
            colours = [colour_of(alignment) for alignment in points["alignment"]]
            axes.scatter(points["epoch"], points["public"], 22, colours, marker="x", label="public run", zorder=3)
        axes.set_title(backbone, weight="bold")
        axes.set(xlabel="epoch", ylabel="")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    panels[0].set_ylabel(f"validation {metric}")
    # an entry for the legend only: the dots themselves have the colours of their alignments
    panels[0].plot([], [], "o", color=GREY, markersize=4, label="weights used")
    legend_below(figure, panels)
    return figure


def _curve(axes, runs: pd.DataFrame, alignment: str, metric: str) -> None:
    """The mean over seeds with a band from the lowest to the highest, and a dot at the best epoch of each."""
    import seaborn

    style = {"color": colour_of(alignment), "label": alignment, "legend": False}
    style["err_kws"] = BAND | {"gid": f"{alignment}, all seeds"}
    # the interval of 100 percentiles is the whole range over seeds
    seaborn.lineplot(runs, x="epoch", y=metric, errorbar=("pi", 100), ax=axes, **style)
    best = runs.loc[runs.groupby("seed")[metric].idxmax()]
    axes.plot(best["epoch"], best[metric], "o", color=colour_of(alignment), markersize=4, gid=f"{alignment}, best")


@figure_function
def ranking_bars(table: pd.DataFrame, metrics=("recall@20", "ndcg@20")) -> Figure:
    """Test metrics by backbone and alignment with 95% intervals over users, one panel per metric.

    table: columns backbone, alignment, metric, mean, ci_low, ci_high.
    """
    figure, panels = grid_of(len(metrics), height=2.5, sharey=False)
    for axes, metric in zip(panels, metrics, strict=True):
        grouped_bars(axes, table[table["metric"] == metric].rename(columns={"mean": "value"}))
        axes.set_title(f"test {metric}, 95% CI over users")
    legend_below(figure, panels)
    return figure


@figure_function
def by_group(table: pd.DataFrame, side: str, label: str) -> Figure:
    """A value with its 95% interval by sparsity group, sparsest first, one panel per backbone, a line per alignment.

    table: columns backbone, alignment, group (in the order to be drawn), value, ci_low, ci_high; side: user or item;
    label: what the value is.
    """
    backbones, groups = ordered(table["backbone"], BACKBONES), list(dict.fromkeys(table["group"]))
    figure, panels = grid_of(len(backbones), height=1.7)
    for axes, backbone in zip(panels, backbones, strict=True):
        if table["ci_low"].min() < 0:
            axes.axhline(0, color=GREY, linewidth=0.8, gid="zero")
        _group_lines(axes, table[table["backbone"] == backbone], ordered(table["alignment"]), groups)
        axes.set_xticks(range(len(groups)), [name.replace("-", "\N{EN DASH}") for name in groups])
        axes.set_title(backbone, weight="bold")
        light_grid(axes)
    # grid_of puts three panels in a row
    for axes in panels[-3:]:
        axes.set_xlabel(f"train interactions of the {side}")
    for axes in panels[::3]:
        axes.set_ylabel(label)
    legend_below(figure, panels)
    return figure


def _group_lines(axes, table: pd.DataFrame, alignments: list[str], groups: list[str]) -> None:
    for shift, alignment in enumerate(alignments):
        rows = table[table["alignment"] == alignment].set_index("group").reindex(groups)
        place = np.arange(len(groups)) + (shift - (len(alignments) - 1) / 2) * 0.16
        style = {"marker": "o", "markersize": 3, "linewidth": 0.8, "elinewidth": 1, "capsize": 1.5}
        axes.errorbar(place, rows["value"], whiskers(rows), color=colour_of(alignment), label=alignment, **style)


@figure_function
def references(table: pd.DataFrame, metrics=("recall@20", "ndcg@20")) -> Figure:
    """Rankings without training beside trained models: one bar per model with its interval, the paper's as a cross.

    table: columns model (in the order to be drawn), metric, mean, ci_low, ci_high, published (NaN where there is none).
    """
    names = list(dict.fromkeys(table["model"]))
    figure, panels = grid_of(len(metrics), height=0.2 * len(names) + 0.7, columns=2)
    for axes, metric in zip(panels, metrics, strict=True):
        rows, place = table[table["metric"] == metric].set_index("model").reindex(names), np.arange(len(names))
        colours = [COLOURS["base"] if name.endswith(" base") else GREY for name in names]
        axes.barh(place, rows["mean"], 0.7, xerr=whiskers(rows, "mean"), color=colours, error_kw=ON_BARS, gid="ours")
        if rows["published"].notna().any():
            axes.plot(rows["published"], place, "x", color="black", markersize=5, label="the paper")
        axes.set(title=f"test {metric}, 95% CI over users", yticks=place, yticklabels=names)
        axes.tick_params(axis="y", length=0)
    panels[0].invert_yaxis()
    if panels[0].get_legend_handles_labels()[0]:
        legend_below(figure, panels)
    return figure


@figure_function
def time_and_quality(costs: pd.DataFrame, metric: str = "recall@20") -> Figure:
    """Training time against quality, one mark per cell: colour by alignment, shape by backbone.

    costs: columns backbone, alignment, seconds_per_epoch, seconds and `metric`, averaged over seeds.
    """
    figure, panels = grid_of(2, height=2.6)
    for axes, (column, label) in zip(panels, TIMES.items(), strict=True):
        for alignment in ordered(costs["alignment"]):
            axes.plot([], [], "o", color=colour_of(alignment), label=alignment)
        for backbone in ordered(costs["backbone"], BACKBONES):
            _cells(axes, costs[costs["backbone"] == backbone], column, metric, MARKERS.get(backbone, "*"), backbone)
        axes.set(xscale="log", xlabel=label)
        _few_ticks(axes)
        light_grid(axes, "both")
    panels[0].set_ylabel(f"test {metric}")
    legend_below(figure, panels)
    return figure


def _cells(axes, rows: pd.DataFrame, column: str, metric: str, marker: str, label: str) -> None:
    """A mark for each model of a backbone, with a line from base to it."""
    axes.plot([], [], marker, color="black", fillstyle="none", label=label)
    base = rows.loc[rows["alignment"] == "base", [column, metric]]
    for row in rows.to_dict("records"):
        ends = [*base[column], row[column]], [*base[metric], row[metric]]
        axes.plot(*ends, color="#BBBBBB", linewidth=0.6, zorder=1)
        name = f"{label} {row['alignment']}"
        axes.plot(row[column], row[metric], marker, color=colour_of(row["alignment"]), gid=name)


def _few_ticks(axes) -> None:
    """Plain numbers at 1, 2 and 5 times powers of ten: the default ones run into each other on a short axis."""
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
