"""The one exception that users are meant to read, and how a command line ends."""

import difflib
import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake the user can mend: one sentence that says what, where and how; shown without a traceback."""

    def __init__(self, sentence: str):
        # what it quotes of a user's files may hold line breaks or signs that steer a terminal
        super().__init__("".join(sign if sign.isprintable() else " " for sign in sentence))

    def _render_traceback_(self):  # IPython prints this instead of the stack
        return [f"{type(self).__name__}: {self}"]


def short(value, length: int = 200) -> str:
    """What an error quotes of a value, such as another error or what a user wrote: one line, cut where it is long."""
    try:
        text = " ".join(str(value).split())
    except ValueError:  # Python writes out no number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= length else f"{text[: length - 1]}…"


def unknown(kind: str, name: str, known) -> UserError:
    """The error for a misspelt name, with the nearest valid one first."""
    known = sorted(map(str, known))
    name = short(name)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
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
