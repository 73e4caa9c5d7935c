"""Items whose overlap with the text rises most, how typical they are, and their neighbours.

The report's case study of items, docs/methods/rlmrec.md 9.4. A space is a matrix of vectors [n_items, d].
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.analysis.descriptions import described
from lib.analysis.text_overlap import neighbours
from lib.evaluation.significance import bootstrap_difference


def most_risen(overlaps: pd.DataFrame, alignment: str, n: int = 3) -> list[int]:
    """The n items whose overlap with the text rises most from base, largest rise first, ties by index.

    overlaps: one row per item, columns base and alignments, as `text_overlap.item_overlap` makes it.
    """
    rise = overlaps[alignment] - overlaps["base"]
    return rise.sort_values(ascending=False, kind="stable").index[:n].tolist()


def changes_from_base(overlaps: pd.DataFrame, rng: np.random.Generator, n: int = 3) -> pd.DataFrame:
    """How typical the most risen items are: one row per alignment.

    Columns alignment, rises, unchanged, falls (shares of all items), top_mean (mean rise of the n most risen), mean,
    ci_low, ci_high (mean change of all items with its 95% bootstrap interval).
    """
    rows = []
    for alignment in overlaps.columns.drop("base"):
        change = overlaps[alignment] - overlaps["base"]
        low, high = bootstrap_difference(overlaps["base"], overlaps[alignment], rng)
        shares = [(change > 0).mean(), (change == 0).mean(), (change < 0).mean()]
        rows.append((alignment, *shares, change.nlargest(n).mean(), change.mean(), low, high))
    columns = ["alignment", "rises", "unchanged", "falls", "top_mean", "mean", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns)


def nearest_items(spaces: dict, items: Sequence[int], n: int = 5, k: int = 20) -> pd.DataFrame:
    """The n nearest neighbours of some items in each space {label: [n_items, d]}, of which `text` is one.

    Columns item, space, rank (from 1), neighbour, in_text (is it among the item's k neighbours in the text?).
    """
    wanted = neighbours(spaces["text"], k)[items]
    tables = []
    for label, space in spaces.items():
        near = neighbours(space, n)[items]
        columns = {"item": np.repeat(items, n), "space": label, "rank": np.tile(np.arange(1, n + 1), len(items))}
        columns["neighbour"] = near.ravel()
        columns["in_text"] = (near[:, :, None] == wanted[:, None, :]).any(2).ravel()
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def nearest_layout(
    table: pd.DataFrame, overlaps: pd.DataFrame, names: Sequence[str], texts: Sequence[str]
) -> pd.DataFrame:
    """The frame of `nearest_items` for people: per item a line with its overlaps, then its neighbours by rank.

    Cells hold a name and the first sentence of the profile; \\* marks a neighbour that the text agrees with.
    """
    # the text always agrees with itself, so its own column gets no marks
    marks = np.where(table["in_text"] & (table["space"] != "text"), r"\* ", "")
    cells = [described(names[i], texts[i]) for i in table["neighbour"]]
    table = table.assign(cell=marks + np.array(cells, dtype=object))
    spaces, rows = list(dict.fromkeys(table["space"])), []
    for item, part in table.groupby("item", sort=False):
        cells = part.pivot(index="rank", columns="space", values="cell")[spaces].reset_index()
        values = {space: f"overlap {overlaps.loc[item, space]:.3f}" for space in overlaps}
        rows += [{"item": described(names[item], texts[item]), "rank": "", **values}, *cells.to_dict("records")]
    return pd.DataFrame(rows)[["item", "rank", *spaces]].fillna("").astype(str)
