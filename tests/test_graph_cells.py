"""A whole run on made-up data: what is in its folder, when it is made again and when not, and what its key follows."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import toys
import yaml
from run_places import BLOCKS, DATA, cell, ensure, write_blocks

from lib.core.files import ROOT, digest
from lib.core.fingerprints import code_digest
from lib.data import datasets
from lib.evaluation import ranking
from lib.language import text_vectors
from lib.training import fit, train
from lib.training.checkpoints import State
from lib.training.run_folder import Run, write_results
from lib.training.run_settings import RunSettings
from lib.workflow import cells, graph_cells


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


def test_matched_base_with_settings_of_its_own_is_trained(place):
    write_blocks(place, BLOCKS | {"contrastive": BLOCKS["contrastive"] | {"layers": 1}})
    base, matched = ensure(place), ensure(place, "base@contrastive")
    assert "copied_from" not in matched.manifest and matched.metrics != base.metrics


def test_final_vectors_may_be_the_ego_table_itself(tmp_path):
    """As in matrix factorisation, which propagates nothing."""
    ego = torch.randn(DATA.n_users + DATA.n_items, 4)
    model = SimpleNamespace(final=lambda: ego, backbone=SimpleNamespace(ego=ego))
    settings = SimpleNamespace(protocol=toys.protocol())
    write_results(tmp_path, settings, DATA, model, State())
    run = Run(tmp_path, settings)
    np.testing.assert_array_equal(run.embeddings["item_ego"], ego[DATA.n_users :])
    np.testing.assert_array_equal(run.embeddings["item_final"], ego[DATA.n_users :])
    np.testing.assert_array_equal(run.final, ego)


@pytest.mark.parametrize("alignment", ["base", "contrastive"])
def test_folder_holds_what_the_contract_says(place, alignment):
    run = ensure(place, alignment)
    content = digest(place / "vectors.npy", place / "vectors.order.csv")[:8]
    encoder = "none" if alignment == "base" else f"vectors-{content}"
    assert run.path == place / "runs" / "toy" / encoder / "lightgcn" / alignment / "seed1"
    names = {path.name for path in run.path.iterdir()} - {".lock"}
    assert names == {
        "params.yaml", "metrics.json", "per_user.parquet", "embeddings.safetensors", "history.csv", "manifest.json"
    }  # fmt: skip
    pd.testing.assert_frame_equal(run.per_user, ranking.evaluate(run.final, DATA.n_users, DATA.train, DATA.test))
    assert run.metrics.test == pytest.approx(ranking.mean(run.per_user))
    assert run.history.epoch.tolist() == list(range(run.metrics.epochs))
    assert run.manifest["inputs"]["interactions"] == DATA.fingerprint
    assert ("text" in run.manifest["inputs"]) == (alignment != "base")
    assert RunSettings(**yaml.safe_load((run.path / "params.yaml").read_text())) == run.settings


def test_metrics_file_is_plain_json(place):
    content = json.loads((ensure(place).path / "metrics.json").read_text())
    assert set(content) == {"test", "validation", "best_epoch", "epochs"}
    assert set(content["test"]) == {f"{metric}@{k}" for metric in ("recall", "ndcg") for k in (5, 10, 20)}


def test_nothing_changed_means_nothing_done(place, monkeypatch):
    ensure(place, "contrastive")
    monkeypatch.setattr(graph_cells, "train", lambda *_: pytest.fail("trained again"))
    ensure(place, "contrastive")


def test_changed_settings_data_or_text_train_again(place):
    first = {alignment: ensure(place, alignment).manifest["key"] for alignment in BLOCKS}
    np.save(place / "vectors.npy", toys.text(DATA, seed=9).numpy())
    assert ensure(place).manifest["key"] == first["base"]
    assert ensure(place, "contrastive").manifest["key"] != first["contrastive"]
    write_blocks(place, BLOCKS | {"base": BLOCKS["base"] | {"layers": 1}})
    changed = ensure(place)
    assert changed.manifest["key"] != first["base"]
    assert changed.settings.backbone_settings["layers"] == 1


# What is loaded, and when


def test_data_and_texts_are_loaded_once_for_many_cells(place, monkeypatch):
    loaded = []
    for module, name in ((datasets, "load"), (text_vectors, "load")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, real=real, **b: loaded.append(real) or real(*a, **b))
    for seed in (1, 2, 3):
        for alignment in BLOCKS:
            ensure(place, alignment, seed)
    assert len(loaded) == len(set(loaded)) == 2


def test_outdated_code_or_settings_are_told_without_loading_anything(place, monkeypatch):
    ensure(place, "contrastive")
    graph_cells._plain.cache_clear(), graph_cells._text.cache_clear()
    for module in (datasets, text_vectors):
        monkeypatch.setattr(module, "load", lambda *_: pytest.fail("loaded"))
    assert not cells.is_current(cell(place, "contrastive", seed=77))  # never trained
    monkeypatch.setattr(cells, "code_behind", lambda files: "edited")
    assert not cells.is_current(cell(place, "contrastive"))


def test_files_that_changed_are_loaded_again(place):
    before = cell(place, "contrastive").text.digest
    np.save(place / "vectors.npy", toys.text(DATA, seed=9).numpy())
    assert cell(place, "contrastive").text.digest != before


# The key


def test_the_key_follows_every_module_that_a_training_imports(place):
    """Held against Python itself: whatever of lib a training has loaded by its end, but for what decides no number."""
    own = cell(place, "contrastive")
    listed = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in own.code()}
    listed = {name.removesuffix(".__init__") for name in listed}
    script = """
        import sys, lib.training.train, lib.models.backbones.lightgcn, lib.models.alignment.contrastive
        print(*[name for name in sys.modules if name.split(".")[0] == "lib"])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"lib.training.run_folder", "lib.evaluation.ranking", "lib.models.graph"} <= listed
    assert {name for name in loaded - listed if not name.startswith("lib.core")} == {"lib.training.run_settings"}
    assert not {name for name in listed if name.startswith(("lib.results", "lib.analysis", "lib.language"))}


def test_an_edit_of_any_of_these_modules_changes_the_key(place, tmp_path):
    own = cell(place, "contrastive")
    copies = {path: tmp_path / "code" / path.relative_to(ROOT) for path in own.code()}
    for path, copy in copies.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    before = code_digest(sorted(copies.values()))
    for copy in copies.values():
        text = copy.read_text()
        copy.write_text(text + "\n# a comment changes nothing\n")
        assert code_digest(sorted(copies.values())) == before, copy
        copy.write_text(text + "\nedited = True\n")
        assert code_digest(sorted(copies.values())) != before, copy
        copy.write_text(text)


def test_another_backbone_and_alignment_have_other_code_behind_them(place):
    base, contrastive = (set(cell(place, name).code()) for name in BLOCKS)
    assert {path.name for path in contrastive - base} == {"contrastive.py"}
    assert "lightgcn.py" in {path.name for path in base} and "dccf.py" not in {path.name for path in base}


# Killed


KILLED = """
import os, signal, sys
from pathlib import Path
import run_places
from lib.training import fit
epoch = fit.train_epoch
def dying(step, sampler, generator, number):
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return epoch(step, sampler, generator, number)
fit.train_epoch = dying
run_places.ensure(Path(sys.argv[1]), "contrastive")
"""


def test_killed_run_ends_with_the_same_bytes(place):
    support = os.path.join(os.path.dirname(__file__), "support")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(place)], cwd=support, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = ensure(place, "contrastive")
    (place / "runs").rename(place / "first")
    whole = ensure(place, "contrastive")
    for name in ("embeddings.safetensors", "per_user.parquet", "metrics.json", "params.yaml"):
        before = place / "first" / resumed.path.relative_to(place / "runs") / name
        assert before.read_bytes() == (whole.path / name).read_bytes(), name


def test_a_run_killed_before_its_manifest_keeps_its_checkpoint(place, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(cells, "environment", killed)
        ensure(place)
    path = cell(place).path
    assert (path / "checkpoint.safetensors").exists() and not (path / "manifest.json").exists()
    trained = []
    epoch = fit.train_epoch
    monkeypatch.setattr(fit, "train_epoch", lambda *a: trained.append(a[-1]) or epoch(*a))
    assert ensure(place).metrics.epochs == 9 and trained == [7, 8]  # those after the last evaluation
    assert not (path / "checkpoint.safetensors").exists()


def test_train_tells_engine_and_seconds(place):
    own = cell(place)
    own.path.mkdir(parents=True)
    facts = train.train(own.path, own.settings, own.interactions, own.untrained("cpu"), "key")
    history = pd.read_csv(own.path / "history.csv")
    assert facts["engine"] in ("dgl", "torch") and facts["seconds"] == pytest.approx(history.seconds.sum())
