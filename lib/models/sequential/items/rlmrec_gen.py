"""RLMRec in the comparison of AlphaFuse, "Gen": text is reconstructed from a trained table."""

from torch import nn
from torch.nn import functional as F

from lib.models.sequential.items import rlmrec_align
from lib.models.sequential.items.rlmrec_align import perceptron


class Items(rlmrec_align.Items):
    """E, with weight * (1 - mean cos(MLP(e_i), text_i)) over the distinct targets i of a batch."""

    name = "generative"

    def make_network(self, width, d):
        """From vectors [., d] to text [., T]."""
        return perceptron(d, width, nn.LeakyReLU())

    def term(self, vectors, text):
        """The term [] of items with vectors [M, d] and text [M, T]."""
        return 1 - F.cosine_similarity(self.network(vectors), text).mean()
