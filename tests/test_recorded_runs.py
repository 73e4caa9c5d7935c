"""Recorded runs: they give the tables that the runs with vectors gave, and only where nothing has changed."""

import json
import shutil
import subprocess
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import run_places
import scipy.sparse as sp
import toys
import yaml

from lib.analysis import comparisons, item_hits, run_hits, run_overlap, sparsity, text_overlap
from lib.analysis.published import published_table
from lib.core.environment import environment
from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.language import text_vectors
from lib.papers.report.overlap_table import overlap_table
from lib.papers.rlmrec.ranking_table import ranking_table
from lib.training.run_settings import resolve
from lib.workflow import cells, graph_cells, recheck, recorded_runs, recording

DATA = toys.interactions(130, 120)  # more than the 100 neighbours of the report
TEXT = toys.text(DATA).numpy()
GRID = [("base", 1), ("base", 2), ("contrastive", 1)]
TABLES = ("ranking", "over users", "in groups of items", "overlap", "gains of items", "gains of users", "history")


def clean(dirty=False):
    return environment() | {"git": {"commit": "c0ffee", "dirty": dirty}}


def forbid(*_, **__):
    raise AssertionError("nothing is to be trained")


class Machine:
    """Runs and data of its own; params and text vectors are shared, since their paths are part of the settings."""

    def __init__(self, shared, folder):
        self.shared, self.params = shared, shared / "params"
        self.places = recording.Places(folder / "runs", self.params, folder / "data")
        self.recorded = folder / "data/recorded/toy/runs"

    def settings(self, alignment="base", seed=1):
        return resolve(
            "toy", "lightgcn", alignment, seed, "paper", str(self.shared / "vectors.npy"), params=self.params
        )

    def cell(self, alignment="base", seed=1):
        return self.places.cell(self.settings(alignment, seed))

    def ensure(self, alignment="base", seed=1, **options):
        places = dict(runs=self.places.runs, params=self.params, data=self.places.data)
        return graph_cells.ensure(self.settings(alignment, seed), "cpu", **options, **places)

    def record(self, alignment="base", seed=1):
        """The file of a recorded run."""
        return recorded_runs.place(self.settings(alignment, seed), self.places.data)

    def records(self):
        """The bytes of all recorded runs, by file."""
        return {path.relative_to(self.recorded): path.read_bytes() for path in self.recorded.rglob("*.zip")}

    def grid(self):
        return [self.ensure(*cell) for cell in GRID]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A machine that trained three runs of a grid and recorded them."""
    shared = run_places.folders(tmp_path_factory.mktemp("shared"))
    for split in ("train", "validation", "test"):
        sp.save_npz(shared / f"data/toy/{split}.npz", getattr(DATA, split))
    toys.save_vectors(shared / "vectors.npy", DATA, TEXT)
    grid = dict(scale="paper", encoder=str(shared / "vectors.npy"), backbones=["lightgcn"], seeds=[1])
    grid |= dict(alignments=["base", "contrastive"], more=[dict(alignments=["base"], seeds=[2])])
    own = {"rlmrec": {"toy": dict(grid=grid, notebooks={"10_groups": {}})}}
    own |= {"report": {"toy": dict(grid="rlmrec", notebooks={"07_report_overlap": {}})}}
    (shared / "params/experiments.yaml").write_text(yaml.safe_dump(own))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "environment", clean)
        machine = Machine(shared, shared)
        machine.grid()
        machine.said = recording.record("toy", machine.places)
    return machine


@pytest.fixture
def fresh(trained, tmp_path, monkeypatch):
    """A machine with the data and the record, but no run."""
    shutil.copytree(trained.shared / "data", tmp_path / "data")
    monkeypatch.setattr(cells, "environment", clean)
    return Machine(trained.shared, tmp_path)


@pytest.fixture
def other_text(monkeypatch):
    """Other text vectors under the same name for the time of a test, as an encoder makes them on another machine."""
    load = text_vectors.load

    def change(text):
        users, items = np.split(text, [DATA.n_users])
        monkeypatch.setattr(text_vectors, "load", lambda *about: replace(load(*about), users=users, items=items))
        graph_cells._text.cache_clear()

    yield change
    graph_cells._text.cache_clear()


def tables(machine) -> dict[str, pd.DataFrame]:
    """What notebooks 06, 07, 09 and 10 make of the runs of the grid."""
    runs, text = machine.grid(), machine.cell("contrastive").text
    models = [("lightgcn", "base"), ("lightgcn", "base again"), ("lightgcn", "contrastive")]
    groups = sparsity.degree_groups(DATA.train.getnnz(axis=0))
    hits = [run_hits.hits_of_run(run, DATA, groups) for run in runs]
    overlaps = dict(zip(models, (run_overlap.overlaps_of_run(run, text) for run in runs), strict=True))
    means = [(run.settings, run_overlap.overlap_of_run(run, text)) for run in runs if run.settings.seed == 1]
    rng = np.random.default_rng(0)
    found = ranking_table(runs, published_table("rlmrec_table1")), comparisons.against_base(runs)
    found += sparsity.group_differences(sparsity.by_items(runs, hits)), overlap_table(means, "toy")
    found += (run_overlap.gains_of_runs(overlaps, ("item", "final", "all"), rng),)
    found += (run_overlap.gains_of_runs(overlaps, ("user", "final", "all"), rng),)
    return dict(zip(TABLES, (*found, pd.concat([run.history for run in runs])), strict=True))


# What comes out


@pytest.fixture(scope="module")
def tables_of_vectors(trained):
    return tables(trained)


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_those_of_the_runs_with_vectors(tables_of_vectors, fresh, monkeypatch, name):
    monkeypatch.setattr(graph_cells, "train", forbid)
    pd.testing.assert_frame_equal(tables(fresh)[name], tables_of_vectors[name], check_exact=True)
    assert not list(fresh.places.runs.rglob("embeddings.safetensors"))


def test_recorded_measures_are_those_of_the_vectors(trained, fresh):
    """Held against the vectors themselves, past everything that keeps or records."""
    groups = sparsity.degree_groups(DATA.train.getnnz(axis=0))
    for with_vectors, run in zip(trained.grid(), fresh.grid(), strict=True):
        by_vectors = item_hits.item_hits(with_vectors.final, DATA, groups)
        pd.testing.assert_frame_equal(run_hits.hits_of_run(run, DATA, groups), by_vectors)
        text = fresh.cell("contrastive").text
        rows = run_overlap.overlaps_of_run(run, text)
        for part_of, ks in run_overlap.PARTS.items():
            side, kind, items = part_of
            space, texts = with_vectors.embeddings[f"{side}_{kind}"], getattr(text, f"{side}s")
            for k in ks:
                part = rows.query("side == @side and vectors == @kind and items == @items and neighbours == @k")
                expected = text_overlap.item_overlap({"one": space}, texts, k)["one"]
                np.testing.assert_array_equal(part["jaccard"], expected)
                assert part["permuted"].mean() == pytest.approx(text_overlap.chance_overlap(len(texts), k), rel=0.3)


def test_gains_of_runs_are_those_of_overlap_gains(trained):
    """All but what is drawn: intervals and the permuted texts."""
    base, _, aligned = trained.grid()
    runs, text = {("lightgcn", "base"): base, ("lightgcn", "contrastive"): aligned}, trained.cell("contrastive").text
    overlaps = {model: run_overlap.overlaps_of_run(run, text) for model, run in runs.items()}
    found = run_overlap.gains_of_runs(overlaps, ("item", "ego", "first3000"), np.random.default_rng(0))
    spaces = {model: run.embeddings["item_ego"] for model, run in runs.items()}
    expected = text_overlap.overlap_gains(spaces, text.items, np.random.default_rng(0), ks=[100], n_items=3000)
    same = ["backbone", "alignment", "neighbours", "mean_jaccard", "chance", "difference", "gain_pct"]
    pd.testing.assert_frame_equal(found[same], expected[same])
    assert list(found) == list(expected)


def test_a_recorded_run_tells_who_trained_it(trained, fresh):
    run, before = fresh.ensure("contrastive"), trained.ensure("contrastive").manifest
    recorded = dict(run.manifest)
    about = recorded.pop("recorded")
    assert recorded == before and len(about["date"]) == 10
    assert fresh.places.data.parent / about["file"] == fresh.record("contrastive")
    assert set(about["measured"]) == set(recorded_runs.MEASURED)
    assert {path.name for path in run.path.iterdir()} - {".lock"} == {
        "params.yaml", "metrics.json", "per_user.parquet", "history.csv", "manifest.json", *recorded_runs.MEASURED
    }  # fmt: skip
    pd.testing.assert_frame_equal(run.per_user, trained.ensure("contrastive").per_user)


# When a recorded run is used


def trains(machine, monkeypatch, alignment="contrastive") -> bool:
    """Whether asking for a run trains it."""
    started = []
    train = graph_cells.train
    monkeypatch.setattr(graph_cells, "train", lambda *a: started.append(a) or train(*a))
    machine.ensure(alignment)
    return bool(started)


def test_text_vectors_of_another_machine_are_no_other_text(fresh, monkeypatch, other_text):
    other_text(np.nextafter(TEXT, 9))
    text = fresh.cell("contrastive").text
    assert not trains(fresh, monkeypatch)
    run = fresh.ensure("contrastive")
    assert run.manifest["inputs"]["text"] != text.digest
    assert len(run_overlap.overlap_of_run(run, text))
    assert cells.is_current(fresh.cell("contrastive"))


def test_an_overlap_with_another_text_is_not_taken(fresh, other_text):
    run = fresh.ensure()
    other_text(TEXT[::-1])
    for measure in (run_overlap.overlap_of_run, run_overlap.overlaps_of_run):
        with pytest.raises(UserError, match="no vectors"):
            measure(run, fresh.cell("contrastive").text)


def test_measures_of_other_code_or_groups_are_not_taken(fresh, monkeypatch):
    run, text, degrees = fresh.ensure("contrastive"), fresh.cell("contrastive").text, DATA.train.getnnz(axis=0)
    for groups in (sparsity.degree_groups(degrees, n=4), sparsity.degree_groups(np.roll(degrees, 1))):
        with pytest.raises(UserError, match="no vectors"):
            run_hits.hits_of_run(run, DATA, groups)
    monkeypatch.setattr("lib.analysis.kept_measures.code_digest", lambda paths: "edited")
    for measure in (run_overlap.overlap_of_run, run_overlap.overlaps_of_run):
        with pytest.raises(UserError, match="no vectors"):
            measure(run, text)


def test_other_code_trains(fresh, monkeypatch):
    monkeypatch.setattr(cells, "code_behind", lambda files: "edited")
    assert trains(fresh, monkeypatch)


def test_other_data_train(fresh, monkeypatch):
    validation = fresh.places.data / "toy/validation.npz"
    sp.save_npz(validation, sp.load_npz(validation).multiply(np.arange(130)[:, None] > 9).tocsr())
    assert trains(fresh, monkeypatch)


def test_other_settings_train(fresh, monkeypatch):
    blocks = run_places.BLOCKS | {"contrastive": run_places.BLOCKS["contrastive"] | {"weight": 0.2}}
    try:
        run_places.write_blocks(fresh.shared, blocks)
        assert trains(fresh, monkeypatch)
    finally:
        run_places.write_blocks(fresh.shared, run_places.BLOCKS)


def test_a_run_of_this_machine_comes_first(fresh):
    own = fresh.ensure(vectors=True).manifest
    assert "recorded" not in own and fresh.ensure().manifest == own


def test_without_a_record_runs_are_trained(fresh, monkeypatch):
    fresh.record("contrastive").unlink()
    assert trains(fresh, monkeypatch)


def test_a_broken_record_is_told(fresh):
    fresh.record().write_text("<html>")
    with pytest.raises(UserError, match="not a zip file"):
        fresh.ensure()


# Vectors


def test_missing_vectors_are_one_sentence(fresh):
    run = fresh.ensure("contrastive")
    for read in (lambda: run.embeddings, lambda: run.final):
        with pytest.raises(UserError) as error:
            read()
        said = str(error.value)
        assert "comes from data/recorded/toy/runs/toy/" in said and "vectors=True" in said and "\n" not in said
        assert "python -m lib train toy lightgcn contrastive --seed 1 --scale paper --encoder" in said


def test_vectors_on_demand_are_trained(trained, fresh):
    recorded = fresh.ensure("contrastive")
    run = fresh.ensure("contrastive", vectors=True)
    np.testing.assert_array_equal(run.final, trained.ensure("contrastive").final)
    assert isinstance(recorded, recorded_runs.RecordedRun) and "recorded" not in run.manifest
    assert not any((run.path / name).exists() for name in recorded_runs.MEASURED)
    assert fresh.ensure("contrastive").manifest == run.manifest


def test_a_twin_without_vectors_is_not_copied(fresh):
    assert "recorded" in fresh.ensure().manifest
    assert "copied_from" not in fresh.ensure("base@contrastive").manifest
    fresh.ensure(vectors=True)
    (fresh.cell("base@contrastive").path / "manifest.json").unlink()
    assert "copied_from" in fresh.ensure("base@contrastive").manifest


def test_vectors_of_an_outdated_run_do_not_stay(fresh):
    path = fresh.ensure(vectors=True).path
    (path / "manifest.json").write_text(json.dumps(fresh.ensure().manifest | {"key": "of older code"}))
    with pytest.raises(UserError, match="no vectors"):
        fresh.ensure().embeddings  # noqa: B018
    assert not (path / "embeddings.safetensors").exists()


def test_what_is_unpacked_halfway_is_unfinished(fresh, monkeypatch):
    real = recorded_runs.atomic_path
    monkeypatch.setattr(
        recorded_runs, "atomic_path", lambda path: forbid() if path.name == "per_user.parquet" else real(path)
    )
    with pytest.raises(AssertionError):
        fresh.ensure()
    assert not (fresh.cell().path / "manifest.json").exists()
    monkeypatch.undo()
    assert "recorded" in fresh.ensure().manifest


# Recording


def test_the_same_runs_give_the_same_bytes(trained):
    before = trained.records()
    shutil.rmtree(trained.recorded)
    assert recording.record("toy", trained.places) == trained.said
    assert trained.records() == before and len(before) == len(GRID)


def test_a_record_holds_no_vectors_and_no_dates(trained):
    with zipfile.ZipFile(trained.record("contrastive")) as archive:
        members = archive.infolist()
    names = [member.filename for member in members]
    assert names == sorted(names) and not [name for name in names if "embeddings" in name]
    assert {member.date_time[0] for member in members} == {1980}


def test_unpacked_runs_are_recorded_as_they_were(trained, fresh):
    before = fresh.records()
    fresh.grid()
    recording.record("toy", fresh.places)
    assert fresh.records() == before == trained.records()


def test_a_record_grows_and_loses_nothing(fresh):
    before = fresh.records()
    fresh.ensure(seed=7)  # of a study: no cell of the grid
    said = recording.record("toy", fresh.places)
    after, added = fresh.records(), recorded_runs.read(fresh.record(seed=7))
    assert before.items() <= after.items() and len(after) == len(before) + 1
    assert "4 runs" in said and "3 of them as they were recorded before" in said
    assert set(added) == {
        "params.yaml", "metrics.json", "per_user.parquet", "history.csv", "manifest.json", run_overlap.KEPT_MEANS
    }  # fmt: skip


def test_runs_of_a_checkout_with_changes_are_left_out(fresh, monkeypatch):
    before = fresh.records()
    for dirty in (True, None):
        monkeypatch.setattr(cells, "environment", lambda dirty=dirty: clean(dirty))
        run = fresh.ensure(vectors=True, seed=8 + bool(dirty))
        assert run.manifest["git"]["dirty"] is dirty
    said = recording.record("toy", fresh.places)
    assert "uncommitted changes: toy/none/lightgcn/base/seed8, toy/none/lightgcn/base/seed9" in said
    assert fresh.records() == before


def test_outdated_runs_and_other_scales_are_left_out(fresh):
    outdated, other = fresh.ensure(seed=7), fresh.ensure(seed=8)
    (outdated.path / "manifest.json").write_text(json.dumps(outdated.manifest | {"key": "of older code"}))
    settings = other.manifest["settings"] | {"scale": "quick"}
    (other.path / "manifest.json").write_text(json.dumps(other.manifest | {"settings": settings}))
    before = fresh.records()
    said = recording.record("toy", fresh.places)
    assert "not of today's settings, code and data: toy/none/lightgcn/base/seed7" in said and "seed8" not in said
    assert fresh.records() == before


def test_git_takes_what_is_recorded(trained):
    """Its folders have the names of those in runs/, which git ignores."""
    file = ROOT / "data" / trained.record("contrastive").relative_to(trained.places.data)
    ignored = subprocess.run(["git", "check-ignore", str(file), "runs/x"], cwd=ROOT, capture_output=True, text=True)
    assert ignored.returncode == 128 or ignored.stdout.split() == ["runs/x"]  # 128: no checkout


def test_a_dataset_without_an_experiment_is_told(fresh):
    with pytest.raises(UserError, match="did you mean 'toy'"):
        recording.record("toys", fresh.places)


def test_a_recorded_run_is_kept_after_an_edit_that_changes_nothing(fresh, monkeypatch):
    run = fresh.ensure("contrastive")
    monkeypatch.setattr(cells, "code_behind", lambda files: "edited")
    said = recheck.recheck(run.path, 4, "cpu", fresh.params, fresh.places.data)
    assert said == "kept: 4 epochs are the same; it has no vectors to rank by"
    monkeypatch.setattr(graph_cells, "train", forbid)
    assert "recorded" in fresh.ensure("contrastive").manifest
    recording.record("toy", fresh.places)  # and from there to the next machine
    shutil.rmtree(run.path)
    assert fresh.ensure("contrastive").manifest["rechecked"]["epochs"] == 4


def test_sketches_tell_texts_apart_but_not_machines():
    from lib.analysis.kept_measures import sketch

    def close(a, b):
        return np.allclose(*(sketch(SimpleNamespace(users=x[:130], items=x[130:])) for x in (a, b)), 1e-3, 1e-6)

    assert (
        close(TEXT, TEXT * (1 + 1e-6))
        and not close(TEXT, TEXT[::-1])
        and not close(TEXT, toys.text(DATA, seed=2).numpy())
    )
