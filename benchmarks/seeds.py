"""What training several seeds at once, with one graph product over all their columns, could save.

python -m benchmarks.seeds [DATASET] [--seeds 3]

Seeds can share a product only where it is over the whole graph: graphs with edges dropped or masked are drawn anew by
each seed. So the products of each base model over the whole graph are counted, and the time that sharing them saves is
set beside the epoch. What remains of a step is as much work for several seeds together as for each on its own.
"""

import argparse
import contextlib
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import torch

from benchmarks import measure, report, roofline
from lib import backbones, runs
from lib.graph import Graph
from lib.progress import Progress
from lib.status import exit_status
from lib.tables import to_markdown


def main(arguments: list[str] | None = None) -> int:
    """Measure all backbones, print and save; returns the exit status. A user's mistake is one sentence and status 2."""
    options = parser().parse_args(arguments)
    return exit_status(lambda: measure_and_save(options))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=__doc__.splitlines()[0])
    made.add_argument("dataset", nargs="?", default="amazon", help="or a number: so many generated interactions")
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--repeats", type=int, default=5, help="the best of so many epochs and products is taken")
    made.add_argument("--device", default="auto")
    made.add_argument("--out", type=Path, default=report.RESULTS, metavar="FOLDER")
    return made


def measure_and_save(options) -> None:
    """The whole command."""
    device = runs.pick_device(options.device)
    with Progress(len(names := backbones.names()), "seeds together", "backbones") as progress:
        rows = []
        for name in names:
            rows.append(saving(measure.Task(options.dataset, name, "base", device, 0), options.seeds, options.repeats))
            progress.update(note=name)
    table = pd.DataFrame(rows)
    print(to_markdown(table))
    most = table.loc[table["saved"].idxmax()]
    report.save(
        options.out / f"seeds-{options.dataset}-{device.partition(':')[0]}",
        table,
        table,
        None,
        "seeds",
        claim=f"What one graph product for {options.seeds} seeds would save of an epoch",
        ours=f"at most {most['saved']:.1%} ({most['backbone']})",
        command=f"python -m benchmarks.seeds {options.dataset} --seeds {options.seeds}",
        settings={"dataset": options.dataset, "device": device, "threads": torch.get_num_threads()},
    )


def saving(task: measure.Task, seeds: int, repeats: int) -> dict:
    """Seconds of a base model's epoch, of its products over the whole graph, and the share that sharing them saves."""
    ours = measure.Ours(task)
    graph = ours.model.backbone.graph
    with whole_graph_products(graph) as widths:
        ours.epoch()  # which also warms up
    epoch = min(ours.epoch() for _ in range(repeats))
    alone = products_seconds(graph, widths, 1, repeats)
    shared = products_seconds(graph, widths, seeds, repeats)
    products = {"shareable": 2 * widths.total(), "alone_s": alone, "shared_s": shared}
    return {"backbone": task.backbone, "epoch_s": epoch, **products, "saved": max(alone - shared, 0) / epoch}


@contextlib.contextmanager
def whole_graph_products(graph: Graph):
    """While open, how many products of which width over this very graph lead to a gradient."""
    widths, plain = Counter(), Graph.sum_neighbours

    def counted(self, x):
        if self is graph and x.requires_grad:
            widths[x.shape[1]] += 1
        return plain(self, x)

    Graph.sum_neighbours = counted
    try:
        yield widths
    finally:
        Graph.sum_neighbours = plain


def products_seconds(graph: Graph, widths: Counter, seeds: int, repeats: int) -> float:
    """Seconds that all products take each of `seeds` trained together; backward is the same product once more."""
    total = 0.0
    for width, count in widths.items():
        x = torch.randn(graph.n_nodes, width * seeds, device=graph.scale.device)
        total += 2 * count * roofline.best_time(lambda x=x: graph.sum_neighbours(x), x.device, repeats) / seeds
    return total


if __name__ == "__main__":
    sys.exit(main())
