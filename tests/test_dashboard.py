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


def test_counts_of_overlaps_are_what_the_panels_draw():
    rng = np.random.default_rng(0)
    nearest = {
        k: pd.DataFrame({name: rng.integers(0, 4, 60) / (2 * k) for name in ("base", "text")}) for k in (100, 20)
    }
    counts = dashboard.overlap_counts(dashboard.Dashboard(None, None, nearest[100], nearest[20], None, None))
    for row in counts.itertuples():
        assert row.items == np.isclose(nearest[row.neighbours][row.space], row.overlap).sum() > 0
    assert counts["items"].sum() == 2 * 2 * 60
