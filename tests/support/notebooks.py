"""Tiny notebooks and a tiny lib of their own, for tests of what runs notebooks."""

import json

from nbformat import v4

from lib.workflow import notebook_jobs

PARAMETERS = """dataset: str = "toy"  # name of a dataset
seed: int = 2023  # random seed, >= 0
rate: float = 0.1  # learning rate = step, > 0
settings: dict = None  # hyper-parameters
encoder: str | None = None  # text encoder"""
FILES = {
    "lib/__init__.py": "",
    "lib/tools.py": '"""Tools."""\nfrom lib.deep import value\n\n\ndef answer():\n    return value() + 1\n',
    "lib/deep.py": "def value():\n    return 41\n",
    "lib/unused.py": "",
    "lib/models/__init__.py": "import importlib\n",
    "lib/models/one.py": "",
    "lib/models/two.py": "from lib import unused\n",
}


def make_repository(place):
    """A repository with a lib: a module, what it imports, and a package with two members."""
    for name, text in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


def write(path, *cells, parameters=PARAMETERS):
    """Write a notebook with a cell of parameters, a text and these code cells."""
    document = v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}})
    document.cells = [v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}), v4.new_markdown_cell("# Text")]
    document.cells += [v4.new_code_cell(cell) for cell in cells]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def job(root, *cells, **options):
    """The execution of a notebook of these cells in a repository."""
    return notebook_jobs.Job(write(root / "a.ipynb", *cells), root / "out" / "a.ipynb", root=root, **options)


def edit(root, name, old, new):
    """Replace a text in a file of the repository."""
    path = root / name
    path.write_text(path.read_text().replace(old, new))
    assert new in path.read_text()
