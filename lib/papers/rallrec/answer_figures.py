"""RALLRec's figures of a language model's answers: tuning curves, Figures 3 and 4, consistency."""

import numpy as np
import pandas as pd

from lib.results.plots.theme import (
    BAND,
    GREY,
    PAGE,
    Figure,
    figure_function,
    grid_of,
    legend_below,
    light_grid,
    series,
    whiskers,
)  # fmt: skip

SYSTEMS = {"rallrec": "RALLRec", "rella": "ReLLa", "zero_shot": "not tuned"}


@figure_function
def tuning_curves(curves: pd.DataFrame) -> Figure:
    """Left the loss of the validation answers, right their AUC, by step of the tuning, a line per adapter.

    curves: columns adapter, step, validation_loss, validation_auc, base_rate_loss; steps without a validation are left
    out. Dashed: the loss of always answering with the base rate, and the AUC of chance.
    """
    figure, panels = grid_of(2, height=2.3, columns=2, sharey=False)
    known = curves.dropna(subset=["validation_loss"])
    for name, style in series(known["adapter"]):
        rows = known[known["adapter"] == name]
        for axes, measure in zip(panels, ("validation_loss", "validation_auc"), strict=True):
            axes.plot(rows["step"], rows[measure], markersize=3.5, markerfacecolor="white", **style)
    panels[0].set(title="loss per answer token, validation samples", xlabel="step")
    panels[1].set(title="AUC, validation samples", xlabel="step")
    for axes, chance in zip(panels, (known["base_rate_loss"].iloc[0], 0.5), strict=True):
        axes.axhline(chance, color=GREY, linestyle="--", linewidth=0.8)
        light_grid(axes)
    legend_below(figure, panels)
    best = known.groupby("adapter", sort=False)["validation_auc"].max()
    figure.said = f"highest AUC of validation samples: {', '.join(f'{name} {auc:.3f}' for name, auc in best.items())}"
    return figure


@figure_function
def shown_items(table: pd.DataFrame) -> Figure:
    """AUC by the number of items that a prompt shows, a line and its interval per system (the paper's Figure 3).

    table: columns model, k, value, ci_low, ci_high.
    """
    figure, (axes,) = grid_of(1, height=2.3, columns=1)
    figure.set_figwidth(0.75 * PAGE)
    for name, style in series(table["model"]):
        rows = table[table["model"] == name].sort_values("k")
        style["label"] = SYSTEMS.get(name, name)
        axes.plot(rows["k"], rows["value"], markersize=3.5, markerfacecolor="white", **style)
        axes.fill_between(rows["k"], rows["ci_low"], rows["ci_high"], color=style["color"], **BAND)
    axes.axhline(0.5, color=GREY, linestyle="--", linewidth=0.8)
    axes.set(xlabel="items in the prompt", ylabel="AUC", xticks=sorted(set(table["k"])))
    light_grid(axes)
    axes.legend()
    best = table.loc[table["value"].idxmax()]
    system = SYSTEMS.get(best["model"], best["model"])
    figure.said = f"the highest AUC, {best['value']:.3f}, is {system}'s with {best['k']} items in the prompt"
    return figure


@figure_function
def tuned_and_shown(table: pd.DataFrame) -> Figure:
    """AUC by what the prompts show, a mark per tuning (the paper's Figure 4).

    table: columns tuned, shown, value, ci_low, ci_high.
    """
    figure, (axes,) = grid_of(1, height=2.4, columns=1)
    figure.set_figwidth(0.8 * PAGE)
    shown, tunings = list(dict.fromkeys(table["shown"])), list(dict.fromkeys(table["tuned"]))
    for shift, (tuned, style) in enumerate(series(tunings)):
        rows = table[table["tuned"] == tuned].set_index("shown").loc[shown]
        place = np.arange(len(shown)) + 0.15 * (shift - (len(tunings) - 1) / 2)
        style |= {"linestyle": "none", "markersize": 4, "capsize": 2, "elinewidth": 1}
        axes.errorbar(place, rows["value"], whiskers(rows), markerfacecolor="white", **style)
    axes.axhline(0.5, color=GREY, linestyle="--", linewidth=0.8)
    axes.set_xticks(range(len(shown)), shown)
    axes.set(ylabel="AUC", xlabel="items in the prompt")
    light_grid(axes)
    axes.legend(title="tuned on")
    best = table.groupby("shown", sort=False)["value"].mean()
    figure.said = f"on average over tunings, prompts with {best.idxmax()} items have the highest AUC, {best.max():.3f}"
    return figure


@figure_function
def consistency(curves: pd.DataFrame) -> Figure:
    """Moving accuracy of predictions, the most consistent samples first (RALLRec+).

    curves: columns model, place, accuracy.
    """
    figure, (axes,) = grid_of(1, height=2.2, columns=1)
    figure.set_figwidth(0.75 * PAGE)
    ends = []
    for name, style in series(curves["model"]):
        rows = curves[curves["model"] == name]
        style |= {"label": SYSTEMS.get(name, name), "markersize": 3.5, "markerfacecolor": "white", "markevery": 0.15}
        axes.plot(rows["place"], rows["accuracy"], **style)
        ends.append(f"{style['label']} {rows['accuracy'].iloc[0]:.2f} to {rows['accuracy'].iloc[-1]:.2f}")
    axes.set(xlabel="samples, by variance of their predictions", ylabel="accuracy of a moving window")
    light_grid(axes)
    axes.legend()
    figure.said = f"accuracy from the most to the least consistent samples: {', '.join(ends)}"
    return figure
