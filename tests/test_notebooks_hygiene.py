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


# Figures and their tables


def decorated(tree) -> list[str]:
    """Functions of a module that draw a figure."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [node.name for node in functions if "figure_function" in map(ast.unparse, node.decorator_list)]


DRAWING = {
    (".".join(path.relative_to(ROOT).with_suffix("").parts), name)
    for path in (ROOT / "lib").rglob("*.py")
    for name in decorated(ast.parse(path.read_text(encoding="utf-8")))
}


def saved_figures(code) -> dict[str, ast.Call]:
    """The calls of records.save that are given a figure, by the name of the figure's variable."""
    nodes = [node for cell in code for node in ast.walk(ast.parse(_python(cell)))]
    imports = [(node.module, name) for node in nodes if isinstance(node, ast.ImportFrom) for name in node.names]
    modules = {name.asname or name.name: f"{module}.{name.name}" for module, name in imports}
    drawing = {ours for ours, path in modules.items() if tuple(path.rsplit(".", 1)) in DRAWING}
    drawing |= {f"{ours}.{name}" for ours, path in modules.items() for module, name in DRAWING if module == path}
    made = [node for node in nodes if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)]
    figures = {ast.unparse(node.targets[0]) for node in made if ast.unparse(node.value.func) in drawing}
    saved = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "records.save"]
    return {name: call for call in saved if (name := ast.unparse(call.args[0])) in figures}


def test_every_saved_figure_names_the_table_that_holds_what_it_shows(path, code):
    """That the table lies beside the figure is for records.save to check, whenever the notebook runs."""
    without = [name for name, call in saved_figures(code).items() if "table" not in {key.arg for key in call.keywords}]
    assert not without


def test_figures_are_found_however_they_are_imported():
    sources = [
        "from lib.results.plots import overlap as figures",
        "from lib.results.plots.data import degree_distribution",
        "from lib.papers.report import dashboard_figure",
        "from lib.analysis.text_overlap import overlap_gains",
        "a = figures.overlap_gains(1); b = degree_distribution(2)",
        "c = dashboard_figure.dashboard(3); d = overlap_gains(4)  # of text_overlap: a frame",
        "records.save(a, 1, table='x'); records.save(b, 2); records.save(c, 3); records.save(d, 4)",
    ]
    found = saved_figures([{"source": [text]} for text in sources])
    assert list(found) == ["a", "b", "c"] and [key.arg for key in found["a"].keywords] == ["table"]
