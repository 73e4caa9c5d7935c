"""Train a sequential recommender until validation NDCG stops improving, and rank targets with its best weights."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.core.errors import UserError
from lib.core.progress import Progress
from lib.data.sequences.rows import Rows, SplitRows
from lib.evaluation.target_rank import KS, metrics_of_ranks, rank_of_target
from lib.models.linear import product
from lib.training import module_runs, sequence_models
from lib.training.checkpoints import State
from lib.training.sequence_settings import SequenceProtocol, SequenceSettings

RANKED_AT_ONCE = 256  # rows
VALIDATION_KS = (10, 20)
NOISE_SEED = 0  # of what is drawn while ranking: the same noise in every evaluation, so that only weights differ
SAVED_EVERY = 20.0  # seconds between checkpoints: an epoch of small data is shorter than writing one


@dataclass(frozen=True, eq=False)
class SequenceData:
    """The rows that train, stop and test a recommender of `n_items` items.

    text [n_items, T] float32 are vectors of the items' texts, None where the method reads none. negatives [n, m] are
    items that the target of each test row is ranked against besides all others, None for no such ranking. neighbours
    [n_train, k] are positions of training rows, for methods that learn from the neighbours of each.
    """

    n_items: int
    rows: SplitRows
    text: np.ndarray | None = None
    negatives: np.ndarray | None = None
    neighbours: np.ndarray | None = None

    def __post_init__(self):
        """Raises UserError where nothing can be learned or ranked."""
        counts = {name: len(getattr(self.rows, name)) for name in ("train", "validation", "test")}
        if empty := [name for name, count in counts.items() if not count]:
            raise UserError(f"there is no {empty[0]} row ({counts}): take data with more users or longer histories")
        if self.n_items < 2:
            raise UserError(f"there are {self.n_items} items, of which none can be told from another: take more data")


def fit(
    data: SequenceData, settings: SequenceSettings, device: str = "cpu", checkpoint: Path | None = None, key: str = ""
) -> tuple[nn.Module, State]:
    """The model with its best weights, and best epoch and history.

    With `checkpoint` (a file) a killed run goes on at its last saved epoch if `key` is the same. On a processor the
    same seed gives the same bytes. Raises UserError when the loss is not finite.
    """
    protocol = settings.protocol
    label = f"{settings.dataset} {settings.method} {settings.loss}"
    # of the process, since weights, dropout and negatives draw from no other; as it was before when training is over
    with torch.random.fork_rng(), Progress(protocol.epochs, label, "epochs at most") as progress:
        torch.manual_seed(settings.seed)
        model = sequence_models.get(settings.recommender).model(data, settings).to(device)
        optimizer = torch.optim.Adam(
            model.parameters(), lr=protocol.learning_rate, weight_decay=protocol.weight_decay, fused=True
        )
        generator = module_runs.generator_of(device)
        run = module_runs.in_progress(model, optimizer, generator, key)
        state, saved = run.load(checkpoint), time.perf_counter()
        progress.skip(state.epoch)
        train = TrainRows(data, device)
        while state.epoch < protocol.epochs and state.waited < protocol.patience:
            start = time.perf_counter()
            row = {"epoch": state.epoch} | _epoch(model, optimizer, train, protocol, generator, state.epoch)
            row["seconds"] = time.perf_counter() - start
            done = state.epoch + 1
            if validated := done % protocol.validate_every == 0 or done == protocol.epochs:
                found = means(ranks(model, data.rows.validation)["rank"], VALIDATION_KS)
                row |= {f"validation_{name}": value for name, value in found.items()}
                run.keep_best(state, found[protocol.select])
            state.history.append(row)
            state.epoch = done
            # only where a validation ends an epoch, so that a run goes on with the same early stopping
            if checkpoint and validated and time.perf_counter() - saved >= SAVED_EVERY:
                run.save(checkpoint, state)
                saved = time.perf_counter()
            best = f"best validation {protocol.select} {state.best:.4f} at epoch {state.best_epoch}"
            progress.update(note=best if state.best_epoch >= 0 else "not validated yet")
        run.restore_best()
    return model, state


def ranks(model: nn.Module, rows: Rows, negatives: np.ndarray | None = None, masked: bool = False) -> dict[str, Tensor]:
    """Ranks of the target of each row [n] float64 by name, from 1, the expected ones where scores are equal.

    `rank` is among all items; with `masked` there is `rank_masked`, in which the items of the history that the model
    sees do not compete (the target does, even if it is one of them), and with negatives [n, m] `rank_negatives`, among
    these and the target.
    """
    model.eval()
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(NOISE_SEED)
    parts = [torch.from_numpy(part).to(device).long().split(RANKED_AT_ONCE) for part in (rows.history, rows.target)]
    drawn = [None] * len(parts[0]) if negatives is None else torch.from_numpy(negatives).long().split(RANKED_AT_ONCE)
    found = []
    with torch.inference_mode():
        table = model.items.table()
        scored = F.normalize(table[1:]) if model.score == "cos" else table[1:]
        for history, target, others in zip(*parts, drawn, strict=True):
            # lengths of states change no order of a row's cosines, so they stay
            scores = product(model.queries(history, table, generator), scored)
            one = {"rank": rank_of_target(scores, target - 1)}
            if masked:
                one["rank_masked"] = rank_of_target(scores, target - 1, _seen(history, scores))
            if others is not None:
                few = scores.gather(1, torch.column_stack([target, others.to(device)]) - 1)
                one["rank_negatives"] = rank_of_target(few, torch.zeros_like(target))
            found.append(one)
    return {name: torch.cat([one[name] for one in found]).cpu() for name in found[0]}


class TrainRows:
    """Training rows on a device, from which batches are taken by position."""

    def __init__(self, data: SequenceData, device: str):
        self.whole = torch.from_numpy(data.rows.train.whole).to(device)
        self.near = None if data.neighbours is None else torch.from_numpy(data.neighbours).to(device)

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, batch: Tensor) -> dict[str, Tensor]:
        """What `losses` takes of rows at positions [B]: whole [B, L + 1], and neighbours if there are any.

        neighbours [U, L] are their distinct histories, so that none is encoded twice; nearest [B, k] are rows of these.
        """
        found = {"whole": self.whole.index_select(0, batch).long()}
        if self.near is not None:
            distinct, found["nearest"] = self.near.index_select(0, batch).unique(return_inverse=True)
            found["neighbours"] = self.whole.index_select(0, distinct)[:, :-1].long()
        return found


def _epoch(
    model: nn.Module, optimizer, train: TrainRows, protocol: SequenceProtocol, generator, epoch: int
) -> dict[str, float]:
    """One pass over the training rows in a random order; the mean of each loss term."""
    model.train()
    order = torch.randperm(len(train), generator=generator, device=train.whole.device)
    sums = {}
    for batch in order.split(protocol.batch_size):
        optimizer.zero_grad()
        terms = model.losses(generator=generator, **train[batch])
        sum(terms.values()).backward()
        optimizer.step()
        for name, value in terms.items():
            sums[name] = sums.get(name, 0) + value.detach() * len(batch)
    means = {name: float(value) / len(train) for name, value in sums.items()}  # read once, so that no GPU waits
    if broken := [name for name, mean in means.items() if not np.isfinite(mean)]:
        said = f"the loss {broken[0]} is {means[broken[0]]} in epoch {epoch}"
        raise UserError(f"{said}: lower learning_rate in params/papers/sequential.yaml")
    return means


def _seen(history: Tensor, scores: Tensor) -> Tensor:
    """Which items stand in a history [B, L], as a mask of scores [B, n_items]."""
    mask = torch.zeros(len(scores), scores.shape[1] + 1, dtype=torch.bool, device=scores.device)
    return mask.scatter_(1, history, True)[:, 1:]


def means(ranks: Tensor, ks=KS) -> dict[str, float]:
    """Mean metrics by name of ranks [n]."""
    return {name: float(values.mean()) for name, values in metrics_of_ranks(ranks.numpy(), ks).items()}
