"""What a training epoch needs at least on this machine: bytes moved over bandwidth, operations over matrix speed.

Counted per step, four bytes a number, for n nodes, e kept adjacency entries, width d, batch size b:

    product with A    reads e column ids, e rows of d and n row pointers, writes n rows of d; e d additions
    batch rows        3 b rows of d are read, their gradients read and written; 6 b d operations
    log sum exp       r rows over c candidates: 2 r c d operations for the logits and as many for each gradient; rows
                      and gradients move once, logits stay in the cache, exponentials are free
    perceptron        T -> h -> D on r rows: 2 r (T h + h D) operations forward, as many for the weights' gradients,
                      2 r h D for the hidden rows' (and 2 r T h for inputs that learn); inputs and hidden rows move
                      twice, outputs and their gradients once
    Adam              weight, gradient and two moments are read and written: 8 numbers and 12 operations per weight

The parts follow each other; each takes the longer of its two times. Rows gathered by a product count in full, so the
bandwidth is that of a copy of the ego table, or of a large copy if that is faster: what the cache holds here, it holds
there. Random draws, dropping edges and sorting are free. LightGCN with each alignment, and SimGCL base; a first product
that several views share counts once.
"""

import time
from typing import NamedTuple

import torch

from lib.dense import product

FLOAT = 4  # bytes
CELLS = {("lightgcn", "base"), ("lightgcn", "contrastive"), ("lightgcn", "generative"), ("simgcl", "base")}


class Work(NamedTuple):
    """Bytes moved and floating-point operations done."""

    bytes: float
    flops: float

    def times(self, count: float) -> "Work":
        """The same work `count` times."""
        return Work(self.bytes * count, self.flops * count)


class Shape(NamedTuple):
    """Sizes of a model and its graph."""

    n_users: int
    n_items: int
    entries: int  # of the adjacency: twice the train interactions
    size: int  # embedding width d
    text: int  # width T of the text vectors
    parameters: int


class Machine(NamedTuple):
    """Measured speeds: bytes per second of a copy, floating-point operations per second of a matrix product."""

    bandwidth: float
    flops: float


def sparse_product(n: int, entries: float, d: int) -> Work:
    """A x for n nodes."""
    return Work(FLOAT * (entries * (1 + d) + n * (1 + d)), entries * d)


def batch_rows(b: int, d: int) -> Work:
    """BPR of b triples."""
    return Work(FLOAT * 3 * 3 * b * d, 6 * b * d)


def log_sum_exp(rows: int, candidates: int, d: int, constants: bool = False) -> Work:
    """Logits and gradients; constant candidates need none."""
    moved = 2 * rows * d + (1 if constants else 2) * candidates * d
    return Work(FLOAT * moved, (2 if constants else 3) * 2 * rows * candidates * d)


def perceptron(rows: int, inputs: int, outputs: int, learning_inputs: bool) -> Work:
    """Two layers with half the summed width between, forward and backward."""
    hidden = (inputs + outputs) // 2
    first, second = 2 * rows * inputs * hidden, 2 * rows * hidden * outputs
    moved = rows * (2 * inputs + 2 * hidden + 2 * outputs)
    return Work(FLOAT * moved, 2 * first + 3 * second + (first if learning_inputs else 0))


def adam(parameters: int) -> Work:
    """One update."""
    return Work(FLOAT * 8 * parameters, 12 * parameters)


def step(backbone: str, alignment: str, options: dict, shape: Shape, batch) -> dict[str, list[Work]]:
    """The work of one training step by part; `options` are the keys of the yaml block, `batch` a library Batch."""
    d, n = shape.size, shape.n_users + shape.n_items
    layers = options["layers"]
    products = 2 * (3 * layers - 2 if backbone == "simgcl" else layers)  # forward and backward
    entries = shape.entries * options.get("keep_rate", 1)
    users, liked, other = (len(x.unique()) for x in (batch.users, batch.positives, batch.negatives))
    parts = {
        "propagation": [sparse_product(n, entries, d).times(products)],
        "batch rows": [batch_rows(len(batch.users), d)],
        "update": [adam(shape.parameters)],
    }
    if backbone == "simgcl":
        parts["contrast"] = [log_sum_exp(users, shape.n_users, d), log_sum_exp(liked, shape.n_items, d)]
    if alignment == "contrastive":
        projected = shape.n_users + len(torch.cat([batch.positives, batch.negatives]).unique())
        parts["projection"] = [perceptron(projected, shape.text, d, learning_inputs=False)]
        pairs = ((users, shape.n_users), (liked, liked), (other, other))
        parts["alignment"] = [log_sum_exp(rows, candidates, d) for rows, candidates in pairs]
    if alignment == "generative":
        masked = int(options["mask_ratio"] * n)
        parts["projection"] = [perceptron(masked, d, shape.text, learning_inputs=True)]
        parts["alignment"] = [log_sum_exp(masked, masked, shape.text, constants=True)]
    return parts


def seconds(parts: dict[str, list[Work]], machine: Machine) -> float:
    """Time of all parts, one after the other."""
    works = (work for part in parts.values() for work in part)
    return sum(max(work.bytes / machine.bandwidth, work.flops / machine.flops) for work in works)


def measure(table_bytes: int, device="cpu", repeats: int = 3) -> Machine:
    """The best of a few copies and of a few matrix products; `table_bytes` is the size of the ego table."""
    copies = [_copy(size, device, repeats) for size in (table_bytes, 2**28)]
    side = 2048 if torch.device(device).type == "cpu" else 8192
    x, y = (torch.randn(side, side, device=device) for _ in range(2))
    return Machine(max(copies), 2 * side**3 / best_time(lambda: product(x, y), device, repeats))


def _copy(size: int, device, repeats: int) -> float:
    """Bytes read and written per second."""
    source = torch.zeros(max(size // FLOAT, 1), device=device)
    target = torch.empty_like(source)
    many = max(1, 2**26 // size)  # small copies are too short for one reading of the clock

    def copy():
        for _ in range(many):
            target.copy_(source)

    return 2 * FLOAT * len(source) * many / best_time(copy, device, repeats)


def best_time(action, device, repeats: int) -> float:
    """The shortest of `repeats` runs, in seconds, after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        wait(device)
        start = time.perf_counter()
        action()
        wait(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def wait(device) -> None:
    """Until the device has done what it was told."""
    if torch.device(device).type != "cpu":
        torch.cuda.synchronize(device)
