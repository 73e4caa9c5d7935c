"""Run one notebook with papermill: strict parameters, skip when up to date, a report when it fails.

python -m lib.notebook NOTEBOOK OUT [-f FILE]... [-p NAME VALUE]... [--input FILE]... [--output FILE]...
"""

import argparse
import ast
import json
import os
import shlex
import signal
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml
from filelock import FileLock
from pydantic import TypeAdapter

from lib.code import cells, code_digest, sources
from lib.files import ROOT, UserError, digest, read_yaml, sha256, unknown, write_text

# ---------------------------------------------------------------- parameters


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
    tagged = [cell for cell in cells(Path(notebook)) if "parameters" in cell["metadata"].get("tags", [])]
    text = "".join(tagged[0]["source"]) if tagged else ""
    lines = [node for node in ast.parse(text).body if isinstance(node, ast.AnnAssign)]
    return {
        node.target.id: Parameter(
            node.target.id, ast.unparse(node.annotation), ast.unparse(node.value), text.splitlines()[node.lineno - 1]
        )
        for node in lines
    }


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
    types = {kind.__name__: kind for kind in (str, int, float, bool, dict, list)}
    wanted = eval(parameter.type, {"__builtins__": {}}, types)
    optional = parameter.default == "None" or "None" in parameter.type
    if optional and value in (None, "null", "None"):
        return None
    if isinstance(value, str) and "str" not in parameter.type.split(" | "):
        value = float(value) if wanted is float else yaml.safe_load(value)  # YAML 1.1 takes 1e-3 for a text
    return TypeAdapter(wanted).validate_python(value, strict=True)


# ---------------------------------------------------------------- is it up to date


def fingerprint(notebook, values: dict, inputs=(), root=ROOT) -> str:
    """Digest of everything a notebook's results follow from: its code, the lib it imports, parameters, inputs."""
    files = {*sources(notebook, root), *(Path(root, file) for file in inputs)}
    content = {os.path.relpath(file, root): _meaning(file) for file in files}
    return digest(code_digest([notebook]), content, values)


def _meaning(path: Path):
    """What counts of a file: Python without comments and docstrings, YAML as data, else every byte."""
    if not path.is_file():
        raise UserError(f"no input file {path}: run the step that makes it first")
    if path.suffix == ".py":
        return code_digest([path])
    return read_yaml(path) if path.suffix == ".yaml" else sha256(path)


def recorded(out) -> dict:
    """What the executed copy `out` says of its run: digest and seconds; empty when it is absent or failed."""
    try:
        return json.loads(Path(out).read_text(encoding="utf-8"))["metadata"].get("reprec", {})
    except (OSError, ValueError, KeyError):
        return {}


# ---------------------------------------------------------------- run


class Failed(Exception):
    """A cell failed or the kernel died; the text is the short report for the terminal."""


@dataclass(frozen=True)
class Job:
    """One execution: `notebook` into the copy `out` in the folder `root`, with parameters from `files` and `values`.

    `inputs` are files that it reads besides the lib it imports, `outputs` files that it must write.
    """

    notebook: Path
    out: Path
    files: tuple[str, ...] = ()
    values: dict = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    root: Path = ROOT

    @cached_property
    def parameters(self) -> dict:
        """The checked parameters; raises UserError."""
        return parameters(self.notebook, self.files, self.values)

    @cached_property
    def state(self) -> str:
        """The digest that the copy must carry to be up to date; raises UserError."""
        return fingerprint(self.notebook, self.parameters, self.inputs, self.root)

    @property
    def up_to_date(self) -> bool:
        """Whether the copy is of this state and all outputs exist."""
        return recorded(self.out).get("digest") == self.state and not self.absent

    @property
    def absent(self) -> list[str]:
        """Outputs that do not exist."""
        return [str(output) for output in self.outputs if not Path(self.root, output).exists()]

    @property
    def command(self) -> str:
        """The shell command for this job."""
        words = ["python", "-m", "lib.notebook", self.notebook, self.out]
        for file in self.files:
            words += ["-f", file]
        for name, value in self.values.items():
            words += ["-p", name, value if isinstance(value, str) else json.dumps(value)]
        for option, paths in (("--input", self.inputs), ("--output", self.outputs)):
            words += [option, *paths] if paths else []
        return shlex.join(map(str, words))

    @property
    def place(self) -> str:
        """Where in runs/ the copy goes: run folder, or <dataset>/notebooks/<name>."""
        return os.path.relpath(self.out, Path(self.root, "runs")).removesuffix(".ipynb").removesuffix("/notebook")


def run(job: Job) -> bool:
    """Execute a job unless it is up to date; True when it ran.

    The copy is replaced at once, also by one that shows a failure; until then `<out>.running.ipynb` shows the cells so
    far. Raises UserError before a kernel starts, Failed after.
    """
    if job.up_to_date:
        return False
    job.out.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(job.out.with_name(f".{job.out.stem}.lock")):
        if job.up_to_date:  # by another process while this one waited
            return False
        running, start = job.out.with_suffix(".running.ipynb"), time.monotonic()
        try:
            _execute(job, running)
            _keep(running, job.out, {"digest": job.state, "seconds": round(time.monotonic() - start, 1)})
        except Failed:
            _keep(running, job.out, {})
            raise
        finally:
            running.unlink(missing_ok=True)
    return True


def _execute(job: Job, running: Path) -> None:
    """Execute into `running`; raises Failed after writing the failure report."""
    from lib import kernel  # papermill takes a second to import: not for a notebook that is up to date

    page = job.out.with_suffix(".failure.md")
    try:
        kernel.execute(job.notebook.resolve(), running.resolve(), job.parameters, job.root)
        if job.absent:
            raise FileNotFoundError(f"the notebook ended without writing {', '.join(job.absent)}")
    except Exception as error:
        failure = kernel.diagnose(running, error, job.root)
        write_text(page, kernel.report(failure, job.notebook, job.parameters, job.command))
        lines = [f"failed: {job.notebook}" + (f", cell [{failure.cell}]: {failure.line}" if failure.cell else "")]
        lines += [failure.error, *([f"hint: {failure.hint}"] if failure.hint else [])]
        raise Failed("\n  ".join([*lines, f"report: {page}"])) from None
    page.unlink(missing_ok=True)


def _keep(running: Path, out: Path, record: dict) -> None:
    """Move the executed copy, if it came to one, into place: with its record and without this machine's paths."""
    if not running.exists():
        return
    copy = json.loads(running.read_text(encoding="utf-8"))
    for name in ("input_path", "output_path"):
        copy["metadata"]["papermill"].pop(name, None)
    copy["metadata"]["reprec"] = record
    write_text(out, json.dumps(copy, indent=1, ensure_ascii=False) + "\n")


def parse(arguments=None) -> Job:
    """The job that a command line describes."""
    parser = argparse.ArgumentParser(prog="python -m lib.notebook", description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("out", type=Path, help="where the executed copy goes")
    parser.add_argument("-f", dest="files", action="append", default=[], metavar="FILE", help="yaml file of parameters")
    parser.add_argument("-p", dest="values", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    parser.add_argument("--input", dest="inputs", nargs="*", action="extend", default=[], metavar="FILE")
    parser.add_argument("--output", dest="outputs", nargs="*", action="extend", default=[], metavar="FILE")
    options = vars(parser.parse_args(arguments))
    return Job(**options | {"values": dict(options["values"])})


def main(job: Job) -> int:
    """Run a job and tell the user how it ended; returns the exit status.

    0 done or up to date, 1 failed, 2 wrong use, 130 interrupted.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cancelled job ends its kernel too
    try:
        print(f"done: {job.out} ({recorded(job.out)['seconds']:.0f} s)" if run(job) else f"up to date: {job.out}")
        return 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted: {job.out} is as it was; the same command starts it again", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(parse()))
