"""Training of sequential recommenders: what they learn, how they rank, and how a killed training goes on."""

import dataclasses

import numpy as np
import pytest
import torch
from planted_sequences import planted, resolver

from lib.core.errors import UserError
from lib.evaluation.target_rank import metrics_of_ranks
from lib.models.sequential import items
from lib.models.sequential.dreamrec import DreamRec
from lib.training import checkpoints, sequence_fit
from lib.training.sequence_fit import SequenceData, fit, ranks
from lib.workflow.user_neighbours import history_neighbours

SEQUENCES, ROWS = planted()
N = SEQUENCES.n_items
TEXT = np.random.default_rng(3).normal(size=(N, 12)).astype(np.float32)


@pytest.fixture
def resolve(tmp_path):
    """Settings that train in a blink."""
    return resolver(tmp_path)


# Learning and ranking


@pytest.mark.parametrize("loss", ["infonce", "softmax", "bce"])
def test_sasrec_learns_which_item_follows(resolve, loss):
    settings = resolve(loss=loss, epochs=12, d=32, learning_rate=0.02, negatives=16, dropout=0)
    data = SequenceData(N, ROWS)
    model, state = fit(data, settings)
    hits = metrics_of_ranks(ranks(model, ROWS.test)["rank"].numpy())["hr@1"].mean()
    popular = np.bincount(ROWS.train.target).argmax()
    assert hits > 0.95 and (ROWS.test.target == popular).mean() < 0.1
    assert state.history[-1][settings.objective.kind] < state.history[0][settings.objective.kind]


def test_all_positions_learn_too(resolve):
    """Where every step follows the permutation, one row teaches several."""
    rng = np.random.default_rng(0)
    step = np.concatenate([[0], rng.permutation(N) + 1])
    row = [rng.integers(1, N + 1, 60)]
    for _ in range(6):
        row.append(step[row[-1]])
    whole = np.stack(row, 1).astype(np.int32)
    train = dataclasses.replace(ROWS.train, history=whole[:, :-1], target=whole[:, -1])
    data = SequenceData(N, dataclasses.replace(ROWS, train=train))
    found = {}
    for positions in ("last", "all"):
        settings = resolve(epochs=15, d=32, learning_rate=0.01, negatives=16, positions=positions, batch_size=10)
        model, _ = fit(data, settings)
        found[positions] = (ranks(model, ROWS.test)["rank"] == 1).double().mean()
    assert found["all"] > found["last"] and found["all"] > 0.9


@pytest.mark.parametrize(("loss", "score"), [("infonce", "cos"), ("infonce_dot", "dot"), ("bce", "dot")])
def test_ranks_are_those_of_a_loop_over_all_items(resolve, loss, score, monkeypatch):
    monkeypatch.setattr(sequence_fit, "RANKED_AT_ONCE", 64)
    rng = np.random.default_rng(0)
    drawn = np.stack([rng.permutation(np.delete(np.arange(1, N + 1), own - 1))[:5] for own in ROWS.test.target])
    model, _ = fit(SequenceData(N, ROWS), resolve(loss=loss))
    found = ranks(model, ROWS.test, drawn, masked=True)
    with torch.inference_mode():
        table = model.items.table()
        states = model.queries(torch.from_numpy(ROWS.test.history).long(), table)
    table, states = table.double().numpy(), states.double().numpy()
    for row in range(0, len(ROWS.test), 7):
        scores = table @ states[row]
        if score == "cos":
            scores[1:] /= np.linalg.norm(table[1:], axis=1)
        target, history = ROWS.test.target[row], set(ROWS.test.history[row])
        better = {item for item in range(1, N + 1) if scores[item] > scores[target]}
        assert found["rank"][row] == 1 + len(better)
        assert found["rank_masked"][row] == 1 + len(better - history)
        assert found["rank_negatives"][row] == 1 + sum(item in better for item in drawn[row])


def test_items_of_one_vector_share_a_rank(resolve):
    model, _ = fit(SequenceData(N, ROWS), resolve())
    model.items.weight.data[:] = 1
    assert (ranks(model, ROWS.test)["rank"] == (N + 1) / 2).all()


def test_alphafuse_leaves_language_as_it_was(resolve):
    settings = resolve("alphafuse", epochs=3)
    before = items.get("alphafuse")(N, 8, TEXT, settings.items_settings)
    model, _ = fit(SequenceData(N, ROWS, TEXT), settings)
    assert torch.equal(model.items.language, before.language)
    table = model.items.table()[1:]
    assert torch.equal(table[:, :4], before.language[:, :4])
    assert not torch.isclose(table[:, 4:], before.language[:, 4:]).any(0).all()


@pytest.mark.parametrize("method", items.names())
def test_every_method_trains_with_finite_terms(resolve, method):
    near = history_neighbours(ROWS.train, TEXT, 3) if method == "llm_esr" else None
    model, state = fit(SequenceData(N, ROWS, TEXT, neighbours=near), resolve(method, epochs=1))
    terms = set(state.history[0]) - {"epoch", "seconds"}
    assert len([name for name in terms if "@" not in name]) == 1 + method.startswith(("rlmrec", "llm_esr"))
    assert all(np.isfinite(value) for value in state.history[0].values())


def test_a_loss_that_is_not_finite_is_an_error(resolve):
    with pytest.raises(UserError, match="lower learning_rate in params/papers/sequential.yaml"):
        fit(SequenceData(N, ROWS, np.where(TEXT > 2.2, np.inf, TEXT)), resolve("morec"))


# DreamRec, and neighbours


@pytest.mark.parametrize("method", [name for name in items.names() if "dreamrec" in items.get(name).backbones])
def test_dreamrec_trains_over_every_method_that_it_has(resolve, method):
    model, state = fit(SequenceData(N, ROWS, TEXT), resolve(method, "diffusion", epochs=2, validate_every=1))
    assert isinstance(model, DreamRec) and set(state.history[0]) >= {"diffusion", "validation_ndcg@20"}
    # what adapts text is read by the encoder, and never what is generated
    assert (model.inputs is not None) == items.get(method).adapts_text
    if model.inputs is not None:
        assert not list(model.items.parameters()) and list(model.inputs.parameters())
    again = [ranks(model, ROWS.test)["rank"] for _ in range(2)]
    assert torch.equal(*again), "the noise of every evaluation is the same"


def test_dreamrec_learns_which_item_follows(resolve):
    """Over fixed vectors, far above chance, which is 1/30 for the first place."""
    settings = resolve("fixed_text", "diffusion", epochs=40, learning_rate=0.01, dropout=0, validate_every=5, d=11)
    model, _ = fit(SequenceData(N, ROWS, TEXT), settings)
    assert metrics_of_ranks(ranks(model, ROWS.test)["rank"].numpy())["hr@1"].mean() > 0.3


def test_neighbours_are_those_of_mean_texts_of_histories_and_reach_the_model():
    near = history_neighbours(ROWS.train, TEXT, 3)
    mean = np.array([TEXT[row[row > 0] - 1].mean(0) for row in ROWS.train.history])
    unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    cosine = unit[:50] @ unit.T
    cosine[np.arange(50), np.arange(50)] = -np.inf
    found = np.take_along_axis(cosine, near[:50], 1)
    np.testing.assert_allclose(found, -np.sort(-cosine, 1)[:, :3], atol=1e-5)
    taken = sequence_fit.TrainRows(SequenceData(N, ROWS, TEXT, neighbours=near), "cpu")[torch.tensor([4, 9])]
    assert torch.equal(taken["whole"], torch.from_numpy(ROWS.train.whole[[4, 9]]).long())
    assert len(taken["neighbours"]) == len(np.unique(near[[4, 9]]))
    found = taken["neighbours"][taken["nearest"]]
    assert torch.equal(found, torch.from_numpy(ROWS.train.history[near[[4, 9]]]).long())


# Resuming


@pytest.mark.parametrize(
    ("method", "loss"),
    [("identity", "infonce"), ("unisrec", "infonce"), ("llm_esr", "softmax"), ("alphafuse", "diffusion")],
)
def test_a_killed_run_goes_on_bit_for_bit(resolve, tmp_path, monkeypatch, method, loss):
    monkeypatch.setattr(sequence_fit, "SAVED_EVERY", 0)
    near = history_neighbours(ROWS.train, TEXT, 3) if method == "llm_esr" else None
    data = SequenceData(N, ROWS, TEXT, neighbours=near)
    settings, path = resolve(method, loss, epochs=4, validate_every=1), tmp_path / "checkpoint.safetensors"
    whole, state = fit(data, settings)
    save = checkpoints.RunInProgress.save

    def killed(run, path, state):
        save(run, path, state)
        if state.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints.RunInProgress, "save", killed)
        fit(data, settings, checkpoint=path, key="this")
    epochs, epoch = [], sequence_fit._epoch
    monkeypatch.setattr(sequence_fit, "_epoch", lambda *args: epochs.append(args[-1]) or epoch(*args))
    resumed, after = fit(data, settings, checkpoint=path, key="this")
    assert epochs == [2, 3]
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name
    without = [[{**row, "seconds": 0} for row in found.history] for found in (state, after)]
    assert without[0] == without[1]
    fit(data, settings, checkpoint=path, key="another")
    assert epochs[2:] == [0, 1, 2, 3]


def test_the_random_state_of_the_process_is_left_alone(resolve):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit(SequenceData(N, ROWS), resolve())
    assert torch.equal(torch.rand(3), expected)


def test_early_stopping_keeps_the_best_weights(resolve, monkeypatch):
    values = iter([0.1, 0.5, 0.2, 0.3, 0.6, 0.7])
    monkeypatch.setattr(sequence_fit, "means", lambda *_: dict.fromkeys(("ndcg@10", "ndcg@20"), next(values)))
    model, state = fit(SequenceData(N, ROWS), resolve(epochs=9, patience=2))
    assert (state.epoch, state.best_epoch, state.best) == (4, 1, 0.5)
    two, _ = fit(SequenceData(N, ROWS), resolve(epochs=2))
    assert torch.equal(two.items.weight, model.items.weight)
