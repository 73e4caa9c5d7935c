"""What recommenders reach that learn nothing, under each protocol and among which candidates."""

import pandas as pd

from lib.results import display_names
from lib.results.plots.theme import PAGE, Figure, figure_function, grid_of, legend_below, light_grid, series, whiskers

NAMES = {"cold_start": "cold start", "leave_one_out": "leave-one-out"}
CANDIDATES = {"full": "all items", "full_masked": "all unseen items", "neg100": "target and 100 negatives"}
STYLES = {kind: style | {"label": CANDIDATES[kind]} for kind, style in series(CANDIDATES)}


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
        one.set(title=NAMES[part["protocol"].iloc[0]], xlabel=display_names.metric(f"{metric}@{k}"), xlim=(0, None))
    axes[0].set_yticks(range(len(methods)), [name.replace("_", " ") for name in methods])
    axes[0].set_ylim(len(methods) - 0.5, -0.5)
    legend_below(figure, axes)
    figure.said = _said(table[~sampled], display_names.metric(f"{metric}@{k}"))
    return figure


def _said(table: pd.DataFrame, metric: str) -> str:
    """The best method of each protocol among all items."""
    best = table.loc[table[table["candidates"] == "full"].groupby("protocol")["value"].idxmax()]
    parts = [f"{row.method.replace('_', ' ')} {row.value:.3f} ({NAMES[row.protocol]})" for row in best.itertuples()]
    return f"without training, the highest {metric} among all items is {display_names.listed(parts)}" if parts else ""


def _dots(axes, table: pd.DataFrame, methods: list[str]) -> None:
    kinds = [kind for kind in CANDIDATES if kind in set(table["candidates"])]
    for shift, kind in enumerate(kinds):
        rows = table[table["candidates"] == kind]
        place = [methods.index(name) + 0.24 * (shift - (len(kinds) - 1) / 2) for name in rows["method"]]
        bars = {"markerfacecolor": "white", "markersize": 4, "linestyle": "none", "capsize": 2, "elinewidth": 1.2}
        axes.errorbar(rows["value"], place, xerr=whiskers(rows), clip_on=False, **STYLES[kind], **bars)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)
    light_grid(axes, "x")
