"""Item vectors of the compared methods against their formulas, and whitening against scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.special import erf, softmax
from sklearn.decomposition import PCA

from lib.core.errors import UserError
from lib.core.settings import validated
from lib.models.sequential import items, whitening
from lib.models.sequential.items import Batch
from lib.training import sequence_settings

N, D, T = 40, 6, 9
TEXT = (np.random.default_rng(0).normal(size=(N, T)) @ np.random.default_rng(1).normal(size=(T, T))).astype(np.float32)
SETTINGS = {name: sequence_settings.resolve("toys", name, text_encoder="minilm").items for name in items.names()}
SETTINGS["alphafuse"] |= {"d_n": 2}
BATCH = Batch(torch.tensor([[0, 1], [2, 3]]), torch.tensor([4, 9, 4, N]))


def make(name, text=TEXT, **changes):
    torch.manual_seed(5)
    kind = items.get(name)
    return kind(N, D, text if kind.reads_text else None, validated(kind.Settings, SETTINGS[name] | changes, name))


def array(tensor):
    return tensor.detach().numpy()


# Whitening


def test_whitened_vectors_are_those_of_pca_with_variance_one(monkeypatch):
    monkeypatch.setattr(whitening, "EPSILON", 0)
    found = whitening.fitted(TEXT, D)(TEXT)
    other = PCA(D, whiten=True).fit_transform(TEXT.astype(float)) * np.sqrt(N / (N - 1))
    np.testing.assert_allclose(np.abs(found), np.abs(other), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(np.cov(found.T, bias=True), np.eye(D), atol=1e-4)


def test_whitening_divides_by_variance_and_its_epsilon_and_forgets_scale():
    variance = np.sort(np.linalg.eigvalsh(np.cov(TEXT.T, bias=True)))[::-1]
    found = whitening.fitted(TEXT)(TEXT)
    expected = variance / (variance + 1e-3 * variance.sum() / T)
    np.testing.assert_allclose(found.var(0), expected, rtol=1e-4)
    np.testing.assert_allclose(whitening.fitted(40 * TEXT)(40 * TEXT), found, atol=1e-4)


def test_whitening_of_others_takes_the_statistics_of_items():
    fitted = whitening.fitted(TEXT, D)
    np.testing.assert_allclose(fitted(TEXT[:3]), fitted(TEXT)[:3], atol=1e-5)
    np.testing.assert_allclose(fitted(TEXT.mean(0, keepdims=True)), np.zeros((1, D)), atol=1e-5)


def test_directions_without_variance_stay_small():
    flat = np.concatenate([TEXT, TEXT], 1)  # half of its directions have none
    assert np.abs(whitening.fitted(flat)(flat)[:, T:]).max() < 1e-2


def test_what_cannot_be_whitened_is_an_error():
    with pytest.raises(UserError, match="9 dimensions have no 10 directions"):
        whitening.fitted(TEXT, 10)
    with pytest.raises(UserError, match="all text vectors are equal"):
        whitening.fitted(np.ones((5, 3)))


# Every method


@pytest.mark.parametrize("name", items.names())
def test_a_table_has_a_row_of_zeros_and_learns(name):
    model = make(name)
    table = model.table()
    assert table.shape == (N + 1, D) and not table[0].any() and table[1:].any(1).all()
    if name == "fixed_text":  # the one in which nothing is trained
        assert not list(model.parameters()) and not model.state_dict()
        return
    ((table * torch.randn(N + 1, D)).sum() + sum(model.auxiliary(BATCH).values())).backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in model.parameters())
    assert not any("text" in key or "language" in key for key in model.state_dict()), "frozen text is in no checkpoint"
    assert model.reads_text == (name != "identity")


def test_alphafuse_may_train_the_coordinates_in_which_text_hardly_varies():
    """Those whose variance, of texts times 40, is at most the given one: planted by scaling directions of text."""
    text = np.random.default_rng(0).normal(size=(400, D)) * np.where(np.arange(D) < D - 3, 1, 1e-3)
    settings = items.get("alphafuse").Settings(d_n=None, spread=1)
    made = items.get("alphafuse")(400, D, text.astype(np.float32), settings)
    assert made.weight.shape == (400, 3)
    with pytest.raises(UserError, match="d_n is 0"):
        items.get("alphafuse")(400, D, np.random.default_rng(0).normal(size=(400, D)).astype(np.float32), settings)


@pytest.mark.parametrize("name", [name for name in items.names() if name != "identity"])
def test_a_method_that_reads_text_says_when_there_is_none(name):
    for text in (None, TEXT[:-1]):
        with pytest.raises(UserError, match="40 items need a text vector each"):
            make(name, text)


def test_a_misspelt_method_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'alphafuse'"):
        items.get("alphafuze")


# Each method


def test_tables_of_text():
    white = whitening.fitted(TEXT, D)(TEXT)
    np.testing.assert_array_equal(array(make("llm_init").table())[1:], white)
    linear = make("text_linear")
    expected = white @ array(linear.map.weight).T + array(linear.map.bias)
    np.testing.assert_allclose(array(linear.table())[1:], expected, atol=1e-5)
    for name, text in (("morec", 40 * TEXT), ("whitenrec", whitening.fitted(TEXT)(TEXT))):
        adapter = make(name).adapter
        x = text @ array(adapter.weight).T + array(adapter.bias)
        np.testing.assert_allclose(array(make(name).table())[1:], x * (1 + erf(x / np.sqrt(2))) / 2, atol=1e-4)


def test_alphafuse_trains_its_last_coordinates_alone():
    model = make("alphafuse", spread=0)
    white = whitening.fitted(TEXT, D)(TEXT)
    np.testing.assert_array_equal(array(model.table())[1:], white)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (model.table() * torch.randn(N + 1, D)).sum().backward()
        optimizer.step()
    table = array(model.table())[1:]
    assert (table[:, : D - 2] == white[:, : D - 2]).all() and (array(model.language) == white).all()
    assert (table[:, D - 2 :] != white[:, D - 2 :]).all()
    assert [weight.shape for weight in model.parameters()] == [(N, 2)]
    np.testing.assert_allclose(table[:, D - 2 :], white[:, D - 2 :] + array(model.weight), atol=1e-6)
    with pytest.raises(UserError, match="d_n is 7, but vectors have 6 coordinates"):
        make("alphafuse", d_n=7)


def test_unisrec_is_a_gated_mixture():
    model = make("unisrec", experts=3).eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    text, maps = 40 * TEXT, array(model.maps).reshape(3, D, T)
    gates = softmax(text @ array(model.gate).T, axis=1)
    expected = [sum(gates[i, k] * maps[k] @ (text[i] - array(model.shift)[k]) for k in range(3)) for i in range(N)]
    np.testing.assert_allclose(array(model.table())[1:], expected, rtol=1e-3, atol=1e-3)
    model.train()
    assert not torch.equal(model.gates(), model.gates()), "the noise is drawn again"
    torch.testing.assert_close(model.gates().sum(1), torch.ones(N))


def test_rlmrec_draws_the_table_and_text_together():
    distinct = np.array([4, 9, N]) - 1  # an item that is a target twice counts once
    for name, key in (("rlmrec_align", "align"), ("rlmrec_gen", "generative")):
        model = make(name, weight=0.3)
        first, second = array(model.weight)[distinct], TEXT[distinct]
        source, goal = (second, first) if name == "rlmrec_align" else (first, second)
        hidden = source @ array(model.network[0].weight).T + array(model.network[0].bias)
        mapped = np.where(hidden > 0, hidden, 0.01 * hidden) @ array(model.network[2].weight).T
        mapped = mapped + array(model.network[2].bias)
        cosines = [x @ y / np.linalg.norm(x) / np.linalg.norm(y) for x, y in zip(mapped, goal, strict=True)]
        found = model.auxiliary(BATCH)
        assert list(found) == [key]
        np.testing.assert_allclose(array(found[key]), 0.3 * (1 - np.mean(cosines)), rtol=1e-4)


def test_rlmrec_con_finds_each_text_among_those_of_the_batch():
    model = make("rlmrec_con", weight=0.3, contrast_temperature=0.5)
    distinct = np.array([4, 9, N]) - 1
    mapped, text = array(model.network(model.weight[distinct])), TEXT[distinct]
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (mapped, text)]
    logits = unit[0] @ unit[1].T / 0.5
    total = sum(-np.log(np.exp(m[i, i]) / np.exp(m[i]).sum()) for m in (logits, logits.T) for i in range(3))
    np.testing.assert_allclose(array(model.auxiliary(BATCH)["contrastive"]), 0.3 * total / 3 / 2, rtol=1e-4)
    few = make("rlmrec_con", most=2, weight=1)
    assert few.auxiliary(BATCH)["contrastive"].isfinite()


def test_rlmrec_con_falls_when_vectors_match_their_texts():
    model = make("rlmrec_con", text=TEXT[:, :D])
    model.network = torch.nn.Identity()
    batch = Batch(BATCH.history, torch.arange(1, N + 1))
    terms = []
    for vectors in (TEXT[:, :D], np.roll(TEXT[:, :D], 1, 0)):
        model.weight.data = torch.from_numpy(vectors.copy())
        terms.append(model.auxiliary(batch)["contrastive"].item())
    assert terms[0] < terms[1] / 2
