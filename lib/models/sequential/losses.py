"""Losses of the next item: given the state of a history, find its target among items.

Formulas are in docs/methods/pte-recommenders.md 2.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from lib.core.settings import Strict
from lib.models.linear import linear
from lib.models.sequential.cosines import cosines


class LossSettings(Strict):
    """What a recommender is trained with, and how it then scores."""

    kind: Literal["infonce", "softmax", "bce", "diffusion"] = Field(description="diffusion: DreamRec's own")
    score: Literal["cos", "dot"] = Field(description="by which items are ranked; infonce trains with cos in any case")
    temperature: float = Field(0.07, gt=0, description="of infonce")
    negatives: int = Field(64, ge=1, description="of infonce, for each target")


def loss(
    states: Tensor, target: Tensor, table: Tensor, settings: LossSettings, generator: torch.Generator | None = None
) -> Tensor:
    """The mean loss [] of states [M, d] with target items [M], among rows 1 to n_items of a table [n_items + 1, d].

    Negatives are drawn from `generator`, on the device of the targets, or from torch's own.
    """
    if settings.kind == "softmax":
        return softmax(states, target, table)
    if settings.kind == "bce":
        return bce(states, target, negatives(target, 1, len(table) - 1, generator)[:, 0], table)
    drawn = negatives(target, settings.negatives, len(table) - 1, generator)
    return infonce(states, target, drawn, table, settings.temperature)


def negatives(target: Tensor, count: int, n_items: int, generator: torch.Generator | None = None) -> Tensor:
    """Items [M, count] drawn uniformly from all but the target [M] of their row; they may repeat."""
    drawn = torch.randint(1, n_items, (len(target), count), generator=generator, device=target.device)
    return drawn + (drawn >= target[:, None])


def infonce(states: Tensor, target: Tensor, drawn: Tensor, table: Tensor, temperature: float) -> Tensor:
    """Mean of -log of exp(c+ / t) / [exp(c+ / t) + sum_j exp(c_j / t)], with cosines c of a state and items; []."""
    candidates = torch.cat([target[:, None], drawn], 1)
    logits = cosines(states, table, candidates) / temperature
    return (logits.logsumexp(1) - logits[:, 0]).mean()


def softmax(states: Tensor, target: Tensor, table: Tensor) -> Tensor:
    """Mean cross-entropy [] of the target among all items, by dot product."""
    return F.cross_entropy(linear(states, table[1:]), target - 1)


def bce(states: Tensor, target: Tensor, drawn: Tensor, table: Tensor) -> Tensor:
    """Mean of -log sigmoid(s+) - log(1 - sigmoid(s-)), with dot products s of a state, its target and a drawn item."""
    positive, negative = ((states * table.index_select(0, items)).sum(-1) for items in (target, drawn))
    return (F.softplus(-positive) + F.softplus(negative)).mean()
