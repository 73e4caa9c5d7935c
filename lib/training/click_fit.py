"""Train a click model until validation AUC stops improving, and predict with its best weights."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.core.errors import UserError
from lib.core.progress import Progress
from lib.evaluation import click_metrics
from lib.models.click.features import Features
from lib.models.click.networks import network
from lib.training import module_runs
from lib.training.checkpoints import State
from lib.training.click_settings import ClickProtocol, ClickSettings

PREDICTED_AT_ONCE = 8192  # rows


@dataclass(frozen=True, eq=False)
class ClickData:
    """Features of all samples, and which of them (positions [k]) train, stop and test a model."""

    features: Features
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def __post_init__(self):
        for name in ("train", "validation"):
            labels = self.features.labels[getattr(self, name)]
            if len(np.unique(labels)) < 2:
                raise UserError(
                    f"the {len(labels)} {name} samples are not of both classes, liked and not: give more of them"
                )


def fit(
    data: ClickData, settings: ClickSettings, device: str = "cpu", checkpoint: Path | None = None, key: str = ""
) -> tuple[nn.Module, State]:
    """The model with its best weights, and best epoch and history.

    With `checkpoint` (a file) a killed run goes on at its last epoch if `key` is the same. On a processor the same
    seed gives the same bytes. Raises UserError when the loss is not finite.
    """
    protocol, seed = settings.protocol, settings.seed
    model = network(settings.model, data.features.fields, settings.network_settings, seed)
    model.to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=protocol.learning_rate, weight_decay=protocol.weight_decay, fused=True
    )
    generator = module_runs.generator_of(device)
    label = f"{settings.dataset} {settings.model} {settings.scope}"
    # the random state of the process is as it was before when training is over
    with torch.random.fork_rng(), Progress(protocol.epochs, label, "epochs at most") as progress:
        generator.manual_seed(seed)
        run = module_runs.in_progress(model, optimizer, generator, key)
        state = run.load(checkpoint)
        progress.skip(state.epoch)
        numbers, labels = (
            torch.from_numpy(x.astype(np.float32)) for x in (data.features.numbers, data.features.labels)
        )
        numbers, labels = numbers.to(device), labels.to(device)
        train = torch.from_numpy(data.train).to(device)
        while state.epoch < protocol.epochs and state.waited < protocol.patience:
            start = time.perf_counter()
            loss = _epoch(model, optimizer, numbers, labels, train, protocol, state.epoch, generator)
            seconds = time.perf_counter() - start
            found = click_metrics.scores(data.features.labels[data.validation], predict(model, data, data.validation))
            row = {"epoch": state.epoch, "loss": loss, "seconds": seconds}
            state.history.append(row | {f"validation_{name}": value for name, value in found.items()})
            run.keep_best(state, found["auc"])
            state.epoch += 1
            if checkpoint:
                run.save(checkpoint, state)
            progress.update(note=f"loss {loss:.4f}, best validation AUC {state.best:.4f} at epoch {state.best_epoch}")
        run.restore_best()
    return model, state


def predict(model: nn.Module, data: ClickData, rows: np.ndarray) -> np.ndarray:
    """The probability that each of these samples is liked [k], float64."""
    model.eval()
    device = next(model.parameters()).device
    with torch.inference_mode():
        parts = [
            model(torch.from_numpy(data.features.numbers[part].astype(np.float32)).to(device))[:, 0].double().sigmoid()
            for part in np.array_split(rows, math.ceil(len(rows) / PREDICTED_AT_ONCE))
        ]
    return torch.cat(parts).cpu().numpy()


def learning_rate(protocol: ClickProtocol, step: int, steps: int) -> float:
    """The rate at step 0, 1, ... of `steps` in all epochs: along half a cosine from the first value to 0."""
    return protocol.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2


def _epoch(model, optimizer, numbers, labels, train, protocol, epoch, generator) -> float:
    """One pass over the training samples in a random order; the mean loss."""
    model.train()
    order = train[torch.randperm(len(train), generator=generator, device=train.device)]
    batches = order.split(protocol.batch_size)
    losses = []
    for index, batch in enumerate(batches):
        step = epoch * len(batches) + index
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(protocol, step, protocol.epochs * len(batches))
        losses.append(_step(model, optimizer, numbers[batch], labels[batch]) * len(batch))
    total = float(torch.stack(losses).sum()) / len(train)  # read back once, so that a GPU never waits
    if not math.isfinite(total):
        raise UserError(f"the loss is {total} in epoch {epoch}: lower learning_rate in params/papers/click.yaml")
    return total


def _step(model, optimizer, numbers: Tensor, labels: Tensor) -> Tensor:
    optimizer.zero_grad()
    loss = F.binary_cross_entropy_with_logits(model(numbers)[:, 0], labels)
    loss.backward()
    optimizer.step()
    return loss.detach()
