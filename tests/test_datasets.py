"""Interactions, their settings and the published splits."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from components import DATASETS
from scipy import sparse

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.data import datasets
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import SPLITS, Interactions, from_events

BENCHMARK_DATA = ROOT.parent / "shared" / "data"


def matrices(*splits, shape=(3, 4), dtype=float):
    made = []
    for cells in splits:
        matrix = sparse.lil_matrix(shape, dtype=dtype)
        for user, item in cells:
            matrix[user, item] = 1
        made.append(matrix)
    return made


TOY = [(0, 3), (0, 1), (1, 0), (2, 2)], [(0, 0)], [(1, 3)]


def test_any_matrix_becomes_binary_float32_csr_with_sorted_indices():
    values = sparse.coo_matrix(([5.0, -2, 0, 1, 1], ([0, 0, 1, 2, 2], [3, 1, 0, 2, 2])), shape=(3, 4))
    data = Interactions("toy", values, *matrices([(1, 1)], [(2, 0)]))
    assert data.train.format == "csr" and data.train.dtype == np.float32 and data.train.has_sorted_indices
    assert data.train.toarray().tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert values.data.tolist() == [5.0, -2, 0, 1, 1]  # what was given stays as it was
    assert (data.n_users, data.n_items) == (3, 4)


def test_splits_of_different_shape_are_refused():
    with pytest.raises(UserError, match="different shapes"):
        Interactions("toy", *matrices(*TOY[:2]), sparse.csr_matrix((3, 5)))


@pytest.mark.parametrize("first, second", list(combinations(range(3), 2)))
def test_overlapping_splits_are_refused(first, second):
    splits = [list(cells) for cells in TOY]
    splits[second].append(splits[first][0])
    with pytest.raises(UserError, match=f"1 pairs are in both {SPLITS[first]} and {SPLITS[second]}"):
        Interactions("toy", *matrices(*splits))


def test_frames_must_fit():
    with pytest.raises(UserError, match="items frame needs one row for each of 4 items"):
        Interactions("toy", *matrices(*TOY), items=pd.DataFrame({"title": list("abc")}))


def test_indices_out_of_bounds_are_refused():
    broken = sparse.csr_matrix((3, 4))
    broken.indptr, broken.indices, broken.data = np.array([0, 1, 1, 1], "i4"), np.array([9], "i4"), np.ones(1)
    with pytest.raises(UserError, match="broken sparse matrix"):
        Interactions("toy", broken, *matrices(*TOY[1:]))


def test_the_fingerprint_follows_the_content_only():
    same = Interactions("other name", *matrices(*TOY, dtype="int8"), items=pd.DataFrame({"title": list("abcd")}))
    assert same.fingerprint == Interactions("toy", *matrices(*TOY)).fingerprint
    train, validation, test = TOY
    for changed in ([train[:-1], validation, test], [train, test, validation], [train, [(0, 2)], test]):
        assert Interactions("toy", *matrices(*changed)).fingerprint != same.fingerprint
    wider = Interactions("toy", *matrices(*TOY, shape=(3, 5)))
    assert wider.fingerprint != same.fingerprint


def test_events_must_leave_everyone_a_train_edge():
    events = pd.DataFrame({"user": [0, 1], "item": [0, 0], "split": ["train", "test"]})
    with pytest.raises(UserError, match="1 users have no train interaction"):
        from_events("toy", events, pd.DataFrame({"id": [1, 2]}), pd.DataFrame({"id": [1]}))


def write_settings(folder, text, name="toy"):
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "dataset.yaml").write_text(text)


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("minimum_ratng: 3", "unknown key 'minimum_ratng': did you mean 'minimum_rating'?"),
        ("split: {ratio: [3, 1, 1]}", "split: unknown key 'ratio': did you mean 'ratios'?"),
        ("split: {ratios: [3, 1, 0]}", "split.ratios.2"),
        ("core: many", "core"),
        ("sources: [{sha256: x, members: a}]", "sources.0.sha256"),
        ("sources: [{sha256: %s, members: a}]" % ("a" * 64), "a source needs either url or wheel"),
        ("sources: [{sha256: %s, members: a, url: u, wheel: a==1}]" % ("a" * 64), "a source needs either url or wheel"),
    ],
)
def test_wrong_settings_are_one_sentence_with_the_file(tmp_path, line, sentence):
    write_settings(tmp_path, f"name: toy\ntitle: Toy\n{line}\n")
    with pytest.raises(UserError) as caught:
        datasets.settings("toy", tmp_path)
    assert sentence in str(caught.value) and "dataset.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_dataset_offers_the_nearest():
    with pytest.raises(UserError, match="unknown dataset 'amazn': did you mean 'amazon'?"):
        datasets.load("amazn")


@pytest.mark.parametrize("name", DATASETS)
def test_shipped_settings_are_complete(name):
    settings = datasets.settings(name)
    assert settings.name == name and settings.sources and settings.licence != "unknown"
    assert settings.citation and settings.url


def test_data_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(UserError, match="run: python -m lib fetch amazon"):
        datasets.load("amazon", data=tmp_path)
    write_settings(tmp_path, "{name: toy, title: Toy}")
    with pytest.raises(UserError, match="put interactions.csv into"):
        datasets.load("toy", tmp_path, tmp_path / "data")
    with pytest.raises(UserError, match="no data in .* it needs u.data"):
        datasets.load("toy", tmp_path, tmp_path)


def test_fetch_refuses_a_folder_that_cannot_be_read_and_finds_the_dataset_below(tmp_path):
    write_settings(tmp_path, "{name: toy, title: Toy}")
    (tmp_path / "mine/toy").mkdir(parents=True)
    with pytest.raises(UserError, match="no data in"):
        datasets.fetch("toy", tmp_path / "mine", tmp_path, tmp_path / "data")
    (tmp_path / "mine/toy/interactions.csv").write_text("user,item\na,1\na,2\nb,1\n")
    datasets.fetch("toy", tmp_path / "mine", tmp_path, tmp_path / "data")
    data = datasets.load("toy", tmp_path, tmp_path / "data")
    assert data.users.id.tolist() == ["a", "b"] and data.items.id.tolist() == [1, 2]


def test_the_card_counts(tmp_path):
    data = Interactions("toy", *matrices(*TOY))
    card = datasets.card(data, DatasetSettings(name="toy", title="Toy", licence="free"))
    counts = {"users": 3, "items": 4, "interactions": 6, "train": 4, "validation": 1, "test": 1, "test users": 1}
    assert counts.items() <= card.items()
    assert math.isclose(card["density"], 0.5) and card["user degree, max"] == 2 and card["user degree, min"] == 1
    assert card["item degree, median"] == 1 and card["licence"] == "free"


# docs/methods/rlmrec.md 1: users, items, train, validation, test, test users; the largest train degree of users and of
# items; the median ones
COUNTS = {
    "amazon": (11000, 9332, 120464, 40290, 40106, 9860, 253, 246, 7, 9),
    "yelp": (11091, 11010, 166620, 55479, 55436, 10593, 367, 307, 10, 11),
}


@pytest.mark.benchmark_data
@pytest.mark.parametrize("name", COUNTS)
def test_published_splits_have_the_published_counts(name):
    if not (BENCHMARK_DATA / name).is_dir():
        pytest.skip(f"the published splits of {name} are not in ../shared/data")
    data = datasets.read(BENCHMARK_DATA / name, datasets.settings(name))
    card = datasets.card(data, datasets.settings(name))
    keys = ["users", "items", *SPLITS, "test users", "user degree, max", "item degree, max"]
    assert tuple(card[key] for key in [*keys, "user degree, median", "item degree, median"]) == COUNTS[name]
    assert card["user degree, min"] == card["item degree, min"] == 1
    without = {"amazon": (1143, 1140, 405, 372, 162), "yelp": (480, 498, 406, 354, 267)}[name]
    per_user = [np.diff(matrix.indptr) for matrix in (data.validation, data.test)]
    per_item = [np.bincount(matrix.indices, minlength=data.n_items) for matrix in (data.validation, data.test)]
    zeros = [int((degrees == 0).sum()) for degrees in per_user + per_item]
    assert (*zeros, int((per_user[1] > 20).sum())) == without


@pytest.mark.benchmark_data
def test_published_amazon_brings_a_profile_for_everyone():
    if not (BENCHMARK_DATA / "amazon").is_dir():
        pytest.skip("the published splits of amazon are not in ../shared/data")
    data = datasets.read(BENCHMARK_DATA / "amazon", datasets.settings("amazon"))
    assert data.users.profile.str.len().gt(20).all() and data.items.profile.str.len().gt(20).all()
    assert datasets.settings("amazon").language_model is None


def test_name_and_folder_must_agree(tmp_path):
    """A copied yaml with its old name would file recordings and caches under the other dataset."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "dataset.yaml").write_text("name: movielens-100k\ntitle: Mine\n")
    with pytest.raises(UserError, match="says name: movielens-100k, but lies in the folder mine"):
        datasets.settings("mine", tmp_path)


def test_numbers_of_the_card_are_readable():
    shown = {1 / 63.1: "0.0158", 12.25: "12.2", 9.0: "9", 344.5: "344", 0.00012345: "0.000123", 0.0: "0"}
    assert {value: str(datasets.readable(value)) for value in shown} == shown


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("split: {ratios: [.inf, 1, 1]}", "split.ratios.0: input should be a finite number, got inf"),
        ("split: {ratios: [1.0e+308, 1.0e+308, 1]}", "split.ratios.0: input should be less than or equal to"),
        ("split: {seed: 1%s}" % ("0" * 30), "split.seed: .*got a number of about 30 digits"),
        ("minimum_rating: .nan", "minimum_rating: input should be a finite number"),
        ("split: 3", "split: should be a block of 'key: value', got 3"),
        ("1: 2\nnull: 3", "unknown key '1'"),
        ("title: Again", "line 3, column 1: the key 'title' stands in line 2 already"),
    ],
)
def test_values_that_nobody_can_mean_are_one_sentence(tmp_path, line, sentence):
    write_settings(tmp_path, f"name: toy\ntitle: Toy\n{line}\n")
    with pytest.raises(UserError, match=f"dataset.yaml.*{sentence}"):
        datasets.settings("toy", tmp_path)
