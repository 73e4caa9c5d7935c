"""Train a model until validation recall stops improving: epochs, evaluations, early stopping, checkpoints."""

import time
from pathlib import Path

import torch
from torch import Tensor

from lib.core.errors import UserError
from lib.core.progress import Progress
from lib.data.interactions import Interactions
from lib.evaluation import ranking
from lib.training.checkpoints import RunInProgress, State
from lib.training.recommender import Recommender
from lib.training.run_settings import Protocol
from lib.training.sampler import Sampler
from lib.training.step import stepper


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
    # on the device, so that no step waits for numbers from the CPU; not seeded as the initial values are, so that the
    # two do not draw the same numbers
    generator = torch.Generator(device).manual_seed(seed + 1)
    sampler = Sampler(data.train, protocol.batch_size, device)
    optimizer = adam(model, protocol)
    step = stepper(model, optimizer)
    run = RunInProgress(model, optimizer, generator, key)
    state = run.load(checkpoint)
    with Progress(protocol.epochs, label, "epochs at most") as progress:
        progress.skip(state.epoch)
        while state.epoch < protocol.epochs and state.waited < protocol.patience:
            start = time.perf_counter()
            row = {"epoch": state.epoch, **train_epoch(step, sampler, generator, state.epoch)}
            row["seconds"] = time.perf_counter() - start
            # from epoch 0 on, where the model has seen each interaction once (docs/methods/rlmrec.md Q15)
            evaluated = state.epoch % protocol.evaluate_every == 0
            if evaluated:
                row |= _validate(model, data, protocol.ks[-1])
                run.keep_best(state, row[protocol.selection])
            state.history.append(row)
            state.epoch += 1
            # only where an evaluation ends an epoch, so that a run goes on with the same early stopping
            if evaluated and checkpoint:
                run.save(checkpoint, state)
            progress.update(note=_note(row, state))
    run.restore_best()
    return state


def adam(model: Recommender, protocol: Protocol) -> torch.optim.Adam:
    """The optimiser of all models: Adam at a constant rate (docs/methods/rlmrec.md 2).

    It has no weight decay: the squared norm of the weights is a loss term (`Recommender.losses`).
    """
    on_gpu = model.backbone.ego.is_cuda  # its step counter must be on the GPU for a step to be captured
    return torch.optim.Adam(model.parameters(), lr=protocol.learning_rate, fused=True, capturable=on_gpu)


def train_epoch(step, sampler, generator, epoch) -> dict[str, float]:
    """One pass over all train entries with a `stepper`; the mean of every loss term over the steps, by name.

    The terms are read back once, at the end: reading them at every step would make a GPU wait. Raises UserError when
    one is not finite.
    """
    steps = [step(batch) for batch in sampler.epoch(generator)]
    names = []  # in the order in which they first appear; a term may be absent from some steps, where it counts as 0
    for terms in steps:
        names += [name for name in terms if name not in names]
    zero = torch.zeros((), device=generator.device)
    values = torch.stack([torch.stack([terms.get(name, zero) for name in names]) for terms in steps])  # [steps, names]
    _check_finite(values.cpu(), names, epoch)
    return dict(zip(names, values.mean(0).tolist(), strict=True))


def _check_finite(values: Tensor, names: list[str], epoch: int) -> None:
    """Raises UserError for the first value [steps, names] that is not finite."""
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
    # what is neither epoch, seconds nor a metric is a loss term
    total = sum(value for name, value in row.items() if name not in ("epoch", "seconds") and "@" not in name)
    return f"loss {total:.4f}, best validation recall {state.best:.4f} at epoch {state.best_epoch}"
