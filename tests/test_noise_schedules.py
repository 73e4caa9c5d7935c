"""Schedules of noise against closed forms, and diffusers' steps against the formulas of the papers."""

import math

import pytest
import torch

from lib.core.errors import UserError
from lib.models.sequential import schedules

DOUBLE = torch.float64


def remaining(betas):
    """ā_t by multiplying one after the other; 1 stands at the end, so that ā_{-1} is 1."""
    product, found = 1.0, []
    for beta in betas.tolist():
        product *= 1 - beta
        found.append(product)
    return [*found, 1.0]


def test_linear_betas():
    betas = schedules.betas("linear", 2000)
    assert betas.dtype == DOUBLE and betas[0] == 1e-4 and betas[-1] == 0.02
    assert torch.allclose(betas.diff(), torch.full((1999,), 0.0199 / 1999, dtype=DOUBLE), rtol=1e-9)


def test_cosine_leaves_the_square_of_a_cosine():
    betas, T = schedules.betas("cosine", 500), 500
    curve = [math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(T + 1)]
    expected = [1 - after / before for before, after in zip(curve, curve[1:], strict=False)]
    cut = [min(max(beta, 1e-4), 0.9999) for beta in expected]
    assert betas.tolist() == pytest.approx(cut, rel=1e-9) and sum(map(float.__ne__, cut, expected)) < 10
    assert remaining(betas)[:-2] == pytest.approx([left / curve[0] for left in curve[1:-1]], abs=2e-5)


def test_exp_leaves_what_the_continuous_process_leaves():
    T = 200
    times = [(t + 1) / T for t in range(T)]
    found = remaining(schedules.betas("exp", T))[:-1]
    assert found == pytest.approx([math.exp(-0.1 * u - 9.9 * u * u / 2) for u in times], rel=1e-9)
    first = schedules.betas("exp", T)[0].item()
    assert first == pytest.approx(1 - math.exp(-0.1 / T - 9.9 / 2 / T**2)), "as DreamRec writes it, with 2 i - 1 = 1"


def test_another_schedule_is_named():
    with pytest.raises(UserError, match="did you mean 'cosine'"):
        schedules.betas("cosin", 10)


@pytest.mark.parametrize("schedule", schedules.SCHEDULES)
def test_a_ddpm_step_is_the_posterior_of_ho_et_al(schedule):
    betas = schedules.betas(schedule, 60)
    scheduler, left = schedules.ddpm(betas), remaining(betas)
    x, e = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(1))
    for t in (59, 30, 1, 0):
        beta, now, before = betas[t].item(), left[t], left[t - 1]
        mean = math.sqrt(before) * beta / (1 - now) * e + math.sqrt(1 - beta) * (1 - before) / (1 - now) * x
        noise = torch.randn(7, 5, generator=torch.Generator().manual_seed(2)) if t else torch.zeros(7, 5)
        expected = mean + math.sqrt(beta * (1 - before) / (1 - now)) * noise
        found = scheduler.step(e, t, x, generator=torch.Generator().manual_seed(2)).prev_sample
        assert found.dtype == x.dtype and (found - expected).abs().max() < 1e-6


@pytest.mark.parametrize("schedule", schedules.SCHEDULES)
def test_a_ddim_step_keeps_the_noise_that_the_prediction_implies(schedule):
    betas = schedules.betas(schedule, 60)
    scheduler, left = schedules.ddim(betas, 20), remaining(betas)
    times = scheduler.timesteps.tolist()
    assert times == list(range(59, 0, -3)), "trailing: the first step begins at pure noise"
    x, e = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(1))
    for t, after in zip(times, [*times[1:], -1], strict=True):
        implied = (x - math.sqrt(left[t]) * e) / math.sqrt(1 - left[t])
        expected = math.sqrt(left[after]) * e + math.sqrt(1 - left[after]) * implied
        assert (scheduler.step(e, t, x).prev_sample - expected).abs().max() < 1e-6


def test_noising_is_the_forward_process():
    betas = schedules.betas("linear", 60)
    e, noise = torch.randn(2, 60, 5, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
    found = schedules.ddpm(betas).add_noise(e, noise, torch.arange(60))
    left = torch.tensor(remaining(betas)[:-1], dtype=DOUBLE)[:, None]
    assert (found - (left.sqrt() * e + (1 - left).sqrt() * noise)).abs().max() < 1e-6


def test_vectors_far_beyond_one_are_not_clipped():
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    betas, far = schedules.betas("linear", 60), torch.full((2, 3), 37.0)
    last = schedules.ddim(betas, 20).timesteps[-1].item()
    assert torch.equal(schedules.ddim(betas, 20).step(far, last, far).prev_sample, far)
    assert torch.equal(schedules.ddpm(betas).step(far, 0, far).prev_sample, far)
    default = DDIMScheduler(60, trained_betas=betas.tolist(), prediction_type="sample")
    default.set_timesteps(20)
    assert default.step(far, default.timesteps[-1], far).pred_original_sample.max() == 1, "what the default does"


def test_steps_that_do_not_divide_the_timesteps_are_refused():
    with pytest.raises(UserError, match="20 sampling steps do not divide 50 timesteps"):
        schedules.ddim(schedules.betas("linear", 50), 20)
