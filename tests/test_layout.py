"""The order of rows and columns in tables for people."""

import pandas as pd

from lib.results import layout


def rows(**changes):
    """Four rows out of order."""
    columns = {
        "dataset": "amazon",
        "backbone": ["sgl", "gccf", "gccf", "new"],
        "alignment": ["base", "contrastive", "base@generative", "base"],
        "encoder": ["none", "minilm", "none", "none"],
        "source": "ours",
        "value": ["1", "2", None, "4"],
    }
    return pd.DataFrame(columns | changes)


def test_rows_stand_in_the_papers_order_and_unknown_names_last():
    table = layout.arranged(rows(), ["value"])
    assert table["backbone"].tolist() == ["gccf", "gccf", "sgl", "new"]
    assert table["alignment"].tolist()[:2] == ["base@generative", "contrastive"]
    assert table["value"].tolist() == ["", "2", "1", "4"]


def test_a_column_is_shown_where_it_tells_rows_apart():
    assert list(layout.arranged(rows(), ["value"])) == ["backbone", "alignment", "value"]
    several = rows(dataset=["a", "b", "a", "b"], encoder=["none", "x", "y", "none"])
    table = layout.arranged(several, ["value"])
    assert list(table) == ["dataset", "backbone", "alignment", "encoder", "value"]
    table = layout.arranged(rows(K=[20, 100, 20, 100]), ["value"], ("K",))
    assert list(table) == ["K", "backbone", "alignment", "value"] and table["K"].tolist() == [100, 100, 20, 20]


def test_columns_of_metrics_are_by_metric_then_by_k():
    names = [layout.metric_column(metric, k) for metric in ("ndcg", "recall") for k in (20, 5, 10)]
    assert layout.in_order_of_metrics(names + names) == ["R@5", "R@10", "R@20", "N@5", "N@10", "N@20"]
