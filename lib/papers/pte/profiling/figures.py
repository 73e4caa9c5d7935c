"""Figures of profiling: what the monitors say of each round."""

import pandas as pd

from lib.results.plots.theme import COLOURS, Figure, figure_function, grid_of, legend_below, light_grid

MONITORS = {
    "drift": "drift",
    "duplicates": "duplicates",
    "mean_cosine": "mean cosine",
    "effective_rank": "effective rank",
}


@figure_function
def monitors_by_round(rounds: pd.DataFrame) -> Figure:
    """A panel per monitor, a line per side, over the rounds; rounds: of `Loop.rounds`."""
    figure, panels = grid_of(len(MONITORS), height=2.2, columns=len(MONITORS), sharey=False)
    for axes, (monitor, title) in zip(panels, MONITORS.items(), strict=True):
        for (side, part), colour in zip(rounds.groupby("side", sort=False), COLOURS.values(), strict=False):
            axes.plot(part["round"], part[monitor], marker="o", color=colour, label=f"{side}s")
        axes.set(title=title, xlabel="round")
        axes.set_xticks(sorted(rounds["round"].unique()))
        axes.set_ylim(0, max(1.15 * rounds[monitor].max(), 0.05))
        light_grid(axes)
    legend_below(figure, panels)
    return figure
