"""Click models against the library's own forward pass and a formula; their training: rate, best epoch, resuming."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import rated_toys
import torch

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.core.progress import Progress
from lib.models.click.deepctr import library
from lib.models.click.features import FeatureSettings, Field, features
from lib.models.click.networks import CLASSES, NETWORKS, network
from lib.training import click_fit, click_settings
from lib.training.click_fit import ClickData, fit, predict

FIELDS = (Field("user", 9), Field("item", 20), Field("item_genre", 4), Field("history_item", 20, 5, "item"))
FIELDS += (Field("history_rating", 6, 5),)
OWN = {"deepfm": {}, "xdeepfm": {"cin": (6, 4)}, "dcn": {"cross_layers": 2}}
OWN |= {"autoint": {"attention_layers": 2, "heads": 1}}
MODELS = list(NETWORKS)


def settings(name, **changes):
    return NETWORKS[name](**{"embedding_size": 8, "hidden": (12, 5), "dropout": 0, "spread": 0.5} | OWN[name] | changes)


def numbers(n=30, seed=0):
    """Random rows of FIELDS [n, 13], with 0 in some places."""
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, field.size, (n, field.width)) for field in FIELDS]
    return torch.from_numpy(np.concatenate(columns, axis=1)).float()


@pytest.mark.parametrize("name", MODELS)
def test_networks_compute_what_the_library_computes(name):
    model = network(name, FIELDS, settings(name), 1)
    columns = [
        library().SparseFeat(field.name, field.size, 8)
        if field.width == 1
        else library().VarLenSparseFeat(library().SparseFeat(field.name, field.size, 8), field.width, "mean")
        for field in FIELDS
    ]
    own = {"cin_layer_size": (6, 4)} if name == "xdeepfm" else {}
    own |= {"cross_num": 2} if name == "dcn" else {}
    own |= {"att_layer_num": 2, "att_head_num": 1} if name == "autoint" else {}
    plain = getattr(library().models, CLASSES[name])(
        columns, columns, dnn_hidden_units=(12, 5), task="regression", **own
    )
    for layer in getattr(model, "int_layers", ()):  # so that attention is far from uniform
        for weight in layer.parameters():
            weight.data *= 20
    weights = model.state_dict()
    weights["embedding_dict.history_item.weight"] = weights["embedding_dict.item.weight"]  # which the library copies
    plain.load_state_dict(
        {key.replace("linear_model.tables", "linear_model.embedding_dict"): weight for key, weight in weights.items()}
    )
    for layer in getattr(plain, "int_layers", ()):
        layer.scaling = True
    x = numbers()
    torch.testing.assert_close(model(x), plain(x))
    assert model(x).std() > 0.001


def test_deepfm_is_its_formula():
    model = network("deepfm", FIELDS, settings("deepfm"), 3)
    x = numbers(7).long()
    tables = {name: table.weight for name, table in model.embedding_dict.items()}
    linear = {name: table.weight for name, table in model.linear_model.tables.items()}
    for row, found in zip(x.tolist(), model(x.float())[:, 0], strict=True):
        parts, place, total = [], 0, model.out.bias[0]
        for field in FIELDS:
            entries = [number for number in row[place : place + field.width] if number]
            place += field.width
            count = max(len(entries), 1)
            parts.append(
                sum((tables[field.shares or field.name][number] for number in entries), torch.zeros(8)) / count
            )
            total = total + sum(linear[field.name][number, 0] for number in entries) / count
        pairs = sum(parts[i] @ parts[j] for i in range(len(parts)) for j in range(i))
        deep = torch.cat(parts)
        for layer in model.dnn.linears:
            deep = torch.relu(layer.weight @ deep + layer.bias)
        torch.testing.assert_close(found, total + pairs + (model.dnn_linear.weight @ deep)[0])


@pytest.mark.parametrize("name", MODELS)
def test_a_history_and_its_target_share_vectors_and_number_zero_has_none(name):
    model = network(name, FIELDS, settings(name), 1)
    assert set(model.embedding_dict) == {"user", "item", "item_genre", "history_rating"}
    x = numbers()
    x[:, 1] = 0  # no target is known
    x[:, 3:8] = torch.tensor([7, 0, 7, 0, 0.0])  # so what reaches the table is item 7 of the history
    model(x).sum().backward()
    touched = model.embedding_dict["item"].weight.grad.abs().sum(1).nonzero()[:, 0].tolist()
    assert 7 in touched and set(touched) <= {0, 7}
    shifted = x.clone()
    shifted[:, 3:8] = torch.tensor([0, 0, 0, 0, 7.0])  # the mean of one entry is that of the same one twice
    torch.testing.assert_close(model(shifted), model(x))
    assert all((table.weight[0] == 0).all() for table in model.embedding_dict.values())


def test_building_draws_nothing_from_the_processs_generator():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    one, same, other = (network("dcn", FIELDS, settings("dcn"), seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    x = numbers()
    assert torch.equal(one(x), same(x)) and not torch.equal(one(x), other(x))


def test_the_library_is_imported_without_a_network_and_without_a_word():
    code = (
        "import socket, threading, time\n"
        "def refuse(*_): print('asked for', _); raise OSError\n"
        "socket.getaddrinfo = refuse\n"
        "from lib.models.click.deepctr import library\n"
        "library().models.DeepFM\n"
        "[thread.join() for thread in threading.enumerate() if thread is not threading.current_thread()]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Training

SAMPLES = rated_toys.likes()


def toy_data(history=5) -> ClickData:
    rows = {name: np.flatnonzero(SAMPLES.rows.split == name) for name in ("train", "validation", "test")}
    return ClickData(features(SAMPLES, rows["train"], FeatureSettings(history=history)), **rows)


DATA = toy_data()


def run_settings(model="deepfm", seed=1, **changes):
    small = {"embedding_size": 8, "hidden": [16], "batch_size": 32, "learning_rate": 0.01, "epochs": 6, "spread": 0.01}
    return click_settings.resolve("toy", model, seed=seed).with_values(small | changes)


@pytest.mark.parametrize("model", MODELS)
def test_training_finds_who_likes_what(model):
    trained, state = fit(DATA, run_settings(model))
    p = predict(trained, DATA, DATA.test)
    liked = DATA.features.labels[DATA.test] == 1
    assert np.mean(p[liked][:, None] > p[~liked]) > 0.8  # by chance 0.5
    assert all((table.weight[0] == 0).all() for table in trained.embedding_dict.values())
    assert all((table.weight[0] == 0).all() for table in trained.linear_model.tables.values())


def test_the_best_epoch_is_restored_and_patience_ends_training():
    trained, state = fit(DATA, run_settings(epochs=30, patience=2, learning_rate=0.05))
    found = [row["validation_auc"] for row in state.history]
    assert state.best_epoch == int(np.argmax(found)) == len(found) - 3 and len(found) < 30
    p, labels = predict(trained, DATA, DATA.validation), DATA.features.labels[DATA.validation]
    pairs = p[labels == 1][:, None] - p[labels == 0]
    assert np.mean(np.sign(pairs) / 2 + 0.5) == pytest.approx(max(found)) and found[-1] < max(found)


def test_the_rate_falls_along_a_cosine():
    protocol = run_settings().protocol
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=protocol.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40)
    for step in range(40):
        assert click_fit.learning_rate(protocol, step, 40) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


def test_every_step_has_its_own_rate(monkeypatch):
    rates = []
    step = click_fit._step
    monkeypatch.setattr(
        click_fit,
        "_step",
        lambda model, optimizer, *batch: (
            rates.append(optimizer.param_groups[0]["lr"]) or step(model, optimizer, *batch)
        ),
    )
    chosen = run_settings(epochs=3, patience=9)
    fit(DATA, chosen)
    steps = 3 * -(-len(DATA.train) // 32)
    assert rates == [click_fit.learning_rate(chosen.protocol, number, steps) for number in range(steps)]


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, other = (predict(fit(DATA, run_settings(dropout=0.3, seed=seed))[0], DATA, DATA.test) for seed in (1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)  # what the process drew before makes no difference
    again = predict(fit(DATA, run_settings(dropout=0.3))[0], DATA, DATA.test)
    assert np.array_equal(first, again) and not np.allclose(first, other)


def test_a_killed_training_goes_on_as_if_nothing_had_happened(tmp_path, monkeypatch):
    chosen, file = run_settings(dropout=0.3, epochs=5, patience=9), tmp_path / "checkpoint.safetensors"
    whole, expected = fit(DATA, chosen)
    update, epochs = Progress.update, []

    def killed(self, *args, **options):
        epochs.append(1)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        update(self, *args, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Progress, "update", killed)
        fit(DATA, chosen, checkpoint=file, key="a")
    steps = []
    monkeypatch.setattr(Progress, "update", lambda self, *args, **options: steps.append(1))
    resumed, state = fit(DATA, chosen, checkpoint=file, key="a")
    assert len(steps) == 2
    assert np.array_equal(predict(resumed, DATA, DATA.test), predict(whole, DATA, DATA.test))
    assert [row["loss"] for row in state.history] == [row["loss"] for row in expected.history]
    steps.clear()
    fit(DATA, chosen, checkpoint=file, key="of another run")
    assert len(steps) == 5


def test_samples_of_one_class_are_refused():
    liked = np.flatnonzero(DATA.features.labels == 1)
    with pytest.raises(UserError, match=f"the {len(liked)} validation samples are not of both classes"):
        dataclasses.replace(DATA, validation=liked)


def test_a_loss_that_is_no_number_is_one_sentence():
    with pytest.raises(UserError, match="the loss is (nan|inf) in epoch 0: lower learning_rate"):
        fit(DATA, run_settings(learning_rate=1e30))
