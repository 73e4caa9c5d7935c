"""Overlap with the text: gains of all models beside the report's, and the case studies."""

import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from lib.core.names import BACKBONES, BASE_AGAIN
from lib.evaluation.verdicts.against_base import is_again, is_aligned
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
    marker_of,
    ordered,
    style_of,
    whiskers,
)
from lib.results.writers import signed

SETTING = ["vectors", "items", "neighbours"]
NOISE = "#DDDDDD"  # how far two runs of base differ

# All models


@figure_function
def overlap_gains(table: pd.DataFrame, report: pd.DataFrame) -> Figure:
    """Gain in overlap over base by backbone, one panel per alignment: the report's beside ours with 95% intervals.

    table: columns backbone, alignment, vectors, items, neighbours, gain_pct, gain_low, gain_high and verdict, one mark
    per setting; report: columns dataset, backbone, alignment, gain_pct. The axis is logarithmic in the ratio to base.
    The grey band reaches as far as two runs of base differ (rows of `against_base.again`), at most over all settings.
    """
    backbones = ordered(set(table["backbone"]), BACKBONES)
    names = ordered(table.loc[is_aligned(table["alignment"]), "alignment"])
    figure, panels = grid_of(len(names), height=0.5 * len(backbones) + 0.8, columns=2)
    figure.set_figwidth(PAGE)
    noise = 1 + table.loc[is_again(table["alignment"]), "gain_pct"].abs().max() / 100  # NaN without a second run
    for axes, name in zip(panels, names, strict=True):
        _report_marks(axes, report[report["alignment"] == name], backbones)
        _our_marks(axes, table, name, backbones)
        if noise == noise:
            # from 1 / noise to noise: on the logarithmic axis both sides are equally long
            axes.axvspan(1 / noise, noise, color=NOISE, linewidth=0, zorder=0, label="two runs of Base differ so far")
        axes.set_title(display_names.alignment(name), color=colour_of(name), weight="bold")
        axes.sharex(panels[0])
        axes.set_xlabel("gain in overlap over Base, 95% CI over items\n(logarithmic axis)")
    for axes in panels:  # only now, since they share one axis
        _ratio_axis(axes)
    panels[0].set_yticks(range(len(backbones)), map(display_names.backbone, backbones), weight="bold")
    panels[0].invert_yaxis()
    labels = panels[0].get_legend_handles_labels()[1]
    legend_below(figure, panels[:1], columns=min(len(labels), 3))
    figure.said = _raised(table, names)
    return figure


def _raised(table: pd.DataFrame, names: list[str]) -> str:
    """In how many backbones each alignment clearly raises the overlap, in the first setting."""
    setting, rows = next(iter(table.groupby(SETTING, sort=False)))
    parts = []
    for name in names:
        verdicts = rows.loc[rows["alignment"] == name, "verdict"]
        parts.append(f"{display_names.alignment(name)} in {(verdicts == 'supported').sum()} of {len(verdicts)}")
    above = f"overlap with the text is clearly above Base's with {display_names.listed(parts)} backbones"
    return f"{above} ({_said(*setting)})"


def _said(vectors: str, items: str, k: int) -> str:
    return f"{vectors} vectors, {'all' if items == 'all' else 'first 3,000'} items, K = {k}"


def _our_marks(axes, table: pd.DataFrame, name: str, backbones: list[str]) -> None:
    """A mark and its interval for each setting, one below the other within each backbone."""
    settings = list(table.groupby(SETTING, sort=False))
    for place, ((setting, rows), marker) in enumerate(zip(settings, "os^v", strict=False), 1):
        label = f"ours, {_said(*setting)}"
        height = np.arange(len(backbones)) - 0.3 + 0.6 * place / len(settings)
        rows = rows[rows["alignment"] == name].set_index("backbone").reindex(backbones)
        low, middle, high = 1 + rows[["gain_low", "gain_pct", "gain_high"]].to_numpy().T / 100
        axes.hlines(height, low, high, color=colour_of(name), linewidth=1.2, gid=label)
        axes.plot(middle, height, marker, color="black", markerfacecolor=colour_of(name), gid=label)
        # grey in the legend, since colour tells alignments apart and shape tells settings
        axes.plot([], [], marker, color="black", markerfacecolor=GREY, label=label)


def _report_marks(axes, report: pd.DataFrame, backbones: list[str]) -> None:
    """Open marks at the report's gains, on the upper line of each backbone."""
    for (dataset, rows), marker in zip(report.groupby("dataset"), "DPX*", strict=False):
        rows = rows.set_index("backbone").reindex(backbones)
        style = {"markerfacecolor": "white", "markersize": 5, "label": f"the report, {display_names.dataset(dataset)}"}
        axes.plot(1 + rows["gain_pct"] / 100, np.arange(len(backbones)) - 0.3, marker, color=GREY, **style)


def _ratio_axis(axes) -> None:
    """A logarithmic axis of ratios, labelled with gains in percent."""
    axes.set_xscale("log")
    axes.axvline(1, color=GREY, linewidth=0.8, zorder=0)
    low, high = axes.get_xlim()
    fine, middle, coarse = (0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2), (0.5, 0.75, 1, 1.5, 2, 3), 2.0 ** np.arange(-4, 10)
    ticks = np.array(fine if high < 2.7 * low else middle if high < 5 * low else coarse)
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    axes.set_xticks(ticks, [signed(f"{100 * tick - 100:+.0f}%") if tick != 1 else "0" for tick in ticks])
    axes.minorticks_off()
    light_grid(axes, "x")
    axes.tick_params(axis="y", length=0)


# Case studies


@figure_function
def overlap_changes(overlaps: pd.DataFrame, n: int = 3) -> Figure:
    """Change of every item's overlap with the text from base, items in order of change; the n largest are ringed.

    overlaps: one row per item, columns base and alignments (`text_overlap.item_overlap`).
    """
    import seaborn

    figure, (axes,) = grid_of(1, height=2.4)
    figure.set_figwidth(0.75 * PAGE)
    axes.use_sticky_edges = False  # room for the rings beyond 100%
    axes.axhline(0, color=GREY, linewidth=0.8)
    share = (np.arange(len(overlaps)) + 0.5) / len(overlaps)  # the middle of an item's step
    lines, means = [], []
    for name in ordered(overlaps.columns.drop("base")):
        change = np.sort(overlaps[name] - overlaps["base"])
        shown = display_names.alignment(name)
        label = f"{shown}: {(change > 0).mean():.0%} rise, {(change < 0).mean():.0%} fall, mean {change.mean():+.4f}"
        style = style_of(name) | {"markersize": 3.5}
        # at other items for every alignment, since many curves lie on each other at 0
        every = (len(lines) * len(change) // 24, len(change) // 8 or 1)
        seaborn.ecdfplot(y=change, ax=axes, markevery=every, **style | {"label": signed(label)})
        lines.append(name)
        ring = style | {"markersize": 6, "markerfacecolor": "none", "linestyle": "none", "label": "_"}
        axes.plot(share[-n:], change[-n:], gid=f"{name}, largest rises", **ring)
        if not name.startswith(BASE_AGAIN):
            means.append(f"{shown} {change.mean():+.4f}")
    figure.said = signed(f"mean change of the items' overlap with the text: {', '.join(means)}")
    axes.set(xlabel="items in order of change", ylabel="overlap with text, change from Base")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    light_grid(axes)
    axes.legend(loc="upper left")
    return figure


@figure_function
def distant_pairs(positions: pd.DataFrame, summary: pd.DataFrame, far_cosine: dict[str, float]) -> Figure:
    """Users far apart in the graph but close in text: their cosine, and how many far users are nearer to each other.

    positions, summary, far_cosine: as of `distant_users.positions`, `pair_summary` and `mean_far_cosine`. Dots are
    pairs, the star is the pair closest in text, the bar a mean with its 95% interval; the dotted lines stand for all
    far pairs.
    """
    spaces = ordered(positions["space"])
    figure, panels = grid_of(2, height=2.4, sharey=False)
    labels = {"cosine": "cosine of the two users", "nearer": "share of far users nearer"}
    for axes, (measure, label) in zip(panels, labels.items(), strict=True):
        means = summary[summary["measure"] == measure].set_index("space").rename(columns={"mean": "value"})
        for place, space in enumerate(spaces):
            _pairs(axes, place, positions.loc[positions["space"] == space, measure].to_numpy(), space)
            mean = means.loc[[space], ["value", "ci_low", "ci_high"]].astype(float)
            style = {"fmt": "D", "markersize": 4, "elinewidth": 2, "capsize": 4, "color": "black"}
            axes.errorbar([place], mean["value"], whiskers(mean), label="mean and 95% CI", **style)
            level = far_cosine[space] if measure == "cosine" else 0.5
            axes.plot([place - 0.4, place + 0.4], [level] * 2, ":", color=GREY, label="all far pairs")
        # on two lines, since several runs of base may stand side by side
        axes.set_xticks(range(len(spaces)), [display_names.alignment(space).replace(" (", "\n(") for space in spaces])
        axes.set_ylabel(label)
        light_grid(axes)
    panels[1].set_ylim(-0.03, 1.03)  # room for what stands at 0 and at 1
    legend_below(figure, panels)
    nearer = summary[summary["measure"] == "nearer"].set_index("space")["mean"]
    parts = [f"{display_names.alignment(space)} {nearer[space]:.0%}" for space in spaces]
    figure.said = f"share of far users nearer than the one alike in text: {display_names.listed(parts)}"
    return figure


def _pairs(axes, place: int, values: np.ndarray, space: str) -> None:
    """A dot for each pair around `place`, and a star on the first one."""
    # not seaborn's stripplot: it shifts by numpy's global numbers, so a pair would not stand at one shift in all spaces
    shift = np.random.default_rng(0).uniform(-0.25, 0.25, len(values))
    style = {"color": colour_of(space), "marker": marker_of(space), "linestyle": "none"}
    axes.plot(place + shift, values, alpha=0.45, markersize=2.5, markeredgewidth=0, gid="pairs", **style)
    axes.plot(place + shift[:1], values[:1], "*", color="black", markersize=7, label="the pair shown")
