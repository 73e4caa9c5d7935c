"""Sentences about information dominance, from tables made for each case."""

import pandas as pd
import pytest

from lib.papers.pte.dominance import statements
from lib.papers.pte.published import published


def garbling(one, other):
    rows = []
    for source, target, (low, value, high) in (("LLM", "SASRec", one), ("SASRec", "LLM", other)):
        for sample, estimator in statements.ESTIMATORS.values():
            keys = {"source": source, "target": target, "pairing": "true", "estimator": estimator, "measure": "isi"}
            rows.append({**keys, "sample": sample, "value": value, "ci_low": low, "ci_high": high})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ((0.4, 0.5, 0.6), (0.0, 0.1, 0.2), "the intervals do not overlap"),
        ((0.0, 0.1, 0.2), (0.4, 0.5, 0.6), "the intervals do not overlap"),
        ((0.1, 0.3, 0.5), (0.4, 0.5, 0.6), "the intervals overlap"),
    ],
)
def test_who_tells_more(one, other, said):
    found = statements.of_garbling(garbling(one, other), "LLM", "SASRec")
    assert found.startswith(f"held-out ISI LLM to SASRec {one[1]:.2f} ({one[0]:.2f} to {one[2]:.2f})")
    assert found.endswith(f": {said}")


def test_published_stands_first_and_ours_in_two_readings():
    found = statements.beside_published(garbling((0.4, 0.5, 0.6), (0, 0.1, 0.2)), published("isi"))
    assert list(found) == ["published", "ours, in-sample", "ours, held-out"]
    assert found["published"].loc["SASRec", "LLM"] == 0.0044 and found["published"].loc["LLM", "Fusion"] == 0.9751
    assert found["ours, held-out"].loc["LLM", "SASRec"] == 0.5 and found["ours, in-sample"].loc["SASRec", "LLM"] == 0.1


def test_verdicts_by_split():
    columns = ["split", "probe", "cold", "verdict"]
    rows = [("warm", "logistic", "own", "worse"), ("cold users", "logistic", "mean", "worse"),
            ("cold users", "logistic", "zero", "better")]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    said = "profiles against IDs: worse in warm, cold users (IDs by mean); better in cold users (IDs by zero)"
    assert statements.of_risk(table, "profiles", "IDs") == said
    more = pd.concat([table, pd.DataFrame([("warm", "trees", "own", "worse")], columns=columns)])
    assert "warm (logistic), cold users (IDs by mean, logistic), warm (trees)" in statements.of_risk(more, "a", "b")
    roc = table.assign(verdict=["dominated", "equivalent", "inconclusive"])
    assert statements.of_roc(roc, "a", "b").startswith("ROC of a against b: dominated in warm;")
    found = statements.answer(roc, table)
    assert found == (
        "texts dominate IDs in 0 of 3 ROC comparisons, are dominated in 1 and equivalent in 1; they predict better in "
        "1 of 3 and worse in 2"
    )
    claims = pd.DataFrame({"cold": ["own"], "probe": ["mlp"], "verdict": ["not supported"]})
    assert statements.of_fusion(claims) == "fusion only eases optimisation: not supported (mlp)"
