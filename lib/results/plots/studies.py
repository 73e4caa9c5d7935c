"""One cell under changed conditions: lines, gains, sensitivity."""

import numpy as np
import pandas as pd

from lib.evaluation.verdicts.rules import PRIMARY
from lib.results import display_names
from lib.results.plots.theme import (
    GREY,
    PAGE,
    Figure,
    colour_of,
    figure_function,
    grid_of,
    legend_below,
    light_grid,
    ordered,
    style_of,
    whiskers,
)

SETTINGS = {
    "weight": "weight of the alignment",
    "mask_ratio": "share of masked nodes",
    "embedding_size": "embedding size",
}
CONDITIONS = {"noise": "random interactions added, as a share of the train split"}


@figure_function
def study_lines(table: pd.DataFrame, x: str, metric: str = PRIMARY, gains: pd.DataFrame | None = None) -> Figure:
    """A test metric against a study's numeric condition `x`, one line per alignment, with 95% intervals over users.

    table: x, alignment, metric, mean, ci_low, ci_high; gains adds a panel of the paired differences to base: x,
    alignment, metric, difference, ci_low, ci_high, verdict.
    """
    gains = None if gains is None or gains.empty else gains  # of a grid of base models
    figure, panels = grid_of(1 if gains is None else 2, height=2.4, sharey=False)
    _lines(panels[0], table[table["metric"] == metric].rename(columns={"mean": "value"}), x)
    shown, label = display_names.metric(metric), CONDITIONS.get(x, x)
    panels[0].set(title=f"test {shown}, 95% CI over users", xlabel=label)
    if gains is not None:
        gains = gains[gains["metric"] == metric]
        _lines(panels[1], gains.rename(columns={"difference": "value"}), x)
        panels[1].axhline(0, color=GREY, linewidth=0.8, linestyle=":")
        panels[1].set(title="difference to Base, users paired", xlabel=label)
        figure.said = f"{shown} against Base: {_counts(gains)}"
    legend_below(figure, panels)
    return figure


@figure_function
def study_gains(gains: pd.DataFrame, x: str, metrics=(PRIMARY, "ndcg@20"), against: str = "Base") -> Figure:
    """Paired differences, one row per condition `x` and one panel per metric, with 95% intervals over users.

    gains: x, alignment, metric, difference, ci_low, ci_high, verdict. Values of x are encoders or alignments.
    """
    values = list(dict.fromkeys(gains[x]))
    per_row = gains.groupby(x)["alignment"].nunique().max()
    figure, panels = grid_of(len(metrics), height=(0.12 * per_row + 0.14) * len(values) + 0.7, columns=2)
    figure.set_figwidth(PAGE)
    for axes, metric in zip(panels, metrics, strict=True):
        _rows(axes, gains[gains["metric"] == metric].rename(columns={"difference": "value"}), x, values)
        axes.axvline(0, color=GREY, linewidth=0.8, linestyle=":")
        axes.set_xlabel(f"test {display_names.metric(metric)}, difference to {against}")
    name = display_names.encoder if x == "encoder" else display_names.alignment
    panels[0].set_yticks(range(len(values)), [name(value) for value in values])
    panels[0].set_ylim(len(values) - 0.5, -0.5)
    judged = gains[gains["metric"] == metrics[0]]
    counts = _shares(judged)
    if set(gains[x]) != set(gains["alignment"]):  # or the rows are the alignments
        legend_below(figure, panels)
        counts = _counts(judged)
    figure.said = f"{display_names.metric(metrics[0])} against {against}: {counts}"
    return figure


def _counts(gains: pd.DataFrame) -> str:
    """'Contrastive is clearly better in 0 and worse in 1 of 3' for each alignment."""
    own = {name: gains.loc[gains["alignment"] == name] for name in ordered(gains["alignment"])}
    return "; ".join(f"{display_names.alignment(name)} is {_shares(rows)}" for name, rows in own.items())


def _shares(gains: pd.DataFrame) -> str:
    verdicts = gains["verdict"]
    counts = [f"{word} in {(verdicts == word).sum()}" for word in ("better", "worse")]
    return f"clearly {', '.join(counts)} of {len(verdicts)}"


@figure_function
def sensitivity_lines(table: pd.DataFrame, metric: str = PRIMARY) -> Figure:
    """A test metric against one setting per panel, one line per alignment; the published value is filled.

    table: columns setting, value, published (bool), alignment, metric, mean, ci_low, ci_high. Values stand at equal
    distances, the marks of alignments beside each other.
    """
    table = table[table["metric"] == metric]
    settings = list(table["setting"].unique())
    figure, panels = grid_of(len(settings), height=2.0, columns=2, sharey=False)
    for axes, setting in zip(panels, settings, strict=True):
        part = table[table["setting"] == setting]
        values = list(np.sort(part["value"].unique()))
        part = part.rename(columns={"mean": "at"}).assign(place=part["value"].map(values.index))
        _lines(axes, part.drop(columns="value").rename(columns={"at": "value"}), "place", apart=0.1)
        axes.set(xlabel=SETTINGS.get(setting, setting), xlim=(-0.4, len(values) - 0.6))
        axes.set_xticks(range(len(values)), [f"{value:g}" for value in values])
    for axes in panels[::2]:
        axes.set_ylabel(f"test {display_names.metric(metric)}")
    panels[0].plot([], [], "o", color=GREY, markersize=4.5, label="filled: published value; bars: 95% CI over users")
    legend_below(figure, panels)
    figure.said = _widest(table, metric)
    return figure


def _widest(table: pd.DataFrame, metric: str) -> str:
    """The setting of an alignment over which the metric ranges most."""
    groups = table.groupby(["setting", "alignment"], sort=False)["mean"]
    widest = (groups.max() - groups.min()).sort_values(ascending=False)
    setting, alignment = widest.index[0]
    own = table[(table["setting"] == setting) & (table["alignment"] == alignment)]["mean"]
    what = f"the {SETTINGS.get(setting, setting)} ({display_names.alignment(alignment)})"
    return f"{display_names.metric(metric)} moves most with {what}, from {own.min():.3f} to {own.max():.3f}"


def _lines(axes, table: pd.DataFrame, x: str, apart: float | None = None) -> None:
    """`value` with whiskers by the numbers `x`, one line per alignment, `apart` from each other or they hide one."""
    alignments = ordered(table["alignment"])
    apart = 0.02 * (table[x].max() - table[x].min()) if apart is None else apart
    for index, alignment in enumerate(alignments):
        rows = table[table["alignment"] == alignment].sort_values(x)
        place = rows[x].astype(float) + apart * (index - (len(alignments) - 1) / 2)
        style = style_of(alignment) | {"capsize": 2, "elinewidth": 0.8}
        axes.errorbar(place, rows["value"], whiskers(rows), **style)
        if "published" in rows:
            style = {"s": 20, "color": colour_of(alignment), "marker": style["marker"], "zorder": 3}
            axes.scatter(place[rows["published"]], rows["value"][rows["published"]], gid="published value", **style)
    light_grid(axes)


def _rows(axes, table: pd.DataFrame, x: str, values: list) -> None:
    """`value` with its interval in the row of each `x`, alignments of one row below each other."""
    for row, value in enumerate(values):
        part = table[table[x] == value]
        alignments = ordered(part["alignment"])
        for index, alignment in enumerate(alignments):
            rows = part[part["alignment"] == alignment]
            height = row + 0.22 * (index - (len(alignments) - 1) / 2)
            style = style_of(alignment) | {"capsize": 2, "elinewidth": 1, "linestyle": "none"}
            axes.errorbar(rows["value"], [height] * len(rows), xerr=whiskers(rows), **style)
    axes.tick_params(axis="y", length=0)
    light_grid(axes, "x")
