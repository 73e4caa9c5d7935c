"""Fit a backbone with an alignment: sampling, the step, early stopping, checkpoints."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from lib import alignment as alignments
from lib import backbones, ranking
from lib.datasets import Interactions
from lib.files import UserError, atomic_path
from lib.graph import bipartite
from lib.losses import Batch, squared_norm
from lib.params import Protocol, RunSettings
from lib.progress import Progress
from lib.step import stepper


class Recommender(nn.Module):
    """A backbone and an alignment, neither of which knows the other."""

    def __init__(self, backbone: backbones.GraphBackbone, alignment: alignments.Alignment):
        super().__init__()
        self.backbone, self.alignment = backbone, alignment

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted loss terms of one step by name; their sum is what is minimised."""
        ego, masked = self.alignment.mask(self.backbone.ego, batch.generator)
        final, terms = self.backbone.losses(ego, batch)
        terms |= self.alignment.losses(final, batch, masked)
        terms["regularisation"] = self.backbone.settings.reg_weight * squared_norm(self.parameters())
        return terms

    @torch.no_grad()
    def final(self) -> Tensor:
        """Vectors for scoring [n_users + n_items, D]: whole graph, no mask, nothing random."""
        return self.backbone(self.alignment.inputs(self.backbone.ego))


def build(settings: RunSettings, data: Interactions, text: Tensor | None, device="cpu", engine=None) -> Recommender:
    """The untrained model of a run; `text` [n_users + n_items, T] is needed by the aligned variants only.

    Initial values are drawn on the CPU, the ego table first, so they do not depend on device or alignment.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    backbone_class = backbones.get(settings.backbone)
    backbone_settings = backbone_class.Settings(**settings.backbone_settings)
    graph = bipartite(data.train, backbone_settings.self_loops, device, engine)
    backbone = backbone_class(graph, backbone_settings, settings.protocol.embedding_size, generator)
    alignment_class = alignments.get(settings.kind)
    alignment = alignment_class(
        alignment_class.Settings(**settings.alignment_settings),
        text,
        data.n_users,
        settings.protocol.embedding_size,
        backbone.output_size,
        generator,
    )
    return Recommender(backbone, alignment).to(device)


class Sampler:
    """Shuffled batches of triples, one uniform negative per train entry and epoch (spec rlmrec 2)."""

    def __init__(self, train: sp.csr_matrix, batch_size: int, device="cpu"):
        n_users, self.n_items = train.shape
        full = np.flatnonzero(np.diff(train.indptr) >= self.n_items)
        if len(full):
            raise UserError(f"user {full[0]} has every item in train, so no negative item exists: remove that user")
        users = np.repeat(np.arange(n_users), np.diff(train.indptr))
        self.users = torch.from_numpy(users).to(device)
        self.positives = torch.from_numpy(train.indices.astype(np.int64)).to(device)
        self.keys = (self.users * self.n_items + self.positives).sort().values
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.users) // self.batch_size)

    def negatives(self, generator: torch.Generator) -> Tensor:
        """One item per train entry that its user has not in train: redraw the clashes until none is left."""
        drawn = torch.empty_like(self.positives)
        open_ = torch.arange(len(drawn), device=drawn.device)
        while len(open_):
            drawn[open_] = torch.randint(self.n_items, (len(open_),), generator=generator, device=drawn.device)
            keys = self.users[open_] * self.n_items + drawn[open_]
            at = torch.searchsorted(self.keys, keys).clamp_(max=len(self.keys) - 1)
            open_ = open_[self.keys[at] == keys]
        return drawn

    def epoch(self, generator: torch.Generator) -> Iterator[Batch]:
        """The batches of one epoch; the last one is shorter."""
        negatives = self.negatives(generator)
        order = torch.randperm(len(self.users), generator=generator, device=self.users.device)
        for step, rows in enumerate(order.split(self.batch_size)):
            yield Batch(self.users[rows], self.positives[rows], negatives[rows], step, generator)


@dataclass
class State:
    """What a run knows besides tensors; stored in the checkpoint's metadata."""

    epoch: int = 0  # the next one
    best: float = -1.0
    best_epoch: int = -1
    waited: int = 0  # evaluations without improvement
    history: list[dict] = field(default_factory=list)


def fit(
    model: Recommender,
    data: Interactions,
    protocol: Protocol,
    seed: int,
    checkpoint: Path | None = None,
    key: str = "",
    label: str = "train",
) -> State:
    """Train until validation recall stops improving, leave the best weights in `model`, return best epoch and history.

    With `checkpoint` (a file) a killed run goes on at its last evaluated epoch if `key` is the same. On a processor
    the same seed and number of threads give the same bytes. Raises UserError when a loss term is not finite.
    """
    device = model.backbone.ego.device
    generator = torch.Generator(device).manual_seed(seed + 1)
    sampler = Sampler(data.train, protocol.batch_size, device)
    optimizer = adam(model, protocol)
    step = stepper(model, optimizer)
    training = _Training(model, optimizer, generator, key)
    state = training.load(checkpoint)
    with Progress(protocol.epochs, label, "epochs at most") as progress:
        progress.skip(state.epoch)
        while state.epoch < protocol.epochs and state.waited < protocol.patience:
            start = time.perf_counter()
            row = {"epoch": state.epoch, **train_epoch(step, sampler, generator, state.epoch)}
            row["seconds"] = time.perf_counter() - start
            evaluated = state.epoch % protocol.evaluate_every == 0
            if evaluated:
                row |= _validate(model, data, protocol.ks[-1])
                training.keep_best(state, row[protocol.selection])
            state.history.append(row)
            state.epoch += 1
            if evaluated and checkpoint:
                training.save(checkpoint, state)
            progress.update(note=_note(row, state))
    training.restore_best()
    return state


def adam(model: Recommender, protocol: Protocol) -> torch.optim.Adam:
    """The optimiser of all models: Adam at a constant rate; weight decay is a loss term (spec rlmrec 2)."""
    on_gpu = model.backbone.ego.is_cuda
    return torch.optim.Adam(model.parameters(), lr=protocol.learning_rate, fused=True, capturable=on_gpu)


def train_epoch(step, sampler, generator, epoch) -> dict[str, float]:
    """One pass over all train entries with a `stepper`; the mean of every loss term, read back once at the end."""
    steps = [step(batch) for batch in sampler.epoch(generator)]
    names = list(dict.fromkeys(name for terms in steps for name in terms))
    zero = torch.zeros((), device=generator.device)  # a term may be absent from some steps
    values = torch.stack([torch.stack([terms.get(name, zero) for name in names]) for terms in steps])
    _check_finite(values.cpu(), names, epoch)
    return dict(zip(names, values.mean(0).tolist(), strict=True))


def _check_finite(values: Tensor, names: list[str], epoch: int) -> None:
    broken = (~values.isfinite()).nonzero()
    if len(broken):
        step, term = broken[0].tolist()
        raise UserError(
            f"loss term '{names[term]}' is {values[step, term].item()} at epoch {epoch}, step {step}: "
            "lower learning_rate, raise the temperature, or look for extreme values in the text vectors; "
            "the last checkpoint before it is kept"
        )


def _validate(model: Recommender, data: Interactions, k: int) -> dict[str, float]:
    """Mean validation recall@k and ndcg@k over users."""
    return ranking.mean(ranking.evaluate(model.final(), data.n_users, data.train, data.validation, (k,)))


def _note(row: dict, state: State) -> str:
    total = sum(value for name, value in row.items() if name not in ("epoch", "seconds") and "@" not in name)
    return f"loss {total:.4f}, best validation recall {state.best:.4f} at epoch {state.best_epoch}"


class _Training:
    """The tensors of a run in progress: weights, best weights, optimiser and random state."""

    def __init__(self, model, optimizer, generator, key):
        self.model, self.optimizer, self.generator, self.key = model, optimizer, generator, key
        self.best = {}

    def keep_best(self, state: State, value: float) -> None:
        """Copy the weights when the validation value is strictly better."""
        state.waited += 1
        if value > state.best:
            state.best, state.best_epoch, state.waited = value, state.epoch, 0
            self.best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}

    def restore_best(self) -> None:
        """Put the best weights back into the model."""
        if self.best:
            self.model.load_state_dict(self.best)

    def save(self, path: Path, state: State) -> None:
        """Write everything that `load` needs, atomically."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{slot}": tensor for slot, tensor in slots.items()}
        tensors["generator"] = self.generator.get_state()
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, {"key": self.key, "state": json.dumps(asdict(state))})

    def load(self, path: Path | None) -> State:
        """Go on from a checkpoint of the same run; a missing, foreign or broken one means a fresh start."""
        if not path or not path.exists():
            return State()
        try:
            with safe_open(path, "pt", device=str(self.model.backbone.ego.device)) as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except Exception:  # not a safetensors file: a disk that lies about fsync, or another program's file
            return State()
        if (metadata or {}).get("key") != self.key:
            return State()
        self._restore(tensors)
        return State(**json.loads(metadata["state"]))

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        part = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            part.setdefault(kind, {})[rest] = tensor
        self.model.load_state_dict(part["model"])
        self.best = part.get("best", {})
        slots = {}
        for name, tensor in part["adam"].items():
            index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        self.generator.set_state(part["generator"][""].cpu())


def history_frame(state: State) -> pd.DataFrame:
    """One row per epoch: epoch, the mean of each loss term, seconds, and validation metrics where evaluated."""
    return pd.DataFrame(state.history)
