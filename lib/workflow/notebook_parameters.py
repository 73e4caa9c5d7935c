"""The parameters of a notebook: what its cell tagged `parameters` declares, and values checked against it."""

import ast
from dataclasses import dataclass
from pathlib import Path

from lib.core.errors import UserError, unknown
from lib.core.files import read_yaml
from lib.core.fingerprints import notebook_cells
from lib.core.strict_yaml import parse


@dataclass(frozen=True)
class Parameter:
    """One line `name: type = default  # meaning` of the parameters cell."""

    name: str
    type: str
    default: str
    line: str


def declared(notebook) -> dict[str, Parameter]:
    """The parameters of a notebook by name, read from the cell tagged `parameters`.

    papermill's own inspection is a regular expression that loses a line whose comment holds a `=` or whose type is
    `str | None`, so the cell is parsed instead.
    """
    tagged = [cell for cell in notebook_cells(Path(notebook)) if "parameters" in cell["metadata"].get("tags", [])]
    text = "".join(tagged[0]["source"]) if tagged else ""
    lines = [node for node in ast.parse(text).body if isinstance(node, ast.AnnAssign)]
    return {
        node.target.id: Parameter(
            node.target.id, ast.unparse(node.annotation), ast.unparse(node.value), text.splitlines()[node.lineno - 1]
        )
        for node in lines
    }


def defaults(notebook) -> dict:
    """The values that a notebook declares, by the name of the parameter."""
    return {name: ast.literal_eval(parameter.default) for name, parameter in declared(notebook).items()}


def parameters(notebook, files=(), values=None) -> dict:
    """The values for a notebook: yaml `files` in order, then `values`, all checked against its parameters cell.

    Raises UserError for a name the notebook does not have and for a value of the wrong type.
    """
    known, given = declared(notebook), {}
    for file in files:
        given |= read_yaml(file)
    given |= values or {}
    return {name: _checked(notebook, known, name, value) for name, value in given.items()}


def _checked(notebook, known: dict[str, Parameter], name: str, value):
    if name not in known:
        raise UserError(f"{notebook}: {unknown('parameter', name, known)}")
    parameter = known[name]
    try:
        return _read(parameter, value)
    except ValueError:
        raise UserError(
            f"parameter '{name}' of {notebook} must be {parameter.type}, not {value!r}; it is declared as "
            f"`{parameter.line}`"
        ) from None


def _read(parameter: Parameter, value):
    """The value in its declared type; text stands for YAML unless a text is wanted. Raises ValueError."""
    from pydantic import TypeAdapter  # here because the command line must not wait for it

    types = {kind.__name__: kind for kind in (str, int, float, bool, dict, list)}
    # the annotation is from a notebook of ours, and without builtins only these types have names
    wanted = eval(parameter.type, {"__builtins__": {}}, types)
    optional = parameter.default == "None" or "None" in parameter.type
    if optional and value in (None, "null", "None"):
        return None
    if isinstance(value, str) and "str" not in parameter.type.split(" | "):
        value = float(value) if wanted is float else parse(value, parameter.name)  # YAML 1.1 takes 1e-3 for a text
    return TypeAdapter(wanted).validate_python(value, strict=True)
