"""RLMRec in the comparison of AlphaFuse, "Con": a trained table drawn towards a map of text, without negatives."""

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from lib.models.linear import Linear
from lib.models.sequential.items import Batch, TableSettings, identity


class AuxiliarySettings(TableSettings):
    """Of a trained table with an auxiliary term."""

    weight: float = Field(ge=0, description="of the auxiliary term")


class Items(identity.Items):
    """E, with weight * (1 - mean cos(MLP(text_i), e_i)) over the distinct targets i of a batch."""

    Settings = AuxiliarySettings
    reads_text = True
    backbones = ("sasrec",)  # public code adds no such term to DreamRec's loss, and then it is Base
    name = "align"

    def build(self, n_items, d, text):
        """The table [n_items, d], the frozen text [n_items, T] and the network."""
        super().build(n_items, d, text)
        self.freeze("text", text)
        self.network = self.make_network(text.shape[1], d)

    def make_network(self, width: int, d: int) -> nn.Module:
        """From text [., T] to vectors [., d]."""
        return perceptron(width, d, nn.LeakyReLU())

    def auxiliary(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted term."""
        items = batch.target.unique() - 1
        term = self.term(self.weight.index_select(0, items), self.text.index_select(0, items))
        return {self.name: self.settings.weight * term}

    def term(self, vectors: Tensor, text: Tensor) -> Tensor:
        """The term [] of items with vectors [M, d] and text [M, T]."""
        return 1 - F.cosine_similarity(self.network(text), vectors).mean()


def perceptron(inputs: int, outputs: int, activation: nn.Module) -> nn.Module:
    """Two layers, with a width between those of input and output in the middle."""
    middle = (inputs + outputs) // 2
    return nn.Sequential(Linear(inputs, middle), activation, Linear(middle, outputs))
