"""Encoders and language models whose weights `python -m lib fetch` knows where to get."""

from lib.core.files import ROOT
from lib.language import encoders
from lib.language.encoders import EncoderSettings
from lib.language.llm import language_models
from lib.language.llm.language_models import LocalModel


def with_weights() -> dict[str, EncoderSettings | LocalModel]:
    """Settings of all encoders and language models that name a source of their weights, by name."""
    known = {path.stem: encoders.settings(path.stem) for path in ROOT.glob("params/encoders/*.yaml")}
    known |= {path.stem: language_models.load(path.stem) for path in ROOT.glob("params/language_models/*.yaml")}
    return {name: model for name, model in known.items() if getattr(model, "sources", [])}
