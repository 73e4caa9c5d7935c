"""Text encoders against transformers with mean pooling by hand; cache and every wrong input."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file
from scipy.sparse import csr_matrix

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.data import row_order
from lib.data.interactions import Interactions
from lib.language import encoders, text_vectors

TEXTS = [
    "A drama about the sea.",
    "Comedy",
    "This viewer likes war films, westerns and long silent scenes in the desert.",
]
WEIGHTS = ROOT / "data" / "weights" / "minilm"
needs_weights = pytest.mark.skipif(not WEIGHTS.is_dir(), reason="no weights: python -m lib fetch minilm")


@pytest.fixture
def interactions():
    """Two users, three items."""
    empty = csr_matrix((2, 3), dtype=np.float32)
    return Interactions("toy", csr_matrix(np.ones((2, 3), np.float32)), empty, empty)


@pytest.fixture
def profiles():
    sides = ["item", "user", "item", "user", "item"]
    return pd.DataFrame({"side": sides, "index": [2, 1, 0, 0, 1], "text": ["i2", "u1", "i0", "u0", "i1"]})


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


@needs_weights
def test_vectors_are_the_normalised_mean_of_the_token_states(tmp_path):
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS, local_files_only=True)
    model = AutoModel.from_pretrained(WEIGHTS, local_files_only=True).eval()
    expected = []
    for one in TEXTS:
        with torch.inference_mode():
            states = model(**tokenizer(one, return_tensors="pt")).last_hidden_state[0]
        mean = states.mean(0)
        expected.append((mean / mean.norm()).numpy())
    found, _ = encoders.encode(TEXTS, encoders.settings("minilm"), tmp_path)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-5)


def test_term_vectors_are_the_singular_directions_of_tf_idf(tmp_path):
    """Against the definition: rarity-weighted counts, decomposed densely; signs of directions are free."""
    words = [["sea", "drama"], ["sea", "war"], ["drama", "war", "war"], ["sea", "sea", "desert"], ["desert", "drama"]]
    settings = encoders.EncoderSettings(name="t", kind="tfidf", model="t", dimensions=2)
    found, _ = encoders.encode([" ".join(one) for one in words], settings, tmp_path)
    terms = sorted({word for one in words for word in one})
    counts = np.array([[one.count(term) for term in terms] for one in words], float)
    tf = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0)
    weighed = tf * (np.log((1 + len(words)) / (1 + (counts > 0).sum(0))) + 1)
    weighed /= np.linalg.norm(weighed, axis=1, keepdims=True)
    u, s, _ = np.linalg.svd(weighed)
    expected = u[:, :2] * s[:2]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-4)
    with pytest.raises(UserError, match="lower dimensions"):
        encoders.encode(["a sea", "the sea"], settings, tmp_path)


def test_a_static_model_is_the_mean_of_its_word_vectors(tmp_path, vectors):
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(
        models.WordLevel({"[UNK]": 0, "sea": 1, "drama": 2, "war": 3, "desert": 4}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "x_tokenizer_config.json"))
    (tmp_path / "source.json").write_text("{}")
    save_file({"embedding.weight": vectors.astype(np.float16)}, tmp_path / "x.safetensors")
    settings = encoders.EncoderSettings(name="s", kind="static", model=str(tmp_path), normalise=False)
    found, _ = encoders.encode(["sea drama", "war war desert"], settings, tmp_path / "cache")
    table = vectors.astype(np.float16).astype(np.float32)
    np.testing.assert_allclose(found, [table[[1, 2]].mean(0), table[[3, 3, 4]].mean(0)], atol=1e-6)


@needs_weights
def test_the_second_time_no_model_is_loaded(tmp_path, monkeypatch):
    minilm = encoders.settings("minilm")
    first, _ = encoders.encode(TEXTS, minilm, tmp_path)
    monkeypatch.setattr(encoders, "_model", lambda *_: pytest.fail("loaded the model again"))
    np.testing.assert_array_equal(encoders.encode(TEXTS, minilm, tmp_path)[0], first)
    assert len(list(tmp_path.iterdir())) == 1


def test_another_text_order_model_or_scaling_is_encoded_anew(tmp_path, fake_model):
    some = encoders.EncoderSettings(name="a", model="hub/a")
    encoders.encode(["x", "yy"], some, tmp_path)
    assert fake_model == [2]
    encoders.encode(["x", "yy"], some.model_copy(update={"batch_size": 1}), tmp_path)  # changes nothing
    assert fake_model == [2]
    encoders.encode(["yy", "x"], some, tmp_path)
    for change in ({"model": "hub/b"}, {"normalise": False}, {"revision": "abc"}):
        found, _ = encoders.encode(["x", "yy"], some.model_copy(update=change), tmp_path)
        assert found.tolist() == [[1, "normalise" not in change], [2, "normalise" not in change]]
    assert fake_model == [2] * 5


def test_a_damaged_cache_file_is_encoded_again(tmp_path, fake_model):
    some = encoders.EncoderSettings(name="a", model="hub/a")
    first, _ = encoders.encode(["x", "yy"], some, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    np.testing.assert_array_equal(encoders.encode(["x", "yy"], some, tmp_path)[0], first)
    assert fake_model == [2, 2]


def test_rows_keep_the_order_of_users_and_items(tmp_path, interactions, profiles, fake_model):
    profiles.loc[:, "text"] = ["c" * 9, "b", "aa", "dddd", "e" * 7]
    found = text_vectors.load(interactions, profiles, "hub/a", data=tmp_path)
    assert found.users[:, 0].tolist() == [4, 1]
    assert found.items[:, 0].tolist() == [2, 7, 9]
    assert (found.encoder, found.model, found.normalised, found.pooling) == ("a", "hub/a", True, "mean")
    again = text_vectors.load(interactions, profiles, "hub/a", data=tmp_path)
    assert (again.digest, again.pooling, again.normalised) == (found.digest, "mean", True)


@pytest.fixture
def fake_model(monkeypatch):
    """A model whose vectors are text lengths; the list it returns counts the texts of each loading."""
    seen = []

    class Fake(list):
        def encode(self, texts, normalize_embeddings, **_):
            seen[-1] += len(texts)
            return np.array([[len(one), normalize_embeddings] for one in texts], dtype=np.float32)

    class Pooling:
        pooling_mode = "mean"

    monkeypatch.setattr(encoders, "_model", lambda *_: seen.append(0) or Fake([Pooling()]))
    return seen


def test_published_vectors_come_from_the_dataset_folder(tmp_path, interactions, profiles, vectors, monkeypatch):
    folders = []
    halves = vectors[:2], vectors[2:]
    monkeypatch.setattr(text_vectors.rlmrec, "text_vectors", lambda folder: folders.append(folder) or halves)
    found = text_vectors.load(interactions, profiles, "published", data=tmp_path)
    assert folders == [tmp_path / "toy"] and found.items.shape == (3, 4)


@pytest.mark.parametrize(
    ("encoder", "needed"),
    [("minilm", True), ("org/model", True), ("published", False), ("a/b.npy", False), ("x.parquet", False)],
)
def test_ready_made_vectors_need_no_texts(encoder, needed):
    assert text_vectors.needs_texts(encoder) is needed


def test_an_unknown_encoder_names_the_nearest(interactions, profiles):
    with pytest.raises(UserError, match="did you mean 'minilm'"):
        text_vectors.load(interactions, profiles, "minilmm")


def test_weights_that_are_not_fetched(tmp_path):
    lost = encoders.settings("minilm").model_copy(update={"model": "data/weights/nowhere"})
    with pytest.raises(UserError, match="python -m lib fetch minilm"):
        encoders.encode(TEXTS, lost, tmp_path)


def test_a_folder_without_a_model(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="cannot load the text encoder"):
        encoders.encode(TEXTS, encoders.settings(str(tmp_path / "empty")), tmp_path / "cache")


def test_profiles_of_another_dataset(interactions, profiles, tmp_path):
    with pytest.raises(UserError, match="2 item texts for 3 items"):
        text_vectors.load(interactions, profiles[profiles.text != "i1"], "hub/a", data=tmp_path)


def test_only_who_uses_a_slow_package_waits_for_it():
    """In a process of its own, since other tests import them; local.py and endpoint.py are imported by open_writer."""
    modules = "profiles", "text_vectors", "text_variants", "llm.asking", "llm.estimate"
    slow = {"sklearn", "sentence_transformers", "transformers", "tokenizers", "openai", "umap", "torch"}
    code = "import sys\n" + "".join(f"import lib.language.{name}\n" for name in modules) + "print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not slow & {*done.stdout.split()}


def test_vectors_of_zeros_are_refused_or_told_with_ids(tmp_path, interactions, vectors):
    users = pd.DataFrame({"id": ["ann", "bob"]})
    own = replace(interactions, users=users)
    path = tmp_path / "mine.npy"
    row_order.write(own, path.with_suffix(".order.csv"))
    np.save(path, np.where(np.arange(len(vectors))[:, None] == 1, 0, vectors))
    with pytest.warns(UserWarning, match="1 of 2 users have a vector of zeros, ids bob: alignment learns nothing"):
        text_vectors.load(own, None, str(path))
    np.save(path, np.where(np.arange(len(vectors))[:, None] < 2, 0, vectors))
    with pytest.raises(UserError, match="mine.npy: the vectors of all users are zeros"):
        text_vectors.load(own, None, str(path))


def test_vectors_too_large_for_32_bits_are_refused_with_ids(tmp_path, interactions, vectors):
    own = replace(interactions, users=pd.DataFrame({"id": ["ann", "bob"]}))
    large = vectors.astype(float)
    large[1, 0] = 1e200
    np.save(tmp_path / "mine.npy", large)
    row_order.write(own, tmp_path / "mine.order.csv")
    with pytest.raises(UserError, match="NaN or infinity in 1 users, ids bob: encode them again"):
        text_vectors.load(own, None, str(tmp_path / "mine.npy"))
