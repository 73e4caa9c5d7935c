"""One pure function per figure: frames in, a matplotlib Figure out; no pyplot and no change to global settings.

Colours are fixed: one per alignment, the same in every figure.
"""

import contextlib
import functools
import io

import matplotlib.figure
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from lib.semantics import AGAIN, Dashboard, chance_overlap

# Okabe and Ito's palette, which the common kinds of colour blindness keep apart; blue, orange, green as in the report
ALIGNMENTS = {"base": "#0072B2", "contrastive": "#D55E00", "generative": "#009E73"}
COMPARED = {**ALIGNMENTS, "base@contrastive": "#56B4E9", "base@generative": "#9AD0F5", "kar": "#CC79A7"}
BACKBONES = ("gccf", "lightgcn", "sgl", "simgcl", "dccf", "autocf")  # the paper's order
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


def _ordered(names, known) -> list[str]:
    """Distinct names in the order of `known`, then the others by name."""
    names = set(names)
    return [name for name in known if name in names] + sorted(names - set(known))


def _colour(name: str) -> str:
    """The colour of an alignment; one with changed settings, 'generative+weight=1', is a lighter shade of its own."""
    plain, changed, _ = name.partition("+")
    colour = COMPARED.get(plain, GREY)
    return to_hex([(part + 1) / 2 for part in to_rgb(colour)]) if changed else colour


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
        label = signed(f"{row.space}: slope {row.slope:.2f}, ρ {row.spearman:.2f}")
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


def signed(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _maps(figure, points: pd.DataFrame, separation: pd.DataFrame) -> None:
    separation = separation.set_index("space").loc[_ordered(separation["space"], ALIGNMENTS)].reset_index()
    panels = figure.subplots(1, len(separation), squeeze=False)[0]
    for axes, row in zip(panels, separation.itertuples(), strict=True):
        place = points[points["space"] == row.space]
        colours = [CLUSTERS[cluster % len(CLUSTERS)] for cluster in place["cluster"]]
        # as pixels: thousands of vector dots make a PDF slow to open
        axes.scatter(place["x"], place["y"], s=2, c=colours, alpha=0.7, linewidths=0, rasterized=True)
        scores = signed(f"silhouette {row.silhouette:.2f}, NMI {row.nmi:.2f}")
        axes.set(xticks=[], yticks=[], xlabel=scores)
        axes.set_title(row.space, loc="center")  # not in its colour, which is a cluster's here
        axes.spines[:].set(visible=True, color="#CCCCCC")
        axes.margins(0.05)
    figure.suptitle("(d) UMAP, coloured by the five k-means clusters of the text vectors", x=0.01, ha="left", size=8)


# Training


@_figure_function
def learning_curves(histories: pd.DataFrame, metric: str = "recall@20", public: pd.DataFrame | None = None) -> Figure:
    """Validation metric by epoch, mean over seeds, one panel per backbone; bands span the seeds, dots mark each's best.

    histories: columns backbone, alignment, seed, epoch and `metric`, NaN in epochs without evaluation. public: points
    of others' runs, drawn as crosses: columns backbone, alignment, epoch, public.
    """
    histories = histories.dropna(subset=[metric])
    names = _ordered(histories["backbone"], BACKBONES)
    figure, panels = _panels(len(names), height=2.3)
    for axes, backbone in zip(panels, names, strict=True):
        part = histories[histories["backbone"] == backbone]
        for alignment in _ordered(part["alignment"], ALIGNMENTS):
            _curve(axes, part[part["alignment"] == alignment], alignment, metric)
        if public is not None and len(points := public[public["backbone"] == backbone]):
            colours = [_colour(alignment) for alignment in points["alignment"]]
            axes.scatter(points["epoch"], points["public"], 22, colours, marker="x", label="public run", zorder=3)
        axes.set_title(backbone, weight="bold")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    panels[0].set_ylabel(f"validation {metric}")
    panels[0].plot([], [], "o", color=GREY, markersize=4, label="weights used")
    _legend_below(figure, panels)
    return figure


def _curve(axes, runs: pd.DataFrame, alignment: str, metric: str) -> None:
    seeds = runs.pivot_table(index="epoch", columns="seed", values=metric)
    mean = seeds.mean(axis=1)
    axes.plot(mean.index, mean, color=_colour(alignment), label=alignment)
    axes.fill_between(
        mean.index, seeds.min(axis=1), seeds.max(axis=1), color=_colour(alignment), alpha=0.2, linewidth=0
    )
    axes.plot(seeds.idxmax(), seeds.max(), "o", color=_colour(alignment), markersize=4)


def _panels(n: int, height: float, columns: int = 3, sharey: bool = True):
    """A page-wide grid of n axes, as a flat list."""
    columns = min(n, columns)
    rows = -(-n // columns)
    figure = Figure(figsize=(min(PAGE, 3.6 * columns), height * rows + 0.3), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=sharey, squeeze=False).ravel()
    for axes in panels[n:]:
        axes.remove()
    return figure, list(panels[:n])


def _few_ticks(axes) -> None:
    """Plain numbers at 1, 2 and 5 times powers of ten: the default ones run into each other on a short axis."""
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


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


# Analysis of the grid: seeds, sparsity groups, references, cost


@_figure_function
def differences(tests: pd.DataFrame, seeds: pd.DataFrame, metric: str = "recall@20") -> Figure:
    """Aligned minus base by backbone: intervals over users and, where both have several seeds, a ring for each.

    tests: columns backbone, alignment, against, difference, ci_low, ci_high, base_sd (NaN with one seed); seeds: the
    first three, seed and difference. The left panel is against base, the right one against base with the same settings.
    """
    kinds = [("base", tests["against"] == "base"), ("base with the same settings", tests["against"] != "base")]
    kinds = [(name, chosen) for name, chosen in kinds if chosen.any()]
    backbones = _ordered(tests["backbone"], BACKBONES)
    figure, panels = _panels(len(kinds), height=0.34 * len(backbones) + 0.8, columns=2)
    figure.set_figwidth(PAGE)
    several = seeds.groupby(["backbone", "alignment", "against"])["seed"].transform("nunique") > 1
    seeds = seeds[several]  # the ring of a single seed would stand beside a dot for base's mean over more
    for axes, (name, chosen) in zip(panels, kinds, strict=True):
        _differences(axes, tests[chosen], seeds[(seeds["against"] == "base") == (name == "base")], backbones)
        axes.set(title=f"against {name}", xlabel=f"difference in test {metric}, 95% CI over users")
    panels[0].set_yticks(range(len(backbones)), backbones, weight="bold")
    panels[0].set_ylim(len(backbones) - 0.5, -0.5)
    _legend_below(figure, panels)
    return figure


def _differences(axes, tests: pd.DataFrame, seeds: pd.DataFrame, backbones: list[str]) -> None:
    alignments = _ordered(tests["alignment"], ALIGNMENTS)
    axes.axvline(0, color=GREY, linewidth=0.8)
    for shift, alignment in enumerate(alignments):
        rows, points = (frame[frame["alignment"] == alignment] for frame in (tests, seeds))
        offset, colour = (shift - (len(alignments) - 1) / 2) * 0.36, _colour(alignment)
        place = np.array([backbones.index(name) for name in rows["backbone"]]) + offset
        spread, known = rows["base_sd"].to_numpy(), rows["base_sd"].notna().to_numpy()
        if known.any():
            bars = (place[known], 2 * spread[known], 0.32, -spread[known])
            axes.barh(*bars, color="#DDDDDD", label="± one sd of base over seeds", zorder=0)
        whiskers = [rows["difference"] - rows["ci_low"], rows["ci_high"] - rows["difference"]]
        style = {"fmt": "o", "markersize": 3.5, "elinewidth": 1.2, "capsize": 2}
        axes.errorbar(rows["difference"], place, xerr=whiskers, color=colour, label=alignment, **style)
        height = [backbones.index(name) + offset + 0.14 for name in points["backbone"]]
        rings = {"color": colour, "fillstyle": "none", "markersize": 2.5, "linestyle": "none"}
        axes.plot(points["difference"], height, marker="o", label="one seed" if len(points) else None, **rings)
    axes.tick_params(axis="y", length=0)


@_figure_function
def by_group(table: pd.DataFrame, side: str, label: str) -> Figure:
    """A value with its 95% interval by sparsity group, sparsest first, one panel per backbone, a line per alignment.

    table: columns backbone, alignment, group (in the order to be drawn), value, ci_low, ci_high; side: user or item;
    label: what the value is.
    """
    backbones, groups = _ordered(table["backbone"], BACKBONES), list(dict.fromkeys(table["group"]))
    alignments = _ordered(table["alignment"], ALIGNMENTS)
    figure, panels = _panels(len(backbones), height=1.7)
    places = [name.replace("-", "\N{EN DASH}") for name in groups]
    for axes, backbone in zip(panels, backbones, strict=True):
        if table["ci_low"].min() < 0:
            axes.axhline(0, color=GREY, linewidth=0.8)
        for shift, alignment in enumerate(alignments):
            chosen = (table["backbone"] == backbone) & (table["alignment"] == alignment)
            rows = table[chosen].set_index("group").reindex(groups)
            place = np.arange(len(groups)) + (shift - (len(alignments) - 1) / 2) * 0.16
            whiskers = [rows["value"] - rows["ci_low"], rows["ci_high"] - rows["value"]]
            style = {"marker": "o", "markersize": 3, "linewidth": 0.8, "elinewidth": 1, "capsize": 1.5}
            axes.errorbar(place, rows["value"], whiskers, color=_colour(alignment), label=alignment, **style)
        axes.set_xticks(range(len(groups)), places)
        axes.set_title(backbone, weight="bold")
        axes.grid(axis="y", linewidth=0.4, color="#DDDDDD")
    for axes in panels[-3:]:
        axes.set_xlabel(f"train interactions of the {side}")
    for axes in panels[::3]:
        axes.set_ylabel(label)
    _legend_below(figure, panels)
    return figure


@_figure_function
def references(table: pd.DataFrame, metrics=("recall@20", "ndcg@20")) -> Figure:
    """Rankings without training beside trained models: one bar per model with its interval, the paper's as a cross.

    table: columns model (in the order to be drawn), metric, mean, ci_low, ci_high, published (NaN where there is none).
    """
    names = list(dict.fromkeys(table["model"]))
    figure, panels = _panels(len(metrics), height=0.2 * len(names) + 0.7, columns=2)
    for axes, metric in zip(panels, metrics, strict=True):
        rows, place = table[table["metric"] == metric].set_index("model").reindex(names), np.arange(len(names))
        whiskers = [rows["mean"] - rows["ci_low"], rows["ci_high"] - rows["mean"]]
        colours = [ALIGNMENTS["base"] if name.split()[0] in BACKBONES else GREY for name in names]
        axes.barh(place, rows["mean"], 0.7, color=colours)
        axes.errorbar(rows["mean"], place, xerr=whiskers, fmt="none", ecolor="black", elinewidth=0.8, capsize=1.5)
        if rows["published"].notna().any():
            axes.plot(rows["published"], place, "x", color="black", markersize=5, label="the paper")
        axes.set(title=f"test {metric}, 95% CI over users", yticks=place, yticklabels=names)
        axes.tick_params(axis="y", length=0)
    panels[0].invert_yaxis()
    if panels[0].get_legend_handles_labels()[0]:
        _legend_below(figure, panels)
    return figure


MARKERS = dict(zip(BACKBONES, "os^vDP", strict=True))


@_figure_function
def time_and_quality(costs: pd.DataFrame, metric: str = "recall@20") -> Figure:
    """Training time against quality, one mark per cell: colour by alignment, shape by backbone.

    costs: columns backbone, alignment, seconds_per_epoch, seconds and `metric`, averaged over seeds.
    """
    figure, panels = _panels(2, height=2.6)
    for axes, (column, label) in zip(
        panels, (("seconds_per_epoch", "seconds per epoch"), ("seconds", "seconds of all epochs")), strict=True
    ):
        for alignment in _ordered(costs["alignment"], ALIGNMENTS):
            axes.plot([], [], "o", color=_colour(alignment), label=alignment)
        for backbone in _ordered(costs["backbone"], BACKBONES):
            marker, rows = MARKERS.get(backbone, "*"), costs[costs["backbone"] == backbone]
            axes.plot([], [], marker, color="black", fillstyle="none", label=backbone)
            base = rows.loc[rows["alignment"] == "base", [column, metric]]
            for row in rows.to_dict("records"):
                ends = [*base[column], row[column]], [*base[metric], row[metric]]
                axes.plot(*ends, color="#BBBBBB", linewidth=0.6, zorder=1)  # from base to its variant
                axes.plot(row[column], row[metric], marker, color=_colour(row["alignment"]))
        axes.set(xscale="log", xlabel=label)
        _few_ticks(axes)
        axes.grid(linewidth=0.4, color="#DDDDDD")
    panels[0].set_ylabel(f"test {metric}")
    _legend_below(figure, panels)
    return figure


# The report's table beside ours, and the case studies


@_figure_function
def overlap_gains(table: pd.DataFrame, report: pd.DataFrame) -> Figure:
    """Gain in overlap over base by backbone, one panel per alignment: the report's beside ours with 95% intervals.

    table: columns backbone, alignment, vectors, items, neighbours, gain_pct, gain_low, gain_high, one mark per setting;
    report: columns dataset, backbone, alignment, gain_pct. The axis is logarithmic in the ratio to base. Grey bars
    reach as far as two runs of base differ in that setting (rows of `semantics.AGAIN`), at most over the backbones.
    """
    backbones = _ordered(set(table["backbone"]), BACKBONES)
    names = [name for name in _ordered(table["alignment"], ALIGNMENTS) if name not in ("base", AGAIN)]
    figure, panels = _panels(len(names), height=0.5 * len(backbones) + 0.8, columns=2)
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
            axes.hlines(height, ratios[0], ratios[2], color=_colour(name), linewidth=1.2)
            axes.plot(ratios[1], height, marker, color="black", markerfacecolor=_colour(name))
            axes.plot([], [], marker, color="black", markerfacecolor=GREY, label=label)
        axes.set_title(name, color=_colour(name), weight="bold")
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


@_figure_function
def overlap_changes(overlaps: pd.DataFrame, n: int = 3) -> Figure:
    """Change of every item's overlap with the text from base, items in order of change; the n largest rises are ringed.

    overlaps: one row per item, columns base and alignments (`semantics.item_overlap`).
    """
    figure, (axes,) = _panels(1, height=2.4)
    figure.set_figwidth(0.6 * PAGE)
    axes.axhline(0, color=GREY, linewidth=0.8)
    share = (np.arange(len(overlaps)) + 0.5) / len(overlaps)
    for label in _ordered(overlaps.columns.drop("base"), ALIGNMENTS):
        change = np.sort(overlaps[label] - overlaps["base"])
        text = f"{label}: {(change > 0).mean():.0%} rise, {(change < 0).mean():.0%} fall, mean {change.mean():+.4f}"
        axes.plot(share, change, color=_colour(label), label=signed(text))
        axes.plot(share[-n:], change[-n:], "o", color=_colour(label), fillstyle="none", markersize=5)
    axes.set(xlabel="items in order of change", ylabel="overlap with text, change from base")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(axis="y", linewidth=0.4, color="#DDDDDD")
    axes.legend(loc="upper left")
    return figure


@_figure_function
def distant_pairs(positions: pd.DataFrame, summary: pd.DataFrame, far_cosine: dict[str, float]) -> Figure:
    """Users far apart in the graph but close in text: their cosine, and how many far users are nearer to each other.

    positions, summary, far_cosine: as of `cases.positions`, `pair_summary` and `mean_far_cosine`. Dots are pairs, the
    star is the pair closest in text, the bar a mean with its 95% interval; the dotted lines stand for all far pairs.
    """
    spaces = _ordered(positions["space"], ALIGNMENTS)
    figure, panels = _panels(2, height=2.4, sharey=False)
    labels = {"cosine": "cosine of the two users", "nearer": "share of far users nearer"}
    for axes, (measure, label) in zip(panels, labels.items(), strict=True):
        rows = summary[summary["measure"] == measure].set_index("space")
        for place, space in enumerate(spaces):
            values = positions.loc[positions["space"] == space, measure].to_numpy()
            shift = np.random.default_rng(0).uniform(-0.25, 0.25, len(values))  # the same pair at the same shift
            axes.plot(place + shift, values, ".", color=_colour(space), alpha=0.35, markersize=4, markeredgewidth=0)
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
    _legend_below(figure, panels)
    return figure


# Studies


@_figure_function
def study_lines(table: pd.DataFrame, x: str, metric: str = "recall@20", gains: pd.DataFrame | None = None) -> Figure:
    """A test metric against a study's condition `x`, one line per alignment, with 95% intervals over users.

    table: x, alignment, metric, mean, ci_low, ci_high; gains adds a panel of the paired differences to base: x,
    alignment, metric, difference, ci_low, ci_high. Values that are no numbers stand in their order.
    """
    figure, panels = _panels(1 if gains is None else 2, height=2.4, sharey=False)
    _lines(panels[0], table[table["metric"] == metric].rename(columns={"mean": "value"}), x)
    panels[0].set(title=f"test {metric}, 95% CI over users", xlabel=x)
    if gains is not None:
        _lines(panels[1], gains[gains["metric"] == metric].rename(columns={"difference": "value"}), x)
        panels[1].axhline(0, color=GREY, linewidth=0.8, linestyle=":")
        panels[1].set(title="difference to base, users paired", xlabel=x)
    _legend_below(figure, panels)
    return figure


@_figure_function
def study_gains(gains: pd.DataFrame, x: str, metrics=("recall@20", "ndcg@20"), against: str = "base") -> Figure:
    """Paired differences by the condition `x`, one panel per metric, with 95% intervals over users.

    gains: x, alignment, metric, difference, ci_low, ci_high.
    """
    figure, panels = _panels(len(metrics), height=2.6, sharey=False)
    for axes, metric in zip(panels, metrics, strict=True):
        _lines(axes, gains[gains["metric"] == metric].rename(columns={"difference": "value"}), x)
        axes.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
        axes.tick_params(axis="x", rotation=30)
        axes.set_title(f"test {metric}, difference to {against}")
    _legend_below(figure, panels)
    return figure


def _lines(axes, table: pd.DataFrame, x: str) -> None:
    numeric = pd.api.types.is_numeric_dtype(table[x])
    values = sorted(table[x].unique()) if numeric else list(table[x].unique())
    places = dict(zip(values, values if numeric else range(len(values)), strict=True))
    alignments = _ordered(table["alignment"], ALIGNMENTS)
    shared = not numeric and table.groupby(x)["alignment"].nunique().max() > 1
    for index, alignment in enumerate(alignments):
        shift = 0.15 * (index - (len(alignments) - 1) / 2) if shared else 0
        rows = table[table["alignment"] == alignment]
        rows = rows.assign(place=rows[x].map(places).astype(float) + shift).sort_values("place")
        whiskers = [rows["value"] - rows["ci_low"], rows["ci_high"] - rows["value"]]
        style = {"marker": "o", "markersize": 3, "capsize": 2, "elinewidth": 0.8}
        colour, line = _colour(alignment), "-" if numeric else "none"
        axes.errorbar(rows["place"], rows["value"], whiskers, color=colour, label=alignment, linestyle=line, **style)
    if not numeric:
        axes.set_xticks(range(len(values)), values)
    axes.grid(axis="y", linewidth=0.4, color="#DDDDDD")


SETTINGS = {
    "weight": "weight of the alignment",
    "mask_ratio": "share of masked nodes",
    "embedding_size": "embedding size",
}


@_figure_function
def sensitivity_lines(table: pd.DataFrame, metric: str = "recall@20") -> Figure:
    """A test metric against one setting per panel, one line per alignment; the published value has a ring.

    table: columns setting, value, published (bool), alignment, metric, mean, ci_low, ci_high.
    """
    table = table[table["metric"] == metric]
    settings = list(table["setting"].unique())
    figure, panels = _panels(len(settings), height=2.3, columns=2)
    for axes, setting in zip(panels, settings, strict=True):
        part = table[table["setting"] == setting]
        _lines(axes, part.drop(columns="value").rename(columns={"mean": "value"}).assign(at=part["value"]), "at")
        ring = part[part["published"]]
        axes.scatter(ring["value"], ring["mean"], s=60, facecolors="none", edgecolors="black", label="published value")
        values = np.sort(part["value"].unique())
        axes.set(xlabel=SETTINGS.get(setting, setting), xscale="log" if values[-1] > 5 * values[0] else "linear")
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()
    for axes in panels[::2]:
        axes.set_ylabel(f"test {metric}, 95% CI")
    _legend_below(figure, panels)
    return figure
