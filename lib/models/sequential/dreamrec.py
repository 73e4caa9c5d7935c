"""DreamRec: the vector of an ideal next item, drawn by guided diffusion and compared with every item.

Yang et al., Generate What You Prefer, NeurIPS 2023 (docs/methods/pte-dreamrec.md). A denoiser f learns to find the
vector e of the target in x_t = sqrt(ā_t) e + sqrt(1 - ā_t) noise, guided by c, what an encoder makes of the history.
From noise alone it then leads step by step to the vector that this history asks for.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from lib.core.settings import Strict
from lib.data.sequences.rows import PAD
from lib.models.linear import Linear
from lib.models.sequential import schedules
from lib.models.sequential.initial_values import drawn
from lib.models.sequential.sasrec import cropped, look_up


class DreamRecSettings(Strict):
    """Settings of DreamRec; the defaults are AlphaFuse's, with fewer steps (docs/methods/pte-dreamrec.md 5)."""

    timesteps: int = Field(2000, ge=1, description="T, from an item's vector to noise")
    schedule: Literal[schedules.SCHEDULES] = Field("linear", description="how fast noise covers a vector")
    denoiser: Literal["mlp1", "mlp2"] = Field("mlp1", description="one linear layer, or one hidden layer of 2 d")
    null_rate: float = Field(0.1, ge=0, le=1, description="p_u, the share of rows trained without guidance")
    guidance_weight: float = Field(5.0, ge=0, description="w, how far guidance is overstated")
    sampler: Literal["ddim", "ddpm"] = Field("ddim", description="few steps without noise, or all T with noise")
    sampling_steps: int = Field(20, ge=1, description="steps of ddim; must divide timesteps")
    draws: int = Field(1, ge=1, description="vectors drawn for each history, of which the mean is taken")


class DreamRec(nn.Module):
    """Guidance, denoiser, loss and sampling over a table of item vectors [n_items + 1, d], whose row 0 is padding.

    `items.table()` is what is noised, found and scored; its coordinates should have a variance near 1, that of the
    noise. It may be trained along or be fixed, but must not be an adapter of fixed vectors: that belongs into `inputs`,
    whose `table()` [n_items + 1, c] is what the encoder reads (docs/methods/pte-dreamrec.md 4). Without `inputs` it
    reads `items`. `encoder.last(vectors [B, L, c], present [B, L]) -> [B, c]` is the state of a history of at most
    `encoder.length` items, finite also for rows that are padding alone.
    """

    score = "dot"

    def __init__(
        self,
        settings: DreamRecSettings,
        encoder: nn.Module,
        items: nn.Module,
        generator: torch.Generator,
        inputs: nn.Module | None = None,
    ):
        super().__init__()
        self.settings, self.encoder, self.items, self.inputs = settings, encoder, items, inputs
        table = items.table()
        size, guidance_size = table.shape[1], self._read(table).shape[1]
        self.denoiser = Denoiser(size, guidance_size, settings.denoiser, generator)
        self.null = nn.Parameter(torch.randn(guidance_size, generator=generator))
        betas = schedules.betas(settings.schedule, settings.timesteps)
        self.forward_process = schedules.ddpm(betas)
        ddim = settings.sampler == "ddim"
        self.sampler = schedules.ddim(betas, settings.sampling_steps) if ddim else self.forward_process

    def guidance(self, history: Tensor, table: Tensor) -> Tensor:
        """c [B, c] from histories [B, L] of item numbers: the state at the last place; table is that of the items.

        Where there is no item, c is the null vector.
        """
        history = cropped(history, self.encoder.length)
        present = history != PAD
        state = self.encoder.last(look_up(self._read(table), history), present)
        return torch.where(present.any(1, keepdim=True), state, self.null)

    def losses(self, whole: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Mean square of f(x_t, c, t) - e over rows and coordinates, {"diffusion": []}.

        whole [B, L + 1] are histories with the target as last column. t is uniform; in a share `null_rate` of the rows
        the null vector stands for c. All of this is drawn from `generator`, on the device of the histories; dropout of
        the encoder draws from torch's own.
        """
        device, rows = whole.device, len(whole)
        table = self.items.table()
        e, c = table.index_select(0, whole[:, -1]), self.guidance(whole[:, :-1], table)
        without = torch.rand(rows, 1, generator=generator, device=device) < self.settings.null_rate
        c = torch.where(without, self.null, c)
        t = torch.randint(self.settings.timesteps, (rows,), generator=generator, device=device)
        noise = torch.randn(e.shape, generator=generator, device=device)
        x = self.forward_process.add_noise(e, noise, t)
        return {"diffusion": F.mse_loss(self.denoiser(x, c, t), e)}

    @torch.no_grad()
    def queries(self, history: Tensor, table: Tensor, generator: torch.Generator) -> Tensor:
        """Vectors [B, d] drawn for histories [B, L], to be compared with rows of the item table by inner product.

        The same generator state gives the same bytes. Leaves the model in evaluation mode.
        """
        self.eval()
        draws = self.settings.draws
        c = self.guidance(history, table).repeat_interleave(draws, 0)
        x = torch.randn(len(c), table.shape[1], generator=generator, device=c.device)
        for t in self.sampler.timesteps.tolist():
            x = self.sampler.step(self.guided(x, c, t), t, x, generator=generator).prev_sample
        return x.unflatten(0, (-1, draws)).mean(1)

    def guided(self, x: Tensor, c: Tensor, t: int) -> Tensor:
        """(1 + w) f(x, c, t) - w f(x, null, t), [B, d], the prediction that a sampling step goes towards."""
        w, time = self.settings.guidance_weight, torch.tensor([t], device=x.device)
        return (1 + w) * self.denoiser(x, c, time) - w * self.denoiser(x, self.null.expand_as(c), time)

    def _read(self, table: Tensor) -> Tensor:
        """What the encoder reads."""
        return table if self.inputs is None else self.inputs.table()


class Denoiser(nn.Module):
    """f(x, c, t): linear, or with one hidden layer, in the noised vector, the guidance and a vector of the timestep."""

    def __init__(self, size: int, guidance_size: int, kind: str, generator: torch.Generator):
        super().__init__()
        self.time = nn.Sequential(Linear(size, 2 * size), nn.GELU(), Linear(2 * size, size))
        inputs = 2 * size + guidance_size
        hidden = [Linear(inputs, 2 * size), nn.GELU()] if kind == "mlp2" else []
        self.output = nn.Sequential(*hidden, Linear(2 * size if hidden else inputs, size))
        drawn(self, generator)

    def forward(self, x: Tensor, c: Tensor, t: Tensor) -> Tensor:
        """The predicted vectors [B, d] from x [B, d], c [B, c] and t [B], or [1] where all rows have the same."""
        time = self.time(sinusoids(t, x.shape[1])).expand(len(x), -1)
        return self.output(torch.cat([x, c, time], 1))


def sinusoids(t: Tensor, size: int) -> Tensor:
    """Vectors [B, size] of timesteps [B]: sin(t w_k), then cos(t w_k), with w_k falling from 1 to 1 / 10,000.

    One number of an odd size is dropped (Vaswani et al. 2017, section 3.5, in the form of the public code).
    """
    count = (size + 1) // 2
    frequencies = torch.logspace(0, -4, count, device=t.device)
    angles = t[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)[:, :size]
