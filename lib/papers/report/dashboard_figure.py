"""Dashboard of one dataset and backbone: the report's figure 2."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from lib.analysis.text_overlap import chance_overlap
from lib.papers.report.dashboard import Dashboard
from lib.results import display_names
from lib.results.plots.theme import BAND, GREY, PAGE, Figure, figure_function, ordered, style_of
from lib.results.writers import signed

CLUSTERS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#AA3377")  # Paul Tol's bright palette
FAR = 0.3  # of the width of the middle 98% of a map, beyond which items are not drawn


@figure_function
def dashboard(data: Dashboard, vectors: str = "final") -> Figure:
    """The report's figure 2: alignment trend, overlap distribution, overlap counts and one map per space.

    vectors: which of a run's they are, ego or final.
    """
    figure = Figure(figsize=(PAGE, 5.4), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(3, 2.3))
    trend, distribution, counts = top.subplots(1, 3)
    _trend(trend, data.trend, data.slopes)
    _distribution(distribution, data.nearest_100)
    _counts(counts, data.nearest_20)
    _maps(bottom, data)
    figure.said = f"{vectors} vectors: {_said(data)}"
    return figure


def _said(data: Dashboard) -> str:
    """The gain of each alignment in overlap, how steep base is, and whether clusters of the text keep together."""
    means, steepness = data.nearest_100.mean(), data.slopes.set_index("space")["slope"]
    gains = [f"{means[name] / means['base'] - 1:+.0%} with {display_names.alignment(name)}" for name in _aligned(means)]
    slopes = [f"{display_names.alignment(name)} {slope:.2f}" for name, slope in steepness.items()]
    kept = data.separation.loc[data.separation["space"] != "text", "nmi"].max()
    parts = [f"overlap with the text {', '.join(gains)}", f"slope {', '.join(slopes)}", f"NMI at most {kept:.2f}"]
    return signed("; ".join(parts))


def _aligned(means: pd.Series) -> list[str]:
    return [name for name in ordered(means.index) if name != "base"]


def _trend(axes, trend: pd.DataFrame, slopes: pd.DataFrame) -> None:
    """The report's bins; slope and rank correlation in the legend are over all pairs."""
    trend = trend[trend["bins"] == "report"]
    for row in _by_space(slopes):
        line, style = trend[trend["space"] == row.space], style_of(row.space) | {"markersize": 3}
        style["label"] = signed(f"{style['label']}: slope {row.slope:.2f}, ρ {row.spearman:.2f}")
        axes.plot(line["text_cosine"], line["mean"], **style)
        band = BAND | {"color": style["color"], "gid": f"{row.space}, interval"}
        axes.fill_between(line["text_cosine"], line["ci_low"], line["ci_high"], **band)
    axes.set(title="(a) Alignment trend", xlabel="text cosine of a pair", ylabel="mean ID cosine (95% CI)")
    _legend_above(axes)


def _distribution(axes, overlaps: pd.DataFrame, k: int = 100) -> None:
    """Share of items with at most so much overlap, one curve per space: the lower, the more overlap."""
    import seaborn

    axes.use_sticky_edges = False  # room above 100% and below 0%, where curves end
    for space in ordered(overlaps):
        style = style_of(space) | {
            "label": _mean(overlaps[space]),
            "markersize": 3,
            "markevery": len(overlaps) // 8 or 1,
        }
        seaborn.ecdfplot(x=overlaps[space], ax=axes, **style)
    chance = chance_overlap(len(overlaps), k)
    axes.axvline(chance, color=GREY, linestyle=":", linewidth=1)
    style = {"color": GREY, "fontsize": 6.5, "rotation": 90, "ha": "right", "va": "top"}
    axes.annotate("chance", (chance, 0.98), xytext=(-2, 0), textcoords="offset points", **style)
    axes.set(title=f"(b) Overlap, K = {k}, {len(overlaps):,} items", ylabel="items with at most this overlap")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    _overlap_axis(axes, overlaps)


def _counts(axes, overlaps: pd.DataFrame, k: int = 20) -> None:
    """How many items have each of the overlaps that there can be, one line per space."""
    values = np.arange(k + 1) / (2 * k - np.arange(k + 1))
    shown = values <= _end(overlaps)
    for space in ordered(overlaps):
        nearest = np.abs(overlaps[space].to_numpy()[:, None] - values).argmin(1)
        style = style_of(space) | {"label": _mean(overlaps[space]), "markersize": 3.5, "linewidth": 1}
        # what stands at 0 would be clipped at the axis
        axes.plot(values[shown], np.bincount(nearest, minlength=len(values))[shown], clip_on=False, **style)
    axes.set(title=f"(c) Overlap, K = {k}, {len(overlaps):,} items", ylabel="items with this overlap", ylim=(0, None))
    _overlap_axis(axes, overlaps)


def _by_space(table: pd.DataFrame):
    """Rows of a table with one row per space, alignments in their order and then the text."""
    return table.set_index("space").loc[ordered(table["space"])].reset_index().itertuples()


def _mean(overlaps: pd.Series) -> str:
    return f"{display_names.alignment(overlaps.name)}: mean {overlaps.mean():.3f}"


def _overlap_axis(axes, overlaps: pd.DataFrame) -> None:
    axes.set_xlim(0, _end(overlaps))
    axes.set_xlabel("Jaccard with text")
    _legend_above(axes)


def _end(overlaps: pd.DataFrame) -> float:
    """Where axes of overlap end: without the last percent, whose few items would squeeze all others to the left."""
    return max(np.quantile(overlaps, 0.99), 0.02)


def _legend_above(axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(-0.03, 1.02), borderaxespad=0, borderpad=0.1, labelspacing=0.2)
    # the title goes above the legend, whose lines are about ten points high
    axes.set_title(axes.get_title(loc="left"), pad=10 * len(axes.get_legend().get_texts()) + 4)


def _maps(figure, data: Dashboard) -> None:
    panels = figure.subplots(1, len(data.separation), squeeze=False)[0]
    for axes, row in zip(panels, _by_space(data.separation), strict=True):
        place = data.points[data.points["space"] == row.space]
        colours = [CLUSTERS[cluster % len(CLUSTERS)] for cluster in place["cluster"]]
        # as pixels: thousands of vector dots make a PDF slow to open
        axes.scatter(place["x"], place["y"], 2, colours, alpha=0.7, linewidths=0, rasterized=True, gid="items")
        outside = _window(axes, place[["x", "y"]].to_numpy())
        scores = signed(f"silhouette {row.silhouette:.2f}, NMI {row.nmi:.2f}")
        axes.set(xticks=[], yticks=[], xlabel=scores + f"\n{outside} items outside" * bool(outside))
        axes.xaxis.label.set_size(7)
        # not in its colour, which is a cluster's here
        axes.set_title(display_names.alignment(row.space), loc="center")
        axes.spines[:].set(visible=True, color="#CCCCCC")
    figure.suptitle(
        "(d) UMAP, all maps turned alike, coloured by the clusters of the texts", x=0.008, ha="left", size=8
    )
    names = data.clusters or [f"cluster {number + 1}" for number in range(data.points["cluster"].max() + 1)]
    dots = [Line2D([], [], marker="o", linestyle="none", markersize=4, color=colour) for colour in CLUSTERS]
    shown = [textwrap.fill(name, 26) for name in names]
    figure.legend(dots, shown, loc="outside lower center", ncols=len(names), handletextpad=0, columnspacing=1)


def _window(axes, places: np.ndarray) -> int:
    """Show the middle of a map in a square, which outliers do not shrink; returns how many items lie outside."""
    low, high = np.quantile(places, [0.01, 0.99], axis=0)
    room = FAR * (high - low).max()
    low, high = np.maximum(low - room, places.min(0)), np.minimum(high + room, places.max(0))
    middle, half = (low + high) / 2, 0.53 * (high - low).max()
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half))
    axes.set_box_aspect(1)
    return int((np.abs(places - middle) > half).any(1).sum())
