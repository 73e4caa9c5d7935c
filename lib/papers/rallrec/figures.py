"""RALLRec's figures without a language model: how the alignment learns, and what retrieval says about targets."""

import pandas as pd

from lib.results import display_names
from lib.results.plots.theme import COLOURS, GREY, PAGE, Figure, figure_function, grid_of, light_grid, series, whiskers

NAMES = {
    "recent": "most recent", "title": "title text", "text": "text", "colla": "collaborative",
    "mix": "text + collaborative", "mix3": "all three parts", "hybrid": "hybrid score", "hybrid_quota": "hybrid quota",
    "rerank": "all three, reranked", "history": "mean of the history",
}  # fmt: skip


@figure_function
def alignment_curves(history: pd.DataFrame, recall: pd.DataFrame) -> Figure:
    """Left the loss, in the middle the recall of held-out items by epoch, right their recall by k, before and after.

    history: `epoch`, `loss`, `recall@10` of the alignment's training; recall: columns state, k, recall, chance.
    """
    figure, panels = grid_of(3, height=2.1, sharey=False)
    (measure,) = [name for name in history if name.startswith("recall@")]
    panels[0].plot(history["epoch"], history["loss"], color=COLOURS["base"])
    panels[0].set(title="loss (Eq. 5)", xlabel="epoch")
    panels[1].plot(history["epoch"], history[measure], color=COLOURS["base"])
    panels[1].set(title=f"{display_names.metric(measure)} of held-out items", xlabel="epoch", ylim=(0, None))
    for state, style in series(recall["state"]):
        rows = recall[recall["state"] == state]
        panels[2].plot(rows["k"], rows["recall"], markersize=3.5, markerfacecolor="white", **style)
    chance = recall.drop_duplicates("k")
    panels[2].plot(chance["k"], chance["chance"], "--", color=GREY, label="chance")
    panels[2].set(title="Recall of held-out items at k", xlabel="k (logarithmic)", xscale="log", ylim=(0, None))
    panels[2].legend()
    for axes in panels:
        light_grid(axes)
    figure.said = _found(recall)
    return figure


def _found(recall: pd.DataFrame, k: int = 10) -> str:
    at = recall[recall["k"] == k]
    values = [f"{row.recall:.3f} {row.state}" for row in at.itertuples()]
    chance = f", chance {at['chance'].max():.3f}" if len(at) else ""
    return f"Recall@{k} of held-out items by their text: {', '.join(values)} alignment{chance}"


@figure_function
def relevance_bars(table: pd.DataFrame) -> Figure:
    """Relevance AUC of each kind of retrieval with its interval; the dashed line is a coin's.

    table: columns vectors, value, ci_low, ci_high of `relevance`.
    """
    figure, (axes,) = grid_of(1, height=0.26 * len(table) + 0.7, columns=1)
    figure.set_figwidth(0.7 * PAGE)
    places = range(len(table))
    axes.errorbar(table["value"], places, xerr=whiskers(table), fmt="o", markersize=4, color=COLOURS["base"], capsize=2)
    axes.axvline(0.5, color=GREY, linestyle="--", linewidth=0.8)
    axes.set_yticks(places, [NAMES.get(kind, kind) for kind in table["vectors"]])
    axes.invert_yaxis()
    axes.set(xlabel="AUC of the retrieved items' ratings for the target's label")
    light_grid(axes, "x")
    best = table.loc[table["value"].idxmax()]
    figure.said = f"the most telling kind of retrieval is {NAMES.get(best['vectors'], best['vectors'])}"
    figure.said += f", AUC {best['value']:.3f} [{best['ci_low']:.3f}, {best['ci_high']:.3f}]"
    return figure
