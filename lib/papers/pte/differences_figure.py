"""How far each method is from Base, under each loss: on cold-start users, and in the groups of the long tail."""

import pandas as pd

from lib.papers.pte.cold_start import PRIMARY
from lib.results import display_names
from lib.results.plots.theme import (
    GREY,
    PAGE,
    Figure,
    figure_function,
    grid_of,
    legend_below,
    light_grid,
    series,
    whiskers,
)

STYLES = {loss: style | {"label": display_names.loss(loss)} for loss, style in series(display_names.LOSSES)}
OPEN = {"fillstyle": "none", "linestyle": "none", "markersize": 5}


@figure_function
def cold_start_figure(table: pd.DataFrame) -> Figure:
    """Differences to Base in PRIMARY with 95% intervals over users and seeds: a panel per backbone, a row per method.

    table: cold_start.against_base. Open marks are published differences, which have no interval; there are none where
    no table is of these data.
    """
    table = table[table["metric"] + "@" + table["k"].astype(str) == PRIMARY]
    titles = {name: display_names.backbone(name) for name in dict.fromkeys(table["backbone"])}
    return _panels(table, "backbone", titles)


@figure_function
def long_tail_figure(table: pd.DataFrame) -> Figure:
    """The same differences on leave-one-out among unseen items: a panel per group of test rows.

    table: long_tail.against_base, of which the rows with a verdict are shown.
    """
    table = table[table["verdict"].notna()]
    titles = {
        name: "all" if name == "overall" else f"{name.replace('_', ' ')}s" for name in dict.fromkeys(table["group"])
    }
    return _panels(table, "group", titles)


def _panels(table: pd.DataFrame, by: str, titles: dict[str, str]) -> Figure:
    panels = list(table.groupby(by, sort=False))
    most = max(part["method"].nunique() for _, part in panels)
    figure, axes = grid_of(len(panels), height=0.34 * most + 0.8, columns=min(len(panels), 3), sharey=False)
    figure.set_figwidth(PAGE)
    for one, (name, part) in zip(axes, panels, strict=True):
        _methods(one, part)
        one.set(title=titles[name], xlabel=f"difference to Base in {display_names.metric(PRIMARY)}")
    legend_below(figure, axes)
    figure.said = _said(table)
    return figure


def _said(table: pd.DataFrame) -> str:
    """How many differences to Base are clearly above 0, by loss: a method has one in each panel."""
    counts = [
        f"{(part['verdict'] == 'better').sum()} of {len(part)} under {display_names.loss(loss)}"
        for loss, part in table.groupby("loss", sort=False)
    ]
    return f"differences to Base clearly above 0: {display_names.listed(counts)}"


def _methods(axes, table: pd.DataFrame) -> None:
    methods = list(dict.fromkeys(table["method"]))
    losses = [loss for loss in STYLES if loss in set(table["loss"])]
    axes.axvline(0, color=GREY, linewidth=0.8)
    for number, loss in enumerate(losses):
        rows, style = table[table["loss"] == loss], STYLES[loss]
        place = [methods.index(name) + 0.24 * (number - (len(losses) - 1) / 2) for name in rows["method"]]
        bars = style | {"linestyle": "none", "markersize": 4, "capsize": 2, "elinewidth": 1.2}
        axes.errorbar(rows["difference"], place, xerr=whiskers(rows, "difference"), **bars)
        if "published_difference" in rows and rows["published_difference"].notna().any():
            hollow = style | OPEN | {"label": f"{style['label']}, published"}
            axes.plot(rows["published_difference"], place, **hollow)
    axes.set_yticks(range(len(methods)), [display_names.method(name) for name in methods])
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)
    light_grid(axes, "x")
