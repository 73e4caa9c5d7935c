"""Advantages and the clipped objective against closed forms, drawn candidates, and GRPO's loss by single tokens."""

import math
from functools import lru_cache

import numpy as np
import pytest
import torch

from lib.core.errors import UserError
from lib.papers.pte.selection import settings as selection_settings
from lib.papers.pte.selection.features import NAMES
from lib.papers.pte.selection.objective import advantages, clipped, enumerated, kl_divergence, sampled
from lib.papers.pte.selection.policy import SelectionPolicy
from lib.papers.pte.selection.training import fit

SETTINGS = selection_settings.load().training
EPSILON, BETA = 0.2, 0.04


def log_probabilities(rng, n=5, groups=4, spread=1.0):
    return torch.from_numpy(rng.normal(scale=spread, size=(n, groups))).log_softmax(1)


def gradient(objective, log_policy, *others):
    """The gradient of the mean objective by the logits."""
    logits = log_policy.clone().requires_grad_()
    objective(logits.log_softmax(1), *others).mean().backward()
    return logits.grad


# Advantages


def test_advantages_have_mean_0_and_deviation_1_and_do_not_care_for_scale_and_shift():
    rewards = np.random.default_rng(0).random((50, 4))
    found, differ = advantages(rewards)
    assert differ.all() and np.allclose(found.mean(1), 0) and np.allclose(found.std(1, ddof=1), 1, atol=2e-3)
    # the 1e-4 beside the deviation is all that a scale can change
    assert np.allclose(advantages(3 * rewards + 7)[0], found, atol=5e-3)
    assert np.allclose(advantages(-rewards)[0], -found)


def test_two_candidates_are_seven_tenths_above_and_below():
    found, _ = advantages(np.array([[0.2, 0.9], [5.0, 1.0]]))
    assert found == pytest.approx(np.array([[-1, 1], [1, -1]]) / math.sqrt(2), abs=1e-3)


def test_groups_without_a_difference_and_without_a_reward_do_not_count():
    found, differ = advantages(np.array([[0.3] * 4, [0.1, 0.2, np.nan, 0.4], [0, 0, 0, 1e-9], [0, 0, 0, 1.0]]))
    assert differ.tolist() == [False, False, False, True]
    assert not found[:3].any()
    log_policy = log_probabilities(np.random.default_rng(1), n=3)
    grad = gradient(enumerated, log_policy, log_policy, torch.from_numpy(found[:3]), log_policy, EPSILON, 0.0)
    assert not grad.any()


# The clip


@pytest.mark.parametrize(("ratio", "advantage", "slope"), [
    (1.1, 2, 2), (1.3, 2, 0), (0.5, 2, 2), (0.9, -2, -2), (0.7, -2, 0), (1.5, -2, -2),
])  # fmt: skip
def test_nothing_is_gained_beyond_the_clip_and_every_loss_counts(ratio, advantage, slope):
    log_ratio = torch.tensor(math.log(ratio), dtype=torch.float64, requires_grad=True)
    value = clipped(log_ratio, torch.tensor(float(advantage), dtype=torch.float64), EPSILON)
    value.backward()
    expected = min(ratio * advantage, min(max(ratio, 1 - EPSILON), 1 + EPSILON) * advantage)
    assert value.item() == pytest.approx(expected)
    assert log_ratio.grad.item() / ratio == pytest.approx(slope)


# The divergence


def test_the_divergence_is_torchs_and_never_negative():
    rng = np.random.default_rng(2)
    policy, reference = log_probabilities(rng, 200), log_probabilities(rng, 200)
    found = kl_divergence(policy, reference)
    expected = torch.nn.functional.kl_div(reference, policy, log_target=True, reduction="none").sum(1)
    assert torch.allclose(found, expected) and (found > 0).all()
    assert torch.allclose(kl_divergence(policy, policy), torch.zeros(200, dtype=torch.float64), atol=1e-12)


def climbed(beta, reference, steps=200):
    """Where gradient ascent on the objective of one entity ends, pi_old refreshed every few steps."""
    advantage = torch.tensor([[-1.0, 0.2, 1.1, -0.3]])
    logits = torch.zeros(1, 4, requires_grad=True)
    optimizer = torch.optim.Adam([logits], 0.1)
    for step in range(steps):
        if step % 4 == 0:
            old = logits.detach().log_softmax(1)
        optimizer.zero_grad()
        (-enumerated(logits.log_softmax(1), old, advantage, reference, EPSILON, beta)).sum().backward()
        optimizer.step()
    return logits.detach().softmax(1)[0]


def test_a_heavy_divergence_pins_the_policy_and_without_it_the_best_candidate_takes_all():
    reference = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log()
    assert climbed(1e4, reference).tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=1e-2)
    free = climbed(0.0, reference)
    assert free.argmax() == 2 and free.max() > 0.98


# Drawn candidates


@pytest.fixture
def case():
    """Three entities whose policy has left pi_old far enough for some clips."""
    rng = np.random.default_rng(3)
    old, reference = log_probabilities(rng, 3), log_probabilities(rng, 3)
    policy = (old + torch.from_numpy(rng.normal(scale=0.4, size=(3, 4)))).log_softmax(1)
    return policy, old, torch.from_numpy(advantages(rng.random((3, 4)))[0]), reference


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_the_mean_over_many_drawn_candidates_is_the_sum_over_all(case, beta):
    policy, old, advantage, reference = case
    assert ((policy - old).exp() > 1 + EPSILON).any() and ((policy - old).exp() < 1 - EPSILON).any()
    drawn = torch.multinomial(old.exp(), 100_000, replacement=True, generator=torch.Generator().manual_seed(0))
    known = old, advantage, reference
    exact, mean = enumerated(policy, *known, EPSILON, beta), sampled(policy, *known, drawn, EPSILON, beta)
    assert torch.allclose(exact, mean, atol=0.02)
    exact = gradient(enumerated, policy, *known, EPSILON, beta)
    mean = gradient(sampled, policy, *known, drawn, EPSILON, beta)
    assert (exact - mean).norm() < 0.02 * exact.norm()


def test_the_plain_estimator_of_the_divergence_pulls_along_another_gradient(case):
    """Without the ratio, k3 has the gradient of KL(pi_ref || pi), also where pi is still pi_old."""
    policy, _, advantage, reference = case
    drawn = torch.multinomial(policy.exp(), 100_000, replacement=True, generator=torch.Generator().manual_seed(0))
    known = policy, 0 * advantage, reference
    plain = gradient(sampled, policy, *known, drawn, EPSILON, 1.0, False)
    other_way = gradient(lambda log_policy: -kl_divergence(reference, log_policy), policy)
    assert (plain - other_way).norm() < 0.02 * other_way.norm()
    assert (plain - gradient(enumerated, policy, *known, EPSILON, 1.0)).norm() > 0.1 * other_way.norm()


# GRPO's loss as TRL's GRPOTrainer has it


def grpo_loss(log_policy, log_old, log_reference, rewards, beta, correct_kl=False):
    """One prompt whose completions are one token each: means over tokens of a completion, then over completions."""
    n = len(rewards)
    mean = sum(rewards) / n
    deviation = math.sqrt(sum((reward - mean) ** 2 for reward in rewards) / (n - 1))
    losses = []
    for completion in range(n):
        advantage = (rewards[completion] - mean) / (deviation + 1e-4)
        tokens, mask = [(log_policy[completion], log_old[completion], log_reference[completion])], [1]
        total = 0.0
        for present, (now, before, reference) in zip(mask, tokens, strict=True):
            ratio = math.exp(now - before)
            bounded = max(min(ratio, 1 + EPSILON), 1 - EPSILON)
            loss = -min(ratio * advantage, bounded * advantage)
            divergence = math.exp(reference - now) - (reference - now) - 1
            total += present * (loss + beta * divergence * (ratio if correct_kl else 1))
        losses.append(total / sum(mask))
    return sum(losses) / n


@pytest.mark.parametrize("correct_kl", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_each_candidate_drawn_once_is_grpos_loss(seed, correct_kl):
    rng = np.random.default_rng(seed)
    policy, old, reference = (log_probabilities(rng, 1, 6) for _ in range(3))
    rewards = rng.random((1, 6))
    advantage = torch.from_numpy(advantages(rewards)[0])
    found = -sampled(policy, old, advantage, reference, torch.arange(6)[None], EPSILON, BETA, correct_kl).mean()
    lists = (x[0].tolist() for x in (policy, old, reference))
    assert found.item() == pytest.approx(grpo_loss(*lists, rewards[0].tolist(), BETA, correct_kl), abs=1e-6)


def test_where_all_candidates_are_equally_likely_the_sum_over_them_is_grpos_loss():
    """Each outcome once is then what a draw expects: at any policy without the divergence, with it at first."""
    rng = np.random.default_rng(7)
    policy, reference, rewards = log_probabilities(rng, 1, 6, 0.3), log_probabilities(rng, 1, 6), rng.random((1, 6))
    uniform = torch.zeros(1, 6, dtype=torch.float64).log_softmax(1)
    advantage = torch.from_numpy(advantages(rewards)[0])
    for now, beta in ((policy, 0.0), (uniform, BETA)):
        found = -enumerated(now, uniform, advantage, reference, EPSILON, beta).mean()
        expected = grpo_loss(now[0].tolist(), uniform[0].tolist(), reference[0].tolist(), rewards[0].tolist(), beta)
        assert found.item() == pytest.approx(expected, abs=1e-6)


# The policy and its training


@lru_cache
def trained(again=0, **changes):
    """A policy trained where the reward is a feature and noise, and features of other entities."""
    rng = np.random.default_rng(5)
    phi = rng.normal(size=(200, 4, 6)).astype(np.float32)
    rewards = phi[..., 2] + rng.normal(scale=0.5, size=(200, 4))
    settings = SETTINGS.model_copy(update={"refreshes": 10, "batch_size": 64} | changes)
    return fit(phi, rewards, settings, seed=1), rng.normal(size=(300, 4, 6)).astype(np.float32)


def test_permuting_candidates_permutes_their_probabilities():
    fitted, phi = trained()
    order = np.random.default_rng(0).permutation(4)
    found = fitted.policy.probabilities(phi)
    assert fitted.policy.probabilities(phi[:, order]) == pytest.approx(found[:, order], abs=1e-6)
    assert found.sum(1) == pytest.approx(1, abs=1e-6) and found.max() > 0.9


@pytest.mark.parametrize("estimator", ["enumerated", "sampled"])
def test_the_policy_learns_which_feature_is_rewarded(estimator):
    fitted, phi = trained(estimator=estimator)
    right = fitted.policy.probabilities(phi).argmax(1) == phi[..., 2].argmax(1)
    assert right.mean() > 0.75
    assert fitted.history.kl.iloc[0] == pytest.approx(0, abs=1e-6) and np.isnan(fitted.history.loss.iloc[0])
    assert fitted.history.held_out_reward.iloc[-1] > fitted.history.held_out_reward.iloc[0] + 0.3


def test_a_heavy_divergence_keeps_a_trained_policy_uniform():
    fitted, phi = trained(beta=1e3, learning_rate=1e-4)
    assert fitted.policy.probabilities(phi) == pytest.approx(0.25, abs=0.02)


def test_the_same_seed_gives_the_same_bytes():
    first, phi = trained()
    again, _ = trained(again=1)
    assert first.policy.probabilities(phi).tobytes() == again.policy.probabilities(phi).tobytes()
    assert first.history.equals(again.history)


def test_held_out_entities_and_those_without_a_difference_do_not_train():
    rng = np.random.default_rng(5)
    phi, rewards = rng.normal(size=(60, 4, 6)).astype(np.float32), rng.random((60, 4))
    rewards[:20] = 0.5
    settings = SETTINGS.model_copy(update={"refreshes": 3, "patience": 3})
    fitted = fit(phi, rewards, settings, seed=1)
    assert len(fitted.held_out) == 4 and fitted.held_out.min() >= 20
    other = phi.copy()
    other[:20] = 9
    changed = fit(other, rewards, settings, seed=1)
    assert changed.history.equals(fitted.history)


def test_too_few_rewards_are_an_error_in_words():
    with pytest.raises(UserError, match="candidates of 0 entities differ in reward"):
        fit(np.zeros((30, 4, 6), np.float32), np.ones((30, 4)), SETTINGS, seed=1)


def test_the_network_is_as_small_as_said():
    policy = SelectionPolicy(len(NAMES), 64, torch.Generator().manual_seed(0))
    assert sum(weight.numel() for weight in policy.parameters()) == 17 * 64 + 64 + 64 * 64 + 64 + 64 + 1 == 5377
    assert policy(torch.randn(2, 3, len(NAMES))).exp().detach().numpy() == pytest.approx(1 / 3)
