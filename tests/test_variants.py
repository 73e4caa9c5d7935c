"""Variants of the data and of their texts, and runs whose names change a setting or start from an earlier run."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import toys

from lib.core.errors import UserError
from lib.core.names import read_alignment, read_dataset, read_encoder
from lib.data import variants
from lib.data.interactions import SPLITS, Interactions
from lib.language import text_variants
from lib.language.text_vectors import TextVectors
from lib.training import run_settings

DATA = toys.interactions(30, 20)


def pairs(matrix) -> set:
    """(user, item) of every entry."""
    rows, columns = matrix.nonzero()
    return set(zip(rows.tolist(), columns.tolist(), strict=True))


def dated() -> Interactions:
    """The toy data with dates that fall with the item's number, so that 'early' is not the order of the file."""
    frames = []
    for split in SPLITS:
        rows, columns = getattr(DATA, split).nonzero()
        frames.append(pd.DataFrame({"user": rows, "item": columns, "timestamp": 1000 - columns, "split": split}))
    return dataclasses.replace(DATA, events=pd.concat(frames, ignore_index=True))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_noise_adds_the_share_of_free_pairs_to_train_only(share):
    noisy = variants.interactions(DATA, f"toy+noise={share}", seed=3)
    added = pairs(noisy.train) - pairs(DATA.train)
    assert pairs(DATA.train) <= pairs(noisy.train)
    assert len(added) == round(share * DATA.train.nnz)
    assert not added & (pairs(DATA.validation) | pairs(DATA.test))
    assert noisy.train.data.max() == 1
    assert noisy.fingerprint == variants.interactions(DATA, f"toy+noise={share}", seed=3).fingerprint
    assert (noisy.fingerprint == variants.interactions(DATA, f"toy+noise={share}", seed=4).fingerprint) == (share == 0)


def test_noise_can_fill_every_free_pair_and_no_more():
    small = toys.interactions(6, 5)
    free = 30 - sum(getattr(small, split).nnz for split in SPLITS)
    full = variants.with_noise(small, free / small.train.nnz, seed=0)
    assert full.train.nnz == small.train.nnz + free
    with pytest.raises(UserError, match="too few free pairs"):
        variants.with_noise(small, (free + 1) / small.train.nnz, seed=0)


def test_periods_are_each_users_halves_by_date_and_keep_splits():
    data = dated()
    early = variants.interactions(data, "toy+early", seed=0)
    late = variants.interactions(data, "toy+late", seed=0)
    for split in SPLITS:
        halves = pairs(getattr(early, split)), pairs(getattr(late, split))
        assert halves[0] | halves[1] == pairs(getattr(data, split))
        assert not halves[0] & halves[1]
    for user in range(data.n_users):
        first = {item for split in SPLITS for u, item in pairs(getattr(early, split)) if u == user}
        last = {item for split in SPLITS for u, item in pairs(getattr(late, split)) if u == user}
        assert len(first) - len(last) in (0, 1)
        assert not first or not last or min(first) > max(last)  # a later date is a smaller number


def test_data_without_dates_have_no_periods():
    with pytest.raises(UserError, match="no timestamps"):
        variants.interactions(DATA, "toy+early", seed=0)


@pytest.mark.parametrize("label", ["toy+noise", "toy+noise=much", "toy+noise=2", "toy+niose=0.1", "toy+shuffled"])
def test_a_misspelt_variant_is_explained(label):
    with pytest.raises(UserError, match="noise"):
        variants.interactions(dated(), label, seed=0)


def test_names_without_variant():
    assert read_dataset("movielens-100k+late").name == "movielens-100k"
    assert read_encoder("minilm+shuffled").name == "minilm"
    assert read_encoder("data/c++/vectors.npy").name == "data/c++/vectors.npy"
    assert variants.interactions(DATA, "toy", seed=0) is DATA


def test_shuffling_gives_every_side_its_own_rows_in_another_order():
    rng = np.random.default_rng(0)
    text = TextVectors(*(rng.normal(size=(n, 4)).astype("float32") for n in (30, 20)), encoder="x")
    mixed = text_variants.vectors(text, "x+shuffled", seed=1)
    for own, other in ((text.users, mixed.users), (text.items, mixed.items)):
        assert (own != other).any()
        assert sorted(map(tuple, own)) == sorted(map(tuple, other))
    assert mixed.digest == text_variants.vectors(text, "x+shuffled", seed=1).digest != text.digest
    assert text_variants.vectors(text, "x", seed=1) is text


def test_metadata_texts_say_the_columns_and_nothing_of_the_profile():
    users = pd.DataFrame({"id": range(30), "age": 40, "profile": "secret"})
    items = pd.DataFrame({"id": range(20), "title": "Heat", "year": [None, *range(1, 20)], "profile": "secret"})
    data = dataclasses.replace(DATA, users=users, items=items)
    said = text_variants.texts(data, None, "minilm+metadata")
    assert said.side.tolist() == ["user"] * 30 + ["item"] * 20
    assert said.text[0] == "age: 40"
    assert said.text[30] == "title: Heat; year: unknown"
    with pytest.raises(UserError, match="users of .* have no metadata"):
        text_variants.texts(dataclasses.replace(data, users=users[["id", "profile"]]), None, "minilm+metadata")


def test_changed_settings_reach_the_run_and_its_folder():
    cell = run_settings.resolve(
        "amazon", "lightgcn", "contrastive+weight=0.5,layers=1,embedding_size=64", scale="paper"
    )
    plain = run_settings.resolve("amazon", "lightgcn", "contrastive", scale="paper")
    assert cell.alignment_settings == plain.alignment_settings | {"weight": 0.5}
    assert cell.backbone_settings == plain.backbone_settings | {"layers": 1}
    assert cell.protocol == plain.protocol.model_copy(update={"embedding_size": 64})
    assert cell.folder != plain.folder
    assert cell.kind == read_alignment(cell.alignment).settings_of == "contrastive"
    with pytest.raises(UserError, match="did you mean 'weight'"):
        run_settings.resolve("amazon", "lightgcn", "contrastive+wieght=0.5")
    with pytest.raises(UserError, match="key=value"):
        run_settings.resolve("amazon", "lightgcn", "contrastive+weight")


def test_a_run_may_start_from_the_early_period():
    cell = run_settings.resolve("movielens-100k+late", "lightgcn", "base+initial=contrastive", scale="quick")
    assert cell.initial == run_settings.resolve("movielens-100k+early", "lightgcn", "contrastive", scale="quick")
    assert cell.digest != run_settings.resolve("movielens-100k+late", "lightgcn", "base", scale="quick").digest
