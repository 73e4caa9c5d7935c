"""Searches among settings: what is tried, chosen and remembered, with a training that is a formula."""

import json
from pathlib import Path

import pandas as pd
import pytest

from lib.core.errors import UserError
from lib.training.checkpoints import State
from lib.training.grid_search import SearchedSettings, search


class Settings(SearchedSettings):
    a: float = 0
    b: float = 0

    @property
    def group(self):
        return Path("toy")

    def with_values(self, changed):
        if unknown := set(changed) - {"a", "b"}:
            raise UserError(f"unknown {unknown}")
        return self.model_copy(update={**changed, "grid": {}})


SETTINGS = Settings(dataset="toy", seed=1).with_grid({"a": [1, 2, 3], "b": [0, 1]})


def trainings(killed_at=None):
    """A training whose value is best in its second of three epochs, and highest where a = 2; and its calls."""
    calls = []

    def fit(data, settings, device, checkpoint, key):
        if len(calls) == killed_at:
            raise KeyboardInterrupt
        calls.append((settings.a, settings.b, key))
        value = -((settings.a - 2) ** 2)
        rows = [{"epoch": e, "seconds": 0.5, "loss": 9, "validation_x": value - (e != 1)} for e in range(3)]
        return None, State(epoch=3, best=value, best_epoch=1, history=rows)

    return fit, calls


def searched(path, fit, key="k"):
    return search(path, SETTINGS, None, fit, "x", key, "cpu")


def test_every_combination_is_tried_and_the_first_of_the_best_is_taken(tmp_path):
    fit, calls = trainings()
    assert searched(tmp_path, fit) == {"seconds": 9.0}
    assert [call[:2] for call in calls] == [(a, b) for a in (1, 2, 3) for b in (0, 1)]
    assert len({key for *_, key in calls}) == 6, "none goes on from the checkpoint of another"
    assert json.loads((tmp_path / "best.json").read_text()) == {"a": 2, "b": 0}
    table = pd.read_csv(tmp_path / "combinations.csv")
    assert table.columns.tolist() == ["a", "b", "validation_x", "best_epoch", "epochs", "seconds"]
    assert table.validation_x.tolist() == [-1, -1, 0, 0, -1, -1] and set(table.best_epoch) == {1}


def test_a_killed_search_goes_on_where_it_was_unless_it_is_another(tmp_path):
    fit, first = trainings(killed_at=4)
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, fit)
    fit, rest = trainings()
    searched(tmp_path, fit)
    whole, calls = trainings()
    searched(tmp_path / "whole", whole)
    assert [*first, *rest] == calls and len(first) == 4
    assert (tmp_path / "best.json").read_bytes() == (tmp_path / "whole/best.json").read_bytes()
    # what was remembered has its columns in another order
    tables = [pd.read_csv(path / "combinations.csv").sort_index(axis=1) for path in (tmp_path, tmp_path / "whole")]
    pd.testing.assert_frame_equal(*tables)
    fit, again = trainings()
    searched(tmp_path, fit, key="another")
    assert len(again) == 6


def test_a_grid_is_checked_before_anything_is_trained():
    with pytest.raises(UserError, match="toy: the grid has no value of b"):
        SETTINGS.with_grid({"a": [1], "b": []})
    with pytest.raises(UserError, match="unknown"):
        SETTINGS.with_grid({"c": [1]})
