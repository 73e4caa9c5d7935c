"""Which code a result follows from: the lib files a notebook imports, and a hash that only behaviour changes."""

import ast
import json
import re
from functools import cache
from pathlib import Path

from lib.core.errors import UserError, unknown
from lib.core.files import ROOT, digest

BANNER = re.compile(r"(?m)^from lib\.results\.banner import tiny_banner$\n?|^tiny_banner\([^()]*\)$")
NUMBERLESS = (ROOT / "lib/core", ROOT / "lib/training/run_settings.py")  # see `deciding_files`


def imported_files(path, root=ROOT) -> list[Path]:
    """Files of `root`/lib that a notebook or module imports, directly or through others, sorted.

    A module that code picks by name at run time (a backbone) is not seen: give it as an input.
    """
    found, queue = set(), [Path(path)]
    while queue:
        new = _imported(queue.pop(), Path(root)) - found
        found |= new
        queue += new
    return sorted(found)


def deciding_files(*modules: Path) -> list[Path]:
    """The modules and all of lib that they import, without what decides no number: what names, checks and reports.

    An edit of an error message should not cost hours of training. Settings, which the left-out code reads and checks,
    stand in a result's key themselves.
    """
    files = set(modules).union(*map(imported_files, modules))
    return sorted(path for path in files if path not in NUMBERLESS and path.parent not in NUMBERLESS)


def code_digest(paths) -> str:
    """Content hash of Python files and notebooks: comments, docstrings, layout and notebook outputs do not count."""
    return digest(*([_behaviour(part) for part in source_of(path)] for path in paths))


def source_of(path) -> list[str]:
    """The source of a Python file, or of each code cell of a notebook; raises UserError when there is none.

    The banner of a notebook (lib/results/banner.py) is left out: it only says what the committed outputs are, and a
    result should not count as outdated because of it.
    """
    path = Path(path)
    if path.suffix != ".ipynb":
        return [path.read_text(encoding="utf-8")]
    cells = ["".join(cell["source"]) for cell in notebook_cells(path) if cell["cell_type"] == "code"]
    return [BANNER.sub("", cell) for cell in cells if not BANNER.fullmatch(cell)]


def notebook_cells(path: Path) -> list[dict]:
    """The cells of a notebook; raises UserError when it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["cells"]
    except FileNotFoundError:
        raise unknown("notebook", str(path), path.parent.glob("*.ipynb")) from None
    except (ValueError, KeyError):
        raise UserError(f"{path} is not a notebook of format 4") from None


def _imported(path: Path, root: Path) -> set[Path]:
    names = set().union(*map(_import_names, source_of(path)))
    parts = [name.split(".") for name in names]
    # a name may end in a function, so every beginning of it is tried as a module and as a package; packages count too,
    # since importing a module executes their __init__
    places = {root.joinpath(*name[:length]) for name in parts for length in range(1, len(name) + 1)}
    files = {place.with_suffix(".py") for place in places} | {place / "__init__.py" for place in places}
    return {file for file in files if file.is_file()}


@cache
def _import_names(text: str) -> frozenset[str]:
    """Dotted names in `lib` that the import statements of a source mention; some are functions, not modules."""
    names = set()
    for node in ast.walk(ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", text))):  # IPython's own lines
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(name for name in names if name.split(".")[0] == "lib")


@cache
def _behaviour(source: str) -> str:
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a cell with IPython's own lines
        return source
    for node in ast.walk(tree):
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        if documented and ast.get_docstring(node) is not None:
            # a body of nothing but a docstring would be empty, which is no Python
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
