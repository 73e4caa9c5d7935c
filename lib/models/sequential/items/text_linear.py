"""Whitened text through one linear map, and nothing else about items: PtE where texts are not profiles."""

from torch import Tensor

from lib.models.linear import Linear
from lib.models.sequential.items import ItemEmbedding, whitened, with_padding


class Items(ItemEmbedding):
    """W white(text)[:, :d] + b; an activation behind it would cost accuracy."""

    adapts_text = True

    def build(self, n_items, d, text):
        """The frozen whitened text [n_items, d] and the linear map."""
        self.freeze("text", whitened(text, d))
        self.map = Linear(d, d)

    def table(self) -> Tensor:
        """The mapped text below a row of zeros."""
        return with_padding(self.map(self.text))
