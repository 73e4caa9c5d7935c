"""The library's shape: imports point upwards, importing does nothing, and driving it stays light."""

import ast
import subprocess
import sys

import pytest

from lib.files import ROOT

ORDER = [
    "__init__", "files", "status", "code", "progress", "experiments",
    "datasets", "profiles", "text", "variants",
    "graph", "dense", "losses", "backbones", "alignment", "params",
    "ranking", "step", "training", "statistics", "semantics", "cases", "report_table",
    "plots", "tables", "provenance", "reproduction", "seeds", "studies", "groups", "costs", "runs", "recheck",
    "kernel", "notebook", "workflow", "schema", "site", "doctor", "cli", "__main__",
]  # fmt: skip
SPEAKING = {"status", "progress", "kernel", "notebook", "cli"}  # the rest returns or raises
MODULES = sorted((ROOT / "lib").rglob("*.py"))


def unit(path) -> str:
    """The top-level module or package that a file of lib belongs to."""
    return path.relative_to(ROOT / "lib").with_suffix("").parts[0]


def name(path) -> str:
    return str(path.relative_to(ROOT))


def imported(tree) -> set[str]:
    """Top-level modules of lib that a tree imports; `from lib import x` counts as lib.x."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write the import in full, from lib"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {parts[1] for parts in (name.split(".") for name in names) if parts[0] == "lib" and len(parts) > 1}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_point_upwards(path):
    assert unit(path) in ORDER, f"put {unit(path)} into the reading order: lib/__init__.py and this test"
    allowed = {*ORDER[: ORDER.index(unit(path))], unit(path)}
    assert imported(ast.parse(path.read_text())) <= allowed


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_importing_only_defines(path):
    guard = "__name__ == '__main__'"
    for node in ast.parse(path.read_text()).body:
        if path.name == "__main__.py" or (isinstance(node, ast.If) and ast.unparse(node.test) == guard):
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
        assert call != "print" or unit(path) in SPEAKING, f"{where}: use lib.progress.Progress or return it"


def test_the_command_line_stays_light():
    heavy = {"torch", "pandas", "matplotlib", "papermill", "snakemake", "transformers"}
    code = f"import sys, lib.cli, lib.notebook, lib.workflow; sys.exit(' '.join({heavy} & {{*sys.modules}}) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"importing the command line imports {done.stderr}"
