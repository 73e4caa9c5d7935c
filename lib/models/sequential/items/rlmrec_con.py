"""RLMRec's contrast for sequential recommenders: a trained table in whose batch each item finds its text."""

import torch
from pydantic import Field
from torch import nn

from lib.models.sequential.items import rlmrec_gen
from lib.models.sequential.items.rlmrec_align import AuxiliarySettings, perceptron
from lib.models.symmetric_info_nce import symmetric_info_nce


class ContrastSettings(AuxiliarySettings):
    """Of the contrast."""

    contrast_temperature: float = Field(gt=0)
    most: int = Field(ge=2, description="distinct targets of a batch in one contrast; of more, so many are drawn")


class Items(rlmrec_gen.Items):
    """E, with weight / 2 * InfoNCE in both directions between MLP(e_i) and text_i, over distinct targets of a batch."""

    Settings = ContrastSettings
    name = "contrastive"

    def make_network(self, width, d):
        """From vectors [., d] to text [., T]."""
        return perceptron(d, width, nn.GELU())

    def term(self, vectors, text):
        """The mean over both directions [] of items with vectors [M, d] and text [M, T]."""
        if len(vectors) > self.settings.most:
            drawn = torch.randperm(len(vectors), device=vectors.device)[: self.settings.most]
            vectors, text = vectors.index_select(0, drawn), text.index_select(0, drawn)
        return symmetric_info_nce(self.network(vectors), text, self.settings.contrast_temperature) / 2
