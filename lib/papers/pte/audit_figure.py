"""What the published tables imply: gains of NDCG and MRR from k to k', and shares of tail rows."""

import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from lib.evaluation.invariants import gain_bounds
from lib.papers.pte.published import HALF_DIGIT
from lib.results import display_names
from lib.results.plots.theme import (
    COLOURS,
    GREY,
    MARKERS,
    PAGE,
    PALE,
    Figure,
    figure_function,
    legend_below,
    light_grid,
)

STYLES = {
    name: {"color": COLOURS[as_of], "marker": MARKERS[as_of], "markersize": 3.5, "linestyle": "none"}
    for name, as_of in (("pte", "contrastive"), ("others", "base"))
}
NAMES = {"pte": "PtE", "others": "other methods"}


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
        axes.set_title(f"cold start, {display_names.backbone(backbone)}")
    legend_below(above, above.axes)
    panels = below.subplots(len(groupings), len(datasets), sharey=True, squeeze=False)
    for row, grouping in zip(panels, groupings, strict=True):
        for axes, dataset in zip(row, datasets, strict=True):
            _shares(axes, shares.query("grouping == @grouping and dataset == @dataset"))
            axes.set_title(f"{dataset.capitalize()}: share of tail {grouping}s")
    figure.said = _said(gained, shares)
    return figure


def _said(gained: pd.DataFrame, shares: pd.DataFrame) -> str:
    """How many of PtE's gains lie in the wedge, and in how many rows no share of the tail fits."""
    wide = gained[gained["method"] == "pte"].pivot(index=["dataset", "backbone", "k", "next_k"], columns="metric")
    wide = wide["gain"].reset_index()
    bounds = np.array([gain_bounds(*pair) for pair in zip(wide["k"], wide["next_k"], strict=True)]).reshape(-1, 2)
    room = 2 * HALF_DIGIT  # of a difference of two printed values
    low, high = bounds[:, 0] * (wide["ndcg"] - room) - room, bounds[:, 1] * (wide["ndcg"] + room) + room
    inside = wide["mrr"].between(low, high).sum()
    none = shares["low"].isna().sum()
    said = f"{inside} of PtE's {len(wide)} gains of MRR are possible beside those of NDCG"
    return f"{said}; no share of the tail fits {none} of {len(shares)} rows"


def _gains(axes, gained: pd.DataFrame) -> None:
    """MRR's gain by NDCG's, and the wedge that holds all means over one test set."""
    wide = gained.pivot(index=["dataset", "method", "k", "next_k"], columns="metric", values="gain").reset_index()
    (k, next_k), *_ = wide[["k", "next_k"]].drop_duplicates().to_numpy()
    ends = np.array([0, 1.1 * wide["ndcg"].max()])
    low, high = (bound * ends for bound in gain_bounds(k, next_k))
    axes.fill_between(ends, low, high, color=PALE, label="possible")
    for own, rows in wide.groupby(wide["method"] == "pte"):
        name = "pte" if own else "others"
        axes.plot(rows["ndcg"], rows["mrr"], label=NAMES[name], **STYLES[name])
    for row in wide[wide["method"] == "pte"].itertuples():
        style = {"xytext": (4, 3), "textcoords": "offset points", "fontsize": 7}
        axes.annotate(row.dataset.capitalize(), (row.ndcg, row.mrr), **style)
    axes.axhline(0, color=GREY, linewidth=0.5)
    axes.set(xlabel=f"gain of NDCG, {k} to {next_k}", ylabel=f"gain of MRR, {k} to {next_k}")
    axes.margins(x=0.12)
    axes.locator_params(axis="x", nbins=5)
    light_grid(axes, "both")


def _shares(axes, shares: pd.DataFrame) -> None:
    """The range of shares of each method and metric, which is narrower than a dot where groups differ much."""
    shares = shares.reset_index(drop=True)
    for row in shares.itertuples():
        style = STYLES.get(row.method, STYLES["others"])
        colour = style["color"]
        if np.isnan(row.low):
            axes.annotate("no share fits", (row.common, row.Index), color=colour, fontsize=7, ha="right", va="center")
        else:
            axes.plot([row.low, row.high], [row.Index] * 2, color=colour)
            axes.plot((row.low + row.high) / 2, row.Index, **style)
    axes.axvline(shares["common"].iloc[0], color=GREY, linewidth=0.5, linestyle=":")
    named = shares["method"].map(display_names.method) + " " + shares["metric"].map(display_names.metric)
    axes.set_yticks(range(len(shares)), named)
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.margins(x=0.12)
    axes.locator_params(axis="x", nbins=3)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    light_grid(axes, "both")
