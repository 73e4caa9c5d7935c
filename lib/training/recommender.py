"""A backbone and an alignment as one model."""

import torch
from torch import Tensor, nn

from lib.data.interactions import Interactions
from lib.models import alignment as alignments
from lib.models import backbones
from lib.models.batch import Batch
from lib.models.graph import bipartite
from lib.models.losses import squared_norm
from lib.training.run_settings import RunSettings


class Recommender(nn.Module):
    """A backbone and an alignment, neither of which knows the other: they meet in the ego table and final vectors."""

    def __init__(self, backbone: backbones.GraphBackbone, alignment: alignments.Alignment):
        super().__init__()
        self.backbone, self.alignment = backbone, alignment

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted loss terms of one step by name, each []; their sum is what is minimised."""
        # one forward for all terms: what the alignment masks is masked for the backbone's own losses as well
        # (docs/methods/rlmrec.md Q9)
        ego, masked = self.alignment.mask(self.backbone.ego, batch.generator)
        final, terms = self.backbone.losses(ego, batch)
        terms |= self.alignment.losses(final, batch, masked)
        # of all trainable tensors, the alignment's included
        terms["regularisation"] = self.backbone.settings.reg_weight * squared_norm(self.parameters())
        return terms

    @torch.no_grad()
    def final(self) -> Tensor:
        """Vectors for scoring [n_users + n_items, D]: whole graph, no mask, nothing random."""
        return self.backbone(self.alignment.inputs(self.backbone.ego))


def build(settings: RunSettings, data: Interactions, text: Tensor | None, device="cpu", engine=None) -> Recommender:
    """The untrained model of a run; `text` [n_users + n_items, T] is needed by the aligned variants only.

    Initial values are drawn on the CPU, the ego table first, so they depend neither on the device nor, for the ego
    table, on the alignment: compared models begin at the same vectors. Raises UserError for an unknown graph engine.
    """
    generator = torch.Generator().manual_seed(settings.seed)  # on the CPU; the order of draws below is part of a run
    backbone_class = backbones.get(settings.backbone)
    backbone_settings = backbone_class.Settings(**settings.backbone_settings)
    graph = bipartite(data.train, backbone_settings.self_loops, device, engine)
    ego_size = settings.protocol.embedding_size
    backbone = backbone_class(graph, backbone_settings, ego_size, generator)
    alignment_class = alignments.get(settings.kind)
    alignment_settings = alignment_class.Settings(**settings.alignment_settings)
    alignment = alignment_class(alignment_settings, text, data.n_users, ego_size, backbone.output_size, generator)
    return Recommender(backbone, alignment).to(device)
