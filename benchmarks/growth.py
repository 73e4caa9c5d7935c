"""Time and memory of LightGCN base against the size of a generated graph.

python -m benchmarks.growth [--sizes 1e5 1e6 1e7] [--steps 3] [--memory 20]

Every step propagates over the whole graph, so with batches of one size an epoch would cost interactions times steps.
Here the batch grows with the graph: every size has the same number of steps per epoch (--batches).
"""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks import generated, report
from benchmarks.one_size import Growing
from benchmarks.own_process import Apart
from lib.core.errors import UserError, exit_status
from lib.core.progress import Progress
from lib.results.writers import to_markdown
from lib.training.devices import pick_device

SIZES = (1e5, 3e5, 1e6, 3e6, 1e7, 2e7, 5e7)


def main(arguments: list[str] | None = None) -> int:
    """Measure every size, print and save; returns the exit status. A user's mistake is one sentence and status 2."""
    options = parser().parse_args(arguments)
    return exit_status(lambda: measure_and_save(options))


def measure_and_save(options) -> None:
    """The whole command."""
    table = run(options)
    print(to_markdown(table))
    settings = table[["device", "threads"]].iloc[0].to_dict()
    figure, sizes = report.growth(table, options.memory * 1024), " ".join(f"{size:g}" for size in options.sizes)
    report.save(
        options.out / f"growth-{settings['device'].partition(':')[0]}",
        table,
        table,
        figure,
        "growth",
        claim="time of an epoch and memory by the number of interactions: proportional or steeper",
        ours=report.steepest(table) if len(table) > 1 else "",
        command=f"python -m benchmarks.growth --sizes {sizes}",
        settings=settings | {"steps": options.steps, "batches": options.batches},
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    made.add_argument("--sizes", type=float, nargs="+", default=SIZES, help="train interactions")
    made.add_argument("--steps", type=int, default=3, help="measured steps; an epoch's time is reckoned from them")
    made.add_argument("--batches", type=int, default=30, help="steps of an epoch, at every size")
    made.add_argument(
        "--memory", type=float, default=20, metavar="GIB", help="what a size may take, else it is left out"
    )
    made.add_argument("--device", default="auto")
    made.add_argument("--out", type=Path, default=report.RESULTS, metavar="FOLDER")
    return made


def run(options) -> pd.DataFrame:
    """One row per size that fits into the memory; raises UserError when none does."""
    device, rows = pick_device(options.device), []
    with Progress(len(options.sizes), "growth", "sizes") as progress:
        for size in sorted(map(int, options.sizes)):
            try:
                rows.append(measured(size, device, options))
            except UserError as error:
                print(f"{size:,} interactions are left out: {error}", file=sys.stderr)
                break  # larger ones need more still
            progress.update(note=f"{size:,} interactions")
    if not rows:
        raise UserError("no size could be measured: name smaller ones with --sizes, or more gigabytes with --memory")
    return pd.DataFrame(rows)


def measured(size: int, device: str, options) -> dict:
    """The row of one size, generated in one process and trained in another."""
    # two processes, since drawing the graph takes memory that does not count for training
    with tempfile.TemporaryDirectory() as place:
        with contextlib.closing(Apart(generated.write, place, size)):
            pass
        with contextlib.closing(Apart(Growing, place, device, options.memory)) as growing:
            return growing.call("measure", options.steps, options.batches)


if __name__ == "__main__":
    sys.exit(main())
