"""The library's shape: rooms import from those above them, importing does nothing, names say what is inside."""

import ast
import re
import subprocess
import sys

import pytest

from lib.core.files import ROOT
from lib.core.fingerprints import imported_files, source_of

ROOMS = [
    "core", "data", "language", "models", "evaluation", "training", "analysis", "results", "workflow", "papers", "cli",
]  # fmt: skip
# metaphors, and words that already mean something else to a reader of Python
UNWANTED = {"code", "site", "statistics", "kernel", "dense", "groups", "seeds", "cases", "status", "frame", "folder"}
SPEAKING = {"lib/core/errors.py", "lib/core/progress.py", "lib/cli.py"}  # the rest returns or raises
SPEAKING |= {"lib/workflow/execution.py", "lib/workflow/notebook_jobs.py"}
LONGEST = 250  # lines of a module
CITED = re.compile(r"docs/methods/(\w+)\.md (Q?\d+(?:\.\d+)?)")
MODULES = sorted((ROOT / "lib").rglob("*.py"))


def name(path) -> str:
    return path.relative_to(ROOT).as_posix()


def room(path) -> str:
    """The room, or the single file, that a module of lib belongs to."""
    return path.relative_to(ROOT / "lib").with_suffix("").parts[0]


def imported(tree) -> set[str]:
    """Dotted names below lib that a tree imports; `from lib.data import datasets` counts as data.datasets."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write the import in full, from lib"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("lib.") for name in names if name.startswith("lib.")}


def test_every_module_is_in_a_room():
    assert {room(path) for path in MODULES} == {*ROOMS, "__init__", "__main__"}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_rooms_import_from_those_above_them(path):
    if room(path) in ("__init__", "__main__"):
        return
    allowed = {*ROOMS[: ROOMS.index(room(path)) + 1]}
    assert {name.split(".")[0] for name in imported(ast.parse(path.read_text()))} <= allowed


@pytest.mark.parametrize("path", sorted((ROOT / "lib/papers").glob("*/*.py")), ids=name)
def test_papers_know_nothing_of_each_other(path):
    others = {folder.name for folder in (ROOT / "lib/papers").iterdir() if folder.is_dir()} - {path.parent.name}
    named = {name.split(".")[1] for name in imported(ast.parse(path.read_text())) if name.startswith("papers.")}
    assert named.isdisjoint(others)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_imports_itself_through_others(path):
    assert path not in imported_files(path) or path.name == "__init__.py"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_names_of_modules(path):
    stem = path.parent.name if path.name == "__init__.py" else path.stem
    assert stem not in UNWANTED | set(sys.stdlib_module_names) - {"__main__"}, "say what is inside"


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=name)
def test_a_room_lists_what_is_in_it(path):
    """Folders whose modules are picked by name (backbones, alignments) and re-exports (plots) hold code as well."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert len(text) > 20
    picked = path.parent.name in ("backbones", "alignment", "readers", "lib", "papers")
    inside = {file.stem for file in path.parent.glob("*.py")} | {
        file.parent.name for file in path.parent.glob("*/__init__.py")
    }
    missing = {stem for stem in inside - {"__init__", "__main__"} if stem not in text}
    assert picked or not missing, "list it in the docstring of the room"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_are_short(path):
    assert len(path.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_importing_only_defines(path):
    for node in ast.parse(path.read_text()).body:
        if path.name == "__main__.py":
            continue
        defines = isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        documents = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        assigns = all(isinstance(target, (ast.Name, ast.Tuple)) for target in targets)
        assert defines or documents or assigns, f"{name(path)}:{node.lineno} does something on import"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_traps(path):
    for node in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
        call, where = ast.unparse(node.func), f"{name(path)}:{node.lineno}"
        assert not call.endswith(".cuda"), f"{where}: the device is an argument"
        assert call not in ("pickle.load", "pickle.loads", "pd.read_pickle"), f"{where}: a pickle can run anything"
        assert call != "torch.load" or "weights_only=True" in ast.unparse(node), where
        assert call != "print" or name(path) in SPEAKING, f"{where}: use lib.core.progress.Progress or return it"


def test_the_command_line_stays_light():
    heavy = {"torch", "pandas", "matplotlib", "papermill", "snakemake", "transformers", "seaborn", "openai", "sklearn"}
    modules = "lib.cli, lib.workflow.plan, lib.workflow.experiments"
    code = f"import sys, {modules}; sys.exit(' '.join({heavy} & {{*sys.modules}}) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"importing the command line imports {done.stderr}"


def test_kernels_start_light():
    """Every training and every figure starts one: what takes a second to import is imported where it is used."""
    heavy = {
        "openai",
        "scipy.stats",
        "sklearn",
        "transformers",
        "sentence_transformers",
        "seaborn",
        "umap",
        "papermill",
    }
    cells = [source for path in sorted((ROOT / "notebooks").rglob("*.ipynb")) for source in source_of(path)]
    imports = [line for source in cells for line in source.splitlines() if line.startswith(("import ", "from "))]
    code = "\n".join([*dict.fromkeys(imports), f"import sys; sys.exit(' '.join({heavy} & {{*sys.modules}}) or 0)"])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"the imports of the notebooks import {done.stderr}"


def test_a_cited_section_is_in_the_method_note():
    """Code and params cite docs/methods/<paper>.md by number; nothing cites what is not in the repository."""
    files = [
        *MODULES,
        *(ROOT / "params").rglob("*.yaml"),
        *(ROOT / "notebooks").rglob("*.ipynb"),
        *(ROOT / "tests").rglob("*.py"),
    ]
    notes = {path.stem: path.read_text() for path in (ROOT / "docs/methods").glob("*.md")}
    for path in files:
        text = path.read_text()
        assert "spec " + "rlmrec" not in text, name(path)
        for paper, section in CITED.findall(text):
            mark = rf"(?m)^\| *{section}\b" if section.startswith("Q") else rf"(?m)^##+ {section}\b"
            assert re.search(mark, notes[paper]), f"{name(path)} cites {section} of docs/methods/{paper}.md"
