"""Which rated items belong to a target: the K best of a sample's own history, for all samples at once.

In plain form, for one sample with history H (oldest first) and target i:

    candidates = the latest rating of each different item of H, without i
    chosen     = the K candidates with the highest score(i, item), best first; equal ones newest first

All retrieval is this with another score: `recent` scores nothing, so that only the tie rule is left. Samples are taken
by target, so that each target is compared with all items once, and within that by length of history, so that a chunk
of them is a matrix with little padding.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from lib.core.errors import UserError
from lib.core.progress import Progress
from lib.data.samples import Samples

PAIRS = 2**22  # pairs of a sample and a history item that are held at once: about 150 MiB with all that is made of them
TABLE = 2**25  # similarities of targets with all items that are held at once: 128 MiB for each part of a score
STEPS = 2**20  # of the scores' range: what is closer counts as equal, so that rounding of a product decides nothing
NONE = -1  # where a history has fewer than K items


class Retrieved(NamedTuple):
    """Positions of events, best first, -1 where there are no more [n, K]; how many candidates there were [n]."""

    positions: np.ndarray
    candidates: np.ndarray


class Score(Protocol):
    """How well items fit a target; `bound` is the largest absolute value that it can take."""

    bound: float

    def tables(self, targets: Tensor) -> list[Tensor]:
        """Of each part of the score a matrix [len(targets), n_items]."""

    def combined(self, parts: list[Tensor], valid: Tensor) -> Tensor:
        """Scores [rows, length] of history items, from the tables' values there; `valid` marks true candidates."""


class Similarity:
    """Dot product of item vectors [n_items, D] (lib/papers/rallrec/mixture.py)."""

    def __init__(self, vectors: np.ndarray):
        self.vectors = _tensor(vectors)
        self.bound = max(float(self.vectors.square().sum(1).max()), 1e-30)

    def tables(self, targets):
        return [self.vectors[targets] @ self.vectors.T]

    def combined(self, parts, valid):
        return parts[0]


class HybridScore:
    """w softmax(text similarity / t) + (1 - w) softmax(collaborative similarity / t), times the number of items.

    Both kinds of vectors [n_items, D] have length 1 or 0. The softmax is over the whole catalogue, or over the
    candidates of the sample alone.
    """

    def __init__(
        self,
        text: np.ndarray,
        collaborative: np.ndarray,
        weight: float = 0.5,
        temperature: float = 1.0,
        over: str = "catalogue",
    ):
        self.kinds = [_tensor(text), _tensor(collaborative)]
        self.weights = [weight, 1 - weight]
        self.temperature, self.over = temperature, over
        # the largest of n softmax values whose logits are within +-1/t, times n
        self.bound = float(min(np.exp(min(2 / temperature, 80)), len(text)))

    def tables(self, targets):
        logits = [vectors[targets] @ vectors.T / self.temperature for vectors in self.kinds]
        if self.over == "history":
            return logits
        return [self._mixed([part.softmax(1) for part in logits]) * len(self.kinds[0])]

    def combined(self, parts, valid):
        if self.over != "history":
            return parts[0]
        shares = [part.masked_fill(~valid, -torch.inf).softmax(1).nan_to_num(0) for part in parts]
        return self._mixed(shares) * valid.sum(1, keepdim=True)

    def _mixed(self, parts: list[Tensor]) -> Tensor:
        return sum(weight * part for weight, part in zip(self.weights, parts, strict=True))


class Recency:
    """Every item fits as well, so that the newest come first."""

    bound = 1.0

    def tables(self, targets):
        return []

    def combined(self, parts, valid):
        return torch.zeros(valid.shape)


def retrieve(
    samples: Samples,
    score: Score,
    k: int,
    rows: np.ndarray | None = None,
    fidelity: str = "paper",
    label: str = "retrieval",
) -> Retrieved:
    """The K history items that fit each sample's target best; for `rows` (numbers of samples) or for all.

    With fidelity `legacy` the target stays a candidate where it is in its own history, as in the public code. Raises
    UserError when the vectors are of another number of items.
    """
    _check(samples, score)
    rows = np.arange(len(samples.rows)) if rows is None else np.asarray(rows)
    starts, stops, targets = (samples.rows[name].to_numpy()[rows] for name in ("start", "stop", "item"))
    items, repeated = samples.events.item.to_numpy(), _next_rating(samples)
    positions = np.full((len(rows), k), NONE, dtype=np.int64)
    candidates = np.zeros(len(rows), dtype=np.int64)
    with Progress(len(rows), label, "samples", scale=True) as progress:
        for block, distinct in _by_target(targets, len(samples.items)):
            tables = score.tables(torch.from_numpy(distinct))
            for here in _by_length(block, stops - starts):
                places = starts[here, None] + np.arange((stops - starts)[here].max())
                valid = places < stops[here, None]
                places = np.where(valid, places, 0)
                # the same item again before the sample: its later rating is the one that counts
                valid &= repeated[places] >= stops[here, None]
                if fidelity == "paper":
                    valid &= items[places] != targets[here, None]
                values = _scores(score, tables, np.searchsorted(distinct, targets[here]), items[places], valid)
                best = _best(values, valid, min(k, places.shape[1]))
                positions[here, : best.shape[1]] = np.take_along_axis(np.where(valid, places, NONE), best, axis=1)
                candidates[here] = valid.sum(1)
                progress.update(len(here))
    return Retrieved(positions, candidates)


def _check(samples: Samples, score: Score) -> None:
    tables = score.tables(torch.zeros(1, dtype=torch.long)) if len(samples.items) else []
    for table in tables:
        if table.shape[1] != len(samples.items):
            raise UserError(
                f"{samples.name} has {len(samples.items)} items, but there are vectors of {table.shape[1]}: make the "
                "vectors anew for this dataset"
            )


def _next_rating(samples: Samples) -> np.ndarray:
    """Where the same user rates the same item next [n_events]; the number of events where never."""
    events = samples.events
    order = np.lexsort((np.arange(len(events)), events.item, events.user))
    users, items = events.user.to_numpy()[order], events.item.to_numpy()[order]
    again = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
    following = np.full(len(events), len(events), dtype=np.int64)
    following[order[:-1][again]] = order[1:][again]
    return following


def _by_target(targets: np.ndarray, n_items: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Numbers of samples, so many targets at a time that their tables fit, and these targets in ascending order."""
    order = np.argsort(targets, kind="stable")
    distinct = np.unique(targets).astype(np.int64)
    at_once = max(1, TABLE // n_items)
    for start in range(0, len(distinct), at_once):
        block = distinct[start : start + at_once]
        first, last = np.searchsorted(targets[order], [block[0], block[-1] + 1])
        yield order[first:last], block


def _by_length(rows: np.ndarray, lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Those of `rows` that have a history, chunk by chunk, each of about the same length."""
    # a quarter longer than the shortest at most, so that a fifth of a chunk is padding at most
    classes = np.ceil(np.log(np.maximum(lengths[rows], 1)) / np.log(1.25)).astype(np.int64)
    order = np.argsort(classes, kind="stable")
    for group in np.split(rows[order], np.flatnonzero(np.diff(classes[order])) + 1):
        if longest := int(lengths[group].max(initial=0)):
            at_once = max(1, PAIRS // longest)
            yield from (group[start : start + at_once] for start in range(0, len(group), at_once))


def _scores(score: Score, tables: list[Tensor], which: np.ndarray, items: np.ndarray, valid: np.ndarray) -> Tensor:
    """Scores [rows, length], in steps, of the `items` of each row for the target in line `which` of the tables."""
    line, column = torch.from_numpy(which)[:, None], torch.from_numpy(items)
    # one flat index instead of two: half the time
    parts = [table.reshape(-1)[line * table.shape[1] + column] for table in tables]
    return score.combined(parts, torch.from_numpy(valid)) * (STEPS / score.bound)


def _best(values: Tensor, valid: np.ndarray, k: int) -> np.ndarray:
    """Columns [rows, k] of the largest values, largest first, of equal ones the last column first; invalid ones last.

    A value in whole steps and its column become one number, so that one search does both.
    """
    width = valid.shape[1]
    keys = values.round_().long() * width + torch.arange(width)
    keys = keys.masked_fill_(~torch.from_numpy(valid), torch.iinfo(torch.long).min)
    return keys.topk(k, dim=1, sorted=True).indices.numpy()


def first_distinct(lists: np.ndarray, k: int) -> np.ndarray:
    """The first k different entries of each row [n, m], in their order, -1 where there are no more: [n, k]."""
    repeated = _repeats(lists)
    # a stable sort by whether an entry counts moves those that do to the front
    order = np.argsort(repeated | (lists == NONE), axis=1, kind="stable")[:, :k]
    kept = np.take_along_axis(np.where(repeated, NONE, lists), order, axis=1)
    return np.pad(kept, ((0, 0), (0, k - kept.shape[1])), constant_values=NONE)


def _repeats(lists: np.ndarray) -> np.ndarray:
    """Whether an entry stands in its row before [n, m]."""
    order = np.argsort(lists, axis=1, kind="stable")
    ordered = np.take_along_axis(lists, order, axis=1)
    same = np.pad(ordered[:, 1:] == ordered[:, :-1], ((0, 0), (1, 0)))
    repeated = np.empty_like(same)
    np.put_along_axis(repeated, order, same, axis=1)
    return repeated


def hybrid_quota(by_text: np.ndarray, by_collaboration: np.ndarray, k: int) -> np.ndarray:
    """The better half of the K best by text, rounded up, then the best by collaboration that are not in it: [n, K]."""
    return first_distinct(np.hstack([by_text[:, : -(-k // 2)], by_collaboration]), k)


def _tensor(vectors: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
