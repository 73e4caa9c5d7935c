"""Vectors from files: each user and item has the vector of its own id, whatever the order of the file."""

import shutil

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from scipy.sparse import csr_matrix

from lib import cli
from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.core.names import encoder_folder
from lib.core.vector_files import identified
from lib.data import datasets, preprocess, row_order
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import Interactions
from lib.language import text_vectors
from lib.training.run_settings import resolve
from lib.workflow.experiments import CellName
from lib.workflow.input_files import encoder_files

WIDTH = 3


def made(users, items, core=1) -> Interactions:
    """Everybody takes everything, but for a last user who takes one item and so is in no 2-core."""
    pairs = [(user, item) for user in users[:-1] for item in items] + [(users[-1], items[0])]
    events = pd.DataFrame(pairs, columns=["user", "item"]).assign(rating=1.0, timestamp=0)
    return preprocess.prepare(events, None, None, DatasetSettings(name="toy", title="Toy", core=core))


@pytest.fixture(params=["numbers", "texts"])
def data(request) -> Interactions:
    """Ids whose order as numbers, as text and in a file all differ."""
    users, items = [30, 4, 100, 7], [9, 1001, 88]
    text = request.param == "texts"
    return made(*(([f"0{one}" for one in ids] if text else ids) for ids in (users, items)), core=2)


def vector(side: str, one) -> list[float]:
    """What the vector of an id must be, wherever it stands."""
    return [float(int(one)), float(side == "user"), 0.5]


def rows(data: Interactions) -> pd.DataFrame:
    """Side, id and vector of everybody in a random order, with some that the data do not have."""
    known = row_order.table(data)[["side", "id"]]
    more = pd.DataFrame({"side": ["user", "item"], "id": ["7777", "5"]})
    found = pd.concat([known, more]).sample(frac=1, random_state=3)
    return found.assign(vector=[vector(*one) for one in found.itertuples(index=False)])


def write_parquet(path, data):
    rows(data).to_parquet(path)


def write_columns(path, data):
    """Numbers beside gaps become floats, as pandas stores them."""
    found = rows(data)
    own = data.users.id.dtype.type if data.users.id.dtype.kind == "i" else str
    for side in ("user", "item"):
        found[side] = found.id.map(own).where(found.side == side)
    found[["user", "item", "vector"]].to_parquet(path)


def write_npy(path, data):
    found = rows(data).sort_values("side", ascending=False)
    np.save(path, np.array(found.vector.tolist()))
    list_beside(path, found)


def write_safetensors(path, data):
    sides = dict(iter(rows(data).groupby("side")))
    save_file({f"{side}s": np.array(own.vector.tolist()) for side, own in sides.items()}, path)
    list_beside(path, pd.concat(sides.values()))


def write_numbered_parquet(path, data):
    found = rows(data)
    found["index"] = found.groupby("side").cumcount()
    found.drop(columns="id").sample(frac=1, random_state=5).to_parquet(path)
    list_beside(path, found)


def list_beside(path, found):
    listed = found.assign(index=found.groupby("side").cumcount())
    listed[["side", "index", "id"]].to_csv(path.with_suffix(".order.csv"), index=False)


WRITERS = {
    "side and id.parquet": write_parquet, "columns.parquet": write_columns, "listed.npy": write_npy,
    "listed.safetensors": write_safetensors, "numbered.parquet": write_numbered_parquet,
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_everybody_has_the_vector_of_the_own_id(tmp_path, data, name):
    WRITERS[name](tmp_path / name, data)
    found = text_vectors.load(data, None, str(tmp_path / name))
    assert found.users.dtype == np.float32 and len(data.users) == 3  # the fourth is in no core
    assert found.users.tolist() == [vector("user", one) for one in data.users.id]
    assert found.items.tolist() == [vector("item", one) for one in data.items.id]


def test_number_ids_in_safetensors(tmp_path):
    data, path = made([3, 1, 2], [8, 7]), tmp_path / "a.safetensors"
    sides = {"user": [2, 1, 3], "item": [7, 8, 9]}
    tensors = {f"{side}_ids": np.array(ids) for side, ids in sides.items()}
    save_file(tensors | {f"{side}s": np.array([vector(side, one) for one in ids]) for side, ids in sides.items()}, path)
    found = text_vectors.load(data, None, str(path))
    assert found.users[:, 0].tolist() == [1, 2, 3] and found.items[:, 0].tolist() == [7, 8]


@pytest.mark.parametrize("name", ["listed.npy", "listed.safetensors", "numbered.parquet"])
def test_vectors_that_do_not_say_whose_they_are_are_refused(tmp_path, data, name, monkeypatch, capsys):
    path = tmp_path / name
    WRITERS[name](path, data)
    path.with_suffix(".order.csv").unlink()
    with pytest.raises(UserError, match="does not say whose") as refused:
        text_vectors.load(data, None, str(path))
    # the command that the message names makes the list, of this data's order
    monkeypatch.setattr(datasets, "load", lambda name: data)
    command = str(refused.value).partition("python -m lib ")[2].split()
    assert command[:3] == ["order", "toy", "--to"]
    assert cli.main([*command[:3], str(path.with_suffix(".order.csv"))]) == 0
    listed = pd.read_csv(path.with_suffix(".order.csv"), dtype=str)
    assert listed.id.tolist() == [*data.users.id.astype(str), *data.items.id.astype(str)]
    assert listed.side.tolist() == ["user"] * 3 + ["item"] * 3 and listed["index"].tolist() == [*"012", *"012"]


def test_a_list_of_earlier_data_still_says_whose_vectors_they_are(tmp_path):
    """Another k-core moves every row."""
    every, core = made([4, 30, 100, 7], [9, 88]), made([4, 30, 100, 7], [9, 88], core=2)
    path = tmp_path / "a.npy"
    order = row_order.table(every)
    np.save(path, np.array([vector(*one) for one in order[["side", "id"]].itertuples(index=False)]))
    order.to_csv(path.with_suffix(".order.csv"), index=False)
    assert text_vectors.load(every, None, str(path)).users[:, 0].tolist() == [4, 7, 30, 100]
    assert text_vectors.load(core, None, str(path)).users[:, 0].tolist() == [4, 30, 100]


def test_data_without_ids_are_known_by_index():
    empty = csr_matrix((2, 3), dtype=np.float32)
    data = Interactions("toy", csr_matrix(np.ones((2, 3), np.float32)), empty, empty)
    assert row_order.table(data).id.tolist() == ["0", "1", "0", "1", "2"]


# One clear sentence


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda own: own[own.id != "30"], r"lacks the vectors of 1 of 7 users \(30\): add them"),
        (lambda own: own[own.side != "user"], r"lacks the vectors of 7 of 7 users \(1, 2, 3, \.\.\.\)"),
        (lambda own: pd.concat([own, own[own.id == "4"]]), r"more than one vector of 1 user \(4\)"),
        (lambda own: own.drop(columns="vector"), "holds no text vectors"),
        (lambda own: own.drop(columns="id"), "does not say whose|holds no text vectors"),
        (lambda own: own.rename(columns={"side": "user", "id": "item"}), "row 1 must fill either user or item"),
        (lambda own: own.assign(vector=own.vector.map(lambda one: [int(x) for x in one])), "floats, not int64"),
        (lambda own: own.assign(vector=[[np.nan if one == "30" else 1.0] for one in own.id]), "1 users, ids 30"),
        (lambda own: own.assign(vector=[[1.0] * (2 + (side == "user")) for side in own.side]), "3 and 2 dimensions"),
        (lambda own: own.assign(vector=[[1.0] * (i % 2 + 1) for i in range(len(own))]), "holds no text vectors"),
    ],
)  # fmt: skip
def test_wrong_vectors(tmp_path, change, message):
    data, path = made([30, 4, 1, 2, 3, 5, 6], [9, 88]), tmp_path / "a.parquet"
    change(rows(data).sort_values(["side", "id"])).to_parquet(path)
    with pytest.raises(UserError, match=message) as refused:
        text_vectors.load(data, None, str(path))
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.ones((5, 2)), "3 vectors for the 4 items"),
        (np.ones((7, 2)), "5 vectors for the 4 items"),
        (np.ones(6), r"rows of floats, not float64 \[2\]"),
        (np.array([{"a": 1}] * 6, dtype=object), "holds no text vectors"),
    ],
)
def test_wrong_arrays(tmp_path, content, message):
    data, path = made([1, 2], [6, 7, 8, 9]), tmp_path / "a.npy"
    row_order.table(data).to_csv(path.with_suffix(".order.csv"), index=False)
    np.save(path, content, allow_pickle=True)
    with pytest.raises(UserError, match=message):
        text_vectors.load(data, None, str(path))


LISTS = ["", "side,index\nuser,0\n", "side,index,id\nuser,0,1\nuser,2,2\n", "side,index,id\nuser,x,1\n"]


@pytest.mark.parametrize("text", LISTS)
def test_a_list_that_is_none(tmp_path, text):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((4, 2)))
    path.with_suffix(".order.csv").write_text(text)
    with pytest.raises(UserError, match=r"a\.order\.csv") as refused:
        text_vectors.load(made([1, 2], [8, 9]), None, str(path))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["npy", "safetensors", "parquet"])
def test_garbage_and_missing_files(tmp_path, kind):
    path, data = tmp_path / f"a.{kind}", made([1, 2], [8, 9])
    with pytest.raises(UserError, match="no file"):
        text_vectors.load(data, None, str(path))
    path.write_bytes(b"not a vector file at all")
    with pytest.raises(UserError, match="holds no text vectors"):
        text_vectors.load(data, None, str(path))


# Names that follow from the content


@pytest.fixture
def two(tmp_path):
    """Two files of one base name and other vectors."""
    data, paths = made([1, 2], [8, 9]), [tmp_path / "a/vectors.npy", tmp_path / "b/vectors.npy"]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        np.save(path, np.full((4, 2), number + 1.0))
        row_order.table(data).to_csv(path.with_suffix(".order.csv"), index=False)
    return paths


def folder(path) -> str:
    """Where a run with these vectors goes, which training and workflow must agree on."""
    settings = resolve("movielens-100k", "lightgcn", "contrastive", encoder=str(path), scale="quick")
    assert f"runs/{settings.folder}" == CellName("movielens-100k", "lightgcn", "contrastive", str(path), 2023).folder
    return str(settings.folder)


def test_files_of_one_name_share_no_folder(two):
    folders = {folder(path) for path in two}
    assert len(folders) == 2 and all("/vectors-" in name for name in folders)


def test_one_content_has_one_folder_and_one_key(two, tmp_path, monkeypatch):
    before = folder(two[0])
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    assert folder(tmp_path / "c/vectors.npy") == before
    monkeypatch.chdir(tmp_path)
    keys = {
        resolve("movielens-100k", "gccf", "contrastive", encoder=str(one)).digest
        for one in (two[0], "a/../a/vectors.npy")
    }
    assert len(keys) == 1


def test_another_content_or_order_has_another_folder(two):
    before = folder(two[0])
    listed = two[0].with_suffix(".order.csv")
    listed.write_text(listed.read_text().replace("user,0,1\nuser,1,2", "user,0,2\nuser,1,1"))
    changed = folder(two[0])
    np.save(two[0], np.full((4, 2), 7.0))
    assert len({before, changed, folder(two[0])}) == 3


def test_vectors_that_change_while_they_are_in_use_are_refused(two):
    name = identified(str(two[0]))
    assert text_vectors.load(made([1, 2], [8, 9]), None, name).encoder == encoder_folder(name)
    np.save(two[0], np.full((4, 2), 7.0))
    with pytest.raises(UserError, match="has changed since its run was named"):
        text_vectors.load(made([1, 2], [8, 9]), None, name)
    assert identified(name) == identified(str(two[0])) != name


def test_variants_and_other_names(two):
    name = identified(f"{two[0]}+shuffled")
    assert encoder_folder(name) == encoder_folder(identified(str(two[0]))) + "+shuffled"
    for plain in ("minilm", "minilm+metadata", "tfidf", "wordllama", "published", "none"):
        assert encoder_folder(identified(plain)) == plain
    assert len({encoder_folder(name) for name in ("org/model", "other/model", "model", "org/sub/model")}) == 4


def test_a_file_in_the_repository_is_named_from_there(tmp_path, monkeypatch):
    monkeypatch.setattr("lib.core.vector_files.ROOT", tmp_path)
    np.save(tmp_path / "v.npy", np.ones(3))
    assert identified("v.npy") == identified(str(tmp_path / "v.npy"))
    assert identified("v.npy").startswith("v.npy#")


def test_the_list_counts_among_the_files_that_decide_a_run(two):
    assert [(ROOT / file).resolve().name for file in encoder_files(str(two[0]))] == ["vectors.npy", "vectors.order.csv"]
    two[0].with_suffix(".order.csv").unlink()
    assert len(encoder_files(str(two[0]))) == 1
