"""Objects in processes of their own, so that the memory they need can be told apart."""

import resource
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from lib.core.errors import UserError


class Apart:
    """make(*arguments) in a fresh process; `call` runs one of the object's methods there."""

    def __init__(self, make, *arguments):
        # spawned and not forked: a fork would hold what this process holds, and CUDA does not survive one
        self.pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        try:
            self._result(_make, make, arguments)
        except BaseException:
            self.close()
            raise

    def call(self, method: str, *arguments):
        """The method's result; raises UserError when the process was killed."""
        return self._result(_call, method, arguments)

    def close(self) -> None:
        """End the process."""
        self.pool.shutdown()

    def _result(self, *job):
        try:
            return self.pool.submit(*job).result()
        except BrokenProcessPool:
            raise UserError("a measuring process was killed, probably for want of memory: measure less") from None


_here = []  # in the other process: the one object that it holds


def _make(make, arguments):
    _here.append(make(*arguments))


def _call(method, arguments):
    return getattr(_here[0], method)(*arguments)


def peak_memory() -> float:
    """The most memory that this process held, in MiB; on Linux without what its parent held when it started."""
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 2**10
    except (OSError, KeyError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
