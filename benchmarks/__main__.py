"""Seconds per epoch and per evaluation, and peak memory, of every combination beside other implementations.

python -m benchmarks [DATASET [BACKBONE [ALIGNMENT]]] [--quick]
"""

import argparse
import sys
from pathlib import Path

from benchmarks import measure, pyg, report
from lib.core.errors import UserError, exit_status
from lib.core.files import ROOT
from lib.core.progress import Progress
from lib.models.graph_engine import ENGINES
from lib.results.writers import to_markdown
from lib.training.devices import pick_device


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and save; returns the exit status. A user's mistake is one sentence on stderr and status 2."""
    options = parser().parse_args(arguments)
    return exit_status(lambda: measure_and_save(options))


def measure_and_save(options) -> None:
    """The whole command."""
    table = run(options)
    print(to_markdown(report.layout(table)))
    folder = options.out or (None if options.backbone else report.RESULTS)
    if folder:
        save(table, folder, options)


def save(table, folder: Path, options) -> None:
    """Write the table and its figure into a folder."""
    settings = table[["dataset", "device", "threads", "width"]].iloc[0].to_dict() | {"epochs": options.epochs}
    report.save(
        folder / f"{options.dataset}-{settings['device'].partition(':')[0]}",
        table,
        report.layout(table),
        report.points(table),
        "__main__",
        claim="seconds per epoch beside other implementations, by turns in one run, and a bound from measured speeds",
        command=f"python -m benchmarks {options.dataset} --epochs {options.epochs}",
        ours=report.speedups(table),
        settings=settings,
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    made.add_argument("dataset", nargs="?", default="amazon", help="or a number: so many generated interactions")
    made.add_argument("backbone", nargs="?", help="only this one; nothing is saved without --out")
    made.add_argument("alignment", nargs="?", help="only this one")
    made.add_argument("--epochs", type=int, default=5, help="measured epochs, after one to warm up")
    made.add_argument("--quick", action="store_const", const=1, dest="epochs", help="one measured epoch")
    made.add_argument("--device", default="auto")
    made.add_argument("--width", type=int, default=384, help="of the text vectors: MiniLM's; RLMRec's are 1536 wide")
    made.add_argument("--engine", choices=ENGINES, nargs="+", default=[None])
    made.add_argument("--out", type=Path, metavar="FOLDER", help=f"default: {report.RESULTS.relative_to(ROOT)}")
    return made


def run(options):
    """The tidy table of all chosen cells."""
    device, peers = pick_device(options.device), _peers()
    epochs = options.epochs
    plan = []
    for backbone, kind in measure.cells(options.backbone, options.alignment):
        task = measure.Task(options.dataset, backbone, kind, device, options.width)
        measure.resolve(task)  # so that a misspelt name ends the command before anything is measured
        plan.append(measure.contestants(task, options.engine, peers))
    rows = []
    with Progress((epochs + 1) * sum(map(len, plan)), "benchmark", "turns") as progress:
        for tasks in plan:
            rows += measure.in_turns(tasks, epochs, progress)
    return report.tidy(rows, report.public(options.dataset, device, options.width))


def _peers() -> bool:
    """Whether PyTorch Geometric takes part; if not, say why."""
    try:
        pyg.load()
    except UserError as error:
        print(error, file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
