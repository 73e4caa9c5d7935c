"""SASRec over items of any kind."""

from lib.core.settings import Strict
from lib.models.sequential import items as kinds
from lib.models.sequential.sasrec import SASRec

Settings = Strict  # none besides those of the encoder


def model(data, settings) -> SASRec:
    """SASRec as SequenceSettings say, for SequenceData."""
    items = kinds.get(settings.method)(data.n_items, settings.encoder.d, data.text, settings.items_settings)
    return SASRec(items, settings.encoder, settings.objective, settings.protocol.positions)
