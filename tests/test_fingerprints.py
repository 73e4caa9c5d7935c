"""Which code a result follows from, and what of it counts."""

import json
import subprocess
import sys

import pytest

from lib.core.files import ROOT
from lib.core.fingerprints import code_digest, imported_files
from notebooks import make_repository, write


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository with a lib of its own."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # its lib, not the installed one
    return make_repository(tmp_path)


def names(root, paths):
    return [path.relative_to(root / "lib").as_posix() for path in paths]


# Which files a source imports


def test_imports_are_transitive(root):
    path = write(root / "a.ipynb", "from lib import tools", "import numpy as np")
    assert names(root, imported_files(path, root)) == ["__init__.py", "deep.py", "tools.py"]


@pytest.mark.parametrize(
    "line, found",
    [
        ("import lib.tools", ["__init__.py", "deep.py", "tools.py"]),
        ("from lib.deep import value", ["__init__.py", "deep.py"]),
        ("%matplotlib inline\nfrom lib import deep", ["__init__.py", "deep.py"]),
        ("def later():\n    import lib.deep as d", ["__init__.py", "deep.py"]),
        ("from lib.models import one", ["__init__.py", "models/__init__.py", "models/one.py"]),
        ("import lib.models.two", ["__init__.py", "models/__init__.py", "models/two.py", "unused.py"]),
        ("from lib import models", ["__init__.py", "models/__init__.py"]),  # members that code picks are inputs
        ("import library", []),
    ],
)
def test_imports_by_kind_of_import(root, line, found):
    assert names(root, imported_files(write(root / "a.ipynb", line), root)) == found


def test_imports_hold_all_that_python_loads():
    code = "import lib.data.datasets, sys\n"
    code += "print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'lib'))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    module = ROOT / "lib/data/datasets.py"
    assert set(loaded.stdout.split()) <= {str(path) for path in [module, *imported_files(module)]}


def digest_of(tmp_path, text, name="a.py"):
    (tmp_path / name).write_text(text)
    return code_digest([tmp_path / name])


def test_code_digest_is_blind_to_comments_docstrings_and_layout_only(tmp_path):
    plain = digest_of(tmp_path, "def f(x):\n    return x + 1\n")
    assert (
        digest_of(tmp_path, '"""Doc."""\n\n# why\ndef f( x ):\n    """Adds."""\n    return (x\n            + 1)\n')
        == plain
    )
    assert digest_of(tmp_path, "def f(x):\n    return x + 2\n") != plain
    assert digest_of(tmp_path, "def f(x):\n    'a' 'b'\n") == digest_of(tmp_path, "def f(x):\n    pass\n")


def test_code_digest_of_a_notebook_sees_code_cells_only(tmp_path):
    def notebook(*sources, output="1"):
        cells = [{"cell_type": "code", "source": [source], "outputs": [output]} for source in sources]
        return json.dumps({"cells": [{"cell_type": "markdown", "source": [output]}, *cells]})

    plain = digest_of(tmp_path, notebook("x = 1", "%time x"), "a.ipynb")
    assert digest_of(tmp_path, notebook("x = 1  # one", "%time x", output="2"), "a.ipynb") == plain
    assert digest_of(tmp_path, notebook("x = 1", "%time y"), "a.ipynb") != plain
    assert digest_of(tmp_path, notebook("x = 2", "%time x"), "a.ipynb") != plain


# The banner above tiny outputs


def test_a_banner_does_not_count(root):
    (root / "lib/results").mkdir()
    for name in ("__init__", "banner"):
        (root / f"lib/results/{name}.py").write_text('"""Shows."""\n')
    plain = write(root / "a.ipynb", "from lib import tools\nimport numpy as np", "tools.f(1)")
    imports = "from lib import tools\nfrom lib.results.banner import tiny_banner\nimport numpy as np"
    other = write(root / "b.ipynb", imports, 'tiny_banner(\n    "tiny", f"a/{b}", "c"\n)', "tools.f(1)")
    assert code_digest([other]) == code_digest([plain]) and imported_files(other, root) == imported_files(plain, root)
    more = write(root / "c.ipynb", imports, 'tiny_banner("tiny")\ntools.f(2)', "tools.f(1)")
    assert code_digest([more]) != code_digest([plain]), "what stands beside it in its cell counts"
