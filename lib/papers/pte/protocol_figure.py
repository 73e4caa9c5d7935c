"""What recommenders reach that learn nothing, under each protocol and among which candidates."""

import pandas as pd

from lib.results.plots.theme import PAGE, Figure, figure_function, grid_of, legend_below, light_grid, whiskers

NAMES = {"cold_start": "cold start", "leave_one_out": "leave-one-out"}
CANDIDATES = {"full": "all items", "full_masked": "all unseen items", "neg100": "target and 100 negatives"}
COLOURS = {"full": "#0072B2", "full_masked": "#D55E00", "neg100": "#009E73"}


@figure_function
def untrained_figure(table: pd.DataFrame, metric: str = "ndcg", k: int = 10) -> Figure:
    """A metric with its interval by method: a panel per protocol, and one for sampled candidates, with its own scale.

    table: untrained.means of all protocols with a column protocol; only its group `overall` is drawn.
    """
    table = table.query("metric == @metric and k == @k and group == 'overall'")
    sampled = table["candidates"].str.startswith("neg")
    panels = [part for _, part in table.groupby([sampled, "protocol"], sort=True)]
    methods = list(dict.fromkeys(table["method"]))
    figure, axes = grid_of(len(panels), height=0.4 * len(methods) + 0.8)
    figure.set_figwidth(PAGE)
    for one, part in zip(axes, panels, strict=True):
        _dots(one, part, methods)
        one.set(title=NAMES[part["protocol"].iloc[0]], xlabel=f"{metric.upper()}@{k}", xlim=(0, None))
    axes[0].set_yticks(range(len(methods)), [name.replace("_", " ") for name in methods])
    axes[0].set_ylim(len(methods) - 0.5, -0.5)
    legend_below(figure, axes)
    return figure


def _dots(axes, table: pd.DataFrame, methods: list[str]) -> None:
    kinds = [kind for kind in CANDIDATES if kind in set(table["candidates"])]
    for shift, kind in enumerate(kinds):
        rows = table[table["candidates"] == kind]
        place = [methods.index(name) + 0.24 * (shift - (len(kinds) - 1) / 2) for name in rows["method"]]
        style = {"fmt": "o", "markersize": 3.5, "capsize": 2, "elinewidth": 1.2, "clip_on": False}
        axes.errorbar(rows["value"], place, xerr=whiskers(rows), color=COLOURS[kind], label=CANDIDATES[kind], **style)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)
    light_grid(axes, "x")
