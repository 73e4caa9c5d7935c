"""Progress of long work: a bar on a terminal, one line every few seconds elsewhere."""

import contextlib
import os
import sys
import time
import warnings

from tqdm import tqdm


class Progress:
    """Count steps towards `total` and show rate and time left, with an optional note such as a loss.

    On a terminal this is a tqdm bar; in logs and notebooks one plain line at most every `every` seconds.
    tqdm's own variable of the environment, `TQDM_DISABLE=1`, silences both.
    """

    def __init__(self, total: int | None, label: str, unit: str = "it", every: float = 5.0, scale: bool = False):
        self.total, self.label, self.unit, self.every = total, label, unit, every
        self.terminal = sys.stderr.isatty()
        self.bar = tqdm(total=total, desc=label, unit=unit, unit_scale=scale, disable=not self.terminal)
        self.done, self.first, self.start = 0, 0, time.monotonic()
        self.last = self.start if not os.environ.get("TQDM_DISABLE") else float("inf")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()

    def skip(self, steps: int) -> None:
        """Mark steps that an earlier run did, so that they do not count towards the speed."""
        self.done, self.first = self.done + steps, self.first + steps
        self.bar.initial = steps
        self.bar.update(steps)

    def update(self, steps: int = 1, note: str = "") -> None:
        """Advance by `steps` and show the state if it is time to."""
        self.done += steps
        if self.terminal:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(steps)
        elif time.monotonic() - self.last >= self.every:
            self.last = time.monotonic()
            # to stderr, so that what a command prints can still be piped
            print(f"{self.label} {self._state()} {note}".rstrip(), file=sys.stderr, flush=True)

    def _state(self) -> str:
        if not self.total:
            return f"{self.done} {self.unit}"
        elapsed, fresh = time.monotonic() - self.start, max(self.done - self.first, 1)
        left = elapsed / fresh * (self.total - self.done)
        gone, left = tqdm.format_interval(elapsed), tqdm.format_interval(left)
        return f"{self.done}/{self.total} {self.unit}, {gone} gone, {left} left"


@contextlib.contextmanager
def without_widgets():
    """Import packages that use tqdm without its advice to install notebook widgets, which nothing here would show."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        yield
