"""What is lost when processes are killed: kill -9 at random moments, until the same command gets to its end.

python -m benchmarks.faults [--kills 1000] [--kinds training recording]

Every kind of work has a process of its own, which is killed after a random part of the time that the work takes. Then
it is started again, as a user would, and killed again, until it ends by itself; then all begins anew. What stands under
its final name is looked at after every kill: it must be what it was before, or what it is in the end. After the last
start the bytes must be those of work that nothing disturbed.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from benchmarks import report
from benchmarks.kinds_of_work import KINDS, Work
from lib.core.errors import UserError, exit_status, unknown
from lib.core.progress import Progress
from lib.results.writers import to_markdown

SHARES = {"training": 0.3, "evaluation": 0.2, "notebook": 0.1, "recording": 0.2, "index": 0.2}  # of the kills


@dataclass
class Count:
    """What came of one kind of work."""

    work: str
    kills: int = 0
    ends: int = 0  # works that got to their end in spite of kills
    torn: set[str] = field(default_factory=set)  # files that were neither old nor new after a kill
    lost: set[str] = field(default_factory=set)  # files that were there before a kill and not after
    different: set[str] = field(default_factory=set)  # files that in the end had other bytes


def main(arguments: list[str] | None = None) -> int:
    """Kill, print and save; returns the exit status, 1 if anything was lost or came out different."""
    options = parser().parse_args(arguments)
    return exit_status(lambda: kill_and_save(options))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.splitlines()[0])
    made.add_argument("--kills", type=int, default=1000)
    made.add_argument("--kinds", nargs="+", default=list(KINDS), metavar="KIND", help=", ".join(KINDS))
    made.add_argument("--seed", type=int, default=0, help="of the moments")
    made.add_argument("--out", type=Path, default=report.RESULTS, metavar="FOLDER")
    return made


def kill_and_save(options) -> int:
    """The whole command."""
    for kind in options.kinds:
        if kind not in KINDS:
            raise unknown("kind of work", kind, KINDS)
    if options.kills < 1:
        raise UserError(f"--kills must be 1 or more, not {options.kills}")
    counts = run(options.kinds, options.kills, random.Random(options.seed))
    table = as_table(counts)
    print(to_markdown(table))
    kills = int(table["kills"].sum())
    bad = int(table[["torn", "lost", "different"]].to_numpy().sum())
    report.save_table(
        options.out / "faults",
        table,
        "faults",
        claim="what is lost when processes are killed at random moments",
        ours=f"{kills:,} kills: "
        + (f"{bad} files torn, lost or different" if bad else "nothing lost, nothing different"),
        command=f"python -m benchmarks.faults --kills {options.kills}",
        settings={"kinds": options.kinds, "seed": options.seed},
    )
    return int(bad > 0)


def run(kinds: list[str], kills: int, rng: random.Random) -> list[Count]:
    """Kill each kind of work its share of times."""
    whole = sum(SHARES[kind] for kind in kinds)
    counts = []
    with Progress(kills, "faults", "kills") as progress:
        for kind in kinds:
            wanted = max(1, round(kills * SHARES[kind] / whole))
            with tempfile.TemporaryDirectory(prefix="reprec-faults-") as place:
                counts.append(killed(KINDS[kind](Path(place)), kind, wanted, rng, progress))
    return counts


def killed(work: Work, kind: str, wanted: int, rng: random.Random, progress: Progress) -> Count:
    """One kind of work, started and killed until there were as many kills as wanted."""
    count = Count(kind)
    work.prepare()
    work.reset()
    before, seconds = work.files(), []
    for _ in range(2):  # what it takes and what comes of it when nothing disturbs
        work.reset()
        start = time.monotonic()
        finish(start_process(work.do))
        seconds.append(time.monotonic() - start)
    after = work.files()
    while count.kills < wanted:
        work.reset()
        there = work.files()
        # a little longer than it takes, so that it gets to its end at times; the last start of all is left alone
        while not ended(start_process(work.do), rng.uniform(0, 1.3 * min(seconds)) if count.kills < wanted else None):
            count.kills += 1
            progress.update(note=kind)
            found = work.files()
            count.lost |= there.keys() - found.keys()
            count.torn |= {
                name for name, content in found.items() if content not in (before.get(name), after.get(name))
            }
            there = found
        count.ends += 1
        found = work.files()
        count.different |= {name for name in {*found, *after} if found.get(name) != after.get(name)}
    return count


def start_process(do) -> int:
    """A process that does the work, forked so that it need not import anything; its number."""
    number = os.fork()
    if number:
        return number
    os.setsid()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    try:
        do()
    except BaseException:
        os._exit(1)
    os._exit(0)


def ended(number: int, seconds: float | None) -> bool:
    """Whether a process came to its end; it is killed with kill -9 after so many seconds, if there are any."""
    if seconds is None:
        finish(number)
        return True
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if os.waitpid(number, os.WNOHANG)[0]:
            return True
        time.sleep(min(left, 0.002))
    os.kill(number, signal.SIGKILL)
    _, status = os.waitpid(number, 0)
    return os.WIFEXITED(status)


def finish(number: int) -> None:
    """Wait for a process that nothing disturbs; raises UserError if the work fails by itself."""
    if os.waitpid(number, 0)[1]:
        raise UserError("the work fails without being killed: try it alone")


def as_table(counts: list[Count]) -> pd.DataFrame:
    """One row per kind of work; files by their number."""
    rows = [
        vars(count) | {name: len(getattr(count, name)) for name in ("torn", "lost", "different")} for count in counts
    ]
    return pd.DataFrame(rows)


if __name__ == "__main__":
    sys.exit(main())
