"""AlphaFuse (Hu et al., SIGIR 2025): text in all coordinates, and what IDs learn in the last of them."""

from pydantic import Field
from torch.nn import functional as F

from lib.core.errors import UserError
from lib.models.sequential.items import TEXT_SCALE, ItemEmbedding, TableSettings, trained, with_padding
from lib.models.sequential.whitening import fitted


class AlphaFuseSettings(TableSettings):
    """Of AlphaFuse; its table begins at zero where `spread` is 0."""

    d_n: int | None = Field(ge=1, description="coordinates that are trained, the last ones; at most d")
    null_variance: float = Field(
        0.25, gt=0, description="where d_n is null: those in which texts times 40 vary by no more, before whitening"
    )


class Items(ItemEmbedding):
    """white(text)[:, :d] + [0 ; E_id]: the first summand is frozen, E_id has d_n columns."""

    Settings = AlphaFuseSettings

    def build(self, n_items, d, text):
        """The frozen part [n_items, d] and the trained one [n_items, d_n]."""
        whitening, d_n = fitted(text, d), self.settings.d_n
        if d_n is None:
            d_n = int((TEXT_SCALE**2 * whitening.variance <= self.settings.null_variance).sum())
        if not 0 < d_n <= d:
            raise UserError(f"alphafuse: d_n is {d_n}, but vectors have {d} coordinates: give d_n from 1 to {d}")
        self.freeze("language", whitening(text))
        self.weight = trained(n_items, d_n, self.settings.spread)

    def table(self):
        """Their sum below a row of zeros."""
        before = self.language.shape[1] - self.weight.shape[1]
        return with_padding(self.language + F.pad(self.weight, (before, 0)))
