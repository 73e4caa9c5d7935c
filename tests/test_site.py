"""What the web pages are made of; tests/test_site_browser.py builds and opens them."""

import json
import re
import sys

import nbformat
import numpy as np
import pytest
from safetensors.numpy import save_file
from small_site import items, small_repository

from lib import cli
from lib.core.errors import UserError
from lib.papers.report import item_explorer
from lib.results import web_pages
from lib.workflow import grids
from lib.workflow.graph_cells import GraphCell


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return small_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def sources(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    web_pages.lay_out(folder, "Nothing is trained here.", root)
    return folder


def listed(page):
    """Titles and pages of the lists of a page."""
    blocks = re.findall(r"(?s)```\{toctree\}\n(.*?)```", page.read_text())
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith(":")]


def test_every_page_is_listed_where_a_reader_looks_for_it(sources):
    assert not (sources / "README.md").exists()
    assert [line.split(" <")[0] for line in listed(sources / "index.md")] == [*web_pages.SECTIONS]
    assert listed(sources / "figures/README.md") == [
        "Quantifying RLMRec, movielens-100k </figures/report/movielens-100k/README>"
    ]
    shared = ["/notebooks/01_method", "/notebooks/04_train"]
    assert listed(sources / "notebooks/README.md") == [
        *shared, "/notebooks/report/README", "/notebooks-movielens-100k/README"
    ]  # fmt: skip
    assert listed(sources / "docs/README.md") == [
        "/docs/methods/rlmrec", "/params/README", "/params/published/README"
    ]  # fmt: skip


def test_only_finished_copies_of_notebooks_that_are_still_there_are_shown(sources):
    copies = sources / "notebooks-movielens-100k"
    assert listed(copies / "README.md") == ["/notebooks-movielens-100k/report/05_semantics_gccf"]
    (copy,) = copies.rglob("*.ipynb")
    copied, original = (
        nbformat.read(path, 4).cells for path in (copy, sources / "notebooks/report/05_semantics.ipynb")
    )
    assert copied[0].source.splitlines()[0] == f"{original[0].source.splitlines()[0]} (gccf, MovieLens-100K)"
    assert copied[1:] == original[1:]


def test_a_table_is_a_page_with_its_claim_as_heading(sources):
    claim = json.loads((sources / "figures/report/movielens-100k/files/report_overlap.json").read_text())["claim"]
    page = (sources / "figures/report/movielens-100k/report_overlap.md").read_text()
    assert f"\n# {claim}\n" in page and "| backbone" in page


def test_where_nothing_was_trained_the_explorer_is_one_sentence(sources):
    assert (sources / "explorer.md").read_text() == "# Item explorer\n\nNothing is trained here.\n"


def test_mistakes_are_one_sentence(root, tmp_path, monkeypatch, capsys):
    with pytest.raises(UserError, match="run make paper first"):
        web_pages.build(tmp_path / "site", items, tmp_path)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/one.txt").touch()
    with pytest.raises(UserError, match="other than an earlier site"):
        web_pages.build(tmp_path / "letters", items, root)
    assert cli.main(["site", "--to", str(tmp_path / "letters")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setitem(sys.modules, "sphinx.application", None)  # as where it is not installed
    with pytest.raises(UserError, match="run make site"):
        web_pages.build(tmp_path / "site", items, root)
    assert (tmp_path / "letters/one.txt").exists() and not (tmp_path / "site").exists()


def test_without_runs_the_explorer_names_the_command(tmp_path):
    said = item_explorer.measured(tmp_path)
    assert "make paper PAPER=report" in said and said.endswith(".")


def test_the_explorer_has_the_nearest_by_cosine_of_what_is_at_hand(tmp_path, monkeypatch):
    cells = [settings for settings in grids.grid("report", "movielens-100k") if settings.backbone == "lightgcn"]
    rng = np.random.default_rng(0)
    space = rng.normal(size=(1682, 8)).astype(np.float32)
    folder = next(GraphCell(settings, tmp_path).path for settings in cells if settings.alignment == "contrastive")
    folder.mkdir(parents=True)
    save_file({"item_final": space}, folder / "embeddings.safetensors")
    # a map that tells which row it was made of
    monkeypatch.setattr(item_explorer, "umap_coordinates", lambda rows, cache: rows[:, :2].astype(float))
    monkeypatch.setattr(item_explorer, "turned_alike", lambda maps: maps)
    found = item_explorer.measured(tmp_path, tmp_path / "cache")
    assert list(found["backbones"]) == ["lightgcn"] and found["backbones"]["lightgcn"]["name"] == "LightGCN"
    spaces = found["backbones"]["lightgcn"]["spaces"]
    assert set(spaces) == {"contrastive", "text"}
    unit = space / np.linalg.norm(space, axis=1, keepdims=True)
    for item in (0, 7, 1681):
        cosine = unit @ unit[item]
        cosine[item] = -2
        assert spaces["contrastive"]["near"][item] == np.argsort(-cosine)[:10].tolist()
    places = np.array(spaces["contrastive"]["map"])
    assert places.min() >= 0 and places.max() <= 1000
    assert np.corrcoef(places[:, 0], space[:, 0])[0, 1] > 0.99, "the map is in the order of the items"
    assert found["missing"]["lightgcn"] == {
        name: f"python -m lib train movielens-100k lightgcn {name}" for name in ("base", "generative")
    }
    assert found["names"][0] == "Toy Story (1995)" and len(found["texts"]) == len(found["clusters"]) == 1682
    json.dumps(found)
