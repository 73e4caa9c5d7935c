"""Overlap with the text: all models beside the report's, and the case studies."""

import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from lib.plots.frame import (
    ALIGNMENTS,
    BACKBONES,
    GREY,
    PAGE,
    Figure,
    colour_of,
    figure_function,
    grid_of,
    grouped_bars,
    legend_below,
    ordered,
    signed,
)
from lib.semantics import AGAIN


@figure_function
def overlap_bars(table: pd.DataFrame) -> Figure:
    """Neighbour overlap with the text by backbone and alignment, with 95% intervals over items and the chance level.

    table: columns backbone, alignment, vectors, items, neighbours, mean_jaccard, ci_low, ci_high, chance; one panel
    per kind of vectors, choice of items and K.
    """
    settings = (
        table[["neighbours", "items", "vectors"]].drop_duplicates().sort_values(["neighbours", "items", "vectors"])
    )
    columns = 4 if table["backbone"].nunique() <= 2 else 2  # names of backbones need room
    figure, panels = grid_of(len(settings), height=2.0, columns=columns, sharey=False)
    for axes, (k, items, vectors) in zip(panels, settings.itertuples(index=False), strict=True):
        part = table[(table["neighbours"] == k) & (table["items"] == items) & (table["vectors"] == vectors)]
        grouped_bars(axes, part.rename(columns={"mean_jaccard": "value"}))
        axes.axhline(part["chance"].iloc[0], color=GREY, linestyle=":", linewidth=1, label="chance")
        axes.set_title(f"{vectors} vectors, K = {k}\n{'all' if items == 'all' else 'first 3,000'} items")
    for axes in panels[:: min(columns, len(panels))]:
        axes.set_ylabel("Jaccard with text")
    legend_below(figure, panels)
    return figure


@figure_function
def overlap_gains(table: pd.DataFrame, report: pd.DataFrame) -> Figure:
    """Gain in overlap over base by backbone, one panel per alignment: the report's beside ours with 95% intervals.

    table: columns backbone, alignment, vectors, items, neighbours, gain_pct, gain_low, gain_high, one mark per setting;
    report: columns dataset, backbone, alignment, gain_pct. The axis is logarithmic in the ratio to base. Grey bars
    reach as far as two runs of base differ in that setting (rows of `semantics.AGAIN`), at most over the backbones.
    """
    backbones = ordered(set(table["backbone"]), BACKBONES)
    names = [name for name in ordered(table["alignment"], ALIGNMENTS) if name not in ("base", AGAIN)]
    figure, panels = grid_of(len(names), height=0.5 * len(backbones) + 0.8, columns=2)
    figure.set_figwidth(PAGE)
    settings = table[["vectors", "items", "neighbours"]].drop_duplicates().itertuples(index=False)
    settings = dict(zip(settings, ("o", "s", "^", "v"), strict=False))
    for axes, name in zip(panels, names, strict=True):
        _report_marks(axes, report[report["alignment"] == name], backbones)
        for place, ((vectors, items, k), marker) in enumerate(settings.items(), 1):
            chosen = (table["vectors"] == vectors) & (table["items"] == items) & (table["neighbours"] == k)
            rows = table[chosen & (table["alignment"] == name)].set_index("backbone").reindex(backbones)
            ratios = 1 + rows[["gain_low", "gain_pct", "gain_high"]].to_numpy().T / 100
            label = f"ours, {vectors}, {'all' if items == 'all' else 'first 3,000'} items, K = {k}"
            height = np.arange(len(backbones)) - 0.3 + 0.6 * place / len(settings)
            noise = 1 + table.loc[chosen & (table["alignment"] == AGAIN), "gain_pct"].abs().max() / 100
            axes.barh(height, noise - 1 / noise, 0.12, 1 / noise, color="#BBBBBB", zorder=0)
            axes.hlines(height, ratios[0], ratios[2], color=colour_of(name), linewidth=1.2)
            axes.plot(ratios[1], height, marker, color="black", markerfacecolor=colour_of(name))
            axes.plot([], [], marker, color="black", markerfacecolor=GREY, label=label)
        axes.set_title(name, color=colour_of(name), weight="bold")
        _ratio_axis(axes)
        axes.set_xlabel("gain in overlap over base (95% CI)")
    panels[0].set_yticks(range(len(backbones)), backbones, weight="bold")
    panels[0].invert_yaxis()
    if (table["alignment"] == AGAIN).any():
        panels[0].barh([0], [0], color="#BBBBBB", label="two runs of base differ so far")
    handles, labels = panels[0].get_legend_handles_labels()
    columns = len(labels) if len(labels) <= 4 else -(-len(labels) // 2)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)
    return figure


def _report_marks(axes, report: pd.DataFrame, backbones: list[str]) -> None:
    """Open marks at the report's gains, on the upper line of each backbone."""
    for (dataset, rows), marker in zip(report.groupby("dataset"), "DPX*", strict=False):
        rows = rows.set_index("backbone").reindex(backbones)
        style = {"markerfacecolor": "white", "markersize": 5, "label": f"the report, {dataset}"}
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
    axes.grid(axis="x", linewidth=0.4, color="#DDDDDD")
    axes.tick_params(axis="y", length=0)


@figure_function
def overlap_changes(overlaps: pd.DataFrame, n: int = 3) -> Figure:
    """Change of every item's overlap with the text from base, items in order of change; the n largest rises are ringed.

    overlaps: one row per item, columns base and alignments (`semantics.item_overlap`).
    """
    figure, (axes,) = grid_of(1, height=2.4)
    figure.set_figwidth(0.6 * PAGE)
    axes.axhline(0, color=GREY, linewidth=0.8)
    share = (np.arange(len(overlaps)) + 0.5) / len(overlaps)
    for label in ordered(overlaps.columns.drop("base"), ALIGNMENTS):
        change = np.sort(overlaps[label] - overlaps["base"])
        text = f"{label}: {(change > 0).mean():.0%} rise, {(change < 0).mean():.0%} fall, mean {change.mean():+.4f}"
        axes.plot(share, change, color=colour_of(label), label=signed(text))
        axes.plot(share[-n:], change[-n:], "o", color=colour_of(label), fillstyle="none", markersize=5)
    axes.set(xlabel="items in order of change", ylabel="overlap with text, change from base")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(axis="y", linewidth=0.4, color="#DDDDDD")
    axes.legend(loc="upper left")
    return figure


@figure_function
def distant_pairs(positions: pd.DataFrame, summary: pd.DataFrame, far_cosine: dict[str, float]) -> Figure:
    """Users far apart in the graph but close in text: their cosine, and how many far users are nearer to each other.

    positions, summary, far_cosine: as of `cases.positions`, `pair_summary` and `mean_far_cosine`. Dots are pairs, the
    star is the pair closest in text, the bar a mean with its 95% interval; the dotted lines stand for all far pairs.
    """
    spaces = ordered(positions["space"], ALIGNMENTS)
    figure, panels = grid_of(2, height=2.4, sharey=False)
    labels = {"cosine": "cosine of the two users", "nearer": "share of far users nearer"}
    for axes, (measure, label) in zip(panels, labels.items(), strict=True):
        rows = summary[summary["measure"] == measure].set_index("space")
        for place, space in enumerate(spaces):
            values = positions.loc[positions["space"] == space, measure].to_numpy()
            shift = np.random.default_rng(0).uniform(-0.25, 0.25, len(values))  # the same pair at the same shift
            axes.plot(place + shift, values, ".", color=colour_of(space), alpha=0.35, markersize=4, markeredgewidth=0)
            axes.plot(place + shift[:1], values[:1], "*", color="black", markersize=7, label="the pair shown")
            mean, low, high = rows.loc[space, ["mean", "ci_low", "ci_high"]].astype(float)
            error = [[mean - low], [high - mean]]
            style = {"fmt": "D", "markersize": 4, "elinewidth": 2, "capsize": 4}
            axes.errorbar(place, mean, error, color="black", label="mean and 95% CI", **style)
            level = far_cosine[space] if measure == "cosine" else 0.5
            axes.plot([place - 0.4, place + 0.4], [level] * 2, ":", color=GREY, label="all far pairs")
        axes.set_xticks(range(len(spaces)), spaces)
        axes.set_ylabel(label)
        axes.grid(axis="y", linewidth=0.4, color="#DDDDDD")
    panels[1].set_ylim(0, 1)
    legend_below(figure, panels)
    return figure
