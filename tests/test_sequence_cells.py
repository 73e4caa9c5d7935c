"""Cells of sequential recommenders: what is in their folders, when they are trained again, searches and settings."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from planted_sequences import planted, settings_file

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.evaluation.target_rank import metrics_of_ranks
from lib.language.encoders import EncoderSettings
from lib.models.sequential import items
from lib.training import sequence_run, sequence_settings
from lib.training.sequence_settings import SequenceSettings
from lib.workflow import cells, sequence_cells
from lib.workflow.sequence_cells import ItemTexts, SequenceCell

SEQUENCES, ROWS = planted()
N = SEQUENCES.n_items


@pytest.fixture
def resolve(tmp_path):
    """Settings that train in a blink."""
    settings_file(tmp_path)

    def resolve(method="identity", loss="infonce", search=False, seed=1, text="mine", **changed) -> SequenceSettings:
        found = sequence_settings.resolve("planted", method, loss, text, seed, search=search, params=tmp_path)
        return found.with_values(changed) if changed else found

    return resolve


# Cells


@pytest.fixture
def make(resolve, tmp_path):
    """Cells below a folder of the test."""
    encoder = EncoderSettings(name="mine", kind="tfidf", model="tfidf", dimensions=12)
    texts = ItemTexts(SEQUENCES.texts.tolist(), encoder, tmp_path)

    def make(method="identity", rows=ROWS, texts=texts, negatives=None, **settings) -> SequenceCell:
        return SequenceCell(resolve(method, **settings), SEQUENCES, rows, texts, negatives, tmp_path / "runs")

    return make


@pytest.fixture
def trained(monkeypatch):
    """The settings of all trainings."""
    calls, fit = [], sequence_run.fit
    monkeypatch.setattr(
        sequence_run, "fit", lambda data, settings, *args: calls.append(settings) or fit(data, settings, *args)
    )
    return calls


def test_folder_holds_what_the_contract_says(make, tmp_path):
    drawn = np.tile(np.arange(1, 6), (len(ROWS.test), 1))
    cell = make("alphafuse", negatives=drawn)
    run = cells.ensure(cell, "cpu")
    assert cell.path == tmp_path / "runs/planted/sequential/mine/sasrec/alphafuse/infonce/seed1"
    assert make().path == tmp_path / "runs/planted/sequential/none/sasrec/identity/infonce/seed1"
    names = {path.name for path in cell.path.iterdir()} - {".lock"}
    assert names == {*sequence_run.RESULTS, "params.yaml", "manifest.json"}
    assert run.ranks.columns.tolist() == ["row", "user", "target", "rank", "rank_masked", "rank_negatives"]
    assert (run.ranks.user == ROWS.test.user).all() and (run.ranks.target == ROWS.test.target).all()
    for kind in ("rank", "rank_masked", "rank_negatives"):
        ndcg = metrics_of_ranks(run.ranks[kind])["ndcg@10"].mean()
        assert run.metrics["test"][kind]["ndcg@10"] == pytest.approx(ndcg)
    best = run.history.iloc[run.metrics["best_epoch"]]
    assert run.metrics["validation"]["rank"]["ndcg@20"] == pytest.approx(best["validation_ndcg@20"])
    assert run.metrics["counts"] == {"test": 200} and len(run.history) == run.metrics["epochs"] == 2
    assert run.items.shape == (N + 1, 8) and not run.items[0].any()
    assert run.metrics["parameters"] == N * 4 + 6 * 8 + 6 * (8 * 8 + 8) + 6 * 8  # table, positions, linear maps, norms


def test_a_cell_is_computed_once_and_again_when_what_it_reads_changes(make, trained):
    cells.ensure(make("alphafuse"), "cpu")
    cells.ensure(make("alphafuse"), "cpu")
    assert len(trained) == 1
    other = dataclasses.replace(make().texts, texts=["a word"] * (N - 1) + ["another"])
    changed = ROWS.test.target.copy()
    changed[0] = changed[0] % N + 1
    rows = dataclasses.replace(ROWS, test=dataclasses.replace(ROWS.test, target=changed))
    key = cells.key_of(make("alphafuse"))
    for cell in (make("alphafuse", texts=other), make("alphafuse", rows=rows), make("alphafuse", epochs=3)):
        assert cells.key_of(cell) != key
    assert cells.key_of(make(texts=other)) == cells.key_of(make()), "without text it does not matter"
    assert cells.key_of(make("alphafuse", negatives=np.ones((200, 2), int))) != key


def test_the_code_behind_a_cell_holds_its_method(make):
    names = {path.relative_to(ROOT).as_posix() for path in make("rlmrec_con").code()}
    expected = ("items/rlmrec_con.py", "items/rlmrec_align.py", "sasrec.py", "losses.py", "cosines.py")
    assert {f"lib/models/sequential/{name}" for name in expected} <= names
    assert "lib/training/sequence_fit.py" in names and "lib/models/sequential/items/morec.py" not in names


def test_a_method_with_text_needs_some(make):
    with pytest.raises(UserError, match="reads texts of items"):
        cells.ensure(make("morec", texts=None), "cpu")
    with pytest.raises(UserError, match="name the encoder"):
        sequence_settings.resolve("planted", "morec")
    bare = dataclasses.replace(SEQUENCES, items=SEQUENCES.items[["id"]])
    with pytest.raises(UserError, match="planted has no item texts"):
        sequence_cells.item_texts(bare, "minilm")


def test_seeds_share_a_search_that_sees_no_test_row(make, trained, monkeypatch):
    seen, rank = [], sequence_run.ranks
    monkeypatch.setattr(sequence_run, "ranks", lambda *args, **more: seen.append(len(trained)) or rank(*args, **more))
    first = make(search=True)
    run = cells.ensure(first, "cpu")
    assert [(s.seed, s.protocol.learning_rate) for s in trained[:2]] == [(42, 0.001), (42, 0.01)]
    assert min(seen) == 3  # nothing is ranked before the third training, which is the run itself
    cells.ensure(make(search=True, seed=2), "cpu")
    assert [s.seed for s in trained[2:]] == [1, 2]
    tried = pd.read_csv(first.path.parent / "search/combinations.csv")
    best = tried.loc[tried["validation_ndcg@20"].idxmax()]
    assert run.metrics["chosen"] == {"learning_rate": best.learning_rate, "dropout": 0.1}
    assert {s.protocol.learning_rate for s in trained[2:]} == {best.learning_rate}


def test_a_killed_search_goes_on(make, trained, monkeypatch):
    cell, write_json = make(search=True), sequence_run.write_json
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def killed(path, content):
            write_json(path, content)
            raise KeyboardInterrupt

        patch.setattr(sequence_run, "write_json", killed)
        cells.ensure(cell, "cpu")
    assert len(trained) == 1
    cells.ensure(cell, "cpu")
    assert [s.protocol.learning_rate for s in trained[:2]] == [0.001, 0.01] and len(trained) == 3


# Settings


@pytest.mark.parametrize("loss", ["infonce", "softmax", "bce"])
def test_every_method_has_the_same_effort_under_each_loss(loss):
    grids = {
        json.dumps(sequence_settings.resolve("toys", name, loss, "minilm", search=True).combinations())
        for name in items.names()
    }
    assert len(grids) == 1


def test_shipped_settings_are_those_of_the_note():
    toys = sequence_settings.resolve("toys", "alphafuse", text_encoder="minilm")
    assert toys.items == {"d_n": 64, "spread": 1} and toys.encoder.d == 128 and toys.encoder.blocks == 1
    assert toys.objective.temperature == 0.07 and toys.objective.negatives == 64 and toys.objective.score == "cos"
    assert sequence_settings.resolve("sports", "identity").protocol.learning_rate == 0.01
    assert sequence_settings.resolve("movies", "alphafuse", text_encoder="minilm").items["spread"] == 0
    long = sequence_settings.resolve("yelp", "identity", "bce", preset="llmesr")
    assert (long.encoder.d, long.encoder.blocks, long.encoder.length, long.protocol.positions) == (64, 2, 200, "all")
    assert long.text_encoder == "none" and SequenceSettings(**json.loads(long.model_dump_json())).digest == long.digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"protocol": {"batchsize": 3}}, "unknown key 'batchsize': did you mean 'batch_size'"),
        ({"protocol": {"select": "ndcg@5"}}, "protocol.select"),
        ({"loss": {"temprature": 1}}, "unknown key 'temprature': did you mean 'temperature'"),
        ({"encoder": {"dropout": 1}}, "encoder.dropout: input should be less than 1"),
        ({"grid": {"spraed": [1]}}, "unknown key 'spraed': did you mean 'spread'"),
        ({"methods": {"identity": {"d_n": 2}}}, "unknown key 'd_n'"),
        ({"methods": {"identety": {}}}, "unknown method 'identety': did you mean 'identity'"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(tmp_path, change, said):
    settings_file(tmp_path, **change)
    with pytest.raises(UserError) as error:
        sequence_settings.resolve("planted", "identity", params=tmp_path)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ({"method": "identiti"}, "unknown method 'identiti': did you mean 'identity'"),
        ({"loss": "infonc"}, "unknown loss 'infonc': did you mean 'infonce'"),
        ({"preset": "alphafused"}, "unknown preset 'alphafused': did you mean 'alphafuse'"),
    ],
)
def test_a_misspelt_name_has_the_nearest(name, said):
    with pytest.raises(UserError, match=said):
        sequence_settings.resolve("toys", **({"method": "identity"} | name))
