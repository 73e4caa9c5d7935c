"""The notebook runner, on tiny notebooks and a tiny lib of its own."""

import argparse
import json
import shlex
import subprocess
import sys
import time

import pytest

from lib import cli
from lib.core.environment import environment
from lib.core.errors import UserError
from lib.core.files import ROOT, digest
from lib.workflow import execution, notebook_jobs
from notebooks import edit, job, make_repository, write


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository with a lib of its own."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # its lib, not the installed one
    return make_repository(tmp_path)


def test_wrong_parameters_start_no_kernel(root, monkeypatch):
    monkeypatch.setattr(execution, "execute", lambda *_, **__: pytest.fail("started"))
    with pytest.raises(UserError):
        notebook_jobs.run(job(root, "1", values={"sede": "1"}))
    assert not (root / "out").exists()


# What makes it run again


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
def test_content(root, name, old, new, changed):
    (root / "data.csv").write_text("a")
    (root / "p.yaml").write_text("x: 1")
    inputs = ("lib/models/one.py", "data.csv", "p.yaml")
    path = write(root / "a.ipynb", "from lib import models, tools", "tools.answer()")
    before = notebook_jobs.content_behind(path, {"seed": 1}, inputs, root)
    assert before == notebook_jobs.content_behind(path, {"seed": 1}, inputs, root)
    edit(root, name, old, new)
    assert (before != notebook_jobs.content_behind(path, {"seed": 1}, inputs, root)) == changed
    assert before != notebook_jobs.content_behind(path, {"seed": 2}, inputs, root)


def test_missing_input(root):
    with pytest.raises(UserError, match="no input file .*nothing.csv: run the step"):
        notebook_jobs.content_behind(write(root / "a.ipynb"), {}, ["nothing.csv"], root)


def test_run_skip_and_run_again(root, capfd):
    cells = (
        "from lib import tools\nfrom pathlib import Path\nimport sys",
        "Path('result.txt').write_text(f'{tools.answer()} {seed} {dataset}')",
        "import os\nprint('half way', file=sys.stderr)\nprint(os.getcwd(), os.environ['DGLBACKEND'])",
    )
    task = job(root, *cells, values={"seed": "7"}, outputs=("result.txt",))
    assert notebook_jobs.run(task)
    assert (root / "result.txt").read_text() == "42 7 toy"
    copy = json.loads(task.out.read_text())
    printed = {output["name"]: "".join(output["text"]) for output in copy["cells"][-1]["outputs"]}
    assert printed == {"stdout": f"{root} pytorch\n", "stderr": "half way\n"}
    assert set(copy["metadata"]["reprec"]) == {"content", "seconds"}
    assert "output_path" not in copy["metadata"]["papermill"]
    assert [path.name for path in task.out.parent.iterdir() if path.name[0] != "."] == ["a.ipynb"]
    assert "half way" in capfd.readouterr().err

    start = time.monotonic()
    assert not notebook_jobs.run(job(root, *cells, values={"seed": "7"}, outputs=("result.txt",)))
    assert time.monotonic() - start < 0.5

    edit(root, "lib/deep.py", "41", "10")
    assert notebook_jobs.run(job(root, *cells, values={"seed": "7"}, outputs=("result.txt",)))
    assert (root / "result.txt").read_text() == "11 7 toy"

    (root / "result.txt").unlink()
    assert notebook_jobs.run(job(root, *cells, values={"seed": "7"}, outputs=("result.txt",)))


def test_waiting_threads_of_a_kernel_sleep(root):
    """Set by make install in the kernel's own description, so that papermill and JupyterLab have it too."""
    cell = "import os, pathlib; pathlib.Path('out/threads.txt').write_text(os.environ['GOMP_SPINCOUNT'])"
    notebook_jobs.main(job(root, cell))
    assert (root / "out/threads.txt").read_text() == "1000"


# Failure


def failure(task) -> tuple[str, str]:
    """The short report and the page."""
    with pytest.raises(notebook_jobs.Failed) as caught:
        notebook_jobs.run(task)
    return str(caught.value), task.out.with_suffix(".failure.md").read_text()


def test_failed_cell(root, monkeypatch):
    (root / "lib/deep.py").write_text("def value():\n    raise RuntimeError('CUDA out of memory. Tried to allocate')\n")
    task = job(root, "from lib import tools", "x = 1\ntools.answer()", "'never'", values={"seed": "7"})
    short, page = failure(task)
    assert short.splitlines()[0] == f"failed: {task.notebook}, cell [4]: x = 1"
    assert "RuntimeError: CUDA out of memory" in short and "hint: the GPU is full" in short
    assert "File lib/deep.py:2" in page and "raise RuntimeError" in page and str(root / "lib") not in page
    assert f"python -m lib notebook {task.notebook} {task.out} -p seed 7" in page
    assert "seed: 7" in page and f"python: {sys.version.split()[0]}" in page and "GiB free" in page
    copy = json.loads(task.out.read_text())
    assert any(output["output_type"] == "error" for cell in copy["cells"] for output in cell.get("outputs", []))
    assert notebook_jobs.recorded(task.out) == {}  # so it runs again

    (root / "lib/deep.py").write_text("def value():\n    return 1\n")
    assert notebook_jobs.run(job(root, "from lib import tools", "x = 1\ntools.answer()", values={"seed": "7"}))
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


def test_a_key_of_the_environment_is_in_nothing_that_is_written(root, monkeypatch, capfd):
    """Notebook, page of a failure, messages, and what a manifest says of the machine."""
    key = "sk-test-a-key-that-must-stay-secret"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    notebook_jobs.run(job(root, "import os\nlen(os.environ['OPENAI_API_KEY'])"))
    _, page = failure(job(root, "import os\nlen(os.environ['OPENAI_API_KEY']) / 0"))
    files = [path.read_bytes() for path in root.rglob("*") if path.is_file()]
    printed = capfd.readouterr()
    written = b"".join(files).decode(errors="replace") + page + printed.out + printed.err + json.dumps(environment())
    assert "ZeroDivisionError" in written and key not in written


# Command line


def parsed(arguments) -> notebook_jobs.Job:
    """The job that `python -m lib notebook` would run."""
    parser = argparse.ArgumentParser()
    notebook_jobs.add_arguments(parser.add_argument)
    options = vars(parser.parse_args(arguments))
    return notebook_jobs.Job(**options | {"values": dict(options["values"])})


def test_command_line(root, capsys):
    path, out = write(root / "a.ipynb", "1"), root / "out.ipynb"
    arguments = [str(path), str(out), "-p", "seed", "1", "--input", "x", "y", "--input", "z", "--output", "t"]
    task = parsed(arguments)
    assert (task.values, task.inputs, task.outputs) == ({"seed": "1"}, ["x", "y", "z"], ["t"])
    assert cli.main(["notebook", str(path), str(out), "-p", "sede", "1"]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_command_line_repeats_a_job(root):
    task = job(root, "1", values={"dataset": "a b", "settings": {"x": [1]}}, inputs=("a.ipynb",))
    words = shlex.split(task.command)
    assert words[:4] == ["python", "-m", "lib", "notebook"]
    again = parsed(words[4:])
    assert digest(again.parameters) == digest(task.parameters) and list(again.inputs) == list(task.inputs)


def test_changes_are_named(root):
    (root / "data.csv").write_text("a")
    made = job(root, "from lib import tools", inputs=("data.csv",))
    assert made.changes == []  # nothing to compare with
    notebook_jobs.run(made)
    (root / "data.csv").write_text("b")
    edit(root, "lib/deep.py", "41", "42")
    changed = job(root, "from lib import tools, deep", inputs=("data.csv",), values={"seed": "3"})
    assert changed.changes == ["data.csv", "its own code", "lib/deep.py", "parameters"]


def test_interrupt_is_one_line_and_leaves_no_kernel(root):
    path, out = write(root / "a.ipynb", "import time\nopen('started', 'w').close()\ntime.sleep(60)"), root / "o.ipynb"
    command = [
        sys.executable,
        "-c",
        f"from lib.workflow import notebook_jobs as n; import sys; sys.path.insert(0, {str(root)!r})\n",
    ]
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


def test_what_runs_a_notebook_builds_no_grammar():
    """It takes longer than all else that every one of `make paper`'s notebooks waits for."""
    code = "import sys; from lib.workflow import execution; execution.import_papermill()\n"
    code += "print('jsonschema' in sys.modules, 'lark' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert said.stdout == "True False\n", said
