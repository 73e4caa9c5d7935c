"""Whitened text as it is, with nothing trained: what iDreamRec generates and scores."""

from lib.models.sequential.items import ItemEmbedding, whitened, with_padding


class Items(ItemEmbedding):
    """white(text)[:, :d]."""

    def build(self, n_items, d, text):
        """The frozen table [n_items, d]."""
        self.freeze("text", whitened(text, d))

    def table(self):
        """The table below a row of zeros."""
        return with_padding(self.text)
