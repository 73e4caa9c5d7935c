"""Click models as cells: what is in their folders, when they are trained again, and the search that seeds share."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import rated_toys
import yaml

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.training import click_run, click_settings
from lib.workflow import cells, click_cells
from lib.workflow.click_cells import ClickCell, FewShot

SAMPLES = rated_toys.likes()
CONTENT = yaml.safe_load((ROOT / "params" / click_settings.FILE).read_text())
SMALL = {"embedding_size": 4, "hidden": [8], "dropout": 0, "spread": 0.01}


@pytest.fixture
def make(tmp_path):
    """Cells with settings that train in a blink."""
    own = {"protocol": {"epochs": 2, "batch_size": 64}, "features": {"history": 4}, "network": SMALL}
    own["grid"] = {"embedding_size": [2, 4], "learning_rate": [0.02], "dropout": [0.1]}
    write(tmp_path, CONTENT | {"datasets": {"toy": own}})

    def make(model="deepfm", scope="full", seed=1, search=False, samples=SAMPLES, **options) -> ClickCell:
        settings = click_settings.resolve("toy", model, scope, seed, search, params=tmp_path)
        return ClickCell(settings, samples, runs=tmp_path / "runs", **options)

    return make


def write(params, content):
    (params / "papers").mkdir(exist_ok=True)
    (params / click_settings.FILE).write_text(yaml.safe_dump(content))


@pytest.fixture
def trained(monkeypatch):
    """Counts trainings, by seed and network."""
    calls, fit = [], click_run.fit
    monkeypatch.setattr(
        click_run, "fit", lambda data, settings, *args: calls.append(settings) or fit(data, settings, *args)
    )
    return calls


def test_folder_holds_what_the_contract_says(make, trained, tmp_path):
    cell = make()
    run = cells.ensure(cell, "cpu")
    assert cell.path == tmp_path / "runs/toy/click/deepfm/full/seed1"
    names = {path.name for path in cell.path.iterdir()} - {".lock"}
    assert names == {"predictions.parquet", "metrics.json", "history.csv", "params.yaml", "manifest.json"}
    test = SAMPLES.rows[SAMPLES.rows.split == "test"]
    assert run.predictions.columns.tolist() == ["row", "y", "p"]
    assert run.predictions.row.tolist() == test.index.tolist() and run.predictions.y.tolist() == test.label.tolist()
    liked = run.predictions.query("y == 1").p.to_numpy()[:, None]
    others = run.predictions.query("y == 0").p.to_numpy()
    auc = np.mean(np.sign(liked - others) / 2 + 0.5)
    assert run.metrics["test"]["auc"] == pytest.approx(auc)
    assert run.metrics["validation"]["auc"] == run.history.validation_auc.max()
    assert run.metrics["samples"]["train"] == (SAMPLES.rows.split == "train").sum()
    assert run.metrics["test"]["base_rate"] == pytest.approx(test.label.mean())
    cells.ensure(make(), "cpu")
    assert len(trained) == 1


def test_what_the_model_can_see_decides_whether_it_is_trained_again(make, trained):
    cells.ensure(make(), "cpu")
    unseen = dataclasses.replace(SAMPLES, notes=["a note"], items=SAMPLES.items.assign(id=range(40)))
    cells.ensure(make(samples=unseen), "cpu")
    assert len(trained) == 1
    other_genre = SAMPLES.items.assign(genre=np.roll(SAMPLES.items.genre, 1))
    cells.ensure(make(samples=dataclasses.replace(SAMPLES, items=other_genre)), "cpu")
    cells.ensure(make(rows=np.flatnonzero(SAMPLES.rows.split == "test")[:50]), "cpu")
    assert len(trained) == 3


def test_few_shot_rows_stand_in_for_the_splits(make, trained):
    few = FewShot(range(100), range(100, 160))
    run = cells.ensure(make(scope="fewshot", few=few), "cpu")
    assert run.metrics["samples"] | {"test": 0} == {"train": 100, "validation": 60, "test": 0}
    full = cells.ensure(make(), "cpu")
    assert run.predictions.row.equals(full.predictions.row) and not np.allclose(run.predictions.p, full.predictions.p)
    cells.ensure(make(scope="fewshot", few=FewShot(range(101), range(101, 160))), "cpu")
    assert len(trained) == 3
    with pytest.raises(UserError, match="scope full: few-shot samples belong to scope 'fewshot'"):
        cells.ensure(make(few=few), "cpu")
    test = np.flatnonzero(SAMPLES.rows.split == "test")
    with pytest.raises(UserError, match=f"toy: row {test[3]} is a validation and a test sample"):
        cells.ensure(make(scope="fewshot", few=FewShot(range(100), test[3:])), "cpu")


def test_a_search_is_made_once_for_all_seeds_and_looks_at_no_test_sample(make, trained, monkeypatch):
    first = make(search=True)
    seen = []
    predict = click_run.predict
    monkeypatch.setattr(
        click_run, "predict", lambda model, data, rows: seen.append(len(trained)) or predict(model, data, rows)
    )
    run = cells.ensure(first, "cpu")
    assert [(s.seed, s.network["embedding_size"], s.protocol.learning_rate) for s in trained[:2]] == [
        (42, 2, 0.02),
        (42, 4, 0.02),
    ]
    assert min(seen) == 3  # nothing is predicted by click_run before the third training, which is the run itself
    cells.ensure(make(search=True, seed=2), "cpu")
    assert [s.seed for s in trained[2:]] == [1, 2]
    tried = pd.read_csv(first.path.parent / "search/combinations.csv")
    best = tried.loc[tried.validation_auc.idxmax()]
    assert run.metrics["chosen"] == {"embedding_size": best.embedding_size, "learning_rate": 0.02, "dropout": 0.1}
    assert {s.network["embedding_size"] for s in trained[2:]} == {best.embedding_size}
    assert {s.protocol.learning_rate for s in trained} == {0.02} and trained[2].network["dropout"] == 0.1


# Settings


@pytest.mark.parametrize("model", click_settings.names())
def test_shipped_settings_are_those_of_the_note(model):
    found = click_settings.resolve("ml1m-ctr", model)
    assert found.network["embedding_size"] == 32 and tuple(found.network["hidden"]) == (200, 80) and not found.grid
    assert found.protocol.batch_size == 512 and found.features.history == 30
    books = click_settings.resolve("bookcrossing", model, search=True)
    assert books.network["embedding_size"] == 16 and books.protocol.batch_size == 64 and books.features.history == 60
    few = click_settings.resolve("ml1m-ctr", model, "fewshot", search=True).combinations()
    assert {(c["embedding_size"], c["dropout"]) for c in few} == {(16, 0), (16, 0.2), (32, 0), (32, 0.2)}
    assert {c["batch_size"] for c in few} == {16, 64, 256} and len(few) == 12
    assert len(books.combinations()) == 4 and {c["embedding_size"] for c in books.combinations()} == {8, 16}
    assert click_settings.ClickSettings(**json.loads(json.dumps(books.model_dump(mode="json")))).digest == books.digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"protocol": CONTENT["protocol"] | {"batchsize": 3}}, "unknown key 'batchsize': did you mean 'batch_size'"),
        ({"grid": {"dropuot": [0]}}, "unknown key 'dropuot': did you mean 'dropout'"),
        ({"grid": {"dropout": [0, 1]}}, "dropout: input should be less than 1"),
        ({"datasets": {"toy": {"network": {"cross_layers": 2}}}}, "unknown key 'cross_layers'"),
        ({"datasets": {"toy": {"features": {"history": 0}}}}, "features.history"),
        ({"networks": CONTENT["networks"] | {"deepfmm": {}}}, "unknown click model 'deepfmm': did you mean 'deepfm'"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(tmp_path, change, said):
    write(tmp_path, CONTENT | change)
    with pytest.raises(UserError) as error:
        click_settings.resolve("toy", "deepfm", params=tmp_path)
    assert said in str(error.value)


def test_a_misspelt_model_names_the_nearest():
    with pytest.raises(UserError, match="unknown click model 'deepfn': did you mean 'deepfm'"):
        click_settings.resolve("toy", "deepfn")
    assert click_cells.COMPUTATION in make_code()


def make_code():
    """The code behind a cell, which must hold what decides its numbers."""
    files = ClickCell(click_settings.resolve("toy", "dcn"), SAMPLES).code()
    names = {path.relative_to(ROOT).as_posix() for path in files}
    assert {"lib/models/click/networks.py", "lib/models/click/features.py", "lib/training/click_fit.py"} <= names
    return files
