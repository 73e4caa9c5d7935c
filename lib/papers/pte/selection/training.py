"""Fit a policy to the rewards of candidates, or the same network to predict them.

Refresh: pi_old becomes the current policy, then a few passes over the entities maximise the clipped objective. Some
entities are held out: training ends when the reward that the policy expects on them no longer grows, and the best
weights come back. Features and rewards do not change meanwhile, and there is nothing to resume: 100 refreshes take
seconds with 2,000 entities.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib.core.errors import UserError
from lib.core.progress import Progress
from lib.papers.pte.selection.objective import advantages, enumerated, kl_divergence, sampled
from lib.papers.pte.selection.policy import SelectionPolicy
from lib.papers.pte.selection.settings import TrainingSettings

FEWEST = 10  # rewarded entities


class Fitted(NamedTuple):
    """A trained policy, the rows it was not trained on though they have a reward, and how it went.

    `history` has a row per refresh, of which 0 is untrained: refresh, loss (NaN at 0), kl (from the reference, on
    training entities), held_out_reward.
    """

    policy: SelectionPolicy
    held_out: np.ndarray
    history: pd.DataFrame


class _Entities(NamedTuple):
    """Features [n, G, F], advantages and the log-probabilities of the reference [n, G]."""

    phi: Tensor
    advantage: Tensor
    log_reference: Tensor

    def of(self, rows) -> "_Entities":
        return _Entities(*(part[rows] for part in self))


def fit(
    phi: np.ndarray, rewards: np.ndarray, settings: TrainingSettings, seed: int,
    regression: bool = False, label: str = "selection",
) -> Fitted:  # fmt: skip
    """Train on entities whose candidates differ in reward, from phi [n, G, F] and rewards [n, G], NaN if unknown.

    `regression` predicts the advantages by least squares instead, with the same network, steps and early stopping.
    On a processor the same seed gives the same bytes. Raises UserError when fewer than FEWEST entities have candidates
    that differ, and when the loss is not finite.
    """
    advantage, differ = advantages(rewards)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(differ))
    if len(rows) < FEWEST:
        raise UserError(f"{label}: candidates of {len(rows)} entities differ in reward, of {FEWEST} at least: add more")
    held_out, train = np.split(rows, [max(1, round(settings.held_out * len(rows)))])
    entities = _Entities(_tensor(phi), _tensor(advantage), _uniform(rewards.shape))
    generator = torch.Generator().manual_seed(seed)
    policy = SelectionPolicy(phi.shape[2], settings.hidden, generator)
    optimizer = torch.optim.Adam(policy.parameters(), settings.learning_rate, fused=True)
    trained, unseen = entities.of(np.sort(train)), (phi[held_out], rewards[held_out])
    history, best, waited, kept = [], -np.inf, 0, {}
    with Progress(settings.refreshes, label, "refreshes at most") as progress:
        for refresh in range(settings.refreshes + 1):
            loss = _refresh(policy, optimizer, trained, settings, generator, regression) if refresh else np.nan
            reward = float((policy.probabilities(unseen[0]) * unseen[1]).sum(axis=1).mean())
            history.append({"refresh": refresh, "loss": loss, "kl": _kl(policy, trained), "held_out_reward": reward})
            waited += 1
            if reward > best:
                best, waited = reward, 0
                kept = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
            progress.update(bool(refresh), note=f"loss {loss:.4f}, held-out reward {reward:.4f}, best {best:.4f}")
            if waited == settings.patience:
                break
    policy.load_state_dict(kept)
    return Fitted(policy, np.sort(held_out), pd.DataFrame(history))


def _refresh(policy, optimizer, entities: _Entities, settings: TrainingSettings, generator, regression: bool) -> float:
    """The inner epochs under one pi_old; the mean loss of the last one. Raises UserError when that is not finite."""
    with torch.no_grad():
        log_old = policy(entities.phi)
    drawn = torch.multinomial(log_old.exp(), log_old.shape[1], replacement=True, generator=generator)
    for _ in range(settings.inner_epochs):
        total = 0.0
        for batch in torch.randperm(len(log_old), generator=generator).split(settings.batch_size):
            part = entities.of(batch)
            if regression:
                loss = (policy.scores(part.phi) - part.advantage).square().mean()
            else:
                loss = -_objective(policy(part.phi), log_old[batch], part, drawn[batch], settings).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(batch)
    if not np.isfinite(total):
        raise UserError("the policy's loss is not finite: lower its learning_rate in params/papers/pte.yaml")
    return total / len(log_old)


def _objective(log_policy: Tensor, log_old: Tensor, part: _Entities, drawn: Tensor, settings) -> Tensor:
    known = log_policy, log_old, part.advantage, part.log_reference
    if settings.estimator == "sampled":
        return sampled(*known, drawn, settings.epsilon, settings.beta)
    return enumerated(*known, settings.epsilon, settings.beta)


def _uniform(shape: tuple[int, int]) -> Tensor:
    """log pi_ref [n, G]: all candidates alike."""
    return torch.zeros(shape).log_softmax(1)


@torch.no_grad()
def _kl(policy: SelectionPolicy, entities: _Entities) -> float:
    return float(kl_divergence(policy(entities.phi), entities.log_reference).mean())


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
