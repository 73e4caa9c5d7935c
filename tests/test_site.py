"""The web pages: what was executed, and nothing else, with links that lead somewhere."""

import os
import re

import nbformat
import pytest

from lib import cli
from lib.core.errors import UserError
from lib.results import web_pages

NOTEBOOKS = ("yelp/notebooks/02_data", "movielens-100k/notebooks/02_data")
NOTEBOOKS += tuple(
    f"movielens-100k/notebooks/{name}"
    for name in ("report/05_semantics_gccf", "rlmrec/06_tables", "report/07_report_overlap", "rlmrec/10_groups")
)


@pytest.fixture
def root(tmp_path):
    """A repository with finished notebooks, a failed one (10_groups), and a table of results."""
    for place in NOTEBOOKS:
        path = tmp_path / f"runs/{place}.ipynb"
        heading = nbformat.v4.new_markdown_cell(f"# {path.name[:2]} A & B")
        code = nbformat.v4.new_code_cell("print('said')")
        code.outputs = [nbformat.v4.new_output("stream", name="stdout", text=f"said in {place}\n")]
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=[heading, code]), path)
        if path.stem != "10_groups":
            path.with_suffix(".done").touch()
    results = tmp_path / "figures/shared/movielens-100k"
    results.mkdir(parents=True)
    (results / "card.md").write_text("| a |\n| --- |\n")
    link, page = "[card](shared/movielens-100k/card.md)", "[all](shared/movielens-100k/README.md)"
    (tmp_path / "figures/README.md").write_text(f"# Results\n\n| artefact |\n| --- |\n| {link} {page} |\n")
    (results / "README.md").write_text("[up](../../README.md) [card](card.md)\n")
    return tmp_path


def links(page):
    return [page.parent / link for link in re.findall(r'href="([^"#:]+)"', page.read_text())]


def test_pages_hold_the_outputs_of_finished_notebooks_and_every_link_leads_somewhere(root):
    first = web_pages.build(root / "site", root)
    pages = {path.relative_to(root / "site").as_posix() for path in (root / "site").rglob("*.html")}
    own = {"02_data.html", "report/05_semantics_gccf.html", "rlmrec/06_tables.html", "report/07_report_overlap.html"}
    own = {"yelp/02_data.html", *(f"movielens-100k/{name}" for name in own)}
    assert pages == {"index.html", "figures/index.html", "figures/shared/movielens-100k/index.html", *own}
    assert "said in yelp" in (root / "site/yelp/02_data.html").read_text()
    headings = re.findall("<h2[^>]*>([^<]*)|<a[^>]*>([^<]*)</a>", first.read_text())
    titles = [part for pair in headings for part in pair if part and part != "&#182;"]
    numbered = ["02 A &amp; B", "05 A &amp; B (gccf)", "06 A &amp; B", "07 A &amp; B"]
    assert titles == ["All figures and tables", "movielens-100k", *numbered, "yelp", "02 A &amp; B"]
    results = root / "site/figures/index.html"
    assert "<table>" in results.read_text()
    card = root / "site/figures/shared/movielens-100k/index.html"
    found = {path.resolve() for page in (first, results, card) for path in links(page)}
    assert len(found) == 8 and all(path.is_file() for path in found)


def test_only_what_changed_is_rendered_again(root):
    web_pages.build(root / "site", root)
    pages = sorted((root / "site/movielens-100k").rglob("*.html"))
    for page in pages:
        page.write_text("as before")
    changed = root / "runs/movielens-100k/notebooks/02_data.ipynb"
    later = pages[0].stat().st_mtime + 10
    os.utime(changed, (later, later))
    web_pages.build(root / "site", root)
    assert [page.name for page in pages if page.read_text() != "as before"] == ["02_data.html"]


def test_without_executed_notebooks_one_sentence_says_what_to_do(root, monkeypatch, capsys):
    for stamp in root.rglob("*.done"):
        stamp.unlink()
    with pytest.raises(UserError, match="run make paper first"):
        web_pages.build(root / "site", root)
    assert not (root / "site").exists()
    monkeypatch.setattr(web_pages, "executed", lambda root: [])
    assert cli.main(["site", "--to", str(root / "site")]) == 2
    assert "run make paper first" in capsys.readouterr().err
