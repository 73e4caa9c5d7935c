"""The report's Table 1 with our numbers beside its own cells."""

import numpy as np
import pandas as pd
import pytest
from made_runs import settings

from lib.analysis import text_overlap
from lib.analysis.published import published_table
from lib.papers.report.overlap_table import overlap_layout, overlap_table


def measured(dataset="amazon", backbones=("lightgcn",)):
    text = np.random.default_rng(0).normal(size=(150, 8)).astype(np.float32)
    for backbone in backbones:
        for weight, alignment in enumerate(("base", "contrastive", "generative")):
            space = weight * text + np.random.default_rng(1).normal(size=(150, 8)).astype(np.float32)
            frame = text_overlap.mean_overlap({"ego": space, "final": -space}, text, np.random.default_rng(2))
            yield settings(backbone, alignment, dataset=dataset), frame


def test_overlap_is_tidy_and_gains_are_over_the_base_of_the_same_setting():
    pairs = list(measured(backbones=("gccf", "lightgcn")))
    table = overlap_table(pairs, "minilm")
    assert list(table) == [
        "dataset", "encoder", "backbone", "alignment", "vectors", "items", "neighbours",
        "mean_jaccard", "ci_low", "ci_high", "chance", "gain_pct",
    ]  # fmt: skip
    assert len(table) == 2 * 3 * 8 and set(table["encoder"]) == {"minilm"}
    cell = {"backbone": "gccf", "vectors": "final", "items": "all", "neighbours": 20}
    part = table.loc[(table[list(cell)] == pd.Series(cell)).all(axis=1)].set_index("alignment")
    base, other = part.loc["base", "mean_jaccard"], part.loc["generative", "mean_jaccard"]
    assert part.loc["generative", "gain_pct"] == pytest.approx(100 * (other / base - 1))
    assert np.isnan(part.loc["base", "gain_pct"])
    with pytest.raises(pd.errors.MergeError):  # one run per model: intervals of several seeds have no mean
        overlap_table([*pairs, *pairs], "minilm")


def test_overlap_layout_stands_beside_the_reports_cells():
    table = overlap_table(measured(backbones=("lightgcn", "gccf")), "minilm")
    layout = overlap_layout(table, published_table("report_table1_overlap"))
    assert list(layout) == [
        "vectors", "items", "K", "backbone", "source", "base", "contrastive", "generative", "chance"
    ]  # fmt: skip
    assert layout.loc[:3, ["backbone", "source"]].to_numpy().tolist() == [
        [backbone, source] for backbone in ("gccf", "lightgcn") for source in ("ours", "report")
    ]
    assert layout.loc[3, ["base", "contrastive", "generative"]].tolist() == ["0.055", "0.078 +41.8%", "0.062 +12.7%"]
    assert (layout["source"] == "report").sum() == 2 and len(layout) == 2 * 8 + 2
    row = table[(table["backbone"] == "gccf") & (table["alignment"] == "contrastive")].query(
        "vectors == 'ego' and items == 'first3000' and neighbours == 100"
    )
    mean, low, high, gain = row[["mean_jaccard", "ci_low", "ci_high", "gain_pct"]].to_numpy()[0]
    assert layout.loc[0, "contrastive"] == f"{mean:.3f} [{low:.3f}, {high:.3f}] {gain:+.1f}%".replace("-", "−")


def test_overlap_layout_of_own_data_has_no_report():
    table = overlap_table(measured("movielens-100k"), "minilm")
    layout = overlap_layout(table, published_table("report_table1_overlap"))
    assert "source" not in layout and len(layout) == 8
