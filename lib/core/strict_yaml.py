"""YAML of a user: what PyYAML lets pass, breaks on or writes badly is one sentence with key and line.

PyYAML keeps the last of two equal keys, follows references that grow to gigabytes or never end, and gives up on some
values with any error.
"""

from copy import deepcopy
from functools import lru_cache

import yaml

from lib.core.errors import UserError, short

LARGEST = 100_000  # values in one file, those that a reference (*name) repeats counted again
LONGEST = 1000  # digits of a number


def parse(text: str, where: str):
    """The content of a YAML text; raises UserError with the line for one that is broken, repeats a key or is endless.

    `where` names the text in the error.
    """
    return deepcopy(_parsed(text, where))  # whoever asked before may have changed his own


# the same few files are read hundreds of times to list the tasks of a paper
@lru_cache(maxsize=256)
def _parsed(text: str, where: str):
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _checked(loader, node, {})
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise UserError(f"{where} is not valid YAML: {_said(error)}") from None
    except RecursionError:
        raise UserError(f"{where} is not valid YAML: its values are nested too deeply: write it flatter") from None
    except (ValueError, TypeError, OverflowError, LookupError, AttributeError) as error:
        # a value that looks like a date, a number or bytes and is none, such as 2024-13-01 or !!int x
        raise UserError(
            f"{where} is not valid YAML: it has a value that cannot be read ({short(error)}): put texts between quotes"
        ) from None


def _checked(loader: yaml.SafeLoader, node: yaml.Node, sizes: dict) -> int:
    """How many values `node` stands for, with all that it refers to; raises YAMLError for what must not be there."""
    if id(node) in sizes:
        if sizes[id(node)] is None:
            raise _error(node, "it refers to a value that holds itself: write it out")
        return sizes[id(node)]
    sizes[id(node)] = None  # being counted
    if isinstance(node, yaml.ScalarNode):
        if node.tag.rpartition(":")[2] in ("int", "float") and len(node.value) > LONGEST:
            raise _error(node, f"it has a number of {len(node.value)} digits: write a smaller one")
        inside = []
    elif isinstance(node, yaml.MappingNode):
        _no_repeated_key(loader, node)
        inside = [part for pair in node.value for part in pair]
    else:
        inside = node.value
    sizes[id(node)] = 1 + sum(_checked(loader, part, sizes) for part in inside)
    if sizes[id(node)] > LARGEST:
        raise _error(node, f"its references stand for more than {LARGEST:,} values: write less")
    return sizes[id(node)]


def _no_repeated_key(loader: yaml.SafeLoader, node: yaml.MappingNode) -> None:
    lines = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            continue
        value = loader.construct_object(key)
        if value in lines:
            raise _error(key, f"the key '{short(key.value)}' stands in line {lines[value]} already: keep one of them")
        lines[value] = key.start_mark.line + 1


def _error(node: yaml.Node, problem: str) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _said(error: yaml.YAMLError) -> str:
    """PyYAML's reason with line and column, without the words it has for a text that is not in a file."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark:
        reason = ", ".join(filter(None, [error.context, error.problem]))
        return f"line {mark.line + 1}, column {mark.column + 1}: {short(reason)}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"it holds the sign {error.character!r}, which no text has: save it as UTF-8 text"
    return short(error)
