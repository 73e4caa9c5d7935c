"""Provenance: what is written can be read back from each file alone, and nothing in it changes by itself."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure
from PIL import Image

from lib.core.environment import environment
from lib.core.errors import UserError
from lib.core.files import ROOT, sha256
from lib.core.fingerprints import imported_files
from lib.results import records
from lib.results.plots.data import profile_lengths
from lib.results.why import why

CLAIM = 'alignment helps (a\\b) --> "50%" | größer'
TABLE = pd.DataFrame({"name": ["b", "a", "a"], "k": [1, 20, 5], "value": [0.1, 0.2, np.nan]})


def manifest(seed=1, **changes):
    settings = {"dataset": "toy", "encoder": "none", "backbone": "lightgcn", "alignment": "base", "seed": seed}
    made = {"settings": settings, "inputs": {"interactions": "d1a7a"}, "seconds": 1.5, "peak_memory": 2**20}
    return environment() | made | changes


def figure():
    return profile_lengths(pd.DataFrame({"side": ["user", "item"] * 5, "text": ["a b c", "a b"] * 5}))


@mock.patch.object(records, "code_digest", lambda paths: "c0de")  # the library may be edited while tests run
def save(artefact, stem, **changes):
    details = {"notebook": "notebooks/report/05_semantics.ipynb", "command": "make paper", "runs": [manifest()]}
    details |= {"claim": CLAIM, "inputs": {"text": "7e47"}, "paper": "0.078", "ours": "0.081"}
    return records.save(artefact, stem, **details | changes)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    save(figure(), folder / "report/toy/lengths")
    save(TABLE, folder / "report/toy/table")
    return folder


FILES = ["lengths.png", "files/lengths.pdf", "table.md", "files/table.tex"]
EVERYTHING = sorted([*FILES, "table.csv", "files/table.json", "files/lengths.json"])


def below(folder: Path) -> dict[str, str]:
    """The files of a folder of results and what they hold."""
    return {path.relative_to(folder).as_posix(): sha256(path) for path in folder.rglob("*") if path.is_file()}


# Save and read


@pytest.mark.parametrize("name", FILES)
def test_each_file_alone_tells_where_it_comes_from(saved, tmp_path, name):
    alone = shutil.copy(saved / "report/toy" / name, tmp_path / f"renamed{Path(name).suffix}")
    record = records.read(alone)
    assert record["claim"] == CLAIM and record["command"] == "make paper"
    assert record["notebook"] == "notebooks/report/05_semantics.ipynb" and record["inputs"] == {"text": "7e47"}
    chain = why(alone)
    assert CLAIM in chain and "text 7e47" in chain and f"({record['runs'][0]})" in chain


@pytest.mark.parametrize(("scale", "trial"), [("tiny", True), ("quick", False)])
def test_a_trial_is_never_taken_for_a_result(tmp_path, scale, trial):
    """Every file says so by itself, a table for people above it."""
    made = dict(settings={"scale": scale}, inputs={}, key="k")
    about = dict(claim=CLAIM, notebook="", command="", runs=[made])
    sidecar = records.save(pd.DataFrame({"a": [1]}), tmp_path / "table", **about)
    records.save(Figure(), tmp_path / "picture", table="table", **about)
    wanted = records.TRIAL + CLAIM if trial else CLAIM
    assert json.loads(sidecar.read_text())["claim"] == wanted
    for name in ("table.md", "files/table.tex", "picture.png", "files/picture.pdf"):
        assert records.read(tmp_path / name)["claim"] == wanted
    assert (f"**{wanted}**" in (tmp_path / "table.md").read_text()) == trial


def test_where_trials_lie_everything_is_one(monkeypatch, tmp_path):
    monkeypatch.setattr(records, "ROOT", tmp_path)  # a data card shows no run that could tell
    about = dict(claim=CLAIM, notebook="", command="")
    folder = records.folder("shared", "mine", "tiny")
    claim = json.loads(records.save(pd.DataFrame({"a": [1]}), folder / "card", **about).read_text())["claim"]
    assert claim == records.TRIAL + CLAIM and "runs" in folder.relative_to(tmp_path).parts


def test_other_readers_see_the_record_too(saved):
    with Image.open(saved / "report/toy" / "lengths.png") as image:
        assert set(image.text) == {"Software", "Description"} and image.text["Software"] == "RepRec"
        assert json.loads(image.text["Description"].removeprefix("reprec: "))["command"] == "make paper"
    pdf = (saved / "report/toy" / "files/lengths.pdf").read_bytes()
    assert b"/Creator (RepRec)" in pdf and b"/Type3" not in pdf and b"/CIDFontType2" in pdf
    assert (saved / "report/toy" / "files/table.tex").read_text().startswith("% reprec: {")
    head, _, rest = (saved / "report/toy" / "table.md").read_text().partition("\n")
    assert head.startswith("<!-- ") and head.endswith(" -->") and head.count("-->") == 1 and "| name |" in rest


def test_why_with_the_sidecar_goes_down_to_the_data(saved):
    chain = why(saved / "report/toy" / "table.csv")
    for part in (
        "toy none lightgcn base 1",
        "interactions d1a7a",
        f"numpy {np.__version__}",
        "make paper",
        '"seed": 1',
    ):
        assert part in chain
    assert "as it was saved" in chain
    assert "paper     0.078" in chain and "ours      0.081" in chain
    assert why(saved / "report/toy/files/table.json").count("\n") == chain.count("\n") - 1


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_file_finds_the_sidecar_on_top_and_below(saved, name):
    chain = why(saved / "report/toy" / name)
    assert "interactions d1a7a" in chain and chain.startswith(str(saved / "report/toy" / name))
    assert ("as it was saved" in chain) == (not name.endswith(".json"))


def test_the_sidecar_names_files_from_the_folder_of_the_artefact(saved):
    record = json.loads((saved / "report/toy/files/table.json").read_text())
    assert set(record["files"]) == {"table.csv", "table.md", "files/table.tex"}
    assert all(sha256(saved / "report/toy" / name) == digest for name, digest in record["files"].items())
    assert record["paper"] == "0.078" and "published" not in record


def test_why_says_which_runs_were_kept_after_an_edit(tmp_path):
    save(TABLE, tmp_path / "table", runs=[manifest(rechecked={"epochs": 4, "trained_as": "0a"}), manifest(seed=2)])
    chain = why(tmp_path / "table.csv")
    assert re.findall("rechecked +(.*)", chain) == ["epochs 4, trained_as 0a"]


def test_why_says_which_runs_came_from_the_record(tmp_path):
    recorded = {
        "file": "data/recorded/toy/runs/x.zip",
        "date": "2026-11-21",
        "measured": {"item_hits.parquet": "c0de"},
    }
    elsewhere = manifest(recorded=recorded, git={"commit": "c0ffee", "dirty": False}, machine={"cpu": "another"})
    save(TABLE, tmp_path / "table", runs=[elsewhere, manifest(seed=2)])
    chain = why(tmp_path / "table.csv")
    assert re.findall("origin +(.*)", chain) == [
        "data/recorded/toy/runs/x.zip, trained on 2026-11-21", "trained for this, not from a record"
    ]  # fmt: skip
    assert "c0ffee" in chain and "cpu another" in chain and "item_hits" not in chain


@pytest.mark.parametrize("name", ["table.csv", "files/table.tex"])
def test_why_notices_a_changed_file_and_changed_code(tmp_path, monkeypatch, name):
    save(TABLE, tmp_path / "table")
    with open(tmp_path / name, "a") as file:
        file.write("c,1,1\n")
    monkeypatch.setattr(records, "code_digest", lambda paths: "c0de")
    chain = why(tmp_path / name)
    assert "changed since it was saved" in chain and "c0de (as in this checkout)" in chain
    monkeypatch.setattr(records, "code_digest", lambda paths: "other")
    assert "c0de (not as in this checkout)" in why(tmp_path / name)


def test_the_code_behind_an_artefact_is_its_notebook_and_the_library(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(records, "code_digest", lambda paths: seen.extend(paths) or "c0de")
    monkeypatch.setattr(records, "ROOT", tmp_path)
    monkeypatch.setattr(records, "imported_files", lambda path: imported_files(path, tmp_path))
    for name in ("notebooks/a.ipynb", "notebooks/b.ipynb", "lib/x.py", "lib/deep/y.py", "tests/z.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    cell = {"cell_type": "code", "source": "from lib import x\nfrom lib.deep import y"}
    (tmp_path / "notebooks/a.ipynb").write_text(json.dumps({"cells": [cell]}))
    records.code_behind("notebooks/a.ipynb")
    assert [str(path.relative_to(tmp_path)) for path in seen] == ["notebooks/a.ipynb", "lib/deep/y.py", "lib/x.py"]


@pytest.mark.parametrize("name", ["plain.png", "plain.csv", "plain.tex", "broken.md", "other.json", "absent.png"])
def test_why_without_provenance_is_one_sentence(tmp_path, name):
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    (tmp_path / "plain.csv").write_text("a,b\n1,2\n")
    (tmp_path / "plain.tex").write_text("% by hand\n")
    (tmp_path / "broken.md").write_text('<!-- reprec: {"claim": "cut o')
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UserError, match="no file|carries no provenance") as caught:
        why(tmp_path / name)
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_saving_twice_gives_the_same_bytes_whatever_the_order(saved, tmp_path):
    time.sleep(1.1)  # a date would show
    runs = [manifest(2), manifest(1)]
    for place, order in enumerate((1, -1)):
        save(figure(), tmp_path / str(place) / "lengths", runs=runs[::order])
        save(TABLE[::order], tmp_path / str(place) / "table", runs=runs[::order])
    assert below(tmp_path / "0") == below(tmp_path / "1") and sorted(below(tmp_path / "0")) == EVERYTHING
    assert (tmp_path / "0" / "table.csv").read_text() == "name,k,value\na,5,\na,20,0.2\nb,1,0.1\n"
    same = below(saved / "report/toy")
    save(figure(), saved / "report/toy/lengths")
    save(TABLE, saved / "report/toy/table")
    assert below(saved / "report/toy") == same


def test_another_process_writes_the_same_bytes(saved, tmp_path):
    code = "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
    code += "import test_provenance as t; t.save(t.figure(), Path(sys.argv[2]) / 'lengths')"
    arguments = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)]
    subprocess.run(arguments, check=True, env={**os.environ, "PYTHONHASHSEED": "7", "MPLBACKEND": "svg"})
    for name in ("lengths.png", "files/lengths.pdf"):
        assert sha256(tmp_path / name) == sha256(saved / "report/toy" / name)


def test_time_and_memory_of_a_run_do_not_change_its_files(tmp_path):
    first = save(figure(), tmp_path / "a" / "x", runs=[manifest(seconds=1, peak_memory=1)])
    second = save(figure(), tmp_path / "b" / "x", runs=[manifest(seconds=2, peak_memory=2)])
    assert first.read_bytes() == second.read_bytes()
    third = save(figure(), tmp_path / "c" / "x", runs=[manifest(inputs={"interactions": "other"})])
    assert records.read(third.with_suffix(".pdf"))["runs"] != records.read(first.with_suffix(".pdf"))["runs"]


def test_a_layout_is_for_people_and_the_csv_stays_tidy(tmp_path):
    save(TABLE, tmp_path / "t", layout=pd.DataFrame({"best": ["**0.2**"]}))
    assert (
        "| **0.2** |" in (tmp_path / "t.md").read_text() and r"\textbf{0.2}" in (tmp_path / "files/t.tex").read_text()
    )
    assert pd.read_csv(tmp_path / "t.csv")["name"].tolist() == ["a", "a", "b"]


def test_a_run_is_told_apart_by_its_key_where_it_has_one(tmp_path):
    class Run:
        manifest = manifest(key="c0ffee")

    save(TABLE, tmp_path / "t", runs=[Run()])
    assert records.read(tmp_path / "t.md")["runs"] == ["c0ffee"]


def test_any_matplotlib_figure_can_be_saved(tmp_path):
    plain = Figure()
    plain.subplots().set_title("by hand")
    save(plain, tmp_path / "plain")
    assert records.read(tmp_path / "plain.png")["claim"] == CLAIM
    assert b"/Type3" not in (tmp_path / "files/plain.pdf").read_bytes()


@pytest.mark.parametrize("table", ["numbers", ["numbers", "table.with.dots"]])
def test_a_figure_names_the_tables_that_it_shows(tmp_path, table):
    for name in ("numbers", "table.with.dots"):
        save(TABLE, tmp_path / name)
    path = save(figure(), tmp_path / "shown", table=table)
    names = [table] if isinstance(table, str) else table
    assert json.loads(path.read_text())["tables"] == names == records.read(tmp_path / "shown.png")["tables"]
    assert f"tables    {', '.join(f'{name}.csv' for name in names)}" in why(tmp_path / "shown.png")
    assert "tables" not in records.read(tmp_path / "numbers.md") and "tables  " not in why(tmp_path / "numbers.csv")


def test_a_figure_is_not_saved_before_its_tables(tmp_path):
    save(TABLE, tmp_path / "elsewhere" / "numbers")
    with pytest.raises(UserError, match="lost shows numbers.csv, which is not in .*: save that table first"):
        save(figure(), tmp_path / "lost", table="numbers")
    assert not (tmp_path / "lost.png").exists()


# Places, index and commands


def test_results_lie_by_paper_and_dataset_and_tiny_trials_elsewhere():
    assert records.folder("rlmrec", "amazon", "paper") == ROOT / "figures/rlmrec/amazon"
    assert records.folder("shared", "amazon", "tiny") == ROOT / "runs/tiny/figures/shared/amazon"


def test_papermill_reads_a_command_as_the_same_parameters():
    from papermill import cli

    values = dict(dataset="amazon", seeds=[2023, 1], others=["wordllama", "minilm+metadata"], repeats=3, rate=0.5)
    program, *arguments = shlex.split(records.command("rlmrec/12_noise", **values))
    given = cli.papermill.make_context("papermill", arguments).params
    assert program == "papermill" and given["notebook_path"] == "notebooks/rlmrec/12_noise.ipynb"
    found = {name: cli._resolve_type(value) for name, value in given["parameters"]}
    for text in given["parameters_yaml"]:
        found |= yaml.safe_load(text)
    assert found == values


def test_a_run_that_is_named_twice_counts_once(tmp_path):
    path = save(TABLE, tmp_path / "table", runs=[manifest(1), manifest(2), manifest(1)])
    assert [run["settings"]["seed"] for run in json.loads(path.read_text())["runs"]] == [1, 2]
