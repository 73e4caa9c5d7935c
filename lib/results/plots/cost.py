"""What alignment costs beside what it brings, as ratios to base."""

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from lib.core.names import BACKBONES
from lib.evaluation.verdicts.rules import PRIMARY
from lib.results import display_names
from lib.results.plots.theme import (
    GREY,
    PAGE,
    Figure,
    figure_function,
    grid_of,
    legend_below,
    light_grid,
    ordered,
    style_of,
)
from lib.results.writers import signed

TIMES = {"seconds_per_epoch": "time per epoch", "seconds": "time of all epochs"}
LINEAR = 2  # percent of change, up to which the axis of quality is linear


@figure_function
def time_and_quality(costs: pd.DataFrame, metric: str = PRIMARY) -> Figure:
    """Training time and quality of aligned models relative to base, a row per backbone, a mark per alignment.

    costs: columns backbone, alignment, seconds_per_epoch, seconds and `metric`, averaged over seeds. Axes of time are
    logarithmic, that of quality beyond LINEAR percent, so that one model does not decide what is seen of the others.
    """
    backbones = ordered(costs["backbone"], BACKBONES)
    figure, panels = grid_of(3, height=0.3 * len(backbones) + 0.9)
    ratios = _ratios(costs, [*TIMES, metric])
    for axes, column in zip(panels, ratios.columns.drop(["backbone", "alignment"]), strict=True):
        quality = column == metric
        values = 100 * (ratios[column] - 1) if quality else ratios[column]
        _marks(axes, ratios.assign(value=values), backbones)
        axes.axvline(0 if quality else 1, color=GREY, linewidth=0.8, zorder=0)
        axes.tick_params(axis="y", length=0)
        light_grid(axes, "x")
        _axis_of_quality(axes, metric) if quality else _axis_of_times(axes, TIMES[column])
    panels[0].set_yticks(range(len(backbones)), map(display_names.backbone, backbones), weight="bold")
    panels[0].set_ylim(len(backbones) - 0.5, -0.5)
    figure.set_figwidth(PAGE)
    legend_below(figure, panels)
    figure.said = _said(ratios, metric)
    return figure


def _ratios(costs: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Aligned rows divided by their backbone's base."""
    base = costs[costs["alignment"] == "base"].set_index("backbone")[columns]
    aligned = costs[(costs["alignment"] != "base") & costs["backbone"].isin(base.index)].reset_index(drop=True)
    return aligned[["backbone", "alignment"]].join(aligned[columns] / base.loc[aligned["backbone"]].to_numpy())


def _marks(axes, rows: pd.DataFrame, backbones: list[str]) -> None:
    alignments = ordered(rows["alignment"])
    for shift, alignment in enumerate(alignments):
        own = rows[rows["alignment"] == alignment]
        heights = [backbones.index(name) + 0.25 * (shift - (len(alignments) - 1) / 2) for name in own["backbone"]]
        axes.plot(own["value"], heights, **style_of(alignment) | {"linestyle": "none", "markersize": 5})


def _axis_of_times(axes, label: str) -> None:
    axes.set(xscale="log", xlabel=f"{label}, times Base's\n(logarithmic)")
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.8), max(high, 2.5))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _axis_of_quality(axes, metric: str) -> None:
    scale = f"(linear to ±{LINEAR}%, then logarithmic)"
    axes.set(xlabel=f"change of test {display_names.metric(metric)}\n{scale}")
    axes.set_xscale("symlog", linthresh=LINEAR, linscale=0.6)
    low, high = (1.5 * end for end in axes.dataLim.intervalx)
    axes.set_xlim(min(low, -LINEAR), max(high, LINEAR))
    ticks = np.array([-50, -20, -10, -5, -2, 0, 2, 5, 10, 20, 50])
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    axes.set_xticks(ticks if len(ticks) <= 6 else [tick for tick in ticks if abs(tick) not in (5, 10)])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: signed(f"{value:+g}%") if value else "0"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _said(ratios: pd.DataFrame, metric: str) -> str:
    """The range of each alignment's time per epoch and of its change of quality."""
    parts = []
    for name in ordered(ratios["alignment"]):
        own = ratios[ratios["alignment"] == name]
        time, change = own["seconds_per_epoch"], own[metric] - 1
        spent = f"{display_names.alignment(name)}: {time.min():.1f} to {time.max():.1f} times Base's time per epoch"
        parts.append(f"{spent}, {display_names.metric(metric)} {change.min():+.1%} to {change.max():+.1%}")
    return signed("; ".join(parts))
