import dataclasses

import numpy as np
import pandas as pd
import pytest
import toys

from lib import params, variants
from lib.datasets import SPLITS, Interactions
from lib.experiments import changes, parts
from lib.files import UserError
from lib.text import TextVectors

DATA = toys.interactions(30, 20)


def pairs(matrix) -> set:
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
    early, late = (variants.interactions(data, f"toy+{which}", seed=0) for which in ("early", "late"))
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


@pytest.mark.parametrize("label", ["toy+noise", "toy+noise=much", "toy+noise=2", "toy+niose=0.1"])
def test_a_misspelt_variant_is_explained(label):
    with pytest.raises(UserError, match="noise"):
        variants.interactions(DATA, label, seed=0)


def test_names_without_variant():
    assert variants.name("movielens-100k+late") == "movielens-100k"
    assert variants.name("minilm+shuffled") == "minilm"
    assert variants.name("data/c++/vectors.npy") == "data/c++/vectors.npy"
    assert variants.interactions(DATA, "toy", seed=0) is DATA


def test_shuffling_gives_every_side_its_own_rows_in_another_order():
    rng = np.random.default_rng(0)
    text = TextVectors(*(rng.normal(size=(n, 4)).astype("float32") for n in (30, 20)), encoder="x")
    mixed = variants.vectors(text, "x+shuffled", seed=1)
    for own, other in ((text.users, mixed.users), (text.items, mixed.items)):
        assert (own != other).any()
        assert sorted(map(tuple, own)) == sorted(map(tuple, other))
    assert mixed.digest == variants.vectors(text, "x+shuffled", seed=1).digest != text.digest
    assert variants.vectors(text, "x", seed=1) is text


def test_metadata_texts_say_the_columns_and_nothing_of_the_profile():
    users = pd.DataFrame({"id": range(30), "age": 40, "profile": "secret"})
    items = pd.DataFrame({"id": range(20), "title": "Heat", "year": [None, *range(1, 20)], "profile": "secret"})
    data = dataclasses.replace(DATA, users=users, items=items)
    said = variants.texts(data, None, "minilm+metadata")
    assert said.side.tolist() == ["user"] * 30 + ["item"] * 20
    assert said.text[0] == "age: 40"
    assert said.text[30] == "title: Heat; year: unknown"
    with pytest.raises(UserError, match="users of .* have no metadata"):
        variants.texts(dataclasses.replace(data, users=users[["id", "profile"]]), None, "minilm+metadata")


def test_changed_settings_reach_the_run_and_its_folder():
    cell = params.resolve("amazon", "lightgcn", "contrastive+weight=0.5,layers=1,embedding_size=64", scale="paper")
    plain = params.resolve("amazon", "lightgcn", "contrastive", scale="paper")
    assert cell.alignment_settings == plain.alignment_settings | {"weight": 0.5}
    assert cell.backbone_settings == plain.backbone_settings | {"layers": 1}
    assert cell.protocol == plain.protocol.model_copy(update={"embedding_size": 64})
    assert cell.folder != plain.folder
    assert (cell.kind, parts(cell.alignment)) == ("contrastive", ("contrastive", "contrastive"))
    with pytest.raises(UserError, match="did you mean 'weight'"):
        params.resolve("amazon", "lightgcn", "contrastive+wieght=0.5")
    with pytest.raises(UserError, match="key=value"):
        changes("contrastive+weight")


def test_a_run_may_start_from_the_early_period():
    cell = params.resolve("movielens-100k+late", "lightgcn", "base+initial=contrastive", scale="quick")
    assert cell.initial == params.resolve("movielens-100k+early", "lightgcn", "contrastive", scale="quick")
    assert cell.digest != params.resolve("movielens-100k+late", "lightgcn", "base", scale="quick").digest
