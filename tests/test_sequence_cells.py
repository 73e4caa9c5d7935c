"""Cells of sequential recommenders: what is in their folders, when they are trained again, searches and settings."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from planted_sequences import planted, resolver, settings_file

from lib.core.environment import environment
from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.evaluation.target_rank import metrics_of_ranks
from lib.language.encoders import EncoderSettings
from lib.models.sequential import items
from lib.models.sequential.dreamrec import DreamRecSettings
from lib.training import sequence_run, sequence_settings
from lib.training.sequence_settings import SequenceSettings
from lib.workflow import cells, sequence_cells, sequence_recording
from lib.workflow.sequence_cells import ItemTexts, SequenceCell

SEQUENCES, ROWS = planted()
N = SEQUENCES.n_items


@pytest.fixture
def resolve(tmp_path):
    """Settings that train in a blink."""
    return resolver(tmp_path)


# Cells


@pytest.fixture
def make(resolve, tmp_path):
    """Cells below a folder of the test."""
    encoder = EncoderSettings(name="mine", kind="tfidf", model="tfidf", dimensions=12)
    texts = ItemTexts(SEQUENCES.texts.tolist(), encoder, tmp_path)

    def make(method="identity", rows=ROWS, texts=texts, negatives=None, machine="", **settings) -> SequenceCell:
        places = tmp_path / machine / "runs", tmp_path / "data/recorded"
        return SequenceCell(resolve(method, **settings), SEQUENCES, rows, texts, negatives, *places)

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
    assert cell.path == tmp_path / "runs/planted/sequential/mine/alphafuse/alphafuse/infonce/seed1"
    assert make().path == tmp_path / "runs/planted/sequential/none/alphafuse/identity/infonce/seed1"
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


def test_the_code_behind_a_cell_is_that_of_its_recommender_alone(make):
    def files(*method, **settings):
        return {path.relative_to(ROOT).as_posix() for path in make(*method, **settings).code()}

    models = {name: f"lib/models/sequential/{name}.py" for name in ("sasrec", "dreamrec", "llm_esr")}
    plain, dream, esr = files(), files(loss="diffusion"), files("llm_esr")
    assert not {models["dreamrec"], models["llm_esr"], "lib/workflow/user_neighbours.py"} & plain
    assert models["dreamrec"] in dream and models["llm_esr"] not in dream
    assert {models["llm_esr"], "lib/workflow/user_neighbours.py", "lib/analysis/text_overlap.py"} <= esr


def test_llm_esr_is_given_neighbours_and_others_none(make):
    near = make("llm_esr").data.neighbours
    assert near.shape == (len(ROWS.train), 10) and (near != np.arange(len(near))[:, None]).all()
    assert make("alphafuse").data.neighbours is None
    assert {"bce", "distillation"} <= set(cells.ensure(make("llm_esr", loss="bce"), "cpu").history)


# Records


@pytest.fixture
def clean(monkeypatch):
    """A checkout without changes, whatever this one is."""
    about = environment() | {"git": {"commit": "c0ffee", "dirty": False}}
    monkeypatch.setattr(cells, "environment", lambda: dict(about))


def record(tmp_path, machine="") -> list[str]:
    return sequence_recording.record("planted", tmp_path / machine / "runs", tmp_path / "data/recorded")


def test_a_recorded_run_is_taken_with_its_search_and_without_vectors(make, trained, clean, tmp_path):
    run = cells.ensure(make("alphafuse", search=True), "cpu")
    (said,) = record(tmp_path)
    place = tmp_path / "data/recorded/planted/sequential/mine/alphafuse/alphafuse/infonce"
    assert {path.name for path in place.iterdir()} == {"seed1.zip", "search.zip"} and "2 runs" in said
    trained.clear()
    elsewhere = make("alphafuse", search=True, machine="other")
    taken = cells.ensure(elsewhere, "cpu")
    assert not trained and taken.path != run.path
    pd.testing.assert_frame_equal(taken.ranks, run.ranks)
    pd.testing.assert_frame_equal(taken.history, run.history)
    assert taken.metrics == run.metrics and cells.read_manifest(taken.path)["recorded"]["file"].startswith(
        "data/recorded"
    )
    with pytest.raises(UserError, match="has no vectors: ask for them"):
        taken.items  # noqa: B018
    whole = cells.ensure(elsewhere, "cpu", whole=True)
    assert trained and (whole.items == run.items).all()
    before = (place / "seed1.zip").read_bytes()
    record(tmp_path)
    assert (place / "seed1.zip").read_bytes() == before


def test_what_has_changed_since_is_not_taken_from_the_record(make, trained, clean, tmp_path):
    cells.ensure(make("alphafuse"), "cpu")
    record(tmp_path)
    trained.clear()
    other = dataclasses.replace(make().texts, texts=SEQUENCES.texts.tolist()[:-1] + ["maker1 another"])
    for number, changed in enumerate(({"texts": other}, {"epochs": 1}), 1):
        cells.ensure(make("alphafuse", machine="other", **changed), "cpu")
        assert len(trained) == number


def test_runs_of_a_checkout_with_changes_or_of_other_code_are_not_recorded(make, clean, tmp_path, monkeypatch):
    assert record(tmp_path) == []
    path = cells.ensure(make(), "cpu").path / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"git": {"commit": "c0ffee", "dirty": True}}))
    assert "made with uncommitted changes: planted/sequential/none/alphafuse/identity" in record(tmp_path)[0]
    path.write_text(json.dumps(content | {"key": "0"}))
    assert "not of today's settings, code and data: planted/sequential" in record(tmp_path)[0]
    assert not list((tmp_path / "data").rglob("*.zip"))


# Settings


@pytest.mark.parametrize("loss", ["infonce", "softmax", "bce"])
def test_every_method_has_the_same_effort_under_each_loss(loss):
    grids = {
        json.dumps(sequence_settings.resolve("toys", name, loss, "minilm", search=True).combinations())
        for name in items.names()
    }
    assert len(grids) == 1


def test_shipped_settings_of_dreamrec_are_those_of_the_note():
    found = sequence_settings.resolve("sports", "alphafuse", "diffusion", "minilm", preset="dreamrec")
    assert found.backbone == "dreamrec" and found.protocol.learning_rate == 1e-5 and found.encoder.d == 384
    assert found.own == DreamRecSettings().model_dump() and found.items["d_n"] is None
    assert found.folder.parts[2:4] == ("minilm", "dreamrec")
    assert sequence_settings.resolve("toys", "identity", "diffusion", preset="dreamrec").items == {"spread": 1}


def test_a_scale_shortens_a_training_and_leaves_the_rest():
    paper, quick, tiny = (
        sequence_settings.resolve("toys", "alphafuse", text_encoder="minilm", scale=scale)
        for scale in ("paper", "quick", "tiny")
    )
    assert paper.protocol.epochs > quick.protocol.epochs > tiny.protocol.epochs
    assert quick.encoder == paper.encoder and quick.items == paper.items and len({paper.digest, quick.digest}) == 2
    dream = sequence_settings.resolve("toys", "identity", "diffusion", preset="dreamrec", scale="quick")
    assert dream.protocol.learning_rate == 1e-3


def test_shipped_settings_are_those_of_the_note():
    toys = sequence_settings.resolve("toys", "alphafuse", text_encoder="minilm")
    assert toys.items == {"d_n": 64, "spread": 1, "null_variance": 0.25}
    assert toys.encoder.d == 128 and toys.encoder.blocks == 1
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
        ({"encoder": {"dropout": 1}}, "encoder.dropout: input should be less than 1"),
        ({"grid": {"spraed": [1]}}, "unknown key 'spraed': did you mean 'spread'"),
        ({"methods": {"identity": {"d_n": 2}}}, "unknown key 'd_n'"),
        ({"methods": {"identety": {}}}, "unknown method 'identety': did you mean 'identity'"),
        ({"own": {"timesteps": 3}}, "unknown key 'timesteps'"),
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
        ({"scale": "quik"}, "unknown scale 'quik': did you mean 'quick'"),
        ({"loss": "diffusion"}, "sasrec is not trained with the loss diffusion"),
        ({"preset": "dreamrec"}, "dreamrec is not trained with the loss infonce"),
    ],
)
def test_a_misspelt_name_has_the_nearest(name, said):
    with pytest.raises(UserError, match=said):
        sequence_settings.resolve("toys", **({"method": "identity"} | name))
