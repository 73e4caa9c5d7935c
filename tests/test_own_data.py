"""A dataset of a user's own tables: made by one command, whole or not at all, and what the guide to it says."""

import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from guides import blocks, commands, copied, run

from lib import cli
from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.data import datasets, row_order
from lib.models import backbones
from lib.training.run_settings import resolve
from lib.workflow import experiments, one_cell, own_data, pipeline
from lib.workflow.input_files import dataset_files

GUIDE = "your_own_data.md"
USERS, ITEMS = 40, 30
WEIGHTS = ROOT / "data/weights/minilm"


@pytest.fixture
def root(tmp_path):
    """A repository with the committed params and no data."""
    return copied(tmp_path, "params")


@pytest.fixture
def tables(tmp_path):
    """Random interactions by id, items with a text each; one user takes a single item."""
    return write_tables(tmp_path / "tables")


def write_tables(folder: Path) -> dict[str, Path]:
    folder.mkdir()
    taken = np.random.default_rng(0).random((USERS, ITEMS)) < 0.4
    taken[np.arange(ITEMS), np.arange(ITEMS)] = True
    pairs = pd.DataFrame(np.argwhere(taken), columns=["user", "item"])
    pairs = pairs.assign(user=1000 - pairs.user, item="i" + pairs.item.astype(str))
    pairs.loc[len(pairs)] = [5, "i0"]
    pairs.to_csv(folder / "interactions.csv", index=False)
    words = ["a drama about the sea", "a comedy of errors", "a western with long silences"]
    items = pd.DataFrame({"item": [f"i{i}" for i in range(ITEMS)]})
    items["title"] = "Film " + items.item
    items["profile"] = [f"{title} is {words[i % 3]}." for i, title in enumerate(items.title)]
    items.to_csv(folder / "items.csv", index=False)
    return {"interactions": folder / "interactions.csv", "items": folder / "items.csv", "users": None}


def files(root) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


def test_a_dataset_of_two_tables(root, tables):
    before = files(root)
    said = own_data.make("My_data.v1", tables, ["lightgcn"], {}, root)
    new = {"params": ["dataset.yaml", "experiments.yaml", "lightgcn.yaml"], "data": ["interactions.csv", "items.csv"]}
    made = {f"{place}/My_data.v1{name and '/' + name}" for place, names in new.items() for name in ["", *names]}
    assert files(root) - before == made | {"data"}
    for stem in ("interactions", "items"):
        assert (root / f"data/My_data.v1/{stem}.csv").read_bytes() == tables[stem].read_bytes()
    data = datasets.load("My_data.v1", root / "params", root / "data")
    rows = len(pd.read_csv(tables["interactions"]))
    assert f"{rows}\n" in said and "users               41\n" in said and f"{data.train.nnz:,} train" in said
    assert said.splitlines()[-1] == "next: make paper DATASET=My_data.v1"
    assert "made of their train items" in said


def test_what_is_written_is_ready_for_make_paper(root, tables):
    own_data.make("mine", tables, ["lightgcn", "gccf"], {"title": "2024", "core": "2"}, root)
    (entry,) = experiments.chosen("all", "mine", root / "params")
    assert entry.grid.backbones == ["lightgcn", "gccf"] and entry.grid.alignments == ["base", "contrastive"]
    assert (entry.paper, entry.file, entry.grid.scale) == ("rlmrec", "params/mine/experiments.yaml", "quick")
    # 10_groups has the rows of popularity, of random order and of text alone
    assert {*entry.notebooks} == {"06_tables", "10_groups"}
    about = datasets.settings("mine", root / "params")
    assert (about.title, about.core) == ("2024", 2)
    for cell in entry.grid.named("mine"):
        own = resolve(*cell[:3], cell.seed, "quick", cell.encoder, params=root / "params")
        theirs = resolve("movielens-100k", *cell[1:3], cell.seed, "quick", cell.encoder)
        for part in ("backbone_settings", "alignment_settings", "protocol"):
            assert getattr(own, part) == getattr(theirs, part)


@pytest.mark.parametrize("backbone", backbones.names())
def test_every_backbone_has_settings_to_start_with(root, tables, backbone):
    own_data.make("mine", tables, [backbone], {}, root)
    assert experiments.chosen("all", "mine", root / "params")


def test_what_the_core_left_out_is_told(root, tables):
    said = own_data.make("mine", tables, ["lightgcn"], {"core": "2"}, root)
    assert "users               40 of 41, after minimum rating and k-core" in said


def test_without_texts_there_are_base_models(root, tables):
    said = own_data.make("mine", tables | {"items": None}, ["lightgcn"], {}, root)
    (entry,) = experiments.chosen("all", "mine", root / "params")
    assert (entry.grid.encoder, entry.grid.alignments) == ("none", ["base"])
    assert "alignment needs a text for every item in a column profile" in said


def test_tables_that_lie_there_already_stay(root, tables):
    shutil.copytree(tables["items"].parent, root / "data/mine")
    own = {stem: path and root / "data/mine" / path.name for stem, path in tables.items()}
    own_data.make("mine", own, ["lightgcn"], {}, root)
    assert {path.name for path in (root / "data").iterdir()} == {"mine"}
    assert experiments.chosen("all", "mine", root / "params")


def broken_line(tables):
    with tables["interactions"].open("a") as file:
        file.write(",i3\n")


def repeated(tables):
    lines = tables["interactions"].read_text().splitlines()
    tables["interactions"].write_text("\n".join([*lines, lines[1]]))


def empty_text(tables):
    items = pd.read_csv(tables["items"])
    items.loc[3, "profile"] = None
    items.to_csv(tables["items"], index=False)


@pytest.mark.parametrize(
    ("name", "spoil", "options", "message"),
    [
        ("mine", broken_line, {}, "tables/interactions.csv: column 'user' is empty"),
        ("mine", repeated, {}, r"tables/interactions.csv: 1 rows repeat .*--core, --minimum-rating, --duplicates"),
        ("mine", empty_text, {}, "1 of 30 items of mine"),
        ("mine", lambda tables: tables["items"].unlink(), {}, r"no file .*items.csv: check the path of the items"),
        ("mine", None, {"core": "99"}, "99-core of mine is empty.*--core"),
        ("mine", None, {"core": "many"}, "dataset.yaml: core"),
        ("mine", None, {"duplicates": "first"}, "dataset.yaml: duplicates"),
        ("mine", None, {"minimum_rating": "3"}, "no ratings"),
        ("a b", None, {}, "'a b' cannot name a dataset"),
        ("mine+early", None, {}, "cannot name a dataset"),
        ("default", None, {}, "'default' cannot name a dataset"),
        ("minilm", None, {}, "'minilm' cannot name a dataset"),
        ("encoders", None, {}, "params/encoders is there already"),
        ("amazon", None, {}, "params/amazon is there already and stays as it is"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(root, tables, name, spoil, options, message):
    if spoil:
        spoil(tables)
    before = files(root)
    with pytest.raises(UserError, match=message) as refused:
        own_data.make(name, tables, ["lightgcn"], options, root)
    assert files(root) - before <= {"data"}
    assert ".new-" not in str(refused.value) and "\n" not in str(refused.value)


def test_a_misspelt_backbone_and_a_file_that_is_no_table(root, tables):
    with pytest.raises(UserError, match="did you mean 'lightgcn'"):
        own_data.make("mine", tables, ["lightgnc"], {}, root)
    for path in (tables["interactions"].rename(root / "interactions.xls"), root / "none.csv"):
        with pytest.raises(UserError, match="save it as one of these|no file"):
            own_data.make("mine", {"interactions": path}, ["lightgcn"], {}, root)


def test_a_second_time_nothing_is_replaced(root, tables):
    own_data.make("mine", tables, ["lightgcn"], {}, root)
    (root / "params/mine/lightgcn.yaml").write_text("tuned")
    with pytest.raises(UserError, match="params/mine is there already"):
        own_data.make("mine", tables, ["lightgcn"], {}, root)
    assert (root / "params/mine/lightgcn.yaml").read_text() == "tuned"


# Order of rows, weights


def test_the_order_is_written_beside_the_data_on_request(root, tables, monkeypatch, capsys):
    own_data.make("mine", tables, ["lightgcn"], {"core": "2"}, root)
    data = datasets.load("mine", root / "params", root / "data")
    monkeypatch.setattr(datasets, "load", lambda name: data)
    monkeypatch.setattr(cli, "ROOT", root)
    assert cli.main(["order", "mine"]) == 0
    listed = pd.read_csv(root / "data/mine/order.csv", dtype=str)
    assert listed.columns.tolist() == ["side", "index", "id"]
    assert listed.id.tolist() == [*map(str, sorted(range(961, 1001))), *sorted(f"i{i}" for i in range(ITEMS))]
    assert "order.csv" in capsys.readouterr().out
    for name in ("order.csv", "vectors.npy", "vectors.parquet", "vectors.order.csv"):
        (root / "data/mine" / name).touch()
    monkeypatch.setattr("lib.workflow.input_files.ROOT", root)
    assert {Path(file).name for file in dataset_files("mine")} == {
        "mine.json", "dataset.yaml", "interactions.csv", "items.csv"
    }  # fmt: skip


def test_a_list_of_vectors_is_not_replaced_by_another_one(root, tables):
    own_data.make("mine", tables, ["lightgcn"], {}, root)
    data, path = datasets.load("mine", root / "params", root / "data"), root / "vectors.order.csv"
    row_order.write(data, path)
    row_order.write(data, path)
    path.write_text(path.read_text().replace("user,0,5\n", "user,0,961\n"))
    with pytest.raises(UserError, match="lists other ids: remove it first"):
        row_order.write(data, path)


def test_weights_are_fetched_when_a_training_needs_them(monkeypatch):
    fetched, ran = [], []

    def fetch(names, local):
        """Get data; noted here only."""
        fetched.append(names)

    monkeypatch.setattr(cli, "fetch", fetch)
    monkeypatch.setattr(cli.notebook_jobs, "main", lambda job: ran.append(len(fetched)) or 0)
    monkeypatch.setattr(one_cell, "fetched", lambda name: f"data/cache/none/{name}.json")
    monkeypatch.chdir(ROOT)
    assert cli.main(["train", "movielens-100k", "lightgcn", "contrastive"]) == 0
    assert (fetched, ran) == ([["minilm"]], [1])  # not the data, and before the training
    assert cli.main(["train", "movielens-100k", "lightgcn", "base"]) == 0
    assert fetched == [["minilm"]]


def test_ready_made_vectors_need_no_texts_in_a_grid(root, tables):
    own_data.make("mine", tables | {"items": None}, ["lightgcn"], {}, root)
    path = root / "params/mine/experiments.yaml"
    own = yaml.safe_load(path.read_text())
    own["rlmrec"]["grid"] |= {"encoder": "data/mine/vectors.parquet", "alignments": ["base", "contrastive"]}
    path.write_text(yaml.safe_dump(own))
    (entry,) = experiments.chosen("all", "mine", root / "params")
    names = {task.job.notebook.stem for task in pipeline._shared("movielens-100k", entry.grid)}
    assert names == {"02_data"}


# The guide


@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="no weights: python -m lib fetch minilm")
def test_the_guide_works_as_it_stands(tmp_path):
    """In a copy of the repository with shorter trainings; `make` would build an environment first."""
    (tmp_path / "repository").mkdir()
    root = copied(tmp_path / "repository", "lib", "params", "notebooks", "Snakefile")
    protocol = yaml.safe_load((root / "params/protocol.yaml").read_text())
    protocol["quick"]["epochs"] = 7
    (root / "params/protocol.yaml").write_text(yaml.safe_dump(protocol))
    (root / "data/weights").mkdir(parents=True)
    (root / "data/weights/minilm").symlink_to(WEIGHTS)
    for path in write_tables(tmp_path / "tables").values():
        if path:
            shutil.copy(path, root)
    (python,) = blocks(GUIDE, "python")
    for line in (line for block in blocks(GUIDE, "sh") for line in commands(block)):
        if "--encoder" in line:
            run(root, "-c", python)
        run(root, "-m", "lib", *shlex.split(line))
    ranking = pd.read_csv(root / "figures/rlmrec/mine/ranking.csv")
    assert {*ranking.alignment} == {"base", "contrastive"}
    references = pd.read_csv(root / "figures/rlmrec/mine/references.csv")
    assert {"popularity", "random", "text only"} <= {*references.model}
    (folder,) = (root / "runs/mine").glob("vectors-*/lightgcn/contrastive/seed2023")
    assert (folder / "metrics.json").exists()
