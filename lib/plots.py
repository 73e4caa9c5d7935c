"""One pure function per figure: frames in, a matplotlib Figure out; no pyplot and no change to global settings.

Colours are fixed: one per alignment for marks, one per backbone for its name in titles and tick labels.
"""

import contextlib
import functools
import io

import matplotlib.figure
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lib.semantics import Dashboard, chance_overlap

# Okabe and Ito's palette, which the common kinds of colour blindness keep apart; blue, orange, green as in the report
ALIGNMENTS = {"base": "#0072B2", "contrastive": "#D55E00", "generative": "#009E73"}
# dark tones of Paul Tol's muted palette, readable as text
BACKBONES = {
    "gccf": "#332288",
    "lightgcn": "#117733",
    "sgl": "#882255",
    "simgcl": "#6A5A00",
    "dccf": "#1B6A8C",
    "autocf": "#8E3A8E",
}
CLUSTERS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#AA3377")  # Paul Tol's bright palette
SIDES = {"user": "#332288", "item": "#CC6677"}
GREY = "#666666"
PAGE = 7.2  # inches, the text width of a two-column paper

THEME = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so files are the same everywhere
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}


class Figure(matplotlib.figure.Figure):
    """A figure that keeps its theme when it is saved, and that notebooks show without pyplot."""

    def savefig(self, *arguments, **options) -> None:
        """matplotlib's savefig in the theme, since ticks and fonts are settled only now."""
        with theme():
            super().savefig(*arguments, **options)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, dpi=100)
        return buffer.getvalue()


@contextlib.contextmanager
def theme():
    """The look of every figure, on top of matplotlib's own defaults; the settings from before return afterwards."""
    with matplotlib.style.context(THEME, after_reset=True):
        yield


def _figure_function(draw):
    """Draw in the theme and fix the layout, which would otherwise move a little with each rendering and resolution."""

    @functools.wraps(draw)
    def drawn(*arguments, **options) -> Figure:
        with theme():
            figure = draw(*arguments, **options)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        return figure

    return drawn


def _ordered(names, palette: dict) -> list[str]:
    """Distinct names in the palette's order, then the others by name."""
    names = set(names)
    return [name for name in palette if name in names] + sorted(names - set(palette))


def _colour(name: str) -> str:
    return ALIGNMENTS.get(name, GREY)


# Dashboard of one dataset and backbone (the report's figure 2)


@_figure_function
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
    slopes = slopes.set_index("space").loc[_ordered(slopes["space"], ALIGNMENTS)].reset_index()
    for row in slopes.itertuples():
        line, colour = trend[trend["space"] == row.space], _colour(row.space)
        label = _signed(f"{row.space}: slope {row.slope:.2f}, ρ {row.spearman:.2f}")
        axes.plot(line["text_cosine"], line["mean"], color=colour, marker="o", markersize=2, label=label)
        axes.fill_between(line["text_cosine"], line["ci_low"], line["ci_high"], color=colour, alpha=0.2, linewidth=0)
    axes.set(title="(a) Alignment trend", xlabel="text cosine of a pair", ylabel="mean ID cosine (95% CI)")
    _legend_above(axes)


def _distribution(axes, overlaps: pd.DataFrame) -> None:
    rank = np.linspace(0, 1, len(overlaps))  # rank / (count - 1), as the report draws it
    for label, values in overlaps[_ordered(overlaps, ALIGNMENTS)].items():
        axes.plot(np.sort(values), rank, color=_colour(label), label=f"{label}: mean {values.mean():.3f}")
    chance = chance_overlap(len(overlaps), 100)
    axes.axvline(chance, color=GREY, linestyle=":", linewidth=1)
    axes.annotate(
        "chance",
        (chance, 0.98),
        xytext=(-2, 0),
        textcoords="offset points",
        color=GREY,
        fontsize=6.5,
        rotation=90,
        ha="right",
        va="top",
    )
    axes.set(title=f"(b) Overlap, K = 100, {len(overlaps):,} items", ylabel="share of items")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    _overlap_axis(axes, overlaps)


def _histogram(axes, overlaps: pd.DataFrame, k: int = 20) -> None:
    # one bin for each value that the index can take; the report's 49 equal bins fall between them and leave gaps
    values = np.arange(k + 1) / (2 * k - np.arange(k + 1))
    middle = (values[1:] + values[:-1]) / 2
    edges = np.concatenate([[-middle[0]], middle, [2 - middle[-1]]])
    for label, values in overlaps[_ordered(overlaps, ALIGNMENTS)].items():
        counts, _ = np.histogram(values, edges)
        axes.stairs(counts, edges, color=_colour(label), linewidth=1.2, label=f"{label}: mean {values.mean():.3f}")
    axes.set(title=f"(c) Overlap, K = {k}, {len(overlaps):,} items", ylabel="items")
    _overlap_axis(axes, overlaps)
    axes.set_xlim(left=edges[0])
    axes.set_ylim(bottom=0)


def _overlap_axis(axes, overlaps: pd.DataFrame) -> None:
    # without the last percent, whose few items would squeeze all the others to the left
    axes.set_xlim(0, max(np.quantile(overlaps, 0.99), 0.02))
    axes.set_xlabel("Jaccard with text")
    _legend_above(axes)


def _legend_above(axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(-0.03, 1.02), borderaxespad=0, borderpad=0.1, labelspacing=0.2)
    axes.set_title(axes.get_title(loc="left"), pad=10 * len(axes.get_legend().get_texts()) + 4)


def _signed(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _maps(figure, points: pd.DataFrame, separation: pd.DataFrame) -> None:
    separation = separation.set_index("space").loc[_ordered(separation["space"], ALIGNMENTS)].reset_index()
    panels = figure.subplots(1, len(separation), squeeze=False)[0]
    for axes, row in zip(panels, separation.itertuples(), strict=True):
        place = points[points["space"] == row.space]
        colours = [CLUSTERS[cluster % len(CLUSTERS)] for cluster in place["cluster"]]
        # as pixels: thousands of vector dots make a PDF slow to open
        axes.scatter(place["x"], place["y"], s=2, c=colours, alpha=0.7, linewidths=0, rasterized=True)
        scores = _signed(f"silhouette {row.silhouette:.2f}, NMI {row.nmi:.2f}")
        axes.set(xticks=[], yticks=[], xlabel=scores)
        axes.set_title(row.space, color=_colour(row.space), loc="center")
        axes.spines[:].set(visible=True, color="#CCCCCC")
        axes.margins(0.05)
    figure.suptitle("(d) UMAP, coloured by the five k-means clusters of the text vectors", x=0.01, ha="left", size=8)


# Training


@_figure_function
def learning_curves(histories: pd.DataFrame, metric: str = "recall@20") -> Figure:
    """Validation metric by epoch, one panel per backbone; bands span the seeds and a dot marks the best epoch.

    histories: columns backbone, alignment, seed, epoch and `metric`, NaN in epochs without evaluation.
    """
    histories = histories.dropna(subset=[metric])
    names = _ordered(histories["backbone"], BACKBONES)
    figure, panels = _panels(len(names), height=2.3)
    for axes, backbone in zip(panels, names, strict=True):
        part = histories[histories["backbone"] == backbone]
        for alignment in _ordered(part["alignment"], ALIGNMENTS):
            _curve(axes, part[part["alignment"] == alignment], alignment, metric)
        axes.set_title(backbone, color=BACKBONES.get(backbone, "black"), weight="bold")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    panels[0].set_ylabel(f"validation {metric}")
    _legend_below(figure, panels)
    return figure


def _curve(axes, runs: pd.DataFrame, alignment: str, metric: str) -> None:
    seeds = runs.pivot_table(index="epoch", columns="seed", values=metric)
    mean = seeds.mean(axis=1)
    axes.plot(mean.index, mean, color=_colour(alignment), label=alignment)
    axes.fill_between(
        mean.index, seeds.min(axis=1), seeds.max(axis=1), color=_colour(alignment), alpha=0.2, linewidth=0
    )
    axes.plot(mean.idxmax(), mean.max(), "o", color=_colour(alignment), markersize=4)


def _panels(n: int, height: float, columns: int = 3, sharey: bool = True):
    """A page-wide grid of n axes, as a flat list."""
    columns = min(n, columns)
    rows = -(-n // columns)
    figure = Figure(figsize=(min(PAGE, 3.6 * columns), height * rows + 0.3), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=sharey, squeeze=False).ravel()
    for axes in panels[n:]:
        axes.remove()
    return figure, list(panels[:n])


def _legend_below(figure, panels) -> None:
    entries = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=len(entries))


# Results


@_figure_function
def ranking_bars(table: pd.DataFrame, metrics=("recall@20", "ndcg@20")) -> Figure:
    """Test metrics by backbone and alignment with 95% intervals over users, one panel per metric.

    table: columns backbone, alignment, metric, mean, ci_low, ci_high.
    """
    figure, panels = _panels(len(metrics), height=2.5, sharey=False)
    for axes, metric in zip(panels, metrics, strict=True):
        _bars(axes, table[table["metric"] == metric].rename(columns={"mean": "value"}))
        axes.set_title(f"test {metric}, 95% CI over users")
    _legend_below(figure, panels)
    return figure


@_figure_function
def overlap_bars(table: pd.DataFrame) -> Figure:
    """Neighbour overlap with the text by backbone and alignment, with 95% intervals over items and the chance level.

    table: columns backbone, alignment, vectors, items, neighbours, mean_jaccard, ci_low, ci_high, chance; one panel
    per kind of vectors, choice of items and K.
    """
    settings = (
        table[["neighbours", "items", "vectors"]].drop_duplicates().sort_values(["neighbours", "items", "vectors"])
    )
    columns = 4 if table["backbone"].nunique() <= 2 else 2  # names of backbones need room
    figure, panels = _panels(len(settings), height=2.0, columns=columns, sharey=False)
    for axes, (k, items, vectors) in zip(panels, settings.itertuples(index=False), strict=True):
        part = table[(table["neighbours"] == k) & (table["items"] == items) & (table["vectors"] == vectors)]
        _bars(axes, part.rename(columns={"mean_jaccard": "value"}))
        axes.axhline(part["chance"].iloc[0], color=GREY, linestyle=":", linewidth=1, label="chance")
        axes.set_title(f"{vectors} vectors, K = {k}\n{'all' if items == 'all' else 'first 3,000'} items")
    for axes in panels[:: min(columns, len(panels))]:
        axes.set_ylabel("Jaccard with text")
    _legend_below(figure, panels)
    return figure


def _bars(axes, table: pd.DataFrame) -> None:
    """Bars of `value` with whiskers ci_low..ci_high, grouped by backbone, one colour per alignment."""
    backbones, alignments = _ordered(table["backbone"], BACKBONES), _ordered(table["alignment"], ALIGNMENTS)
    width = 0.8 / len(alignments)
    for shift, alignment in enumerate(alignments):
        rows = table[table["alignment"] == alignment].set_index("backbone").reindex(backbones)
        place = np.arange(len(backbones)) + (shift - (len(alignments) - 1) / 2) * width
        whiskers = [rows["value"] - rows["ci_low"], rows["ci_high"] - rows["value"]]
        axes.bar(place, rows["value"], width * 0.92, color=_colour(alignment), label=alignment)
        axes.errorbar(place, rows["value"], whiskers, fmt="none", ecolor="black", elinewidth=0.8, capsize=1.5)
    axes.set_xticks(range(len(backbones)), backbones, weight="bold")
    for tick, backbone in zip(axes.get_xticklabels(), backbones, strict=True):
        tick.set_color(BACKBONES.get(backbone, "black"))
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", linewidth=0.4, color="#DDDDDD")


# Data


@_figure_function
def degree_distribution(interactions) -> Figure:
    """Share of users and items with at least so many train interactions, on logarithmic axes."""
    figure, (axes,) = _panels(1, height=2.4)
    for side, axis in (("user", 1), ("item", 0)):
        degrees = np.sort(np.asarray(interactions.train.getnnz(axis=axis)))
        share = 1 - np.arange(len(degrees)) / len(degrees)
        label = f"{len(degrees):,} {side}s, median {np.median(degrees):g}"
        axes.step(degrees[degrees > 0], share[degrees > 0], where="pre", color=SIDES[side], label=label)
    axes.set(xscale="log", yscale="log", xlabel="train interactions", ylabel="share with at least as many")
    axes.legend(loc="lower left")
    return figure


@_figure_function
def profile_lengths(profiles: pd.DataFrame) -> Figure:
    """Distribution of profile lengths in words; profiles: columns side (user|item) and text."""
    figure, (axes,) = _panels(1, height=2.4)
    words = profiles["text"].str.split().str.len()
    edges = np.linspace(0, words.max() + 1, 40)
    for side, counts in words.groupby(profiles["side"], sort=False):
        label = f"{len(counts):,} {side}s, median {counts.median():g}"
        axes.stairs(np.histogram(counts, edges)[0] / len(counts), edges, color=SIDES[side], linewidth=1.4, label=label)
    axes.set(xlabel="words in a profile", ylabel="share of profiles")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend()
    return figure
