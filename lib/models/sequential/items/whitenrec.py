"""WhitenRec (Zhang et al., ICDE 2024), its plain form: an adapter over whitened text."""

from lib.models.sequential.items import morec, whitened


class Items(morec.Items):
    """GELU(W white(text) + b), with all T directions."""

    def read(self, text):
        """The whitened text [n_items, T]."""
        return whitened(text)
