"""What the published tables imply: gains of NDCG and MRR from k to k', and shares of tail rows."""

import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from lib.evaluation.invariants import gain_bounds
from lib.results.plots.theme import GREY, PAGE, PALE, Figure, figure_function, legend_below, light_grid

COLOURS = {"pte": "#D55E00", "others": "#0072B2"}
STYLE = {"linestyle": "none", "marker": "o", "markersize": 3}


@figure_function
def audit_figure(gained: pd.DataFrame, shares: pd.DataFrame) -> Figure:
    """One panel of gains per backbone, below it one of tail shares per grouping (rows) and dataset (columns).

    gained: invariants.gains of a cold-start table; shares: invariants.tail_shares of a long-tail table.
    """
    figure = Figure(figsize=(PAGE, 7), layout="constrained")
    groupings, datasets = (shares[name].unique() for name in ("grouping", "dataset"))
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.5))
    backbones = gained["backbone"].unique()
    for axes, backbone in zip(np.ravel(above.subplots(1, len(backbones))), backbones, strict=True):
        _gains(axes, gained[gained["backbone"] == backbone])
        axes.set_title(f"cold start, {backbone}")
    legend_below(above, above.axes)
    panels = below.subplots(len(groupings), len(datasets), sharey=True, squeeze=False)
    for row, grouping in zip(panels, groupings, strict=True):
        for axes, dataset in zip(row, datasets, strict=True):
            _shares(axes, shares.query("grouping == @grouping and dataset == @dataset"))
            axes.set_title(f"{dataset}: share of tail {grouping}s")
    return figure


def _gains(axes, gained: pd.DataFrame) -> None:
    """MRR's gain by NDCG's, and the wedge that holds all means over one test set."""
    wide = gained.pivot(index=["dataset", "method", "k", "next_k"], columns="metric", values="gain").reset_index()
    (k, next_k), *_ = wide[["k", "next_k"]].drop_duplicates().to_numpy()
    ends = np.array([0, 1.1 * wide["ndcg"].max()])
    low, high = (bound * ends for bound in gain_bounds(k, next_k))
    axes.fill_between(ends, low, high, color=PALE, label="possible")
    for own, rows in wide.groupby(wide["method"] == "pte"):
        name = "pte" if own else "others"
        axes.plot(rows["ndcg"], rows["mrr"], color=COLOURS[name], label=name, **STYLE)
    for row in wide[wide["method"] == "pte"].itertuples():
        axes.annotate(row.dataset, (row.ndcg, row.mrr), xytext=(4, 3), textcoords="offset points", fontsize=7)
    axes.axhline(0, color=GREY, linewidth=0.5)
    axes.set(xlabel=f"gain of NDCG, {k} to {next_k}", ylabel=f"gain of MRR, {k} to {next_k}")
    axes.margins(x=0.12)
    axes.locator_params(axis="x", nbins=5)
    light_grid(axes, "both")


def _shares(axes, shares: pd.DataFrame) -> None:
    """The range of shares of each method and metric, which is narrower than a dot where groups differ much."""
    shares = shares.reset_index(drop=True)
    for row in shares.itertuples():
        colour = COLOURS.get(row.method, COLOURS["others"])
        if np.isnan(row.low):
            axes.annotate("no share fits", (row.common, row.Index), color=colour, fontsize=7, ha="right", va="center")
        else:
            axes.plot([row.low, row.high], [row.Index] * 2, color=colour)
            axes.plot((row.low + row.high) / 2, row.Index, color=colour, **STYLE)
    axes.axvline(shares["common"].iloc[0], color=GREY, linewidth=0.5, linestyle=":")
    axes.set_yticks(range(len(shares)), shares["method"] + " " + shares["metric"])
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.margins(x=0.12)
    axes.locator_params(axis="x", nbins=3)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    light_grid(axes, "both")
