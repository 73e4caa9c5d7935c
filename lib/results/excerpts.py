"""Source of lib as a notebook shows it beside a formula: the very code that runs, without its docstring."""

import ast
import inspect
import textwrap
from pathlib import Path

from IPython.display import Markdown

from lib.core.files import ROOT


def excerpt(*things, up: str = "../") -> Markdown:
    """The source of functions or methods, each under its name and a link to its file.

    up: from the notebook's folder to the repository.
    """
    return Markdown("\n\n".join(_excerpt(thing, up) for thing in things))


def _excerpt(thing, up: str) -> str:
    path = Path(inspect.getsourcefile(thing)).relative_to(ROOT).as_posix()
    source = without_docstring(textwrap.dedent(inspect.getsource(thing)))
    return f"`{thing.__qualname__}` in [{path}]({up}{path})\n\n```python\n{source}```"


def without_docstring(source: str) -> str:
    """The source of one function or class without its docstring and the empty lines that follow it."""
    definition, lines = ast.parse(source).body[0], source.splitlines(keepends=True)
    if ast.get_docstring(definition) is None:
        return source
    text = definition.body[0]
    rest = "".join(lines[text.end_lineno :]).lstrip("\n")
    return "".join(lines[: text.lineno - 1]) + rest
