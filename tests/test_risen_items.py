"""Items whose overlap rises most, against sorting by hand and scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lib.analysis import risen_items, text_overlap

OVERLAPS = pd.DataFrame({"base": [0.1, 0.2, 0.3, 0.0, 0.0], "contrastive": [0.1, 0.1, 0.5, 0.2, 0.2]})


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def cosine(space, i, j) -> float:
    return float(space[i] @ space[j] / np.linalg.norm(space[i]) / np.linalg.norm(space[j]))


def test_most_risen_are_sorted_by_rise_then_index():
    assert risen_items.most_risen(OVERLAPS, "contrastive", 3) == [2, 3, 4]
    assert risen_items.most_risen(OVERLAPS, "contrastive", 2) == [2, 3]


def test_changes_count_and_bracket_the_mean():
    rng = np.random.default_rng(0)
    overlaps = pd.DataFrame({"base": rng.random(400), "generative": 0.0})
    overlaps["generative"] = overlaps["base"] + rng.choice([-0.1, 0, 0.2], 400)
    row = risen_items.changes_from_base(overlaps, rng).set_index("alignment").loc["generative"]
    change = (overlaps["generative"] - overlaps["base"]).tolist()
    counts = [sum(x > 0 for x in change), sum(x == 0 for x in change), sum(x < 0 for x in change)]
    assert [row["rises"], row["unchanged"], row["falls"]] == pytest.approx(np.array(counts) / 400)
    assert row["top_mean"] == pytest.approx(np.mean(sorted(change)[-3:])) and row["mean"] == pytest.approx(
        np.mean(change)
    )
    low, high = stats.t.interval(0.95, 399, np.mean(change), stats.sem(change))
    assert [row["ci_low"], row["ci_high"]] == pytest.approx([low, high], abs=0.2 * (high - low))


def test_nearest_are_the_neighbours_and_marked_where_the_text_agrees():
    text, base = normal(0, 40, 5), normal(1, 40, 4)
    table = risen_items.nearest_items({"base": base, "text": text}, [7, 3], n=4, k=9)
    assert len(table) == 2 * 2 * 4 and table["item"].unique().tolist() == [7, 3]
    for row in table.itertuples():
        space = base if row.space == "base" else text
        order = sorted(set(range(40)) - {row.item}, key=lambda j: -cosine(space, row.item, j))  # noqa: B023
        wanted = sorted(set(range(40)) - {row.item}, key=lambda j: -cosine(text, row.item, j))[:9]  # noqa: B023
        assert row.neighbour == order[row.rank - 1] and row.in_text == (row.neighbour in wanted)


def test_the_layout_has_a_line_of_overlaps_then_neighbours_by_rank():
    text, base = normal(0, 30, 5), normal(1, 30, 4)
    spaces = {"base": base, "contrastive": text[:, :4], "text": text}
    overlaps = text_overlap.item_overlap({name: spaces[name] for name in ("base", "contrastive")}, text, 20)
    names, texts = [f"n{i}" for i in range(30)], [f"words of {i}." for i in range(30)]
    table = risen_items.nearest_items(spaces, [4, 9], n=2)
    layout = risen_items.nearest_layout(table, overlaps, names, texts)
    assert list(layout) == ["item", "rank", "base", "contrastive", "text"]
    assert layout["rank"].tolist() == ["", "1", "2"] * 2 and layout["item"].tolist()[::3] == [
        "**n4**: words of 4.",
        "**n9**: words of 9.",
    ]
    assert (
        layout.loc[3, "contrastive"] == f"overlap {overlaps.loc[9, 'contrastive']:.3f}" and layout.loc[3, "text"] == ""
    )
    for row in table.itertuples():
        cell = layout.loc[(3 if row.item == 9 else 0) + row.rank, row.space]
        assert cell.removeprefix(r"\* ") == f"**n{row.neighbour}**: words of {row.neighbour}."
        assert cell.startswith(r"\*") == (row.in_text and row.space != "text")
