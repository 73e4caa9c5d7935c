"""The report's Table 1 from its own cells, against sums by hand and known values."""

import numpy as np
import pandas as pd
import pytest

from lib.core.files import ROOT
from lib.papers.report import printed_table


@pytest.fixture(scope="module")
def cells():
    return pd.read_csv(ROOT / "params/published/report_table1_overlap.csv")


def mean(values) -> float:
    return sum(values) / len(values)


def by_hand(cells, alignment):
    """The four readings of an average gain, cell by cell."""
    value = {(row.dataset, row.backbone, row.alignment): row.mean_jaccard for row in cells.itertuples()}
    rows = sorted({key[:2] for key in value})
    base, own = ([value[(*row, name)] for row in rows] for name in ("base", alignment))
    gains = sorted(100 * (b / a - 1) for a, b in zip(base, own, strict=True))
    half = len(gains) // 2
    return {
        "mean of gains": mean(gains),
        "median of gains": gains[half] if len(gains) % 2 else mean(gains[half - 1 : half + 1]),
        "ratio of means": 100 * (mean(own) / mean(base) - 1),
        "ratio of rounded means": 100 * (round(mean(own), 3) / round(mean(base), 3) - 1),
    }


def test_averages_of_the_report_equal_those_by_hand_and_known_ones(cells):
    table = printed_table.averages(cells)
    assert len(table) == 2 * (1 + 3 + 5)
    for row in table.to_dict("records"):
        part = cells if row["by"] == "all" else cells[cells[row["by"]] == row["rows"]]
        readings = by_hand(part, row["alignment"])
        assert {name: row[name] for name in readings} == pytest.approx(readings) and row["count"] == len(part) / 3
    known = {"all": (41.4, 15.4), "amazon": (26.5, 13.1), "steam": (39.6, 20.8), "yelp": (61.7, 13.0)}
    known |= {"autocf": (46.7, 15.7), "gccf": (14.2, 5.2), "lightgcn": (64.2, 24.9), "sgl": (32.2, 21.2)}
    found = table.pivot(index="rows", columns="alignment", values="mean of gains")
    for name, values in known.items():
        assert found.loc[name].tolist() == pytest.approx(values, abs=0.06), name


def test_the_printed_average_gains_can_be_ratios_of_means(cells):
    table = printed_table.readings(cells, np.random.default_rng(0)).set_index(["alignment", "reading"])
    possible = {key for key, row in table.iterrows() if row["possible"]}
    assert possible == {
        ("contrastive", "ratio of means"), ("generative", "ratio of means"), ("generative", "mean of gains"),
    }  # fmt: skip
    assert table.loc[("contrastive", "ratio of means"), "value"] == pytest.approx(40.03, abs=0.01)
    exact = table.loc[("contrastive", "ratio of rounded means")]
    assert exact["low"] == exact["high"] == pytest.approx(100 * (0.080 / 0.057 - 1))


def test_ranges_hold_what_the_cells_were_before_rounding(cells):
    rng, hits = np.random.default_rng(1), []
    for _ in range(30):
        true = cells.assign(mean_jaccard=rng.uniform(0.04, 0.1, len(cells)))
        rounded = printed_table.readings(true.assign(mean_jaccard=true["mean_jaccard"].round(3)), rng, 300)
        exact = printed_table.readings(true, rng, 2)
        known = rounded["reading"] != "ratio of rounded means"
        hits += exact["value"].between(rounded["low"], rounded["high"])[known].tolist()
    assert 0.9 < np.mean(hits) < 0.99


def test_two_statements_of_the_report_do_not_follow_from_its_cells(cells):
    table = printed_table.statements(cells, np.random.default_rng(0)).set_index("statement")
    assert table.index[~table["holds"]].tolist() == ["number of settings", "average of the gains, contrastive"]
    assert table.loc["number of settings", "recomputed"] == "13 rows; no gccf on steam, sgl on yelp"
    assert table.loc["contrastive above generative", "recomputed"].endswith("least lead 0.001 (steam lightgcn)")


def test_statements_notice_other_cells(cells):
    other = cells.copy()
    other.loc[(other["dataset"] == "yelp") & (other["alignment"] == "generative"), "mean_jaccard"] = 0.04
    table = printed_table.statements(other, np.random.default_rng(0)).set_index("statement")["holds"]
    changed = ["mean overlap, generative", "gain of each row, generative", "generative above base"]
    assert not table[changed].any() and table["mean overlap, base"] and table["contrastive above generative"]
