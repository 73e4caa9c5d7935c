"""How a notebook is executed: a kernel on sockets of its own, and its progress on the terminal."""

import logging
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager


class Kernel(AsyncKernelManager):
    """A Jupyter kernel on Unix sockets in a folder of its own.

    On TCP, kernels that start together can pick the same port. The private IPython folder keeps the user's start-up
    files out of the results.
    """

    death: tuple[int, str] | None = None  # exit code and stderr of this process's last kernel; nbclient drops both

    def __init__(self, **options):
        self.folder = tempfile.TemporaryDirectory(prefix="reprec-", ignore_cleanup_errors=True)
        super().__init__(transport="ipc", connection_file=f"{self.folder.name}/kernel.json", **options)

    async def start_kernel(self, **options):
        """Start with a clean IPython; DGL's first import would write into the user's home without its backend."""
        private = {"DGLBACKEND": "pytorch", "IPYTHONDIR": self.folder.name, "PYTHONFAULTHANDLER": "1"}
        with open(self.stderr, "wb") as file:  # what cells write comes as messages; this is the kernel's own
            await super().start_kernel(**options, env={**os.environ, **private}, stderr=file)

    @property
    def stderr(self) -> Path:
        """The kernel process's own stderr, such as the stack of a segmentation fault."""
        return Path(self.folder.name, "stderr.txt")

    async def _async_is_alive(self) -> bool:  # nbclient asks every second
        alive = await super()._async_is_alive()
        if not alive and self.has_kernel:
            Kernel.death = await self.provisioner.poll(), self.stderr.read_text(errors="replace")
        return alive


class Forward:
    """A file that passes the notebook's progress lines on to the terminal, at most one a second."""

    def __init__(self, label: str, every: float = 1.0):
        self.label, self.every, self.last = label, every, -every

    def write(self, text: str) -> None:
        lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
        if lines and time.monotonic() - self.last >= self.every:
            self.last = time.monotonic()
            print(f"{self.label}: {lines[-1].rstrip()}", file=sys.stderr)

    def flush(self) -> None:
        sys.stderr.flush()


def import_papermill():
    """The module papermill, in a third of the time that its import takes otherwise."""
    # jsonschema, which it imports, would build a grammar of web addresses, of which notebooks have none; where the
    # package of the grammar cannot be imported, jsonschema goes without
    sys.modules.setdefault("rfc3987_syntax", None)
    import papermill

    return papermill


def execute(notebook, copy, parameters: dict, cwd) -> None:
    """Execute `notebook` in the folder `cwd`, saving into `copy` after every cell; raises what papermill raises.

    The parameters must have been checked: papermill only warns of an unknown one.
    """
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # `diagnose` reports instead
    import_papermill().execute_notebook(
        str(notebook),
        str(copy),
        parameters,
        kernel_name="python3",
        language="python",
        progress_bar=False,
        stderr_file=Forward(Path(notebook).stem),
        cwd=str(cwd),
        kernel_manager_class=Kernel,
        coalesce_streams=True,
        start_timeout=180,
        iopub_timeout=60,  # the default of 4 s fails on a busy machine
    )
