"""Group-relative advantages and the clipped objective of GRPO (DeepSeekMath, arXiv 2402.03300, Eq. 3), for one choice.

    A_g  = (R_g - mean R) / (sd R + 1e-4)         over the G candidates of one entity, sd with G - 1
    J(x) = sum_g pi_old(g) min(rho_g A_g, clip(rho_g, 1 - eps, 1 + eps) A_g)  -  beta KL(pi || pi_ref)
    rho_g = pi(g) / pi_old(g)

GRPO draws outcomes from pi_old, since those of a language model cannot be listed, and takes the mean over them of

    min(rho A, clip(rho) A) - beta k3,    k3 = pi_ref / pi - log(pi_ref / pi) - 1

Here the outcomes are the G candidates, so the sum over all of them, each with its probability, is that mean's
expectation without its noise. For the first term this holds at any pi, value and gradient. k3 has the expectation
KL(pi || pi_ref) only under pi itself, and even there its gradient is that of KL(pi_ref || pi). Multiplied by rho it is
right in value and gradient at any pi: sum_g pi_old rho k3 = sum_g pi k3 = KL(pi || pi_ref). `sampled` does so unless
told otherwise; without, it is the loss of TRL's GRPOTrainer for loss_type="grpo" and outcomes of one token, negated,
and with it the same with use_bias_correction_kl. Advantages are those of all G candidates in both, while GRPO
standardises the rewards that it has drawn, which is not unbiased.
"""

import numpy as np
import torch
from torch import Tensor

ADDED = 1e-4  # to a deviation, as TRL does
SAME = 1e-6  # a smaller deviation is none


def advantages(rewards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A [n, G] of rewards [n, G], and which groups [n] have candidates that differ; the A of the others are 0.

    A group with a reward that is NaN does not count as one.
    """
    deviation = rewards.std(axis=1, ddof=1, keepdims=True)
    differ = deviation >= SAME  # never true of NaN
    centred = rewards - rewards.mean(axis=1, keepdims=True)
    return np.where(differ, centred / (deviation + ADDED), 0), differ[:, 0]


def enumerated(
    log_policy: Tensor, log_old: Tensor, advantage: Tensor, log_reference: Tensor, epsilon: float, beta: float
) -> Tensor:
    """J [n] by the sum over all candidates, from log-probabilities and advantages [n, G]."""
    gain = log_old.exp() * clipped(log_policy - log_old, advantage, epsilon)
    return gain.sum(1) - beta * kl_divergence(log_policy, log_reference)


def sampled(
    log_policy: Tensor, log_old: Tensor, advantage: Tensor, log_reference: Tensor, drawn: Tensor,
    epsilon: float, beta: float, correct_kl: bool = True,
) -> Tensor:  # fmt: skip
    """J [n] by the mean over candidates `drawn` [n, K] from pi_old; the other arguments are those of `enumerated`.

    `correct_kl` multiplies k3 by rho, without which the gradient of J is another one.
    """
    policy, old, advantage, reference = (x.gather(1, drawn) for x in (log_policy, log_old, advantage, log_reference))
    k3 = (reference - policy).exp() - (reference - policy) - 1
    if correct_kl:
        k3 = (policy - old).exp() * k3
    return (clipped(policy - old, advantage, epsilon) - beta * k3).mean(1)


def clipped(log_ratio: Tensor, advantage: Tensor, epsilon: float) -> Tensor:
    """min(rho A, clip(rho, 1 - eps, 1 + eps) A), elementwise: no gain from moving further than the clip."""
    ratio = log_ratio.exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - epsilon, 1 + epsilon) * advantage)


def kl_divergence(log_policy: Tensor, log_reference: Tensor) -> Tensor:
    """KL(pi || pi_ref) of each row [n], from log-probabilities [n, G]."""
    return (log_policy.exp() * (log_policy - log_reference)).sum(1)
