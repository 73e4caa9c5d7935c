"""What the report's figure 2 is drawn from; the figure itself is in test_plots.py."""

import numpy as np
import pandas as pd
import pytest

from lib.analysis import item_maps
from lib.papers.report import dashboard


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_dashboard_gathers_what_the_report_shows(tmp_path, monkeypatch):
    monkeypatch.setattr(item_maps, "_fit_umap", lambda vectors, options: vectors[:, :2])
    text = normal(0, 150, 6)
    spaces = {"base": normal(1, 150, 4), "contrastive": text, "generative": normal(2, 150, 4)}
    data = dashboard.measure(spaces, text, tmp_path)
    assert data.nearest_100["contrastive"].eq(1).all() and len(data.nearest_20) == 150
    assert data.slopes["space"].tolist() == data.trend["space"].unique().tolist() == list(spaces)
    assert data.separation["space"].tolist() == [*spaces, "text"]
    assert data.separation.set_index("space").loc["text", "nmi"] == pytest.approx(1)
    labels = [part["cluster"].tolist() for _, part in data.points.groupby("space")]
    assert labels.count(labels[0]) == 4 and isinstance(data.points, pd.DataFrame)  # one colouring for all maps


def test_the_tables_of_a_dashboard_hold_what_its_panels_show(tmp_path, monkeypatch):
    monkeypatch.setattr(item_maps, "_fit_umap", lambda vectors, options: vectors[:, :2])
    text, spaces = normal(0, 150, 6), {"base": normal(1, 150, 4), "contrastive": normal(2, 150, 4)}
    board = dashboard.measure(spaces, text, tmp_path)
    tables = dashboard.tables(board, "gccf")
    for table in tables.values():
        assert list(table)[:2] == ["backbone", "space"] and set(table["backbone"]) == {"gccf"}
    pd.testing.assert_frame_equal(tables["trend"].drop(columns="backbone")[list(board.trend)], board.trend)
    scores = tables["scores"].set_index("space")
    assert scores["slope"].dropna().to_dict() == board.slopes.set_index("space")["slope"].to_dict()
    assert scores["slope_low"].dropna().tolist() == board.slopes["ci_low"].tolist()
    for name in ("silhouette", "nmi"):
        assert scores[name].to_dict() == board.separation.set_index("space")[name].to_dict()
    for k, drawn in ((100, board.nearest_100), (20, board.nearest_20)):
        for space in spaces:
            rows = tables["overlaps"].query(f"neighbours == {k} and space == '{space}'")
            again = np.repeat(rows["jaccard"], rows["items"])
            np.testing.assert_array_equal(np.sort(again), np.sort(drawn[space]))
