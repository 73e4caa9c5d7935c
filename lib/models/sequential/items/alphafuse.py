"""AlphaFuse (Hu et al., SIGIR 2025): text in all coordinates, and what IDs learn in the last of them."""

from pydantic import Field
from torch.nn import functional as F

from lib.core.errors import UserError
from lib.models.sequential.items import ItemEmbedding, TableSettings, trained, whitened, with_padding


class AlphaFuseSettings(TableSettings):
    """Of AlphaFuse; its table begins at zero where `spread` is 0."""

    d_n: int = Field(ge=1, description="coordinates that are trained, the last ones; at most d")


class Items(ItemEmbedding):
    """white(text)[:, :d] + [0 ; E_id]: the first summand is frozen, E_id has d_n columns."""

    Settings = AlphaFuseSettings

    def build(self, n_items, d, text):
        """The frozen part [n_items, d] and the trained one [n_items, d_n]."""
        if self.settings.d_n > d:
            raise UserError(f"alphafuse: d_n is {self.settings.d_n}, but vectors have {d} coordinates: lower d_n")
        self.freeze("language", whitened(text, d))
        self.weight = trained(n_items, self.settings.d_n, self.settings.spread)

    def table(self):
        """Their sum below a row of zeros."""
        before = self.language.shape[1] - self.weight.shape[1]
        return with_padding(self.language + F.pad(self.weight, (before, 0)))
