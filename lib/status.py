"""How a command line ends."""

import sys
from collections.abc import Callable

from lib.files import UserError


def exit_status(command: Callable[[], int | None]) -> int:
    """Status of a command line that calls `command()`; a user's mistake is one sentence on stderr and status 2."""
    try:
        return command() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the same command goes on where it can", file=sys.stderr)
        return 130
