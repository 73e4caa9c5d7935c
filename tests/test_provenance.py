"""Provenance: what is written can be read back from each file alone, and nothing in it changes by itself."""

import getpass
import json
import os
import re
import shlex
import shutil
import socket
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

from lib import plots, provenance
from lib.code import sources
from lib.files import ROOT, UserError, sha256

CLAIM = 'alignment helps (a\\b) --> "50%" | größer'
TABLE = pd.DataFrame({"name": ["b", "a", "a"], "k": [1, 20, 5], "value": [0.1, 0.2, np.nan]})


def manifest(seed=1, **changes):
    settings = {"dataset": "toy", "encoder": "none", "backbone": "lightgcn", "alignment": "base", "seed": seed}
    return provenance.manifest(settings, {"interactions": "d1a7a"}, seconds=1.5, peak_memory=2**20) | changes


def figure():
    return plots.profile_lengths(pd.DataFrame({"side": ["user", "item"] * 5, "text": ["a b c", "a b"] * 5}))


@mock.patch.object(provenance, "code_digest", lambda paths: "c0de")  # the library may be edited while tests run
def save(artefact, stem, **changes):
    details = {"notebook": "notebooks/05_semantics.ipynb", "command": "make paper", "runs": [manifest()]}
    details |= {"claim": CLAIM, "inputs": {"text": "7e47"}, "published": "0.078", "ours": "0.081"}
    return provenance.save(artefact, stem, **details | changes)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    save(figure(), folder / "toy" / "lengths")
    save(TABLE, folder / "toy" / "table")
    return folder


FILES = ["lengths.png", "lengths.pdf", "table.md", "table.tex"]


# Manifest


def test_a_manifest_names_code_versions_and_machine_but_no_person():
    content = manifest()
    assert content["versions"]["numpy"] == np.__version__ and content["machine"]["cpus"] == os.cpu_count()
    assert (content["seconds"], content["peak_memory"]) == (1.5, 2**20)
    text = json.dumps(content)
    for private in (socket.gethostname(), getpass.getuser(), str(Path.home()), str(ROOT)):
        assert f'"{private}' not in text and f" {private} " not in text


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_git_state_knows_a_changed_checkout(tmp_path):
    assert provenance.git_state(tmp_path) == {"commit": None, "dirty": None}
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.py").write_text("x = 1\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    clean = provenance.git_state(tmp_path)
    assert len(clean["commit"]) == 40 and clean["dirty"] is False
    (tmp_path / "figure.png").write_text("a result is no change of the code")
    assert provenance.git_state(tmp_path) == clean
    (tmp_path / "lib" / "a.py").write_text("x = 2\n")
    assert provenance.git_state(tmp_path) == clean | {"dirty": True}


def test_git_state_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_state() == {"commit": None, "dirty": None}


# Save and read


@pytest.mark.parametrize("name", FILES)
def test_each_file_alone_tells_where_it_comes_from(saved, tmp_path, name):
    alone = shutil.copy(saved / "toy" / name, tmp_path / f"renamed{Path(name).suffix}")
    record = provenance.read(alone)
    assert record["claim"] == CLAIM and record["command"] == "make paper"
    assert record["notebook"] == "notebooks/05_semantics.ipynb" and record["inputs"] == {"text": "7e47"}
    chain = provenance.why(alone)
    assert CLAIM in chain and "text 7e47" in chain and f"({record['runs'][0]})" in chain


def test_other_readers_see_the_record_too(saved):
    with Image.open(saved / "toy" / "lengths.png") as image:
        assert set(image.text) == {"Software", "Description"} and image.text["Software"] == "RepRec"
        assert json.loads(image.text["Description"].removeprefix("reprec: "))["command"] == "make paper"
    pdf = (saved / "toy" / "lengths.pdf").read_bytes()
    assert b"/Creator (RepRec)" in pdf and b"/Type3" not in pdf and b"/CIDFontType2" in pdf
    assert (saved / "toy" / "table.tex").read_text().startswith("% reprec: {")
    head, _, rest = (saved / "toy" / "table.md").read_text().partition("\n")
    assert head.startswith("<!-- ") and head.endswith(" -->") and head.count("-->") == 1 and "| name |" in rest


def test_why_with_the_sidecar_goes_down_to_the_data(saved):
    chain = provenance.why(saved / "toy" / "table.csv")
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
    assert provenance.why(saved / "toy" / "table.json").count("\n") == chain.count("\n") - 1


def test_why_says_which_runs_were_kept_after_an_edit(tmp_path):
    save(TABLE, tmp_path / "table", runs=[manifest(rechecked={"epochs": 4, "trained_as": "0a"}), manifest(seed=2)])
    chain = provenance.why(tmp_path / "table.csv")
    assert re.findall("rechecked +(.*)", chain) == ["epochs 4, trained_as 0a"]


def test_why_notices_a_changed_file_and_changed_code(tmp_path, monkeypatch):
    save(TABLE, tmp_path / "table")
    with open(tmp_path / "table.csv", "a") as file:
        file.write("c,1,1\n")
    monkeypatch.setattr(provenance, "code_digest", lambda paths: "c0de")
    chain = provenance.why(tmp_path / "table.csv")
    assert "changed since it was saved" in chain and "c0de (as in this checkout)" in chain
    monkeypatch.setattr(provenance, "code_digest", lambda paths: "other")
    assert "c0de (not as in this checkout)" in provenance.why(tmp_path / "table.csv")


def test_the_code_behind_an_artefact_is_its_notebook_and_the_library(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(provenance, "code_digest", lambda paths: seen.extend(paths) or "c0de")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setattr(provenance, "sources", lambda path: sources(path, tmp_path))
    for name in ("notebooks/a.ipynb", "notebooks/b.ipynb", "lib/x.py", "lib/deep/y.py", "tests/z.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    cell = {"cell_type": "code", "source": "from lib import x\nfrom lib.deep import y"}
    (tmp_path / "notebooks/a.ipynb").write_text(json.dumps({"cells": [cell]}))
    provenance._code_behind("notebooks/a.ipynb")
    assert [str(path.relative_to(tmp_path)) for path in seen] == ["notebooks/a.ipynb", "lib/deep/y.py", "lib/x.py"]


@pytest.mark.parametrize("name", ["plain.png", "plain.csv", "plain.tex", "broken.md", "other.json", "absent.png"])
def test_why_without_provenance_is_one_sentence(tmp_path, name):
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    (tmp_path / "plain.csv").write_text("a,b\n1,2\n")
    (tmp_path / "plain.tex").write_text("% by hand\n")
    (tmp_path / "broken.md").write_text('<!-- reprec: {"claim": "cut o')
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UserError, match="no file|carries no provenance") as caught:
        provenance.why(tmp_path / name)
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_saving_twice_gives_the_same_bytes_whatever_the_order(saved, tmp_path):
    time.sleep(1.1)  # a date would show
    runs = [manifest(2), manifest(1)]
    for place, order in enumerate((1, -1)):
        save(figure(), tmp_path / str(place) / "lengths", runs=runs[::order])
        save(TABLE[::order], tmp_path / str(place) / "table", runs=runs[::order])
    names = sorted(path.name for path in (tmp_path / "0").iterdir())
    assert names == sorted([*FILES, "table.csv", "table.json", "lengths.json"])
    for name in names:
        assert sha256(tmp_path / "0" / name) == sha256(tmp_path / "1" / name)
    assert (tmp_path / "0" / "table.csv").read_text() == "name,k,value\na,5,\na,20,0.2\nb,1,0.1\n"
    same = {name: sha256(saved / "toy" / name) for name in FILES}
    save(figure(), saved / "toy" / "lengths")
    save(TABLE, saved / "toy" / "table")
    assert {name: sha256(saved / "toy" / name) for name in FILES} == same


def test_another_process_writes_the_same_bytes(saved, tmp_path):
    code = "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
    code += "import test_provenance as t; t.save(t.figure(), Path(sys.argv[2]) / 'lengths')"
    arguments = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)]
    subprocess.run(arguments, check=True, env={**os.environ, "PYTHONHASHSEED": "7", "MPLBACKEND": "svg"})
    for name in ("lengths.png", "lengths.pdf"):
        assert sha256(tmp_path / name) == sha256(saved / "toy" / name)


def test_time_and_memory_of_a_run_do_not_change_its_files(tmp_path):
    first = save(figure(), tmp_path / "a" / "x", runs=[manifest(seconds=1, peak_memory=1)])
    second = save(figure(), tmp_path / "b" / "x", runs=[manifest(seconds=2, peak_memory=2)])
    assert first.read_bytes() == second.read_bytes()
    third = save(figure(), tmp_path / "c" / "x", runs=[manifest(inputs={"interactions": "other"})])
    assert provenance.read(third.with_suffix(".png"))["runs"] != provenance.read(first.with_suffix(".png"))["runs"]


def test_a_layout_is_for_people_and_the_csv_stays_tidy(tmp_path):
    save(TABLE, tmp_path / "t", layout=pd.DataFrame({"best": ["**0.2**"]}))
    assert "| **0.2** |" in (tmp_path / "t.md").read_text() and r"\textbf{0.2}" in (tmp_path / "t.tex").read_text()
    assert pd.read_csv(tmp_path / "t.csv")["name"].tolist() == ["a", "a", "b"]


def test_a_run_is_told_apart_by_its_key_where_it_has_one(tmp_path):
    class Run:
        manifest = manifest(key="c0ffee")

    save(TABLE, tmp_path / "t", runs=[Run()])
    assert provenance.read(tmp_path / "t.md")["runs"] == ["c0ffee"]


def test_any_matplotlib_figure_can_be_saved(tmp_path):
    plain = Figure()
    plain.subplots().set_title("by hand")
    save(plain, tmp_path / "plain")
    assert provenance.read(tmp_path / "plain.png")["claim"] == CLAIM
    assert b"/Type3" not in (tmp_path / "plain.pdf").read_bytes()


# Index


def test_index_lists_every_artefact_with_working_links(saved):
    (saved / "toy" / "stray.json").write_text("[]")
    path = provenance.index(saved)
    text = path.read_text()
    assert path == saved / "INDEX.md" and text == provenance.index(saved).read_text()
    rows = [line for line in text.splitlines() if line.startswith("| toy/")]
    assert [row.split()[1] for row in rows] == ["toy/lengths", "toy/table"]
    assert all("`make paper`" in row and "0.078" in row and "0.081" in row for row in rows)
    links = [part.split(")")[0] for row in rows for part in row.split("](")[1:]]
    assert len(links) == 7 and all((saved / link).is_file() for link in links)


def test_papermill_reads_a_command_as_the_same_parameters():
    from papermill import cli

    values = dict(dataset="amazon", seeds=[2023, 1], others=["wordllama", "minilm+metadata"], repeats=3, rate=0.5)
    program, *arguments = shlex.split(provenance.command("12_noise", **values))
    given = cli.papermill.make_context("papermill", arguments).params
    assert program == "papermill" and given["notebook_path"] == "notebooks/12_noise.ipynb"
    found = {name: cli._resolve_type(value) for name, value in given["parameters"]}
    for text in given["parameters_yaml"]:
        found |= yaml.safe_load(text)
    assert found == values


def test_a_run_that_is_named_twice_counts_once(tmp_path):
    path = save(TABLE, tmp_path / "table", runs=[manifest(1), manifest(2), manifest(1)])
    assert [run["settings"]["seed"] for run in json.loads(path.read_text())["runs"]] == [1, 2]
