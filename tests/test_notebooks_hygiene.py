"""What every committed notebook keeps to; nbval compares the outputs themselves."""

import ast
import json
import re
import statistics

import pytest
from papermill import inspect_notebook

from lib.core.files import ROOT
from lib.workflow import notebook_parameters

MACHINE_PATH = re.compile(r"/(home|root|tmp|work|Users)/|\b[A-Z]:\\")
FORBIDDEN = re.compile(r"^\s*[%!]\s*(pip|conda)|sys\.path|filterwarnings\(\s*['\"]ignore|^\s*!rm", re.M)
LONGEST, LARGEST = 15, 300_000  # lines of a cell, bytes of a file


@pytest.fixture(params=sorted((ROOT / "notebooks").rglob("*.ipynb")), ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


@pytest.fixture
def code(cells):
    return [cell for cell in cells if cell["cell_type"] == "code"]


def source(cell) -> str:
    return "".join(cell["source"])


def lines(cell) -> int:
    return len([line for line in source(cell).splitlines() if line.strip()])


def texts(cell):
    """All readable text of a cell and its outputs; images are not."""
    yield source(cell)
    for output in cell.get("outputs", []):
        yield "".join(output.get("text", ""))
        yield from ("".join(text) for kind, text in output.get("data", {}).items() if kind.startswith("text/"))


def test_title_first(cells):
    assert cells[0]["cell_type"] == "markdown" and source(cells[0]).startswith("# ")


def test_one_parameters_cell_before_any_code(code):
    tagged = [number for number, cell in enumerate(code) if "parameters" in cell["metadata"].get("tags", [])]
    assert tagged == [0]


def test_parameters_are_typed_commented_and_tiny(path, code):
    declared = notebook_parameters.declared(path)
    assert len(declared) == lines(code[0]), "one line `name: type = default  # meaning, unit, range` each, nothing else"
    assert all("#" in parameter.line for parameter in declared.values())
    assert declared["scale"].default == "'tiny'"
    defaults = {name: ast.literal_eval(parameter.default) for name, parameter in declared.items()}
    assert notebook_parameters.parameters(path, values=defaults) == defaults


def test_papermill_alone_sees_the_same_parameters(path):
    # its pattern loses a line with a second `=` or with `|`: it would then warn of an unknown parameter
    assert list(inspect_notebook(str(path))) == list(notebook_parameters.declared(path))


def test_imports_stand_together(code):
    importing = [
        number
        for number, cell in enumerate(code)
        if any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in ast.walk(ast.parse(_python(cell))))
    ]
    assert importing == [1], "the second code cell imports, no other does"


def test_no_definitions(code):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for cell in code:
        assert not [node for node in ast.walk(ast.parse(_python(cell))) if isinstance(node, kinds)], "belongs in lib"


def _python(cell) -> str:
    return re.sub(r"(?m)^\s*[%!].*$", "", source(cell))


def test_cells_are_short(code):
    sizes = [lines(cell) for cell in code]
    assert max(sizes) <= LONGEST
    assert statistics.median(sizes) <= 6


def test_run_top_to_bottom_without_errors(code):
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [cell for cell in code if "execution" in cell["metadata"]], "times of execution: use `make notebooks`"
    assert not [output for output in outputs if output.get("name") == "stderr"], "warnings and progress are not results"


def test_no_machine_paths(cells):
    for cell in cells:
        for text in texts(cell):
            assert not MACHINE_PATH.search(text), MACHINE_PATH.search(text)


def test_no_installs_path_edits_or_silenced_warnings(code):
    for cell in code:
        assert not FORBIDDEN.search(source(cell)), FORBIDDEN.search(source(cell))


def test_small(path):
    assert path.stat().st_size < LARGEST
