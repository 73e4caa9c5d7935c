"""The guide to a text encoder of one's own, followed in a copy of the repository with small models."""

import numpy as np
import pytest
import tiny_language_model
from guides import blocks, commands, copied, follow, run, write_settings
from planted_ratings import made
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from lib import cli
from lib.core.files import ROOT
from lib.language import encoders

GUIDE = "your_own_encoder.md"
WORDS = ["war", "love", "space", "ghost", "river", "night", "house", "road", "garden", "winter", "letter", "island"]
WORDS += ["crime", "jungle", "mirror", "stranger", "sea", "desert", "silence", "music", "snow", "train"]


def small_bert(folder):
    """A sentence-transformers model of one layer with random weights, saved as real ones are."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(known)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder / "plain")
    size = dict(hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    BertModel(BertConfig(vocab_size=len(known), **size)).save_pretrained(folder / "plain")
    transformer = Transformer(str(folder / "plain"))
    SentenceTransformer(modules=[transformer, Pooling(12)], device="cpu").save(str(folder / "small-bert"))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A copy with a dataset `mine`, whose items have texts, and the models that the guide names."""
    place = tmp_path_factory.mktemp("place")
    (place / "repository").mkdir()
    root = copied(place / "repository", "lib", "params", "notebooks", "Snakefile")
    events, items, _ = made(n_users=40, n_items=30, ratings_per_user=12)
    events[["user", "item"]].to_csv(place / "interactions.csv", index=False)
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, 8)) for _ in range(len(items))]
    items.assign(item=items.key, profile=texts)[["item", "title", "profile"]].to_csv(place / "items.csv", index=False)
    weights = root / "data/weights"
    weights.mkdir(parents=True)
    small_bert(weights)
    tiny_language_model.save(weights / "small-lm")
    follow(root, [f"new mine {place}/interactions.csv --items {place}/items.csv"])
    return root


def test_the_guide_works_as_it_stands(root):
    without_file, with_file = (commands(block) for block in blocks(GUIDE, "sh"))
    follow(root, without_file)
    assert (root / "runs/tiny/mine/data--weights--small-bert/lightgcn/contrastive/seed2023/metrics.json").exists()

    settings = write_settings(root, blocks(GUIDE, "yaml"))
    names = [path.stem for path in settings]
    assert [encoders.settings(name, root / "params").kind for name in names] == ["transformer", "hidden", "tfidf"]
    (python,) = blocks(GUIDE, "python")
    said = run(root, "-c", python).splitlines()
    shapes = {name: f"(40, {width}) (30, {width})" for name, width in zip(names, (12, 32, 16), strict=True)}
    assert all(any(line.startswith(f"{name} {shape} ") for line in said) for name, shape in shapes.items())

    grid = root / "params/mine/experiments.yaml"
    assert "encoder: minilm" in grid.read_text()
    grid.write_text(grid.read_text().replace("encoder: minilm", "encoder: tfidf-16"))
    said = follow(root, with_file)
    assert "mine/tfidf-16/lightgcn/contrastive" in said


def test_vectors_are_kept_by_what_the_guide_says(root):
    """The same folder under another name and batch size is read, other weights are not."""
    texts, cache = ["war and love", "a ghost"], root / "data/cache/own"
    one = encoders.EncoderSettings(name="one", model=str(root / "data/weights/small-bert"))
    first, _ = encoders.encode(texts, one, cache)
    encoders.encode(texts, one.model_copy(update={"name": "two", "batch_size": 1}), cache)
    (kept,) = cache.iterdir()
    np.testing.assert_array_equal(load_file(kept)["vectors"], first)
    (root / "data/weights/small-bert/notes.txt").write_text("trained again")
    encoders.encode(texts, one, cache)
    assert len([*cache.iterdir()]) == 2


@pytest.mark.parametrize("command", ["train", "answers"])
def test_commands_that_the_guide_names_have_the_option(command):
    page = (ROOT / "docs" / GUIDE).read_text()
    options = {word for action in cli._parser()[1][command]._actions for word in action.option_strings}
    assert f"python -m lib {command} … --encoder" in page and "--encoder" in options
