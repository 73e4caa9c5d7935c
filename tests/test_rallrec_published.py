"""The numbers of RALLRec's tables are whole, and ours stand beside the right ones."""

import numpy as np
import pandas as pd
import pytest

from lib.core.errors import UserError
from lib.papers.rallrec.published import CLICK_MODELS, beside, published


def test_published_numbers_are_complete():
    for table, rows in ((1, 9), (3, 4), (4, 4)):
        frame = published(table)
        assert len(frame) == len(frame.drop_duplicates(["dataset", "model", "metric"])) == rows * 9
        auc = frame[(frame.metric == "auc") & (frame.model != "p_value")].value
        assert auc.between(0.5, 0.9).all()
    cells = published(1).set_index(["dataset", "model", "metric"]).value
    assert cells["ml1m", "dcn", "auc"] == 0.7212 and cells["amazon-movies", "autoint", "acc"] == 0.7543
    assert cells["bookcrossing", "autoint", "log_loss"] == 0.9854
    assert published(2).set_index(["dataset", "metric"]).value["ml1m", "samples"] == 970009
    with pytest.raises(UserError, match="table of RALLRec '5'"):
        published(5)


def test_one_model_has_the_same_numbers_in_every_table():
    """RALLRec is the full model of the ablation."""
    first, third = (published(table).set_index(["dataset", "metric", "model"]).value.unstack() for table in (1, 3))
    pd.testing.assert_series_equal(first.rallrec, third.full, check_names=False)


def test_the_best_click_model_is_where_the_paper_says():
    cells = published(1).query("metric == 'auc' and model in @CLICK_MODELS", local_dict={"CLICK_MODELS": CLICK_MODELS})
    best = cells.loc[cells.groupby("dataset").value.idxmax()].set_index("dataset").model
    assert best.to_dict() == {"bookcrossing": "xdeepfm", "ml1m": "dcn", "amazon-movies": "autoint"}


def test_log_losses_of_two_kinds_are_never_mixed():
    names = [(m, k) for m in ("dcn", "rella") for k in ("auc", "log_loss", "log_loss_legacy")]
    results = pd.DataFrame(names, columns=["model", "metric"]).assign(dataset="ml1m", value=0.6, seed=1)
    found = beside(results, 1).set_index(["model", "metric"])
    assert found.published["dcn", "log_loss"] == 0.6164 and np.isnan(found.published["dcn", "log_loss_legacy"])
    assert found.published["rella", "log_loss_legacy"] == 0.6182 and np.isnan(found.published["rella", "log_loss"])
    assert found.delta["rella", "auc"] == pytest.approx(0.6 - 0.7524)
    assert np.isnan(beside(results.assign(dataset="steam"), 1).published).all()


def test_a_dataset_that_the_paper_has_not_stands_beside_the_nearest_and_has_no_delta():
    results = pd.DataFrame([("movielens-100k", "rella", "auc", 0.6)], columns=["dataset", "model", "metric", "value"])
    (row,) = beside(results, 1).itertuples()
    assert (row.published, row.published_on) == (0.7524, "ml1m") and np.isnan(row.delta)
