"""LLM-ESR, whose views are as wide together as the vectors of other methods."""

import torch

from lib.core.settings import Strict
from lib.models.sequential.items.llm_esr import Items
from lib.models.sequential.llm_esr import LlmEsr
from lib.models.sequential.sasrec import SequenceEncoder

Settings = Strict  # none besides those of items and encoder


def model(data, settings) -> LlmEsr:
    """LLM-ESR as SequenceSettings say, for SequenceData."""
    items = Items(data.n_items, settings.encoder.d, data.text, settings.items_settings)
    # views are multiplied by sqrt(d) before they attend to each other
    about = settings.encoder.model_dump() | {"d": settings.encoder.d // 2, "scaled": False}
    encoder = SequenceEncoder(**about)
    return LlmEsr(items, encoder, settings.objective, settings.protocol.positions, torch.default_generator)
