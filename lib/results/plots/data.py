"""What goes in: degrees and profile lengths."""

import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from lib.results import display_names
from lib.results.plots.theme import Figure, figure_function, grid_of, light_grid

SIDES = {"user": "#332288", "item": "#CC6677"}
LINES = {"user": "-", "item": (0, (4, 1.5))}


@figure_function
def degree_distribution(interactions) -> Figure:
    """Share of users and items with at least so many train interactions, on logarithmic axes."""
    import seaborn

    figure, (axes,) = grid_of(1, height=2.4)
    shares = []
    for side, axis in (("user", 1), ("item", 0)):
        degrees = interactions.train.getnnz(axis=axis)
        label = f"{len(degrees):,} {side}s, median {np.median(degrees):g}"
        style = {"color": SIDES[side], "linestyle": LINES[side], "label": label}
        seaborn.ecdfplot(x=degrees, complementary=True, ax=axes, **style)
        top = np.sort(degrees)[-max(len(degrees) // 10, 1) :].sum() / max(degrees.sum(), 1)
        shares.append(f"the busiest tenth of the {side}s has {top:.0%} of the train interactions")
    axes.set(xscale="log", yscale="log", xlabel="train interactions", ylabel="share with at least as many")
    axes.legend(loc="lower left")
    light_grid(axes, "both")
    figure.said = display_names.listed(shares)
    return figure


@figure_function
def profile_lengths(profiles: pd.DataFrame) -> Figure:
    """Distribution of profile lengths in words; profiles: columns side (user|item) and text."""
    import seaborn

    figure, (axes,) = grid_of(1, height=2.4)
    words = profiles["text"].str.split().str.len()
    # the same bins for both sides, or their shares could not be compared
    edges = np.linspace(0, words.max() + 1, 40)
    for side, counts in words.groupby(profiles["side"], sort=False):
        label = f"{len(counts):,} {side}s, median {counts.median():g}"
        style = {"element": "step", "fill": False, "color": SIDES[side], "linestyle": LINES[side], "label": label}
        seaborn.histplot(x=counts, bins=edges, stat="probability", ax=axes, **style)
    axes.set(xlabel="words in a profile", ylabel="share of profiles")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend()
    medians = [f"{counts.median():g} words for {side}s" for side, counts in words.groupby(profiles["side"], sort=False)]
    figure.said = f"the median profile has {display_names.listed(medians)}"
    return figure
