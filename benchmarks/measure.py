"""The contestants, each in a process of its own, and the loop that lets them run in turns.

Turns (ours, textbook, peer, ours, ...) let a busy moment of the machine fall on all of them alike.
"""

import statistics
import time
from dataclasses import asdict, dataclass, replace

import torch

from benchmarks import generated, pyg, roofline, textbook, textbook_weighted
from benchmarks.own_process import Apart, peak_memory
from lib.core.names import ALIGNMENTS, reads_text
from lib.core.progress import Progress
from lib.data import datasets
from lib.data.interactions import Interactions
from lib.evaluation import ranking
from lib.models import backbones
from lib.models.graph import bipartite
from lib.training import recommender, run_settings
from lib.training.fit import adam, train_epoch
from lib.training.sampler import Sampler
from lib.training.step import stepper


@dataclass(frozen=True)
class Task:
    """What is measured: a cell of the grid at paper scale, by one implementation."""

    dataset: str  # a number generates so many interactions
    backbone: str
    alignment: str
    device: str
    width: int  # of the text vectors, whose values are random: they do not change the time
    implementation: str = "ours"
    engine: str | None = None


def load(dataset: str) -> Interactions:
    """A dataset by name, or a generated one; raises UserError when it is not fetched."""
    return generated.interactions(int(float(dataset))) if is_number(dataset) else datasets.load(dataset)


def resolve(task: Task) -> run_settings.RunSettings:
    """The settings of a task's cell: those of amazon for a generated graph."""
    name = "amazon" if is_number(task.dataset) else task.dataset
    return run_settings.resolve(name, task.backbone, task.alignment, scale="paper")


def is_number(dataset: str) -> bool:
    """Whether a dataset's name is a number, as in 1e5."""
    try:
        return float(dataset) > 0
    except ValueError:
        return False


def cells(backbone: str | None = None, kind: str | None = None) -> list[tuple[str, str]]:
    """(backbone, alignment) of every combination, or of those chosen."""
    kinds = [kind] if kind else ALIGNMENTS
    return [(name, kind) for name in ([backbone] if backbone else backbones.names()) for kind in kinds]


# Contestants


class Contestant:
    """An implementation and its clock; a subclass gives `build`, `train` (one epoch) and `rank` (all test users)."""

    def __init__(self, task: Task):
        self.task, self.settings, self.data = task, resolve(task), load(task.dataset)
        self.options = self.settings.backbone_settings | self.settings.alignment_settings
        self.protocol = self.settings.protocol
        self.sampler = Sampler(self.data.train, self.protocol.batch_size, task.device)
        self.generator = torch.Generator(task.device).manual_seed(0)
        self.model = self.build(self._text())

    def _text(self):
        if not reads_text(self.task.alignment):
            return None
        generator = torch.Generator().manual_seed(0)
        return torch.randn(self.data.n_users + self.data.n_items, self.task.width, generator=generator)

    def epoch(self) -> float:
        """Seconds of one training epoch."""
        return self._timed(self.train)

    def evaluation(self) -> float | None:
        """Seconds of one evaluation, or None where there is nothing to compare."""
        return self._timed(self.rank)

    def about(self) -> dict:
        """What to know besides times: threads, peak memory in MiB of the process and on the GPU."""
        on_gpu = torch.cuda.max_memory_allocated() / 2**20 if torch.device(self.task.device).type == "cuda" else None
        return {"threads": torch.get_num_threads(), "memory_mib": peak_memory(), "gpu_mib": on_gpu}

    def _timed(self, action) -> float:
        roofline.wait(self.task.device)
        start = time.perf_counter()
        action()
        roofline.wait(self.task.device)
        return time.perf_counter() - start


class Ours(Contestant):
    """The library, as `lib.training.fit` uses it."""

    def build(self, text):
        model = recommender.build(self.settings, self.data, text, self.task.device, self.task.engine)
        self.step = stepper(model, adam(model, self.protocol))
        return model

    def train(self):
        train_epoch(self.step, self.sampler, self.generator, epoch=0)

    def rank(self):
        data = self.data
        ranking.evaluate(self.model.final(), data.n_users, data.train, data.test, self.protocol.ks)

    def about(self):
        return super().about() | {"engine": self.model.backbone.graph.engine}


class Textbook(Contestant):
    """benchmarks/textbook.py and benchmarks/textbook_weighted.py."""

    def build(self, text):
        size, train = self.protocol.embedding_size, self.data.train
        names = self.task.backbone, self.task.alignment
        model = textbook_weighted.MODELS[names[0]](*names, self.options, train, text, size, self.task.device)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=self.protocol.learning_rate)
        return model

    def train(self):
        textbook.train_epoch(self.model, self.optimizer, self.sampler.epoch(self.generator))

    def rank(self):
        textbook.evaluate(self.model, self.data.train, self.data.test, self.protocol.ks)


class Peer(Contestant):
    """PyTorch Geometric's LightGCN; it has no ranking that leaves out the train items."""

    def build(self, text):
        graph = bipartite(self.data.train, device=self.task.device, engine="torch")
        csr = self.task.implementation == "pyg-csr"
        model = pyg.Model(graph, self.options, self.protocol.embedding_size, csr)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=self.protocol.learning_rate)
        return model

    def train(self):
        pyg.train_epoch(self.model, self.optimizer, self.sampler.epoch(self.generator))

    def evaluation(self):
        return None


class Bound(Contestant):
    """The roofline; it trains nothing but measures the machine anew in each turn."""

    def build(self, text):
        model = recommender.build(self.settings, self.data, text, self.task.device)
        shape, names = self._shape(model), (self.task.backbone, self.task.alignment)
        batches = self.sampler.epoch(self.generator)
        self.steps = [roofline.step(*names, self.options, shape, batch) for batch in batches]
        self.machines = []
        return model

    @torch.no_grad()
    def _shape(self, model):
        backbone, parameters = model.backbone, sum(x.numel() for x in model.parameters())
        entries, drawn = len(backbone.graph.rows), {}
        if self.task.backbone == "autocf":  # as many entries as chance gives them: one draw stands for all
            graphs = backbone.draw_graphs(backbone.seed_scores(self.generator), self.generator)
            drawn["drawn"] = tuple(len(graph.rows) for graph in graphs)
        widths = self.protocol.embedding_size, backbone.output_size, self.task.width
        return roofline.Shape(self.data.n_users, self.data.n_items, entries, *widths, parameters, **drawn)

    def epoch(self):
        self.machines.append(roofline.measure(4 * self.model.backbone.ego.numel(), self.task.device))
        return sum(roofline.seconds(parts, self.machines[-1]) for parts in self.steps)

    def evaluation(self):
        return None

    def about(self):
        bandwidth, flops = map(statistics.median, zip(*self.machines, strict=True))
        return {"threads": torch.get_num_threads(), "gb_per_s": bandwidth / 1e9, "gflop_per_s": flops / 1e9}


CLASSES = {"ours": Ours, "textbook": Textbook, "pyg": Peer, "pyg-csr": Peer, "roofline": Bound}


def contestants(task: Task, engines=(None,), peers: bool = True) -> list[Task]:
    """Everyone who can take part in a cell: ours with each engine, then the others."""
    others = []
    if task.backbone in textbook_weighted.MODELS:
        others.append("textbook")
    if (task.backbone, task.alignment) == ("lightgcn", "base") and peers:
        others += ["pyg", "pyg-csr"]
    if task.backbone in roofline.BACKBONES and task.alignment in roofline.ALIGNMENTS:
        others.append("roofline")
    ours = [replace(task, engine=engine) for engine in engines]
    return ours + [replace(task, implementation=name) for name in others]


# Turns

SLOW = 15  # seconds of another implementation's turn from which one measured turn of it must do


def in_turns(tasks: list[Task], epochs: int, progress: Progress) -> list[dict]:
    """One row per task of a cell, from `epochs` turns after one to warm up: seconds, memory, what was measured."""
    runners = []
    try:
        for task in tasks:
            runners.append(Apart(CLASSES[task.implementation], task))
        turns = [[] for _ in runners]
        for _ in range(epochs + 1):
            for task, runner, done in zip(tasks, runners, turns, strict=True):
                slow = len(done) > 1 and task.implementation != "ours" and done[-1][0] > SLOW
                done += [] if slow else [(runner.call("epoch"), runner.call("evaluation"))]
                progress.update()
        return [_row(task, one.call("about"), done[1:]) for task, one, done in zip(tasks, runners, turns, strict=True)]
    finally:
        for runner in runners:
            runner.close()


def _row(task: Task, about: dict, turns) -> dict:
    """Medians, and the extremes of the epochs."""
    epochs, evaluations = zip(*turns, strict=True)
    times = {
        "turns": len(turns),
        "epoch_s": statistics.median(epochs),
        "epoch_min_s": min(epochs),
        "epoch_max_s": max(epochs),
    }
    if None not in evaluations:
        times["evaluation_s"] = statistics.median(evaluations)
    return asdict(task) | about | times
