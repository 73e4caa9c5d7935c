"""Runs kept after an edit of code: only where their first epochs come out bit for bit."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from run_places import ensure

from lib.core.errors import UserError
from lib.models import losses
from lib.training.run_folder import Run
from lib.workflow import cells, graph_cells, recheck

EPOCHS = 4


def rechecked(place, run):
    return recheck.recheck(run.path, EPOCHS, "cpu", place / "params", place / "data")


def manifest(run):
    return json.loads((run.path / "manifest.json").read_text())


def forbid(*_, **__):
    raise AssertionError("nothing is to be trained")


@pytest.fixture
def edited(place, monkeypatch):
    """A finished run, after an edit of the code behind it."""
    run = ensure(place, "contrastive")
    monkeypatch.setattr(cells, "code_behind", lambda files: "edited")
    return run


def test_a_run_that_todays_code_repeats_is_kept(place, edited, monkeypatch):
    before = manifest(edited)
    assert rechecked(place, edited) == "kept: 4 epochs and its ranking are the same"
    after = manifest(edited)
    assert after["rechecked"] == {"epochs": EPOCHS, "trained_as": before["key"]} and after["key"] != before["key"]
    assert {**after, "key": 0, "rechecked": 0} == {**before, "key": 0, "rechecked": 0}
    monkeypatch.setattr(graph_cells, "train", forbid)
    assert ensure(place, "contrastive").metrics == edited.metrics
    assert rechecked(place, edited) == "up to date"


def test_a_run_kept_twice_names_the_code_that_trained_it(place, edited, monkeypatch):
    first = manifest(edited)["key"]
    rechecked(place, edited)
    monkeypatch.setattr(cells, "code_behind", lambda files: "edited again")
    assert rechecked(place, edited).startswith("kept") and manifest(edited)["rechecked"]["trained_as"] == first


def test_numbers_that_differ_in_the_last_bit_are_trained_again(place, edited, monkeypatch):
    softplus = losses.F.softplus
    monkeypatch.setattr(losses.F, "softplus", lambda x: softplus(x).nextafter(x + 9))
    before = manifest(edited)
    assert rechecked(place, edited) == "to be trained again: bpr differs"
    assert manifest(edited) == before
    assert ensure(place, "contrastive").manifest["key"] != before["key"]


def test_a_history_of_other_terms_or_values_is_trained_again(place, edited):
    history = pd.read_csv(edited.path / "history.csv")
    one_bit = history.assign(
        alignment=np.where(history.epoch == 3, np.nextafter(history.alignment, 1), history.alignment)
    )
    for changed, said in ((one_bit, "alignment differs"), (history.drop(columns="bpr"), "other loss terms")):
        changed.to_csv(edited.path / "history.csv", index=False)
        assert said in rechecked(place, edited)


def test_another_ranking_is_trained_again(place, edited):
    edited.per_user.assign(**{"recall@20": edited.per_user["recall@20"] + 1e-12}).to_parquet(
        edited.path / "per_user.parquet", index=False
    )
    assert rechecked(place, Run(edited.path, edited.settings)) == "to be trained again: its vectors rank otherwise"


def test_other_inputs_are_trained_again_and_copies_follow_their_original(place, monkeypatch):
    run, copy = ensure(place), ensure(place, "base@contrastive")
    monkeypatch.setattr(cells, "code_behind", lambda files: "edited")
    assert "made again with it" in rechecked(place, copy)
    validation = place / "data/toy/validation.npz"
    sp.save_npz(validation, sp.load_npz(validation).multiply(np.arange(60)[:, None] > 9).tocsr())
    assert "its data or texts" in rechecked(place, run)


def test_settings_of_another_form_are_trained_again(place, edited):
    record = manifest(edited)
    record["settings"]["protocol"]["learning_speed"] = 1
    (edited.path / "manifest.json").write_text(json.dumps(record))
    assert rechecked(place, edited) == "to be trained again: its settings are not of today's form"


def test_no_epoch_is_no_check(place, edited):
    with pytest.raises(UserError, match="at least 1"):
        recheck.recheck(edited.path, 0, "cpu", place / "params", place / "data")


def test_it_trains_with_as_many_threads_as_the_run_had(place, edited, monkeypatch):
    record, here, used = manifest(edited), torch.get_num_threads(), []
    assert record["machine"]["threads"] == here
    record["machine"]["threads"] = here + 1
    (edited.path / "manifest.json").write_text(json.dumps(record))
    fit = recheck.fit
    monkeypatch.setattr(recheck, "fit", lambda *a, **b: used.append(torch.get_num_threads()) or fit(*a, **b))
    assert rechecked(place, edited).startswith("kept") and manifest(edited)["machine"] == record["machine"]
    assert used == [here + 1] and torch.get_num_threads() == here


def test_finished_runs_are_found_below_folders(place):
    one, two = ensure(place), ensure(place, seed=2)
    assert recheck.finished([place / "runs"]) == sorted([one.path, two.path])
    assert recheck.finished([one.path]) == [one.path]


def test_a_run_whose_backbone_is_gone_stops_no_other(place, edited):
    path = edited.path / "manifest.json"
    content = manifest(edited)
    path.write_text(json.dumps(content | {"settings": content["settings"] | {"backbone": "gone"}}))
    assert rechecked(place, edited).startswith("cannot be checked: unknown backbone 'gone'")


def test_a_run_whose_data_are_gone_stops_no_other(place, edited):
    (place / "params/toy/dataset.yaml").unlink()
    assert rechecked(place, edited).startswith("cannot be checked: ")
