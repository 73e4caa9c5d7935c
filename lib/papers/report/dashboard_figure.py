"""Dashboard of one dataset and backbone: the report's figure 2."""

import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from lib.analysis.text_overlap import chance_overlap
from lib.papers.report.dashboard import Dashboard
from lib.results.plots.theme import BAND, GREY, PAGE, Figure, colour_of, figure_function, ordered
from lib.results.writers import signed

CLUSTERS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#AA3377")  # Paul Tol's bright palette


@figure_function
def dashboard(data: Dashboard, title: str = "") -> Figure:
    """The report's figure 2: alignment trend, overlap distribution, overlap histogram and one map per space."""
    figure = Figure(figsize=(PAGE, 4.9), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(3, 2.1))
    trend, distribution, histogram = top.subplots(1, 3)
    _trend(trend, data.trend, data.slopes)
    _distribution(distribution, data.nearest_100)
    _histogram(histogram, data.nearest_20)
    _maps(bottom, data.points, data.separation)
    figure.suptitle(title, x=0.01, ha="left", weight="bold", fontsize=9)
    return figure


def _trend(axes, trend: pd.DataFrame, slopes: pd.DataFrame) -> None:
    """The report's bins; slope and rank correlation in the legend are over all pairs."""
    trend = trend[trend["bins"] == "report"]
    for row in _by_space(slopes):
        line, colour = trend[trend["space"] == row.space], colour_of(row.space)
        label = signed(f"{row.space}: slope {row.slope:.2f}, ρ {row.spearman:.2f}")
        axes.plot(line["text_cosine"], line["mean"], color=colour, marker="o", markersize=2, label=label)
        axes.fill_between(
            line["text_cosine"], line["ci_low"], line["ci_high"], color=colour, **BAND, gid=f"{row.space}, interval"
        )
    axes.set(title="(a) Alignment trend", xlabel="text cosine of a pair", ylabel="mean ID cosine (95% CI)")
    _legend_above(axes)


def _distribution(axes, overlaps: pd.DataFrame, k: int = 100) -> None:
    """Share of items with at most so much overlap, one curve per space."""
    import seaborn

    axes.use_sticky_edges = False  # room above 100% and below 0%, where curves end
    for space in ordered(overlaps):
        seaborn.ecdfplot(x=overlaps[space], ax=axes, color=colour_of(space), label=_mean(overlaps[space]))
    chance = chance_overlap(len(overlaps), k)
    axes.axvline(chance, color=GREY, linestyle=":", linewidth=1)
    style = {"color": GREY, "fontsize": 6.5, "rotation": 90, "ha": "right", "va": "top"}
    axes.annotate("chance", (chance, 0.98), xytext=(-2, 0), textcoords="offset points", **style)
    axes.set(title=f"(b) Overlap, K = {k}, {len(overlaps):,} items", ylabel="share of items")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    _overlap_axis(axes, overlaps)


def _histogram(axes, overlaps: pd.DataFrame, k: int = 20) -> None:
    """How many items have which overlap, one outline per space."""
    import seaborn

    # one bin for each value that the index can take; the report's 49 equal bins fall between them and leave gaps
    values = np.arange(k + 1) / (2 * k - np.arange(k + 1))
    middle = (values[1:] + values[:-1]) / 2
    edges = np.concatenate([[-middle[0]], middle, [2 - middle[-1]]])
    for space in ordered(overlaps):
        style = {"element": "step", "fill": False, "linewidth": 1.2, "color": colour_of(space)}
        seaborn.histplot(x=overlaps[space], bins=edges, ax=axes, label=_mean(overlaps[space]), **style)
    axes.set(title=f"(c) Overlap, K = {k}, {len(overlaps):,} items", ylabel="items")
    _overlap_axis(axes, overlaps)
    axes.set_xlim(left=edges[0])


def _by_space(table: pd.DataFrame):
    """Rows of a table with one row per space, alignments in their order and then the text."""
    return table.set_index("space").loc[ordered(table["space"])].reset_index().itertuples()


def _mean(overlaps: pd.Series) -> str:
    return f"{overlaps.name}: mean {overlaps.mean():.3f}"


def _overlap_axis(axes, overlaps: pd.DataFrame) -> None:
    # without the last percent, whose few items would squeeze all the others to the left
    axes.set_xlim(0, max(np.quantile(overlaps, 0.99), 0.02))
    axes.set_xlabel("Jaccard with text")
    _legend_above(axes)


def _legend_above(axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(-0.03, 1.02), borderaxespad=0, borderpad=0.1, labelspacing=0.2)
    # the title goes above the legend, whose lines are about ten points high
    axes.set_title(axes.get_title(loc="left"), pad=10 * len(axes.get_legend().get_texts()) + 4)


def _maps(figure, points: pd.DataFrame, separation: pd.DataFrame) -> None:
    panels = figure.subplots(1, len(separation), squeeze=False)[0]
    for axes, row in zip(panels, _by_space(separation), strict=True):
        place = points[points["space"] == row.space]
        colours = [CLUSTERS[cluster % len(CLUSTERS)] for cluster in place["cluster"]]
        # as pixels: thousands of vector dots make a PDF slow to open
        axes.scatter(place["x"], place["y"], 2, colours, alpha=0.7, linewidths=0, rasterized=True, gid="items")
        scores = signed(f"silhouette {row.silhouette:.2f}, NMI {row.nmi:.2f}")
        axes.set(xticks=[], yticks=[], xlabel=scores)
        axes.set_title(row.space, loc="center")  # not in its colour, which is a cluster's here
        axes.spines[:].set(visible=True, color="#CCCCCC")
        axes.margins(0.05)
    figure.suptitle("(d) UMAP, coloured by the five k-means clusters of the text vectors", x=0.01, ha="left", size=8)
