"""The figure of selection: what the picks of each policy are worth on entities that no policy has seen."""

import pandas as pd

from lib.results.plots.theme import COLOURS, GREY, PAGE, Figure, figure_function, grid_of, light_grid, whiskers

METRICS = {"r_col": "R_col: hidden interactions", "r_dis": "R_dis: told from neighbours"}
CHANCE = {"r_col": 0.5, "r_dis": 0.1}


@figure_function
def policies_figure(table: pd.DataFrame) -> Figure:
    """A dot with its interval per policy and seed: a panel per metric and side, chance as a dotted line.

    table: of `candidate_selectors.table`, of one dataset.
    """
    policies = list(dict.fromkeys(table["policy"]))
    sides, seeds = list(dict.fromkeys(table["side"])), sorted(table["seed"].unique())
    figure, panels = grid_of(len(METRICS) * len(sides), height=0.24 * len(policies) + 0.6, columns=len(sides))
    figure.set_figwidth(PAGE)
    cells = [(metric, side) for metric in METRICS for side in sides]
    for axes, (metric, side) in zip(panels, cells, strict=True):
        axes.axvline(CHANCE[metric], color=GREY, linestyle=":", linewidth=0.8)
        rows = table[(table["metric"] == metric) & (table["side"] == side)]
        for number, (_, part) in enumerate(rows.groupby("seed")):
            place = [policies.index(name) + 0.2 * (number - (len(seeds) - 1) / 2) for name in part["policy"]]
            style = {"fmt": "o", "markersize": 3, "elinewidth": 1, "capsize": 1.5, "color": COLOURS["base"]}
            axes.errorbar(part["value"], place, xerr=whiskers(part), **style)
        axes.set_yticks(range(len(policies)), policies)
        axes.set_ylim(len(policies) - 0.5, -0.5)
        axes.set(title=f"{side}s", xlabel=METRICS[metric])
        axes.tick_params(axis="y", length=0)
        light_grid(axes, "x")
    figure.said = _said(table)
    return figure


def _said(table: pd.DataFrame) -> str:
    """What the picks of the policy and of the medoid are worth, on average over seeds."""
    means = table[table["metric"] == "r_col"].groupby(["side", "policy"])["value"].mean()
    parts = [
        f"{side}s {means[side, 'grpo']:.2f}, by the medoid {means[side, 'medoid']:.2f}"
        for side in dict.fromkeys(table["side"])
    ]
    return f"R_col of what the policy picks: {'; '.join(parts)}"
