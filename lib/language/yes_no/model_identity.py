"""Which language model, by name, folder or hub name, and what tells two of them apart."""

from pathlib import Path
from typing import Literal

from lib.core.errors import UserError
from lib.core.files import ROOT, digest, sha256
from lib.language.llm import language_models
from lib.language.llm.language_models import LocalModel

Precision = Literal["float32", "bfloat16"]


def local_model(name: str, params: Path = ROOT / "params") -> LocalModel:
    """Settings of a language model in params/language_models, or of a model's folder or hub name (with a slash).

    Raises UserError for an unknown name, and for a model behind an endpoint, whose inside cannot be seen.
    """
    if "/" in name or Path(name).is_dir():
        return LocalModel(name=Path(name).name, writer="local", model=name)
    settings = language_models.load(name, params)
    if settings.writer != "local":
        raise UserError(f"{name} runs behind an endpoint, which shows no token scores: name a model that runs here")
    return settings


def weights_digest(settings: LocalModel) -> str:
    """What tells two models apart, tokenizer included; from the settings alone where they name a source."""
    if settings.sources:
        return digest(settings.sources[0].sha256, settings.gguf_file)
    if (folder := ROOT / settings.model).is_dir():
        files = {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}
        return digest(files, settings.gguf_file)
    return digest(settings.model, settings.revision, settings.gguf_file)
