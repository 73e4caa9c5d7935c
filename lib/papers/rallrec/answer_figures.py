"""RALLRec's figures of a language model's answers: tuning curves, Figures 3 and 4, consistency."""

import numpy as np
import pandas as pd

from lib.results.plots.theme import (
    BAND,
    COLOURS,
    GREY,
    ON_BARS,
    PAGE,
    Figure,
    figure_function,
    grid_of,
    legend_below,
    light_grid,
    whiskers,
)  # fmt: skip

SYSTEMS = {"rallrec": "RALLRec", "rella": "ReLLa", "zero_shot": "not tuned"}


@figure_function
def tuning_curves(curves: pd.DataFrame) -> Figure:
    """Left the loss of the validation answers, right their AUC, by step of the tuning, a line per adapter.

    curves: columns adapter, step, validation_loss, validation_auc; steps without a validation are left out.
    """
    figure, panels = grid_of(2, height=2.3, columns=2, sharey=False)
    known = curves.dropna(subset=["validation_loss"])
    for (name, rows), colour in zip(known.groupby("adapter", sort=False), COLOURS.values(), strict=False):
        for axes, measure in zip(panels, ("validation_loss", "validation_auc"), strict=True):
            axes.plot(rows["step"], rows[measure], "o-", markersize=3, color=colour, label=name)
    panels[0].set(title="loss per answer token, validation samples", xlabel="step")
    panels[1].set(title="AUC, validation samples", xlabel="step")
    panels[1].axhline(0.5, color=GREY, linestyle="--", linewidth=0.8)
    for axes in panels:
        light_grid(axes)
    legend_below(figure, panels)
    return figure


@figure_function
def shown_items(table: pd.DataFrame) -> Figure:
    """AUC by the number of items that a prompt shows, a line and its interval per system (the paper's Figure 3).

    table: columns model, k, value, ci_low, ci_high.
    """
    figure, (axes,) = grid_of(1, height=2.3, columns=1)
    for (name, rows), colour in zip(table.groupby("model", sort=False), COLOURS.values(), strict=False):
        rows = rows.sort_values("k")
        axes.plot(rows["k"], rows["value"], "o-", markersize=3, color=colour, label=SYSTEMS.get(name, name))
        axes.fill_between(rows["k"], rows["ci_low"], rows["ci_high"], color=colour, **BAND)
    axes.axhline(0.5, color=GREY, linestyle="--", linewidth=0.8)
    axes.set(xlabel="items in the prompt", ylabel="AUC", xticks=sorted(set(table["k"])))
    light_grid(axes)
    axes.legend()
    return figure


@figure_function
def tuned_and_shown(table: pd.DataFrame) -> Figure:
    """AUC by what the prompts show, a bar per tuning (the paper's Figure 4).

    table: columns tuned, shown, value, ci_low, ci_high.
    """
    figure, (axes,) = grid_of(1, height=2.4, columns=1)
    figure.set_figwidth(0.8 * PAGE)
    shown, tunings = list(dict.fromkeys(table["shown"])), list(dict.fromkeys(table["tuned"]))
    width = 0.8 / len(tunings)
    for shift, (tuned, colour) in enumerate(zip(tunings, COLOURS.values(), strict=False)):
        rows = table[table["tuned"] == tuned].set_index("shown").loc[shown]
        place = np.arange(len(shown)) + (shift - (len(tunings) - 1) / 2) * width
        axes.bar(place, rows["value"], width * 0.92, yerr=whiskers(rows), color=colour, label=tuned, error_kw=ON_BARS)
    axes.axhline(0.5, color=GREY, linestyle="--", linewidth=0.8)
    axes.set_xticks(range(len(shown)), shown)
    # bars start at a coin's AUC less its distance to the lowest whisker, so that differences can be seen
    axes.set(ylabel="AUC", ylim=(min(0.45, table["ci_low"].min() - 0.02), None), xlabel="items in the prompt")
    light_grid(axes)
    axes.legend(title="tuned on")
    return figure


@figure_function
def consistency(curves: pd.DataFrame) -> Figure:
    """Moving accuracy of predictions, the most consistent samples first (RALLRec+).

    curves: columns model, place, accuracy.
    """
    figure, (axes,) = grid_of(1, height=2.2, columns=1)
    for (name, rows), colour in zip(curves.groupby("model", sort=False), COLOURS.values(), strict=False):
        axes.plot(rows["place"], rows["accuracy"], color=colour, label=name)
    axes.set(xlabel="samples, by variance of their predictions", ylabel="accuracy of a moving window")
    light_grid(axes)
    axes.legend()
    return figure
