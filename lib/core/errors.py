"""The one exception that users are meant to read, and how a command line ends."""

import difflib
import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake the user can mend: one sentence that says what, where and how; shown without a traceback."""

    def _render_traceback_(self):  # IPython prints this instead of the stack
        return [f"{type(self).__name__}: {self}"]


def unknown(kind: str, name: str, known) -> UserError:
    """The error for a misspelt name, with the nearest valid one first."""
    known = sorted(map(str, known))
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return UserError(f"unknown {kind} '{name}': {hint}known: {', '.join(known) or 'none'}")


def exit_status(command: Callable[[], int | None]) -> int:
    """Status of a command line that calls `command()`; a user's mistake is one sentence on stderr and status 2."""
    try:
        return command() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the same command goes on where it can", file=sys.stderr)
        # 128 + SIGINT, as shells report a command that Ctrl-C ended
        return 130
