"""What a training epoch needs at least on this machine: bytes moved over bandwidth, operations over matrix speed.

Counted per step, four bytes a number, for n nodes, e adjacency entries (those kept), width d:

    product with A    reads e column ids, e rows of d and n row pointers, writes n rows of d; e d additions
    weighted mean     over e entries, by dot products of both ends; its gradients are those of both ends and of the rows
                      averaged: 2 e rows are read forward and 3 e backward, n and 3 n written; 2 e d operations each for
                      dot products, mean and their four gradients
    dense layers      of widths m, k, ... for r rows: inputs move twice, their gradients, outputs and the outputs'
                      gradients once, what is between stays in the cache; 2 r m k operations forward and per gradient
    batch rows        each different row is read, its gradient written; 2 d operations per row, repeats included
    log sum exp       r rows over c candidates: 2 d operations for each pair's logit and as many for each gradient; rows
                      and gradients move once, logits stay in the cache; pairs that occur twice count once
    Adam              weight, gradient and two moments are read and written: 8 numbers and 12 operations per weight

The parts follow each other; each takes the longer of its two times. Rows gathered over entries count in full, so the
bandwidth is that of a copy of the ego table, or of a large copy if that is faster: what the cache holds here, it holds
there. Tables are propagated whole, as by everyone here. Free are random draws, dropping edges, AutoCF's drawing of
graphs with the loss of its seeds, sorting, reading weights, exponentials and all else that is done number by number.

Products are those of the formulas, but for the generative logits: the perceptron's last layer is linear and multiplied
with the texts beforehand, so that a logit is as wide as the hidden layer and its gradient as the text.

Counted once: the first product of several views, also of SGL's, which drop edges of the graph that BPR reads whole;
SimGCL's gradients, which are added before they are propagated, since noise has none; in a layer of DCCF, the dot
product of an entry and its mirror, and both means' rows and gradients, which differ in the batch's rows only.
"""

import time
from itertools import pairwise
from typing import NamedTuple

import torch

from lib.models.linear import product

FLOAT = 4  # bytes


class Work(NamedTuple):
    """Bytes moved and floating-point operations done."""

    bytes: float
    flops: float

    def times(self, count: float) -> "Work":
        """The same work `count` times."""
        return Work(self.bytes * count, self.flops * count)


class Shape(NamedTuple):
    """Sizes of a model and its graphs."""

    n_users: int
    n_items: int
    entries: int  # of the adjacency: twice the train interactions, and self-loops
    size: int  # embedding width d
    output: int  # width of the final vectors
    text: int  # width T of the text vectors
    parameters: int
    drawn: tuple[int, int] = (0, 0)  # entries of AutoCF's encoder and decoder graphs


class Rows(NamedTuple):
    """Triples of a batch, and how many different rows they have."""

    triples: int
    users: int
    positives: int
    negatives: int
    items: int  # positives and negatives together


class Machine(NamedTuple):
    """Measured speeds: bytes per second of a copy, floating-point operations per second of a matrix product."""

    bandwidth: float
    flops: float


def sparse_product(n: int, entries: float, d: int) -> Work:
    """A x for n nodes."""
    return Work(FLOAT * (entries * (1 + d) + n * (1 + d)), entries * d)


def weighted_mean(n: int, entries: int, d: int) -> Work:
    """Dot products and mean, forward and backward."""
    return Work(FLOAT * (5 * entries + 4 * n) * d, 6 * 2 * entries * d)


def dense(rows: int, *widths: int, learning_inputs: bool = True) -> Work:
    """Layers from the first width to the last, forward and backward."""
    constant = 0 if learning_inputs else rows * widths[0]  # whose gradient is left out
    flops = 3 * 2 * rows * sum(m * k for m, k in pairwise(widths)) - 2 * constant * widths[1]
    return Work(FLOAT * (rows * (3 * widths[0] + 2 * widths[-1]) - constant), flops)


def batch_rows(different: int, repeated: int, d: int) -> Work:
    """Scores of users and items, forward and backward."""
    return Work(FLOAT * 2 * different * d, 2 * repeated * d)


def log_sum_exp(rows: int, candidates: int, d: int, pairs: float | None = None, constants: bool = False) -> Work:
    """Logits of so many pairs, else of all, and gradients; constant candidates need none."""
    moved = 2 * rows * d + (1 if constants else 2) * candidates * d
    return Work(FLOAT * moved, (2 if constants else 3) * 2 * (pairs or rows * candidates) * d)


def adam(parameters: int) -> Work:
    """One update."""
    return Work(FLOAT * 8 * parameters, 12 * parameters)


# The parts of each backbone, whose own "batch rows" replace those of BPR, and of each alignment


def propagation(shape, entries, products):
    """So many products, forward and backward together."""
    return sparse_product(shape.n_users + shape.n_items, entries, shape.size).times(products)


def one_graph(shape, rows, options):
    """GCCF, LightGCN and the neighbourhoods of DCCF: the graph, or what is kept of it."""
    return {"propagation": [propagation(shape, options.get("keep_rate", 1) * shape.entries, 2 * options["layers"])]}


def sgl(shape, rows, options):
    """The whole graph, and two dropped ones but for their first product."""
    layers, kept = options["layers"], options["keep_rate"] * shape.entries
    works = [propagation(shape, shape.entries, 2 * layers), propagation(shape, kept, 2 * (2 * layers - 1))]
    return {"propagation": works, "contrast": _contrast(shape, rows, options)}


def simgcl(shape, rows, options):
    """The whole graph: forward thrice but for the first product, backward once."""
    work = propagation(shape, shape.entries, 3 * options["layers"] - 2 + options["layers"])
    return {"propagation": [work], "contrast": _contrast(shape, rows, options)}


def _contrast(shape, rows, options, with_all=True):
    own = rows.users, rows.items if options["ssl_negatives"] else rows.positives
    candidates = (shape.n_users, shape.n_items) if with_all else own
    return [log_sum_exp(*counts, shape.size) for counts in zip(own, candidates, strict=True)]


def dccf(shape, rows, options):
    """Per layer two means, together one with dot products of its own, and three contrasts among the batch's rows."""
    n, d, layers = shape.n_users + shape.n_items, shape.size, options["layers"]
    return one_graph(shape, rows, options) | {
        "intents": [dense(n, d, options["intents"], d).times(layers)],
        "means": [weighted_mean(n, shape.entries, d).times(layers)],
        "contrast": [work.times(3 * layers) for work in _contrast(shape, rows, options, with_all=False)],
    }


def autocf(shape, rows, options):
    """Pairs instead of triples; users over items, users over users, items over items."""
    n, d, (encoder, decoder) = shape.n_users + shape.n_items, shape.size, shape.drawn
    attention = dense(n, d, 3 * d), weighted_mean(n, decoder, d)
    among = (rows.users, shape.n_users), (rows.positives, shape.n_items)  # rows and candidates of one table
    return {
        "batch rows": [batch_rows(rows.users + rows.positives, 2 * rows.triples, d)],
        "propagation": [propagation(shape, encoder, 2 * options["layers"])],
        "attention": [work.times(options["transformer_layers"]) for work in attention],
        "reconstruction": [log_sum_exp(rows.users, shape.n_items, d)],
        "contrast": [log_sum_exp(0, every, d, pairs=some * (every - some / 2)) for some, every in among],
    }


def contrastive(shape, rows, options):
    """Users over all users; positives over positives and negatives over negatives, of which some are the same."""
    negatives, items = (rows.negatives, rows.items) if options["negative_items"] else (0, rows.positives)
    pairs = rows.positives**2 + negatives**2 - (rows.positives + negatives - items) ** 2
    texts, widths = shape.n_users + items, (shape.text, (shape.text + shape.output) // 2, shape.output)
    over_users = log_sum_exp(rows.users, shape.n_users, shape.output)
    return {
        "projection": [dense(texts, *widths, learning_inputs=False)],
        "alignment": [over_users, log_sum_exp(items, items, shape.output, pairs)],
    }


def generative(shape, rows, options):
    """Masked nodes over their texts."""
    masked = max(int(options["mask_ratio"] * (shape.n_users + shape.n_items)), 1)
    hidden = (shape.output + shape.text) // 2
    # one product at the hidden width and one at the text's, as a log sum exp over constants has two
    return {
        "projection": [dense(masked, shape.output, hidden, shape.text)],
        "alignment": [log_sum_exp(masked, masked, (hidden + shape.text) / 2, constants=True)],
    }


BACKBONES = {"gccf": one_graph, "lightgcn": one_graph, "sgl": sgl, "simgcl": simgcl, "dccf": dccf, "autocf": autocf}
ALIGNMENTS = {"base": lambda *_: {}, "contrastive": contrastive, "generative": generative}


def step(backbone: str, alignment: str, options: dict, shape: Shape, batch) -> dict[str, list[Work]]:
    """The work of one training step by part; `options` are the keys of the yaml block, `batch` a library Batch."""
    lists = batch.users, batch.positives, batch.negatives, torch.cat([batch.positives, batch.negatives])
    rows = Rows(len(batch.users), *(len(indices.unique()) for indices in lists))
    parts = {
        "batch rows": [batch_rows(rows.users + rows.items, 3 * rows.triples, shape.output)],
        "update": [adam(shape.parameters)],
    }
    return parts | BACKBONES[backbone](shape, rows, options) | ALIGNMENTS[alignment](shape, rows, options)


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
