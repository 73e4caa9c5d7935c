"""MoRec (Yuan et al., SIGIR 2023), with text that is encoded beforehand: an adapter in place of item IDs."""

from torch import nn
from torch.nn import functional as F

from lib.models.linear import Linear
from lib.models.sequential.items import TEXT_SCALE, ItemEmbedding, with_padding


class Items(ItemEmbedding):
    """GELU(W text + b)."""

    adapts_text = True
    activation = staticmethod(F.gelu)

    def build(self, n_items, d, text):
        """The frozen text [n_items, T] and the linear map."""
        self.freeze("text", self.read(text))
        self.adapter: nn.Linear = Linear(self.text.shape[1], d)

    def read(self, text):
        """What the adapter is given [n_items, T]."""
        return TEXT_SCALE * text

    def table(self):
        """The adapted text below a row of zeros."""
        return with_padding(self.activation(self.adapter(self.text)))
