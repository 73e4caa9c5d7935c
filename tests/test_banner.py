"""What stands above outputs of the tiny scale, in general and in the committed notebooks."""

import re
import subprocess

import pandas as pd
import pytest

from lib.core.files import ROOT
from lib.core.fingerprints import notebook_cells
from lib.results import banner, records
from lib.workflow.notebook_parameters import defaults

NOTEBOOKS = [ROOT / "notebooks/00_tour.ipynb", ROOT / "notebooks/04_train.ipynb"]
PAPERS = ("rlmrec", "report", "rallrec")
NOTEBOOKS += sorted(path for paper in PAPERS for path in (ROOT / "notebooks" / paper).glob("*.ipynb"))
LINK = re.compile(r"\]\(([^)]+)\)")
FIRST = "**These outputs are of the tiny scale: a few epochs, to check that the notebook runs.**"


@pytest.fixture
def committed(tmp_path, monkeypatch):
    """A repository with one table and one figure."""
    monkeypatch.setattr(banner, "ROOT", tmp_path)
    monkeypatch.setattr(records, "code_behind", lambda notebook: "c0de")
    place, about = tmp_path / "figures/paper/toy", dict(notebook="notebooks/a.ipynb", command="make")
    records.save(pd.DataFrame({"a": [1]}), place / "gains", claim="It helps", ours="in 1 of 2", **about)
    figure = pd.Series([1, 2]).plot().figure
    records.save(figure, place / "bars", claim="Does it help?", ours="hardly", table="gains", **about)
    return tmp_path


def test_only_the_tiny_scale_has_one(committed):
    for scale in ("quick", "paper"):
        assert banner.tiny_banner(scale, "paper/toy", "gains", "bars") is None


def test_it_leads_to_the_committed_table_and_figure(committed):
    said = banner.tiny_banner("tiny", "paper/toy", "gains", "bars", up="../").data
    assert said == (
        f"> {FIRST} The results are in [figures/paper/toy/gains.md](../figures/paper/toy/gains.md)."
        " What came out: *Does it help?* hardly.\n>\n> ![Does it help?](../figures/paper/toy/bars.png)"
    )
    assert all((committed / "notebooks" / link).resolve().is_file() for link in LINK.findall(said))


@pytest.mark.parametrize("figure", ["", "absent"])
def test_without_a_figure_the_table_speaks(committed, figure):
    said = banner.tiny_banner("tiny", "paper/toy", "gains", figure).data
    assert (
        said.endswith("(../../figures/paper/toy/gains.md). What came out: *It helps:* in 1 of 2.") and "![" not in said
    )


def test_where_nothing_is_committed_there_is_one_sentence(committed):
    assert banner.tiny_banner("tiny", "paper/other", "gains", "bars").data == f"> {FIRST}"
    assert banner.tiny_banner("tiny", "paper/other", "gains", few="").data.endswith("these outputs are results.**")


def test_where_no_scale_plays_a_part_nothing_is_called_small(committed):
    said = banner.tiny_banner("tiny", "paper/toy", "gains", few="").data
    assert "these outputs are results.** They are also in [figures/paper/toy/gains.md]" in said and "tiny" not in said


# The committed notebooks


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def cell_of(path) -> dict:
    """The cell right after the imports."""
    return [cell for cell in notebook_cells(path) if cell["cell_type"] == "code"][2]


def called(path, function):
    """What the call in the notebook gives with the notebook's default parameters, if `function` takes it."""
    return eval("".join(cell_of(path)["source"]), {"tiny_banner": function, **defaults(path)})


def shown(path) -> str:
    (output,) = cell_of(path)["outputs"]
    return "".join(output["data"]["text/markdown"])


def test_every_notebook_of_results_has_one_whose_links_lead_somewhere(path):
    links = LINK.findall(shown(path))
    assert all((path.parent / link).resolve().is_file() for link in links)
    assert not [kind for output in cell_of(path)["outputs"] for kind in output["data"] if kind.startswith("image")]


def test_its_names_are_those_of_results(path):
    def names(scale, folder, table, figure="", few="epochs", up="../../"):
        assert (path.parent / up).resolve() == ROOT
        return ROOT / "figures" / folder, table, figure

    folder, table, figure = called(path, names)
    source = path.read_text()
    if path.parent.name == "rallrec" or (folder / f"{table}.md").is_file():
        for name, suffix in ((table, "md"), (figure, "png")):
            assert not name or (folder / f"{name}.{suffix}").is_file() or f'\\"{name}\\"' in source, name
    else:
        assert not folder.is_dir(), f"{table} is not among the results of {folder}"


def test_it_says_what_the_committed_results_say(path):
    dirty = subprocess.run(["git", "status", "--porcelain", "figures", "notebooks"], cwd=ROOT, capture_output=True)
    if dirty.returncode or dirty.stdout:
        pytest.skip("figures or notebooks are not those of a commit: `make notebooks` writes the banners anew")
    assert shown(path) == called(path, banner.tiny_banner).data, "run `make notebooks`"
