"""Base: a trained vector for each item, and no text."""

from lib.models.sequential.items import ItemEmbedding, TableSettings, trained, with_padding


class Items(ItemEmbedding):
    """E, drawn from a normal distribution."""

    Settings = TableSettings
    reads_text = False

    def build(self, n_items, d, text):
        """The table [n_items, d]."""
        self.weight = trained(n_items, d, self.settings.spread)

    def table(self):
        """The table below a row of zeros."""
        return with_padding(self.weight)
