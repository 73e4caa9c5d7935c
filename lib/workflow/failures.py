"""What is read off an executed notebook when a cell fails or its kernel dies, and the page that reports it."""

import re
import signal
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml
from nbclient.exceptions import DeadKernelError

from lib.core.environment import free_resources
from lib.workflow.execution import Kernel

# what a message or a trace says -> what the user can do about it; the first match counts
HINTS = {
    r"CUDA out of memory|CUDA error: out of memory": "the GPU is full: nvidia-smi shows by whom; a smaller batch_size"
    " needs less, CUDA_VISIBLE_DEVICES= runs on the CPU",
    r"exit code 13[578]|MemoryError|annot allocate memory|can't allocate memory|bad_alloc": "most likely out of memory:"
    " close other programs, run one job at a time (make paper JOBS=1) or choose a smaller scale",
    r"No space left on device|disk full": "the disk is full: df -h shows where; runs/ and data/cache/ can be remade",
    r"ModuleNotFoundError|ImportError": "the environment is not that of requirements.lock: run make install",
    r"Connection refused|Max retries|Name or service|Temporary failure": "the network did not answer: python -m lib"
    " doctor shows which data are here already",
}


@dataclass(frozen=True)
class Failure:
    """What went wrong where: the cell (`In [n]` of the executed copy, 0 for none), the error, its last frames."""

    cell: int
    line: str
    error: str
    frames: str

    @property
    def hint(self) -> str:
        """What the user can do about a common cause; empty for others."""
        text = f"{self.error}\n{self.frames}"
        return next((hint for pattern, hint in HINTS.items() if re.search(pattern, text)), "")


def diagnose(copy: Path, error: Exception, root) -> Failure:
    """Read the failure of an execution off its copy; a dead kernel is noted in the cell that it died in."""
    notebook = nbformat.read(copy, 4) if copy.exists() else nbformat.v4.new_notebook()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        for output in cell.outputs:
            if output.output_type == "error":
                frames = _frames("\n".join(output.traceback), root)
                return _failure(cells, cell, f"{output.ename}: {output.evalue}", frames)
    if not isinstance(error, DeadKernelError):
        return Failure(0, "", f"{type(error).__name__}: {error}", _last_words(root))
    # no cell holds an error when the kernel dies: the last one that was started is where it died
    cell = [cell for cell in cells if cell.metadata.papermill.start_time][-1]
    code, _ = Kernel.death
    message = f"the kernel ended with exit code {code}"
    # Python gives minus the signal's number, a shell 128 plus it, which HINTS look for
    if code < 0:
        message = f"the kernel was ended by {signal.Signals(-code).name} (exit code {128 - code})"
    cell.outputs.append(nbformat.v4.new_output("error", ename="DeadKernel", evalue=message, traceback=[message]))
    nbformat.write(notebook, copy)
    return _failure(cells, cell, f"DeadKernel: {message}", _last_words(root))


def _failure(cells, cell, error: str, frames: str) -> Failure:
    code = [line for line in cell.source.splitlines() if line.strip()]
    return Failure(cells.index(cell) + 1, code[0], error, frames)


def _frames(trace: str, root) -> str:
    """The last three frames of an IPython traceback that are in this repository."""
    frames = re.split(r"(?m)^(?=File |Cell In)", _local(trace, root))
    return "\n\n".join([frame.rstrip() for frame in frames if re.match(r"File lib/|Cell In", frame)][-3:])


def _last_words(root) -> str:
    """What the dead kernel wrote: where Python stood at a crash, or the end of an error at its start."""
    lines = _local(Kernel.death[1], root).splitlines() if Kernel.death else []
    crash = [number for number, line in enumerate(lines) if line.startswith("Current thread")]
    return "\n".join(lines[crash[-1] :][:8] if crash else lines[-8:])


def _local(text: str, root) -> str:
    """Text of a terminal without colours and machine paths."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text).replace(f"{Path(root).resolve()}/", "")


def report(failure: Failure, notebook, parameters: dict, again: str) -> str:
    """The failure as a Markdown page: cell, error, hint, how to rerun, parameters, frames, machine."""
    where = f" in cell [{failure.cell}]" if failure.cell else ""
    parts = [f"# {notebook} failed{where}"] + ([f"    {failure.line}"] if failure.cell else [])
    parts += [failure.error] + ([f"**Hint:** {failure.hint}"] if failure.hint else [])
    parts += [
        "## Run it again",
        f"    {again}",
        "Finished training is loaded, not repeated.",
    ]
    parts += ["## Parameters", f"```yaml\n{yaml.safe_dump(parameters, sort_keys=False)}```"]
    parts += ["## Where", f"```\n{failure.frames}\n```"] if failure.frames else []
    parts += ["## Machine", "\n".join(f"- {name}: {value}" for name, value in free_resources().items())]
    return "\n\n".join(parts) + "\n"
