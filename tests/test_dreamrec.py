"""DreamRec against a denoiser that knows the answer, sampling by hand, and a world in which the last item decides."""

import math

import pytest
import torch
from sequence_stand_ins import Encoder, Table
from torch import nn

from lib.evaluation.target_rank import metrics_of_ranks, rank_of_target
from lib.models.sequential.dreamrec import Denoiser, DreamRec, DreamRecSettings, sinusoids

SIZE, ITEMS, LENGTH = 16, 30, 6


def drawing(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model(dropout=0.0, trained=False, inputs=None, scale=1.0, size=SIZE, **changes) -> DreamRec:
    settings = DreamRecSettings(**{"timesteps": 40, "sampling_steps": 10} | changes)
    items = Table(scale * torch.randn(ITEMS, size, generator=drawing(1)), trained)
    width = size if inputs is None else inputs.vectors.shape[1]
    return DreamRec(settings, Encoder(width, LENGTH, dropout=dropout), items, drawing(2), inputs)


def histories(rows=50, length=4) -> torch.Tensor:
    """Left-padded, with 1 to 4 items."""
    history = torch.randint(1, ITEMS + 1, (rows, length), generator=drawing(3))
    padded = torch.randint(0, length, (rows, 1), generator=drawing(4))
    return history * (torch.arange(length) >= padded)


def sampled(found, history, generator):
    return found.queries(history, found.items.table(), generator)


def guidance(found, history):
    return found.guidance(history, found.items.table())


def followed_by(history, target) -> torch.Tensor:
    """Histories with the targets, or one target, as last column."""
    return torch.column_stack([history, torch.as_tensor(target).expand(len(history))])


class Knowing(nn.Module):
    """A denoiser that gives the same vectors whatever it is asked."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x, c, t):
        return self.answer


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "exp"])
def test_a_denoiser_that_knows_the_vector_leads_to_it(sampler, schedule):
    """Of vectors as far as 100 from zero: nothing on the way is clipped."""
    found = model(sampler=sampler, schedule=schedule, scale=30.0, guidance_weight=2.0)
    answer = found.items.table()[torch.arange(1, ITEMS + 1)]
    found.denoiser = Knowing(answer)
    drawn = sampled(found, histories(ITEMS), drawing())
    assert answer.abs().max() > 60 and torch.allclose(drawn, answer, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("denoiser", ["mlp1", "mlp2"])
def test_without_guidance_weight_sampling_is_that_of_the_conditional_model(denoiser):
    history, without = histories(), model(guidance_weight=0.0, denoiser=denoiser)
    x = torch.randn(len(history), SIZE, generator=drawing(5))
    c = guidance(without, history)
    for t in without.sampler.timesteps.tolist():
        e = without.denoiser(x, c, torch.full((len(x),), t))
        x = without.sampler.step(e, t, x).prev_sample
    assert torch.allclose(sampled(without, history, drawing(5)), x, atol=1e-6)
    more = model(guidance_weight=2.0, denoiser=denoiser)
    assert not torch.allclose(sampled(more, history, drawing(5)), x, atol=1e-2), "the weight does something"


def test_the_guided_prediction_moves_away_from_the_unguided_one():
    found, history = model(guidance_weight=3.0), histories()
    x, c, t = torch.randn(len(history), SIZE), guidance(found, history), torch.full((len(history),), 7)
    given, without = (found.denoiser(x, guide, t) for guide in (c, found.null.expand_as(c)))
    assert torch.allclose(found.guided(x, c, 7), without + 4 * (given - without), atol=1e-5)


def test_the_loss_is_that_of_the_formula():
    """Drawn again in the same order: which rows have no guidance, timesteps, noise."""
    found, history, target = model(null_rate=0.4), histories(), torch.randint(1, ITEMS + 1, (50,), generator=drawing(6))
    generator = drawing(7)
    without = torch.rand(50, 1, generator=generator) < 0.4
    t, noise = torch.randint(40, (50,), generator=generator), torch.randn(50, SIZE, generator=generator)
    left = (1 - torch.linspace(1e-4, 0.02, 40)).cumprod(0)[t][:, None]
    e, c = found.items.table()[target], guidance(found, history)
    predicted = found.denoiser(left.sqrt() * e + (1 - left).sqrt() * noise, torch.where(without, found.null, c), t)
    expected = ((predicted - e) ** 2).sum() / (50 * SIZE)
    loss = found.losses(followed_by(history, target), drawing(7))["diffusion"]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0])
def test_the_null_vector_stands_for_guidance_at_the_given_rate(rate):
    found, seen = model(null_rate=rate), []
    found.denoiser.register_forward_pre_hook(lambda layer, given: seen.append(given[1]))
    history = histories(4000)
    found.losses(followed_by(history, 1), drawing())
    share = (seen[0] == found.null).all(1).double().mean().item()
    assert share == rate if rate in (0, 1) else abs(share - rate) < 4 * math.sqrt(rate * (1 - rate) / 4000)


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_sampling_repeats_bit_for_bit_also_in_the_midst_of_training(sampler):
    found, history = model(dropout=0.5, sampler=sampler), histories()
    first = sampled(found.train(), history, drawing(5))
    assert torch.equal(sampled(found.train(), history, drawing(5)), first)
    assert not torch.equal(sampled(found, history, drawing(6)), first)
    if sampler == "ddim":  # one draw of noise per row, so that parts of the rows get the same
        generator = drawing(5)
        parts = [sampled(found, part, generator) for part in history.split(20)]
        assert torch.allclose(torch.cat(parts), first, atol=1e-5)


def test_several_draws_are_averaged():
    history = histories(3)
    one = sampled(model(), history.repeat_interleave(4, 0), drawing(5))
    assert torch.allclose(sampled(model(draws=4), history, drawing(5)), one.unflatten(0, (3, 4)).mean(1))


@pytest.mark.parametrize("trained", [True, False])
def test_what_is_trained(trained):
    """The items if they may be, always the null vector, the encoder and the denoiser; never the row of padding."""
    found = model(trained=trained)
    found.losses(followed_by(histories(), 1), drawing())["diffusion"].backward()
    moved = {name for name, value in found.named_parameters() if value.grad is not None and value.grad.any()}
    assert ("items.vectors" in moved) == trained
    assert {"null", "encoder.now", "denoiser.output.0.weight", "denoiser.time.0.weight"} <= moved
    assert not found.items.table()[0].any()
    weights = [value.data_ptr() for value in found.state_dict().values()]
    assert len(weights) == len(set(weights)), "a checkpoint holds each tensor once"


def test_the_encoder_may_read_other_vectors_than_those_that_are_drawn():
    found = model(inputs=Table(torch.randn(ITEMS, 6), trained=True))
    assert sampled(found, histories(), drawing()).shape == (50, SIZE) and found.null.shape == (6,)
    found.losses(followed_by(histories(), 1), drawing())["diffusion"].backward()
    assert found.inputs.vectors.grad.any() and found.items.vectors.grad is None


def test_padding_does_not_matter_and_no_item_means_no_guidance():
    found, history = model(), histories()
    longer = nn.functional.pad(history, (3, 0))
    assert torch.allclose(guidance(found, longer), guidance(found, history), atol=1e-6)
    nothing = torch.zeros(2, 4, dtype=torch.long)
    assert torch.equal(guidance(found, nothing), found.null.expand(2, -1))


def test_of_histories_longer_than_the_encoder_reads_the_latest_items_count():
    history = torch.randint(1, ITEMS + 1, (5, LENGTH + 2), generator=drawing(3))
    assert torch.equal(guidance(model(), history), guidance(model(), history[:, 2:]))


def test_vectors_of_time():
    even, odd = sinusoids(torch.tensor([0, 7]), 6), sinusoids(torch.tensor([7]), 5)
    speeds = [1, 0.01, 0.0001]
    expected = [f(7 * w) for f in (math.sin, math.cos) for w in speeds]
    assert even[1].tolist() == pytest.approx(expected, abs=1e-6) and odd[0].tolist() == pytest.approx(expected[:5])
    assert even[0].tolist() == [0, 0, 0, 1, 1, 1]


def test_the_single_layer_is_linear_in_guidance():
    """With mlp1 a guidance weight only shifts the prediction, by the same vector at every timestep."""
    f = Denoiser(SIZE, SIZE, "mlp1", drawing())
    x, c, null = torch.randn(3, 5, SIZE, generator=drawing(1))
    shifts = [f(x, c, torch.tensor([t])) - f(x, null, torch.tensor([t])) for t in (0, 20)]
    assert torch.allclose(*shifts, atol=1e-6)


def test_where_the_last_item_decides_the_next_is_found():
    """Thirty items with fixed vectors, each with one that follows it; other histories than those trained with."""
    size, rows = 48, 128
    found = model(size=size, schedule="linear", timesteps=200, sampling_steps=20, guidance_weight=2.0)
    follows = torch.randperm(ITEMS, generator=drawing(8)) + 1
    optimizer = torch.optim.AdamW([p for p in found.parameters() if p.requires_grad], lr=1e-2)
    generator = drawing(9)
    for _ in range(250):
        history = torch.randint(1, ITEMS + 1, (rows, 4), generator=generator)
        optimizer.zero_grad()
        found.losses(followed_by(history, follows[history[:, -1] - 1]), generator)["diffusion"].backward()
        optimizer.step()
    history = torch.randint(1, ITEMS + 1, (400, 4), generator=drawing(10))
    target = follows[history[:, -1] - 1]
    padding = torch.arange(ITEMS + 1) == 0

    def hit(shown):
        scores = sampled(found, shown, drawing()) @ found.items.table().T
        return metrics_of_ranks(rank_of_target(scores, target, padding))["hr@1"].mean()

    assert hit(history) > 0.9
    assert hit(history[torch.randperm(400, generator=drawing(11))]) < 0.1, "chance is 1 in 30"


class Adapted(Table):
    """A trained linear map of fixed vectors."""

    def __init__(self, vectors, size):
        super().__init__(vectors)
        generator = drawing(12)
        self.map = nn.Parameter(torch.randn(vectors.shape[1], size, generator=generator) / vectors.shape[1] ** 0.5)

    def table(self):
        return super().table() @ self.map


def test_an_adapter_of_the_target_shrinks_what_is_to_be_found():
    """Nothing tells which item comes next, and still the loss falls: docs/methods/pte-dreamrec.md 4."""
    found = model()
    found.items = Adapted(torch.randn(ITEMS, 24, generator=drawing(1)), SIZE)
    optimizer, generator = torch.optim.Adam(found.parameters(), lr=1e-2), drawing(9)
    spread, losses = found.items.table()[1:].var(0).mean().item(), []
    for _ in range(150):
        optimizer.zero_grad()
        loss = found.losses(torch.randint(1, ITEMS + 1, (128, 5), generator=generator), generator)["diffusion"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    assert found.items.table()[1:].var(0).mean().item() < 0.2 * spread
