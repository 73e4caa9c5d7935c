import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
import toys
from safetensors.torch import load_file, save_file

from lib.core.errors import UserError
from lib.core.files import atomic_path
from lib.training import checkpoints, run_settings
from lib.training.fit import _validate, fit
from lib.training.recommender import build
from lib.training.sampler import Sampler

DATA = toys.interactions(60, 50)


def settings(alignment="base", **changes) -> run_settings.RunSettings:
    aligned = dict(base={}, contrastive=dict(weight=0.1, temperature=0.2, negative_items=True))
    aligned["generative"] = dict(weight=0.1, temperature=0.2, mask_ratio=0.2)
    return run_settings.RunSettings(
        dataset="toy",
        backbone="lightgcn",
        alignment=alignment,
        encoder="none",
        seed=1,
        scale="tiny",
        protocol=toys.protocol(**changes),
        backbone_settings=dict(layers=2, reg_weight=1e-5, keep_rate=0.8),
        alignment_settings=aligned[alignment],
    )


def fitted(alignment="base", checkpoint=None, **changes):
    chosen = settings(alignment, **changes)
    model = build(chosen, DATA, toys.text(DATA))
    return model, fit(model, DATA, chosen.protocol, chosen.seed, checkpoint, "key")


def test_sampler_covers_train_once_and_never_draws_a_train_item():
    sampler = Sampler(DATA.train, 64)
    batches = list(sampler.epoch(torch.Generator().manual_seed(0)))
    users, positives, negatives = (torch.cat([batch[column] for batch in batches]).numpy() for column in range(3))
    assert len(batches) == len(sampler) == -(-DATA.train.nnz // 64)
    assert sorted(zip(users, positives, strict=True)) == sorted(zip(*DATA.train.nonzero(), strict=True))
    assert not DATA.train.toarray()[users, negatives].any()


def test_negatives_are_uniform_over_the_other_items():
    sampler = Sampler(DATA.train, 64)
    generator, counts = torch.Generator().manual_seed(0), np.zeros(DATA.n_items)
    row = sampler.users == 0
    for _ in range(400):
        counts += np.bincount(sampler.negatives(generator)[row], minlength=DATA.n_items)
    allowed = DATA.train[0].toarray().ravel() == 0
    expected = counts.sum() / allowed.sum()
    chi_square = ((counts[allowed] - expected) ** 2 / expected).sum()
    assert counts[~allowed].sum() == 0
    assert chi_square < allowed.sum() + 5 * (2 * allowed.sum()) ** 0.5


def test_user_with_every_item_is_one_sentence():
    full = DATA.train.tolil()
    full[3] = 1
    with pytest.raises(UserError, match="user 3 has every item"):
        Sampler(full.tocsr(), 64)


@pytest.mark.parametrize("alignment", ["base", "contrastive", "generative"])
def test_same_seed_same_bytes(alignment):
    (one, first), (other, second) = fitted(alignment), fitted(alignment)
    for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()
    assert first.best == second.best


def test_ego_table_starts_the_same_for_every_alignment():
    egos = [build(settings(name), DATA, toys.text(DATA)).backbone.ego for name in ("base", "contrastive", "generative")]
    assert torch.equal(egos[0], egos[1])
    assert torch.equal(egos[0], egos[2])


def test_loss_falls_and_regularisation_is_the_whole_norm():
    model, state = fitted(epochs=30, patience=30)
    assert state.history[-1]["bpr"] < 0.8 * state.history[0]["bpr"]
    fresh = build(settings(), DATA, None)
    batch = next(Sampler(DATA.train, 64).epoch(torch.Generator()))
    expected = 1e-5 * sum(parameter.square().sum() for parameter in fresh.parameters())
    torch.testing.assert_close(fresh.losses(batch)["regularisation"], expected)


def test_best_weights_are_kept_and_training_stops_after_patience():
    model, state = fitted(epochs=200, patience=2, learning_rate=0.3)
    evaluations = {row["epoch"]: row["recall@20"] for row in state.history if "recall@20" in row}
    assert list(evaluations) == list(range(0, state.epoch, 3))
    assert state.best == max(evaluations.values()) == evaluations[state.best_epoch]
    assert state.epoch - 1 - state.best_epoch == 2 * 3
    assert _validate(model, DATA, 20)["recall@20"] == pytest.approx(state.best)


KILLED = """
import sys, test_training
from lib.training.checkpoints import RunInProgress
save = RunInProgress.save
def save_then_die(self, path, state):
    save(self, path, state)
    if state.epoch > 6:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
RunInProgress.save = save_then_die
test_training.fitted(sys.argv[2], __import__("pathlib").Path(sys.argv[1]), epochs=14)
"""


@pytest.mark.parametrize("alignment", ["base", "contrastive", "generative"])
def test_killed_run_resumes_bit_identical(tmp_path, alignment):
    checkpoint = tmp_path / "checkpoint.safetensors"
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(checkpoint), alignment]
    tests = Path(__file__).parent
    paths = os.environ | {"PYTHONPATH": str(tests / "support")}
    killed = subprocess.run(command, cwd=tests, env=paths, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    model, state = fitted(alignment, checkpoint, epochs=14)
    whole, expected = fitted(alignment, epochs=14)
    for name, tensor in whole.state_dict().items():
        assert model.state_dict()[name].numpy().tobytes() == tensor.numpy().tobytes(), name
    strip = lambda rows: [{k: v for k, v in row.items() if k != "seconds"} for row in rows]  # noqa: E731
    assert strip(state.history) == strip(expected.history)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\xff" * 64])
def test_broken_checkpoint_means_a_fresh_start(tmp_path, content):
    checkpoint = tmp_path / "checkpoint.safetensors"
    checkpoint.write_bytes(content)
    assert fitted(checkpoint=checkpoint)[1].best == fitted()[1].best


def test_foreign_safetensors_file_means_a_fresh_start(tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    save_file({"x": torch.zeros(1)}, checkpoint)  # without metadata
    assert fitted(checkpoint=checkpoint)[1].best == fitted()[1].best


def test_checkpoint_of_other_settings_is_not_used(tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    fitted(checkpoint=checkpoint, epochs=4)
    model = build(settings(), DATA, None)
    state = fit(model, DATA, toys.protocol(epochs=4), 1, checkpoint, "another key")
    assert state.history[0]["epoch"] == 0


def test_non_finite_loss_names_term_and_step(monkeypatch):
    text = toys.text(DATA)
    text[5] = torch.nan
    chosen = settings("contrastive")
    model = build(chosen, DATA, text)
    with pytest.raises(UserError, match=r"'alignment' is nan at epoch 0, step 0: lower learning_rate"):
        fit(model, DATA, chosen.protocol, 1)


def test_full_disk_is_one_sentence_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    checkpoint = tmp_path / "checkpoint.safetensors"
    fitted(checkpoint=checkpoint, epochs=4)
    before = checkpoint.read_bytes()

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(UserError, match="disk full while writing"):
        fitted(checkpoint=checkpoint, epochs=14)
    assert checkpoint.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.name]
    assert "adam.0.exp_avg" in load_file(checkpoint)


def test_really_full_disk(tmp_path):
    """A file system without a byte left, where the machine lets us have one."""
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with pytest.raises(UserError, match="disk full"), atomic_path(tmp_path / "x") as temporary:
        temporary.unlink()
        temporary.symlink_to("/dev/full")
        with open(temporary, "wb") as file:
            file.write(b"x" * 10**6)
