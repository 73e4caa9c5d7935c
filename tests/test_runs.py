"""A whole run on made-up data: what is in its folder, when it is made again and when not."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import toys
import yaml

from lib import params, ranking, runs, training

DATA = toys.interactions(60, 50)
BLOCKS = {
    "base": dict(layers=2, reg_weight=1e-5, keep_rate=0.8),
    "contrastive": dict(layers=2, reg_weight=1e-5, keep_rate=0.8, weight=0.1, temperature=0.2),
}


def folders(place):
    """Make params and data there, with one dataset, one cell file and a file of text vectors."""
    cell, data = place / "params" / "toy", place / "data" / "toy"
    cell.mkdir(parents=True)
    data.mkdir(parents=True)
    (cell / "dataset.yaml").write_text(yaml.safe_dump(dict(name="toy", title="Toy")))
    (cell / "lightgcn.yaml").write_text(yaml.safe_dump(dict(dataset="toy", backbone="lightgcn", **BLOCKS)))
    paper = toys.protocol(epochs=9).model_dump(mode="json")
    (place / "params" / "protocol.yaml").write_text(yaml.safe_dump(dict(paper=paper)))
    for split in ("train", "validation", "test"):
        sp.save_npz(data / f"{split}.npz", getattr(DATA, split))
    np.save(place / "vectors.npy", toys.text(DATA).numpy())
    return place


def ensure(place, alignment="base", seed=1):
    settings = params.resolve(
        "toy", "lightgcn", alignment, seed, "paper", str(place / "vectors.npy"), params=place / "params"
    )
    return runs.ensure(settings, place / "runs", "cpu", place / "params", place / "data")


def test_matched_base_is_copied_from_base_where_their_settings_are_the_same(place):
    trained = ensure(place, "base@contrastive")  # no base yet
    assert "copied_from" not in trained.manifest
    (trained.path / "manifest.json").unlink()
    base, copied = ensure(place), ensure(place, "base@contrastive")
    assert copied.manifest["copied_from"] == base.settings.folder.as_posix()
    assert copied.settings.alignment == copied.manifest["settings"]["alignment"] == "base@contrastive"
    assert copied.metrics == trained.metrics
    assert copied.per_user.equals(trained.per_user)
    assert ensure(place, "base@contrastive").manifest == copied.manifest  # and then it is there


def test_final_vectors_may_be_the_ego_table_itself(tmp_path):
    """As in matrix factorisation, which propagates nothing."""
    ego = training.torch.randn(DATA.n_users + DATA.n_items, 4)
    model = SimpleNamespace(final=lambda: ego, backbone=SimpleNamespace(ego=ego))
    settings = SimpleNamespace(protocol=toys.protocol())
    runs._write_results(tmp_path, settings, DATA, model, training.State())
    vectors = runs.Run(tmp_path, settings).embeddings
    np.testing.assert_array_equal(vectors["item_ego"], ego[DATA.n_users :])
    np.testing.assert_array_equal(vectors["item_final"], ego[DATA.n_users :])


@pytest.mark.parametrize("alignment", ["base", "contrastive"])
def test_folder_holds_what_the_contract_says(place, alignment):
    run = ensure(place, alignment)
    encoder = "none" if alignment == "base" else "vectors.npy"
    assert run.path == place / "runs" / "toy" / encoder / "lightgcn" / alignment / "seed1"
    names = {path.name for path in run.path.iterdir()} - {".lock"}
    assert names == {
        "params.yaml", "metrics.json", "per_user.parquet", "embeddings.safetensors", "history.csv", "manifest.json"
    }  # fmt: skip
    vectors = run.embeddings
    final = np.concatenate([vectors["user_final"], vectors["item_final"]])
    again = ranking.evaluate(training.torch.from_numpy(final), DATA.n_users, DATA.train, DATA.test)
    pd.testing.assert_frame_equal(run.per_user, again)
    assert run.metrics["test"] == pytest.approx(ranking.mean(run.per_user))
    assert run.history.epoch.tolist() == list(range(run.metrics["epochs"]))
    assert run.manifest["inputs"]["interactions"] == DATA.fingerprint
    assert ("text" in run.manifest["inputs"]) == (alignment != "base")
    assert runs.RunSettings(**yaml.safe_load((run.path / "params.yaml").read_text())) == run.settings


def test_nothing_changed_means_nothing_done(place, monkeypatch):
    ensure(place)
    monkeypatch.setattr(training, "fit", lambda *_: pytest.fail("trained again"))
    ensure(place)


def test_changed_settings_data_or_text_train_again(place):
    first = {alignment: ensure(place, alignment).manifest["key"] for alignment in BLOCKS}
    np.save(place / "vectors.npy", toys.text(DATA, seed=9).numpy())
    assert ensure(place).manifest["key"] == first["base"]
    assert ensure(place, "contrastive").manifest["key"] != first["contrastive"]
    blocks = {**BLOCKS, "base": {**BLOCKS["base"], "layers": 1}}
    cell = dict(dataset="toy", backbone="lightgcn", **blocks)
    (place / "params/toy/lightgcn.yaml").write_text(yaml.safe_dump(cell))
    changed = ensure(place)
    assert changed.manifest["key"] != first["base"]
    assert changed.settings.backbone_settings["layers"] == 1


def test_trained_tells_a_finished_run_from_one_with_other_code_or_settings(place, monkeypatch):
    made = ensure(place)
    assert runs.trained(made.settings, place / "runs")
    assert not runs.trained(made.settings.model_copy(update={"seed": 77}), place / "runs")
    monkeypatch.setattr(runs, "code_behind", lambda settings: "other")
    assert not runs.trained(made.settings, place / "runs")


KILLED = """
import os, signal, sys
from pathlib import Path
import test_runs
from lib import training
epoch = training.train_epoch
def dying(step, sampler, generator, number):
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return epoch(step, sampler, generator, number)
training.train_epoch = dying
test_runs.ensure(Path(sys.argv[1]), "contrastive")
"""


def test_killed_run_ends_with_the_same_bytes(place):
    here = os.path.dirname(__file__)
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(place)], cwd=here, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = ensure(place, "contrastive")
    (place / "runs").rename(place / "first")
    whole = ensure(place, "contrastive")
    for name in ("embeddings.safetensors", "per_user.parquet", "metrics.json", "params.yaml"):
        before = place / "first" / resumed.path.relative_to(place / "runs") / name
        assert before.read_bytes() == (whole.path / name).read_bytes(), name


def test_metrics_file_is_plain_json(place):
    content = json.loads((ensure(place).path / "metrics.json").read_text())
    assert set(content) == {"test", "validation", "best_epoch", "epochs"}
    assert set(content["test"]) == {f"{metric}@{k}" for metric in ("recall", "ndcg") for k in (5, 10, 20)}


def test_overlap_is_computed_once_and_again_for_other_text(place, monkeypatch):
    run = ensure(place, "contrastive")

    def vectors(seed):
        both = toys.text(DATA, width=12, seed=seed).repeat(10, 1).numpy()
        return runs.text.TextVectors(both[:60], np.random.default_rng(seed).random((150, 12)), "toy")

    wide = np.random.default_rng(0).random((150, 8)).astype(np.float32)
    monkeypatch.setitem(run.__dict__, "embeddings", {"item_ego": wide, "item_final": wide})
    first = runs.overlap(run, vectors(1))
    assert set(first.vectors) == {"ego", "final"}
    monkeypatch.setattr(runs.semantics, "overlap_table", lambda *_, **__: pytest.fail("computed again"))
    pd.testing.assert_frame_equal(runs.overlap(run, vectors(1)), first)
    with pytest.raises(pytest.fail.Exception):
        runs.overlap(run, vectors(2))
