"""Cells of any kind: here one that only counts, so that what `ensure` does for it is all there is."""

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lib.core.files import digest, write_json
from lib.core.settings import Strict
from lib.workflow import cells


class CountingSettings(Strict):
    name: str
    number: int

    @property
    def folder(self) -> Path:
        return Path("counting") / self.name

    @property
    def digest(self) -> str:
        return digest(self.number)  # the name decides nothing, so equal numbers are twins


@dataclass
class CountingCell:
    """Writes its number doubled; `others` are further cells of the same kind."""

    settings: CountingSettings
    runs: Path
    source: str = "a"
    others: tuple = ()
    earlier: tuple = ()
    record: dict = field(default_factory=dict)  # files of a finished cell by name
    computed: list = field(default_factory=list)
    results = ("doubled.json",)

    @property
    def path(self) -> Path:
        return self.runs / self.settings.folder

    def needs(self):
        return list(self.earlier)

    def twins(self):
        return list(self.others)

    def code(self):
        return [Path(__file__)]

    def inputs(self, like=None):
        return {"source": self.source}

    def recall(self):
        for name, content in self.record.items():
            write_json(self.path / name, content)
        return bool(self.record)

    def compute(self, key, device):
        checkpoint = self.path / "checkpoint.json"
        self.computed.append((key, device, checkpoint.exists() and json.loads(checkpoint.read_text())["key"] == key))
        write_json(checkpoint, {"key": key})
        write_json(self.path / "doubled.json", 2 * self.settings.number)
        return {"engine": "counting"}

    def read(self):
        return json.loads((self.path / "doubled.json").read_text())


@pytest.fixture
def make(tmp_path):
    def make(name="one", number=3, **options) -> CountingCell:
        return CountingCell(CountingSettings(name=name, number=number), tmp_path, **options)

    return make


def test_a_cell_is_computed_once_and_then_read(make):
    cell = make()
    assert cells.ensure(cell, "cpu") == 6 and cells.ensure(cell, "cpu") == 6
    assert len(cell.computed) == 1
    manifest = cells.read_manifest(cell.path)
    assert manifest["key"] == cells.key_of(cell) and manifest["inputs"] == {"source": "a"}
    assert manifest["engine"] == "counting" and manifest["device"] == "cpu" and manifest["git"]["commit"]
    assert not list(cell.path.glob("checkpoint.*"))


@pytest.mark.parametrize("change", [{"number": 4}, {"source": "b"}])
def test_other_settings_or_inputs_compute_again(make, change):
    cells.ensure(make(), "cpu")
    changed = make(**change)
    assert cells.ensure(changed, "cpu") == 2 * changed.settings.number and len(changed.computed) == 1


def test_other_code_computes_again(make, monkeypatch):
    cell = make()
    cells.ensure(cell, "cpu")
    monkeypatch.setattr(cells, "code_behind", lambda files: "edited")
    cells.ensure(cell, "cpu")
    assert len(cell.computed) == 2


def test_inputs_are_asked_for_only_where_settings_and_code_are_the_same(make, monkeypatch):
    cell, other = make(), make(number=5)
    cells.ensure(cell, "cpu")
    monkeypatch.setattr(other, "inputs", lambda: pytest.fail("loaded"), raising=False)
    assert not cells.is_current(other)


def test_what_a_cell_needs_comes_first(make):
    earlier = make("earlier", 1)
    cells.ensure(make(earlier=(earlier,)), "cpu")
    assert len(earlier.computed) == 1


def test_results_of_a_twin_are_copied_under_the_cells_own_name(make):
    twin = make("twin")
    cell = make(others=(twin,))
    cells.ensure(twin, "cpu")
    assert cells.ensure(cell, "cpu") == 6 and not cell.computed
    manifest = cells.read_manifest(cell.path)
    assert manifest["copied_from"] == "counting/twin" and manifest["settings"]["name"] == "one"
    assert cells.is_current(cell)


def test_a_twin_of_other_settings_is_left_alone(make):
    cells.ensure(make("twin", 8), "cpu")
    cell = make(others=(make("twin"),))  # what the twin would be with this cell's settings
    assert cells.ensure(cell, "cpu") == 6 and len(cell.computed) == 1


def test_a_checkpoint_is_there_until_the_manifest_is(make, monkeypatch):
    cell = make()
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(cells, "environment", lambda: (_ for _ in ()).throw(RuntimeError()))
        cells.ensure(cell, "cpu")
    assert (cell.path / "checkpoint.json").exists()
    cells.ensure(cell, "cpu")
    assert [resumed for *_, resumed in cell.computed] == [False, True]


def test_two_that_want_the_same_cell_compute_it_once(make):
    cell = make()
    threads = [threading.Thread(target=cells.ensure, args=(cell, "cpu")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cell.computed) == 1


def test_code_counts_as_it_was_when_the_process_first_asked(tmp_path):
    """An edit while a notebook is open changes nothing that its process computes, so it must not change the key."""
    source = tmp_path / "computation.py"
    source.write_text("x = 1")
    before = cells.code_behind((source,))
    source.write_text("x = 2")
    assert cells.code_behind((source,)) == before
    cells.code_behind.cache_clear()
    assert cells.code_behind((source,)) != before


def test_leftovers_of_a_killed_process_are_cleared(make):
    cell = make()
    cell.path.mkdir(parents=True)
    for name in (".doubled.json.x1.json", ".checkpoint.json.y2.json"):
        (cell.path / name).write_text("cut off")
    cells.ensure(cell, "cpu")
    assert {path.name for path in cell.path.iterdir()} == {".lock", "params.yaml", "manifest.json", "doubled.json"}


# From a record


def test_a_recorded_cell_is_not_computed_unless_all_of_it_is_needed(make):
    cell = make(record={"doubled.json": 60, "manifest.json": {}})
    assert cells.ensure(cell, "cpu") == 60 and not cell.computed
    assert cells.ensure(cell, "cpu", whole=True) == 6 and len(cell.computed) == 1
    assert cells.ensure(cell, "cpu") == 6  # what is here comes first


def test_what_a_computation_starts_from_is_whole(make):
    """A recorded start is computed for a cell that is computed, and not for one that is recorded too."""
    recorded = {"manifest.json": {}, "doubled.json": 60}
    earlier = make("earlier", 4, record=recorded)
    later = make("later", 5, record=recorded, earlier=(earlier,))
    assert cells.ensure(later, "cpu") == 60 and not earlier.computed
    assert cells.ensure(make("last", 6, earlier=(earlier,)), "cpu") == 12 and len(earlier.computed) == 1


def test_inputs_that_differ_from_machine_to_machine_are_not_compared_with_a_record(make):
    cell = make()
    cell.inputs = lambda like=None: {"source": "here"} | (like or {})
    there = {"source": "there"}
    manifest = {"inputs": there, "key": cells.key_of(cell, there)}
    assert not cells.describes(manifest, cell) and cells.describes(manifest | {"recorded": {}}, cell)
