"""How well models rank: learning curves, test metrics, sparsity groups, references."""

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from lib.core.names import BACKBONES
from lib.evaluation.verdicts.rules import PRIMARY
from lib.results import display_names
from lib.results.plots.theme import (
    BAND,
    COLOURS,
    GREY,
    ON_BARS,
    PAGE,
    Figure,
    colour_of,
    figure_function,
    grid_of,
    legend_below,
    light_grid,
    marker_of,
    ordered,
    style_of,
    whiskers,
)

FLOOR = 0.8  # of the lowest best value, where curves begin to be drawn: below it all of them rise alike


@figure_function
def learning_curves(histories: pd.DataFrame, metric: str = PRIMARY, public: pd.DataFrame | None = None) -> Figure:
    """Validation metric by epoch, mean over seeds, one panel per backbone; bands span the seeds, marks are their best.

    histories: columns backbone, alignment, seed, epoch and `metric`, NaN in epochs without evaluation. public: points
    of others' runs, drawn as crosses: columns backbone, alignment, epoch, public. A panel starts at FLOOR of its lowest
    best value.
    """
    histories = histories.dropna(subset=[metric], ignore_index=True)
    names = ordered(histories["backbone"], BACKBONES)
    figure, panels = grid_of(len(names), height=2.1, sharey=False)
    for axes, backbone in zip(panels, names, strict=True):
        part = histories[histories["backbone"] == backbone]
        for alignment in ordered(part["alignment"]):
            _curve(axes, part[part["alignment"] == alignment], alignment, metric)
        if public is not None and len(points := public[public["backbone"] == backbone]):
            colours = [colour_of(alignment) for alignment in points["alignment"]]
            axes.scatter(points["epoch"], points["public"], 22, colours, marker="x", label="public run", zorder=3)
        axes.set_title(display_names.backbone(backbone), weight="bold")
        axes.set(xlabel="epoch", ylabel="")
        axes.set_ylim(bottom=FLOOR * part.groupby("alignment")[metric].max().min())
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        light_grid(axes)
    panels[0].set_ylabel(f"validation {display_names.metric(metric)}")
    for alignment in ordered(histories["alignment"]):  # entries for the legend only
        panels[0].plot([], [], **style_of(alignment))
    panels[0].plot([], [], "o", color=GREY, markersize=4.5, markerfacecolor="white", label="marks: weights used")
    legend_below(figure, panels)
    figure.said = _longest(histories, metric)
    return figure


def _longest(histories: pd.DataFrame, metric: str) -> str:
    """How many epochs each alignment takes to its best value."""
    best = histories.loc[histories.groupby(["backbone", "alignment", "seed"])[metric].idxmax()]
    parts = []
    for name in ordered(best["alignment"]):
        epochs = best.loc[best["alignment"] == name, "epoch"]
        parts.append(f"{display_names.alignment(name)} after {_range(epochs)}")
    return f"validation {display_names.metric(metric)} is highest with {display_names.listed(parts)} epochs"


def _range(numbers: pd.Series) -> str:
    low, high = numbers.min(), numbers.max()
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _curve(axes, runs: pd.DataFrame, alignment: str, metric: str) -> None:
    """The mean over seeds with a band from the lowest to the highest, and a hollow mark at the best epoch of each."""
    import seaborn

    style = {"color": colour_of(alignment), "gid": alignment, "legend": False}
    style["err_kws"] = BAND | {"gid": f"{alignment}, all seeds"}
    # the interval of 100 percentiles is the whole range over seeds
    seaborn.lineplot(runs, x="epoch", y=metric, errorbar=("pi", 100), ax=axes, **style)
    best = runs.loc[runs.groupby("seed")[metric].idxmax()]
    mark = style_of(alignment) | {"linestyle": "none", "label": "_", "zorder": 3, "gid": f"{alignment}, best"}
    axes.plot(best["epoch"], best[metric], **mark)


@figure_function
def ranking_points(
    table: pd.DataFrame, tests: pd.DataFrame, published: pd.DataFrame, metrics=(PRIMARY, "ndcg@20")
) -> Figure:
    """Test metrics by backbone and alignment, one panel per metric, with the paper's cells beside them in grey.

    table: columns backbone, alignment, metric, mean; tests: the frame of `comparisons.against_base`, whose interval of
    the difference to base stands around each aligned mark, since that of a mean says little about differences;
    published: columns backbone, alignment, metric, k, published (NaN where the paper has no cell).
    """
    backbones, alignments = ordered(table["backbone"], BACKBONES), ordered(table["alignment"])
    published = published.dropna(subset="published")
    published = published.assign(metric=published["metric"] + "@" + published["k"].astype(str))
    tests = tests[tests["against"] == "base"]
    figure, panels = grid_of(len(metrics), height=0.35 * len(backbones) + 0.6, columns=2)
    figure.set_figwidth(PAGE)
    for axes, metric in zip(panels, metrics, strict=True):
        of_metric = [frame[frame["metric"] == metric] for frame in (table, tests, published)]
        for shift, alignment in enumerate(alignments):
            own = [rows[rows["alignment"] == alignment].groupby("backbone").first() for rows in of_metric]
            heights = np.arange(len(backbones)) + 0.25 * (shift - (len(alignments) - 1) / 2)
            _points(axes, heights, alignment, *(rows.reindex(backbones) for rows in own))
        axes.set_title(f"test {display_names.metric(metric)}, 95% CI of the difference to Base")
        axes.tick_params(axis="y", length=0)
        light_grid(axes, "x")
    panels[0].set_yticks(range(len(backbones)), map(display_names.backbone, backbones), weight="bold")
    panels[0].invert_yaxis()
    legend_below(figure, panels)
    figure.said = _best(table[table["metric"] == metrics[0]], metrics[0])
    return figure


def _points(axes, heights: np.ndarray, alignment: str, means, tests, published) -> None:
    known = means["mean"].notna()
    low, high = (tests.loc[known, name] - tests.loc[known, "difference"] for name in ("ci_low", "ci_high"))
    style = style_of(alignment) | {"capsize": 2, "elinewidth": 1, "linestyle": "none"}
    around = [-low, high] if low.notna().any() else None  # base differs from nothing
    axes.errorbar(means.loc[known, "mean"], heights[known], xerr=around, **style)
    if len(published.dropna(how="all")):
        style = {"color": GREY, "marker": marker_of(alignment), "markersize": 3, "linestyle": "none"}
        axes.plot(published["published"], heights, alpha=0.6, label="the paper", **style)


def _best(table: pd.DataFrame, metric: str) -> str:
    """The highest mean, and in how many backbones each alignment is above base."""
    top = table.loc[table["mean"].idxmax()]
    wide = table.pivot(index="backbone", columns="alignment", values="mean")
    above = [
        f"in {(wide[name] > wide['base']).sum()} of {wide[name].count()} with {display_names.alignment(name)}"
        for name in ordered(wide.columns.drop("base", errors="ignore"))
        if "base" in wide
    ]
    best = f"{display_names.backbone(top['backbone'])} {display_names.alignment(top['alignment'])}"
    said = f"{best} has the highest {display_names.metric(metric)}, {top['mean']:.4f}"
    return f"{said}; above Base, surely or not, {display_names.listed(above)}" if above else said


@figure_function
def by_group(table: pd.DataFrame, side: str, label: str) -> Figure:
    """A value with its 95% interval by sparsity group, sparsest first, one panel per backbone, a line per alignment.

    table: columns backbone, alignment, group (in the order to be drawn), value, ci_low, ci_high, and verdict where
    values are differences; side: user or item; label: what the value is.
    """
    backbones, groups = ordered(table["backbone"], BACKBONES), list(dict.fromkeys(table["group"]))
    figure, panels = grid_of(len(backbones), height=1.7)
    for axes, backbone in zip(panels, backbones, strict=True):
        if table["ci_low"].min() < 0:
            axes.axhline(0, color=GREY, linewidth=0.8, gid="zero")
        _group_lines(axes, table[table["backbone"] == backbone], ordered(table["alignment"]), groups)
        axes.set_xticks(range(len(groups)), [name.replace("-", "\N{EN DASH}") for name in groups])
        axes.set_title(display_names.backbone(backbone), weight="bold")
        light_grid(axes)
    # grid_of puts three panels in a row
    for axes in panels[-3:]:
        axes.set_xlabel(f"train interactions of the {side}")
    for axes in panels[::3]:
        axes.set_ylabel(label)
    legend_below(figure, panels)
    if "verdict" in table:
        verdicts = table["verdict"].dropna()
        counts = [f"{word} in {(verdicts == word).sum()}" for word in ("better", "worse")]
        said = f"groups of {side}s by their train interactions, sparsest first: alignment is clearly "
        figure.said = f"{said}{' and '.join(counts)} of {len(verdicts)}"
    return figure


def _group_lines(axes, table: pd.DataFrame, alignments: list[str], groups: list[str]) -> None:
    for shift, alignment in enumerate(alignments):
        rows = table[table["alignment"] == alignment].set_index("group").reindex(groups)
        place = np.arange(len(groups)) + (shift - (len(alignments) - 1) / 2) * 0.16
        style = style_of(alignment) | {"markersize": 3.5, "linewidth": 0.8, "elinewidth": 1, "capsize": 1.5}
        axes.errorbar(place, rows["value"], whiskers(rows), **style)


@figure_function
def references(table: pd.DataFrame, metrics=(PRIMARY, "ndcg@20")) -> Figure:
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
        shown = [_model(name) for name in names]
        axes.set(title=f"test {display_names.metric(metric)}, 95% CI over users", yticks=place, yticklabels=shown)
        axes.tick_params(axis="y", length=0)
    panels[0].invert_yaxis()
    if panels[0].get_legend_handles_labels()[0]:
        legend_below(figure, panels)
    figure.said = _reached(table[table["metric"] == metrics[0]].set_index("model")["mean"], metrics[0])
    return figure


def _model(name: str) -> str:
    """'GCCF Base' for 'gccf base'; what is not trained keeps its name."""
    backbone, _, alignment = name.partition(" ")
    return f"{display_names.backbone(backbone)} {display_names.alignment(alignment)}" if alignment == "base" else name


def _reached(means: pd.Series, metric: str) -> str:
    """How much of the best trained model's value each ranking without training reaches."""
    trained = means[means.index.str.endswith(" base")]
    if trained.empty or len(trained) == len(means):
        return ""
    shares = [f"{name} reaches {value / trained.max():.0%}" for name, value in means.drop(trained.index).items()]
    best = f"{display_names.metric(metric)} of {_model(trained.idxmax())} ({trained.max():.4f})"
    return f"without training, {display_names.listed(shares)} of the {best}"
