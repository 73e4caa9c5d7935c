"""DreamRec over items that are trained or fixed."""

import torch

from lib.core.settings import Strict
from lib.models.sequential import items as kinds
from lib.models.sequential.dreamrec import DreamRec, DreamRecSettings
from lib.models.sequential.items import fixed_text
from lib.models.sequential.sasrec import SequenceEncoder

Settings = DreamRecSettings


def model(data, settings) -> DreamRec:
    """DreamRec as SequenceSettings say, for SequenceData.

    A method that adapts text is what the encoder reads; whitened text itself is generated and scored
    (docs/methods/pte-dreamrec.md 4).
    """
    d, kind = settings.encoder.d, kinds.get(settings.method)
    items, inputs = kind(data.n_items, d, data.text, settings.items_settings), None
    if kind.adapts_text:
        items, inputs = fixed_text.Items(data.n_items, d, data.text, Strict()), items
    encoder = SequenceEncoder(**settings.encoder.model_dump())
    return DreamRec(settings.backbone_settings, encoder, items, torch.default_generator, inputs)
