"""The site: what was executed, and nothing else, with links that lead somewhere."""

import os
import re

import nbformat
import pytest

from lib import cli, site
from lib.files import UserError


@pytest.fixture
def root(tmp_path):
    """A repository with two finished notebooks, a failed one, and a table of results."""
    for folder, name in (
        ("movielens-100k", "01_data"),
        ("movielens-100k", "05_semantics_gccf"),
        ("movielens-100k", "06_tables"),
    ):
        cells = [nbformat.v4.new_markdown_cell(f"# {name[:2]} A & B"), nbformat.v4.new_code_cell("print('said')")]
        cells[1].outputs = [nbformat.v4.new_output("stream", name="stdout", text=f"said in {folder}\n")]
        path = tmp_path / f"runs/{folder}/notebooks/{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        if name != "06_tables":
            path.with_suffix(".done").touch()
    (tmp_path / "figures/movielens-100k").mkdir(parents=True)
    (tmp_path / "figures/movielens-100k/card.md").write_text("| a |\n| --- |\n")
    (tmp_path / "figures/INDEX.md").write_text(
        "# Results\n\n| artefact |\n| --- |\n| [card](movielens-100k/card.md) |\n"
    )
    return tmp_path


def links(page):
    return [page.parent / link for link in re.findall(r'href="([^"#:]+)"', page.read_text())]


def test_pages_hold_the_outputs_of_finished_notebooks_and_every_link_leads_somewhere(root):
    first = site.build(root / "site", root)
    pages = {path.relative_to(root / "site").as_posix() for path in (root / "site").rglob("*.html")}
    own = {"movielens-100k/01_data.html", "movielens-100k/05_semantics_gccf.html"}
    assert pages == {"index.html", "figures/index.html", *own}
    assert "said in movielens-100k" in (root / "site/movielens-100k/01_data.html").read_text()
    assert "05 A &amp; B (gccf)</a>" in first.read_text() and "01 A &amp; B</a>" in first.read_text()
    results = root / "site/figures/index.html"
    assert "<table>" in results.read_text()
    found = {path.resolve() for page in (first, results) for path in links(page)}
    assert len(found) == 4 and all(path.is_file() for path in found)


def test_only_what_changed_is_rendered_again(root):
    site.build(root / "site", root)
    pages = sorted((root / "site/movielens-100k").iterdir())
    for page in pages:
        page.write_text("as before")
    changed = root / "runs/movielens-100k/notebooks/01_data.ipynb"
    later = pages[0].stat().st_mtime + 10
    os.utime(changed, (later, later))
    site.build(root / "site", root)
    assert [page.read_text() == "as before" for page in pages] == [False, True]


def test_without_executed_notebooks_one_sentence_says_what_to_do(root, monkeypatch, capsys):
    for stamp in root.rglob("*.done"):
        stamp.unlink()
    with pytest.raises(UserError, match="run make paper first"):
        site.build(root / "site", root)
    assert not (root / "site").exists()
    monkeypatch.setattr(site, "executed", lambda root: [])
    assert cli.main(["site", "--to", str(root / "site")]) == 2
    assert "run make paper first" in capsys.readouterr().err
