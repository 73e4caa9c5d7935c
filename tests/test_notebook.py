"""The notebook runner, on tiny notebooks and a tiny lib of its own."""

import json
import shlex
import subprocess
import sys
import time

import pytest
from nbformat import v4

from lib import notebook
from lib.code import sources
from lib.files import ROOT, UserError, digest

PARAMETERS = """dataset: str = "toy"  # name of a dataset
seed: int = 2023  # random seed, >= 0
rate: float = 0.1  # learning rate = step, > 0
settings: dict = None  # hyper-parameters
encoder: str | None = None  # text encoder"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository with notebooks and a lib: a module, what it imports, and a package with two members."""
    files = {
        "lib/__init__.py": "",
        "lib/tools.py": '"""Tools."""\nfrom lib.deep import value\n\n\ndef answer():\n    return value() + 1\n',
        "lib/deep.py": "def value():\n    return 41\n",
        "lib/unused.py": "",
        "lib/models/__init__.py": "import importlib\n",
        "lib/models/one.py": "",
        "lib/models/two.py": "from lib import unused\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # its lib, not the installed one
    return tmp_path


def write(path, *cells, parameters=PARAMETERS):
    document = v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}})
    document.cells = [v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}), v4.new_markdown_cell("# Text")]
    document.cells += [v4.new_code_cell(cell) for cell in cells]
    path.write_text(json.dumps(document))
    return path


def job(root, *cells, **options):
    return notebook.Job(write(root / "a.ipynb", *cells), root / "out" / "a.ipynb", root=root, **options)


def names(root, paths):
    return [path.relative_to(root / "lib").as_posix() for path in paths]


# ---------------------------------------------------------------- sources


def test_sources_are_transitive(root):
    path = write(root / "a.ipynb", "from lib import tools", "import numpy as np")
    assert names(root, sources(path, root)) == ["__init__.py", "deep.py", "tools.py"]


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
def test_sources_by_kind_of_import(root, line, found):
    assert names(root, sources(write(root / "a.ipynb", line), root)) == found


def test_sources_hold_all_that_python_loads():
    code = "import lib.datasets, sys; print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'lib'))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    module = ROOT / "lib/datasets/__init__.py"
    assert set(loaded.stdout.split()) <= {str(path) for path in [module, *sources(module)]}


# ---------------------------------------------------------------- parameters


def test_values_take_their_declared_type(root):
    given = {"dataset": "off", "seed": "7", "rate": "1e-3", "settings": "{weight: 0.1}", "encoder": "null"}
    expected = {"dataset": "off", "seed": 7, "rate": 1e-3, "settings": {"weight": 0.1}, "encoder": None}
    assert notebook.parameters(write(root / "a.ipynb"), values=given) == expected
    assert notebook.parameters(write(root / "a.ipynb"), values={"rate": 1, "settings": None}) == {
        "rate": 1.0,
        "settings": None,
    }


def test_files_then_values(root):
    (root / "p.yaml").write_text("seed: 1\nrate: 1e-2\nsettings: {layers: 2}\n")
    values = notebook.parameters(write(root / "a.ipynb"), [root / "p.yaml"], {"seed": "3"})
    assert values == {"seed": 3, "rate": 0.01, "settings": {"layers": 2}}


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("sede", "1", "did you mean 'seed'"),
        (
            "seed",
            "many",
            "parameter 'seed' of .* must be int, not 'many'; it is declared as `seed: int = 2023  # random",
        ),
        ("seed", "1.5", "must be int"),
        ("seed", True, "must be int"),
        ("seed", "null", "must be int"),
        ("rate", "fast", "must be float"),
        ("settings", "[1]", "must be dict"),
        ("dataset", 3, "must be str"),
    ],
)
def test_wrong_parameters_are_one_sentence(root, name, value, said):
    with pytest.raises(UserError, match=said) as caught:
        notebook.parameters(write(root / "a.ipynb"), values={name: value})
    assert "\n" not in str(caught.value)


def test_wrong_parameters_start_no_kernel(root, monkeypatch):
    from lib import kernel

    monkeypatch.setattr(kernel, "execute", lambda *_, **__: pytest.fail("started"))
    with pytest.raises(UserError):
        notebook.run(job(root, "1", values={"sede": "1"}))
    assert not (root / "out").exists()


def test_wrong_notebook(root):
    write(root / "tour.ipynb")
    with pytest.raises(UserError, match="did you mean .*tour.ipynb"):
        notebook.declared(root / "tuor.ipynb")
    (root / "text.ipynb").write_text("no json")
    with pytest.raises(UserError, match="is not a notebook"):
        notebook.declared(root / "text.ipynb")


# ---------------------------------------------------------------- what makes it run again


def edit(root, name, old, new):
    path = root / name
    path.write_text(path.read_text().replace(old, new))
    assert new in path.read_text()


@pytest.mark.parametrize(
    "name, old, new, changed",
    [
        ("lib/deep.py", "41", "42", True),
        ("lib/deep.py", "return 41", "return  41  # a comment", False),
        ("lib/tools.py", '"""Tools."""', '"""Other words."""', False),
        ("lib/unused.py", "", "x = 1", False),
        ("lib/models/one.py", "", "x = 1", True),  # given as an input
        ("data.csv", "a", "b", True),
        ("p.yaml", "x: 1", "x: 1  # why", False),
        ("p.yaml", "x: 1", "x: 2", True),
        ("a.ipynb", "answer()", "answer() ", False),
        ("a.ipynb", "# Text", "# Other text", False),
    ],
)
def test_fingerprint(root, name, old, new, changed):
    (root / "data.csv").write_text("a")
    (root / "p.yaml").write_text("x: 1")
    inputs = ("lib/models/one.py", "data.csv", "p.yaml")
    path = write(root / "a.ipynb", "from lib import models, tools", "tools.answer()")
    before = notebook.fingerprint(path, {"seed": 1}, inputs, root)
    assert before == notebook.fingerprint(path, {"seed": 1}, inputs, root)
    edit(root, name, old, new)
    assert (before != notebook.fingerprint(path, {"seed": 1}, inputs, root)) == changed
    assert before != notebook.fingerprint(path, {"seed": 2}, inputs, root)


def test_missing_input(root):
    with pytest.raises(UserError, match="no input file .*nothing.csv: run the step"):
        notebook.fingerprint(write(root / "a.ipynb"), {}, ["nothing.csv"], root)


def test_run_skip_and_run_again(root, capfd):
    cells = (
        "from lib import tools\nfrom pathlib import Path\nimport sys",
        "Path('result.txt').write_text(f'{tools.answer()} {seed} {dataset}')",
        "import os\nprint('half way', file=sys.stderr)\nprint(os.getcwd(), os.environ['DGLBACKEND'])",
    )
    task = job(root, *cells, values={"seed": "7"}, outputs=("result.txt",))
    assert notebook.run(task)
    assert (root / "result.txt").read_text() == "42 7 toy"
    copy = json.loads(task.out.read_text())
    printed = {output["name"]: "".join(output["text"]) for output in copy["cells"][-1]["outputs"]}
    assert printed == {"stdout": f"{root} pytorch\n", "stderr": "half way\n"}
    assert set(copy["metadata"]["reprec"]) == {"digest", "seconds"}
    assert "output_path" not in copy["metadata"]["papermill"]
    assert [path.name for path in task.out.parent.iterdir() if path.name[0] != "."] == ["a.ipynb"]
    assert "half way" in capfd.readouterr().err

    start = time.monotonic()
    assert not notebook.run(job(root, *cells, values={"seed": "7"}, outputs=("result.txt",)))
    assert time.monotonic() - start < 0.5

    edit(root, "lib/deep.py", "41", "10")
    assert notebook.run(job(root, *cells, values={"seed": "7"}, outputs=("result.txt",)))
    assert (root / "result.txt").read_text() == "11 7 toy"

    (root / "result.txt").unlink()
    assert notebook.run(job(root, *cells, values={"seed": "7"}, outputs=("result.txt",)))


def test_waiting_threads_of_a_kernel_sleep(root):
    """Set by make install in the kernel's own description, so that papermill and JupyterLab have it too."""
    cell = "import os, pathlib; pathlib.Path('out/threads.txt').write_text(os.environ['GOMP_SPINCOUNT'])"
    notebook.main(job(root, cell))
    assert (root / "out/threads.txt").read_text() == "1000"


# ---------------------------------------------------------------- failure


def failure(task) -> tuple[str, str]:
    """The short report and the page."""
    with pytest.raises(notebook.Failed) as caught:
        notebook.run(task)
    return str(caught.value), task.out.with_suffix(".failure.md").read_text()


def test_failed_cell(root, monkeypatch):
    (root / "lib/deep.py").write_text("def value():\n    raise RuntimeError('CUDA out of memory. Tried to allocate')\n")
    task = job(root, "from lib import tools", "x = 1\ntools.answer()", "'never'", values={"seed": "7"})
    short, page = failure(task)
    assert short.splitlines()[0] == f"failed: {task.notebook}, cell [4]: x = 1"
    assert "RuntimeError: CUDA out of memory" in short and "hint: the GPU is full" in short
    assert "File lib/deep.py:2" in page and "raise RuntimeError" in page and str(root / "lib") not in page
    assert f"python -m lib.notebook {task.notebook} {task.out} -p seed 7" in page
    assert "seed: 7" in page and f"python: {sys.version.split()[0]}" in page and "GiB free" in page
    copy = json.loads(task.out.read_text())
    assert any(output["output_type"] == "error" for cell in copy["cells"] for output in cell.get("outputs", []))
    assert notebook.recorded(task.out) == {}  # so it runs again

    (root / "lib/deep.py").write_text("def value():\n    return 1\n")
    assert notebook.run(job(root, "from lib import tools", "x = 1\ntools.answer()", values={"seed": "7"}))
    assert not task.out.with_suffix(".failure.md").exists()


def test_user_error_is_its_sentence(root):
    (root / "lib/tools.py").write_text(
        "class UserError(Exception):\n    def _render_traceback_(self):\n        return [f'UserError: {self}']\n"
    )
    task = job(root, "from lib.tools import UserError", "raise UserError('give --from a folder')")
    short, page = failure(task)
    assert "UserError: give --from a folder" in short
    assert "## Where" not in page and "Traceback" not in task.out.read_text()


def test_dead_kernel_is_explained(root):
    task = job(root, "before = 1", "import os\nos.kill(os.getpid(), 9)", "'never'")
    short, page = failure(task)
    assert "cell [3]: import os" in short and "ended by SIGKILL (exit code 137)" in short
    assert "most likely out of memory" in short and "most likely out of memory" in page
    assert "ended by SIGKILL" in task.out.read_text()


def test_crash_shows_where_python_was(root):
    _, page = failure(job(root, "import ctypes\nctypes.string_at(0)"))
    assert "SIGSEGV (exit code 139)" in page and "in string_at" in page


def test_promised_output_is_missing(root):
    short, _ = failure(job(root, "1", outputs=("table.csv",)))
    assert "the notebook ended without writing table.csv" in short


# ---------------------------------------------------------------- command line


def test_command_line(root, capsys):
    path, out = write(root / "a.ipynb", "1"), root / "out.ipynb"
    arguments = [str(path), str(out), "-p", "seed", "1", "--input", "x", "y", "--input", "z", "--output", "t"]
    task = notebook.parse(arguments)
    assert (task.values, task.inputs, task.outputs) == ({"seed": "1"}, ["x", "y", "z"], ["t"])
    assert notebook.main(notebook.parse([str(path), str(out), "-p", "sede", "1"])) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_command_line_repeats_a_job(root):
    task = job(root, "1", values={"dataset": "a b", "settings": {"x": [1]}}, inputs=("a.ipynb",))
    again = notebook.parse(shlex.split(task.command)[3:])
    assert digest(again.parameters) == digest(task.parameters) and list(again.inputs) == list(task.inputs)


def test_interrupt_is_one_line_and_leaves_no_kernel(root):
    path, out = write(root / "a.ipynb", "import time\nopen('started', 'w').close()\ntime.sleep(60)"), root / "o.ipynb"
    command = [sys.executable, "-c", f"from lib import notebook as n; import sys; sys.path.insert(0, {str(root)!r})\n"]
    command[-1] += f"sys.exit(n.main(n.Job(n.Path({str(path)!r}), n.Path({str(out)!r}), root={str(root)!r})))"
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env={"PATH": "", "HOME": str(root)})
    wait_for(lambda: (root / "started").exists())
    child.terminate()
    assert child.communicate(timeout=20)[1].splitlines() == [
        f"interrupted: {out} is as it was; the same command starts it again"
    ]
    assert child.returncode == 130 and not out.exists() and not list(root.glob("*.running.ipynb"))


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
