"""What `params/language_models/<name>.yaml` may say; the fields carry the documentation.

A recording keeps these settings in its writer.json, so a renamed field would make old recordings unreadable.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from lib.core.errors import UserError, unknown
from lib.core.files import ROOT, digest, read_yaml, sha256
from lib.core.settings import Strict, validated
from lib.data.dataset_settings import Source

Precision = Literal["float32", "bfloat16"]  # of a local model's weights and states


class Decoding(Strict):
    """How a local model writes; always greedy, so that the same request gives the same text."""

    max_new_tokens: int = Field(72, ge=8, description="length of the answer after its given opening")
    repetition_penalty: float = Field(1.1, ge=1, description="for tokens of the answer, not of the question")
    retry_penalty: float = Field(1.3, ge=1, description="the same for the second try of an unusable answer")
    batch_size: int = Field(24, ge=1, description="requests decoded together; neighbours in length")


class LocalModel(Strict):
    """A Hugging Face causal language model that runs here."""

    name: str = Field(description="file name, folder name below data/recorded/<dataset>/")
    writer: Literal["local"]
    model: str = Field(description="folder, relative to the repository, or name on the Hugging Face hub")
    gguf_file: str | None = Field(None, description="quantised file inside `model`; it is dequantised on loading")
    revision: str | None = Field(None, description="commit of a model on the hub")
    sources: list[Source] = Field([], description="where the folder comes from, as for datasets")
    decoding: Decoding = Decoding()


class Prices(Strict):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class EndpointModel(Strict):
    """A model behind an OpenAI-compatible address."""

    name: str = Field(description="file name, folder name below data/recorded/<dataset>/")
    writer: Literal["endpoint"]
    base_url: str = Field(description="address up to and including /v1")
    model: str = Field(description="name that the endpoint knows")
    key_variable: str | None = Field(
        "OPENAI_API_KEY", description="environment variable with the key, which is never stored; null: no key needed"
    )
    concurrency: int = Field(8, ge=1, description="requests at a time")
    attempts: int = Field(6, ge=1, description="tries of one request when the endpoint is busy, failing or silent")
    timeout: float = Field(60, gt=0, description="seconds to wait for one answer")
    temperature: float = Field(0, ge=0)
    max_tokens: int = Field(160, ge=16, description="length of an answer")
    prices: Prices | None = Field(None, description="for the estimate; without them the cost is unknown")


def load(name: str, params: Path = ROOT / "params") -> LocalModel | EndpointModel:
    """The checked content of `params/language_models/<name>.yaml`; raises UserError for an unknown name or key."""
    folder = Path(params) / "language_models"
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise unknown("language model", name, (known.stem for known in folder.glob("*.yaml")))
    content = read_yaml(path)
    kinds = {"local": LocalModel, "endpoint": EndpointModel}
    if content.get("writer") not in kinds:
        raise UserError(f"{path}: writer must be local or endpoint")
    return validated(kinds[content["writer"]], content, str(path))


def load_local(name: str, params: Path = ROOT / "params") -> LocalModel:
    """Settings of a model that runs here: a name in params/language_models, or a model's folder or hub name (with '/').

    Raises UserError for an unknown name, and for a model behind an endpoint, whose inside cannot be seen.
    """
    if "/" in name or Path(name).is_dir():
        return LocalModel(name=Path(name).name, writer="local", model=name)
    settings = load(name, params)
    if settings.writer != "local":
        raise UserError(f"{name} runs behind an endpoint, which shows no inside: name a model that runs here")
    return settings


def weights_digest(settings: LocalModel) -> str:
    """What tells two models apart, tokenizer included; from the settings alone where they name a source."""
    if settings.sources:
        return digest(settings.sources[0].sha256, settings.gguf_file)
    if (folder := ROOT / settings.model).is_dir():
        files = {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}
        return digest(files, settings.gguf_file)
    return digest(settings.model, settings.revision, settings.gguf_file)
