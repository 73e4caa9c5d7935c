"""Run one notebook with papermill: strict parameters, skip when up to date, a report when it fails.

python -m lib notebook NOTEBOOK OUT [-f FILE]... [-p NAME VALUE]... [--input FILE]... [--output FILE]...
"""

import json
import os
import shlex
import signal
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from filelock import FileLock

from lib.core.errors import UserError
from lib.core.files import ROOT, digest, read_yaml, sha256, write_text
from lib.core.fingerprints import code_digest, imported_files
from lib.workflow.notebook_parameters import parameters

OWN_CODE = "its own code"  # what the code cells of a notebook are called among the things that may change


# Is it up to date?


def content_behind(notebook, values: dict, inputs=(), root=ROOT) -> dict[str, str]:
    """Content hashes of everything a notebook's results follow from: its code, the lib it imports, parameters, inputs.

    Files go by their path below `root`. Raises UserError for an input that is not there.
    """
    files = {*imported_files(notebook, root), *(Path(root, file) for file in inputs)}
    content = {os.path.relpath(file, root): _content_hash(file) for file in files}
    return content | {OWN_CODE: code_digest([notebook]), "parameters": digest(values)}


def _content_hash(path: Path) -> str:
    """Python counts without comments and docstrings, YAML as data, any other file byte by byte."""
    if not path.is_file():
        raise UserError(f"no input file {path}: run the step that makes it first")
    if path.suffix == ".py":
        return code_digest([path])
    return digest(read_yaml(path)) if path.suffix == ".yaml" else sha256(path)[:16]


def recorded(out) -> dict:
    """What the executed copy `out` says of its run: content and seconds; empty when it is absent or failed."""
    try:
        return json.loads(Path(out).read_text(encoding="utf-8"))["metadata"].get("reprec", {})
    except (OSError, ValueError, KeyError):
        return {}


# Run it


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
        return parameters(Path(self.root, self.notebook), [Path(self.root, file) for file in self.files], self.values)

    @cached_property
    def content(self) -> dict[str, str]:
        """What the copy must have been made from to be up to date (`content_behind`); raises UserError."""
        return content_behind(Path(self.root, self.notebook), self.parameters, self.inputs, self.root)

    @property
    def up_to_date(self) -> bool:
        """Whether the copy was made from this content and all outputs exist; raises UserError."""
        return recorded(Path(self.root, self.out)).get("content") == self.content and not self.absent

    @property
    def changes(self) -> list[str]:
        """Names of what has changed since the copy was made; empty when no copy says what it was made from."""
        before = recorded(Path(self.root, self.out)).get("content", {})
        names = sorted({*before, *self.content}) if before else []
        return [name for name in names if before.get(name) != self.content.get(name)]

    @property
    def absent(self) -> list[str]:
        """Outputs that do not exist."""
        return [str(output) for output in self.outputs if not Path(self.root, output).exists()]

    @property
    def command(self) -> str:
        """The shell command for this job, as a user types it."""
        return shlex.join(["python", *self.words])

    @property
    def words(self) -> list[str]:
        """What stands behind `python` in that command."""
        words = ["-m", "lib", "notebook", self.notebook, self.out]
        for file in self.files:
            words += ["-f", file]
        for name, value in self.values.items():
            words += ["-p", name, value if isinstance(value, str) else json.dumps(value)]
        for option, paths in (("--input", self.inputs), ("--output", self.outputs)):
            words += [option, *paths] if paths else []
        return [*map(str, words)]

    @property
    def place(self) -> str:
        """Where in runs/ the copy goes: run folder, or <dataset>/notebooks/<paper>/<name>."""
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
            _keep(running, job.out, {"content": job.content, "seconds": round(time.monotonic() - start, 1)})
        except Failed:
            _keep(running, job.out, {})
            raise
        finally:
            running.unlink(missing_ok=True)
    return True


def _execute(job: Job, running: Path) -> None:
    """Execute into `running`; raises Failed after writing the failure report."""
    from lib.workflow import execution  # its imports take half a second: not for what is up to date

    page = job.out.with_suffix(".failure.md")
    try:
        execution.execute(job.notebook.resolve(), running.resolve(), job.parameters, job.root)
        if job.absent:
            raise FileNotFoundError(f"the notebook ended without writing {', '.join(job.absent)}")
    # whatever it is, also papermill's own trouble: all of it ends in one report
    except Exception as error:
        from lib.workflow import failures

        failure = failures.diagnose(running, error, job.root)
        write_text(page, failures.report(failure, job.notebook, job.parameters, job.command))
        lines = [f"failed: {job.notebook}" + (f", cell [{failure.cell}]: {failure.line}" if failure.cell else "")]
        lines += [failure.error, *([f"hint: {failure.hint}"] if failure.hint else [])]
        raise Failed("\n  ".join([*lines, f"report: {page}"])) from None
    # the report of an earlier failure; `make plan` would take it for this execution's
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


def add_arguments(add) -> None:
    """Declare the options of the command line; `add` is an argument parser's add_argument."""
    add("notebook", type=Path)
    add("out", type=Path, help="where the executed copy goes")
    add("-f", dest="files", action="append", default=[], metavar="FILE", help="yaml file of parameters")
    add("-p", dest="values", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="one parameter")
    add("--input", dest="inputs", nargs="*", action="extend", default=[], metavar="FILE", help="read besides lib")
    add("--output", dest="outputs", nargs="*", action="extend", default=[], metavar="FILE", help="must be written")


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
