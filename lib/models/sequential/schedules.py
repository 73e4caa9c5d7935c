"""How fast noise covers a vector in T timesteps, and diffusers' steps from noise back to it.

beta_t is the share of the variance that noise takes at timestep t = 0 .. T - 1; alpha_t = 1 - beta_t, and ā_t is the
product of alpha_0 .. alpha_t (docs/methods/pte-dreamrec.md 2). diffusers is imported where a scheduler is made: that
takes about a second.
"""

import math

import torch
from torch import Tensor

from lib.core.errors import UserError, unknown
from lib.core.progress import without_widgets

SCHEDULES = ("linear", "cosine", "exp")
LINEAR = 1e-4, 0.02  # the first and the last beta
COSINE_OFFSET, COSINE_RANGE = 0.008, (1e-4, 0.9999)
EXP = 0.1, 10.0  # the rate at the beginning and at the end of time


def betas(schedule: str, timesteps: int) -> Tensor:
    """beta_t of T timesteps [T], float64.

    - linear: from 1e-4 to 0.02 in equal steps, whatever T.
    - cosine: ā_t = g(t + 1) / g(0) with g(t) = cos^2(pi/2 (t / T + s) / (1 + s)), s = 0.008; beta within [1e-4, 0.9999]
      (Nichol and Dhariwal 2021, eq. 17).
    - exp: noise comes at rate r(u) = 0.1 + 9.9 u at time u in [0, 1], so beta_t = 1 - exp(-integral of r over the t-th
      part of [0, 1]), the variance-preserving process of Song et al. (2021, eq. 33) in T steps.

    Raises UserError for another name.
    """
    edges = torch.arange(timesteps + 1, dtype=torch.float64) / timesteps
    if schedule == "linear":
        return torch.linspace(*LINEAR, timesteps, dtype=torch.float64)
    if schedule == "cosine":
        remaining = torch.cos((edges + COSINE_OFFSET) / (1 + COSINE_OFFSET) * math.pi / 2).square()
        return (1 - remaining[1:] / remaining[:-1]).clamp(*COSINE_RANGE)
    if schedule == "exp":
        first, last = EXP
        so_far = first * edges + (last - first) / 2 * edges.square()  # the integral of the rate from 0
        return -torch.expm1(-so_far.diff())
    raise unknown("noise schedule", schedule, SCHEDULES)


def ddpm(betas: Tensor):
    """diffusers' DDPMScheduler over all timesteps, for a denoiser that predicts the vector itself.

    x_{t-1} = sqrt(ā_{t-1}) beta_t / (1 - ā_t) e + sqrt(alpha_t) (1 - ā_{t-1}) / (1 - ā_t) x_t + s_t z, with e the
    prediction, z noise, s_t^2 = beta_t (1 - ā_{t-1}) / (1 - ā_t), ā_{-1} = 1 (Ho et al. 2020, eq. 6 and 7).
    """
    with without_widgets():
        from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    return _exact(DDPMScheduler(**_common(betas), variance_type="fixed_small"), betas)


def ddim(betas: Tensor, steps: int):
    """diffusers' DDIMScheduler over `steps` timesteps, T - 1 and down from there with equal spacing, without noise.

    x_s = sqrt(ā_s) e + sqrt(1 - ā_s) (x_t - sqrt(ā_t) e) / sqrt(1 - ā_t) where s = t - T / steps is the next timestep,
    and ā is 1 behind the last (Song et al. 2021, implicit models, eq. 12 with sigma = 0). Raises UserError unless
    `steps` divides T: diffusers would leave for another timestep than that at which it goes on.
    """
    with without_widgets():
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    if len(betas) % steps:
        raise UserError(
            f"{steps} sampling steps do not divide {len(betas)} timesteps: give sampling_steps that does, "
            "or another number of timesteps"
        )
    scheduler = _exact(DDIMScheduler(**_common(betas), timestep_spacing="trailing"), betas)
    scheduler.set_timesteps(steps)
    return scheduler


def _common(betas: Tensor) -> dict:
    """clip_sample is on by default and would cut vectors to [-1, 1], the range of pixels."""
    return dict(
        num_train_timesteps=len(betas), trained_betas=betas.tolist(), prediction_type="sample", clip_sample=False
    )


def _exact(scheduler, betas: Tensor):
    """The scheduler in float64: of float32, 1 - ā_t / ā_{t-1} keeps three digits where beta is 1e-4."""
    scheduler.betas, scheduler.alphas = betas, 1 - betas
    scheduler.alphas_cumprod = scheduler.alphas.cumprod(0)
    return scheduler
