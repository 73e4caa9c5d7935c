"""Which sequential recommender is trained, with which settings: params/papers/sequential.yaml, checked beforehand."""

from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lib.core.errors import UserError, unknown
from lib.core.files import ROOT, digest, read_yaml
from lib.core.names import encoder_folder
from lib.core.settings import Seed, Strict, validated
from lib.models.sequential import items as kinds
from lib.models.sequential.losses import LossSettings
from lib.models.sequential.sasrec import EncoderSettings

FILE = "papers/sequential.yaml"
NONE = "none"  # in the place of an encoder, for methods without text


class SequenceProtocol(Strict):
    """How a sequential recommender is trained."""

    batch_size: int = Field(ge=1, description="rows per step")
    learning_rate: float = Field(gt=0, description="Adam's, constant")
    weight_decay: float = Field(ge=0, description="Adam's, added to the gradient")
    epochs: int = Field(ge=1, description="most epochs")
    validate_every: int = Field(ge=1, description="epochs from one validation to the next")
    patience: int = Field(ge=1, description="stop after so many validations without a better value")
    select: Literal["ndcg@10", "ndcg@20"] = Field(description="validation metric, with all items as candidates")
    positions: Literal["last", "all"] = Field(description="the targets of a row: the item after it, or also all in it")
    search_seed: Seed = Field(description="with which all combinations of the grid are tried")


class Preset(Strict):
    """Protocol and encoder as one paper has them."""

    protocol: SequenceProtocol
    encoder: EncoderSettings


class Changes(Strict):
    """What differs for one dataset; what is left out is as for all."""

    protocol: dict[str, Any] = {}
    encoder: dict[str, Any] = {}
    loss: dict[str, Any] = Field({}, description="of every loss")
    methods: dict[str, dict[str, Any]] = {}
    grid: dict[str, list] = {}


class SequenceFile(Strict):
    """params/papers/sequential.yaml."""

    presets: dict[str, Preset]
    losses: dict[str, LossSettings] = Field(description="what to train with and score by; the name is a folder's")
    methods: dict[str, dict[str, Any]] = Field(description="the settings of each kind of item vectors")
    grid: dict[str, list] = Field({}, description="values to be tried, the same for every method and loss")
    datasets: dict[str, Changes] = {}


class SequenceSettings(Strict):
    """Everything that decides one training of a sequential recommender, but for rows and texts."""

    dataset: str
    text_encoder: str = Field(description="the name of what made the text vectors; none: the method has no text")
    backbone: Literal["sasrec"]
    method: str = Field(description="kind of item vectors")
    loss: str = Field(description="its name in the file")
    seed: Seed
    protocol: SequenceProtocol
    encoder: EncoderSettings
    objective: LossSettings
    items: dict[str, Any] = Field(description="settings of the method, checked by its own class")
    grid: dict[str, tuple] = Field({}, description="where it is not empty, a search decides these settings")

    @property
    def items_settings(self) -> Strict:
        """The settings of the method; raises UserError where one is unknown."""
        return validated(kinds.get(self.method).Settings, self.items, f"{self.dataset} {self.method}")

    @property
    def folder(self) -> Path:
        """The run's folder below runs/."""
        return self.group / f"seed{self.seed}"

    @property
    def group(self) -> Path:
        """The folder of all seeds, below runs/."""
        text = encoder_folder(self.text_encoder)
        return Path(self.dataset) / "sequential" / text / self.backbone / self.method / self.loss

    @property
    def digest(self) -> str:
        """Content hash of all settings."""
        return digest(self.model_dump(mode="json"))

    def combinations(self) -> list[dict[str, Any]]:
        """All combinations of the grid's values, by setting."""
        return [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]

    def with_values(self, changed: dict[str, Any]) -> "SequenceSettings":
        """These settings with some changed and no search; raises UserError for unknown ones.

        A name is looked for in protocol, encoder, objective, and then among the settings of the method.
        """
        content, rest = {}, dict(changed)
        for part in ("protocol", "encoder", "objective"):
            known = getattr(self, part)
            own = {key: rest.pop(key) for key in list(rest) if key in type(known).model_fields}
            content[part] = validated(type(known), known.model_dump() | own, f"{self.dataset} {self.method}: {part}")
        settings = self.model_copy(update=content | {"items": self.items | rest, "grid": {}})
        return settings.model_copy(update={"items": settings.items_settings.model_dump(mode="json")})


def resolve(
    dataset: str,
    method: str,
    loss: str = "infonce",
    text_encoder: str = NONE,
    seed: int = 42,
    preset: str = "alphafuse",
    search: bool = False,
    params: Path = ROOT / "params",
) -> SequenceSettings:
    """The settings of one training; `search`: the file's grid is tried first, on validation rows.

    Raises UserError with one sentence for a misspelt name, setting or value, and where a method lacks an encoder.
    """
    path = Path(params) / FILE
    content = _read(path)
    own = content.datasets.get(dataset, Changes())
    for kind, name, known in (
        ("method", method, content.methods),
        ("loss", loss, content.losses),
        ("preset", preset, content.presets),
    ):
        if name not in known:
            raise unknown(kind, name, known)
    if kinds.get(method).reads_text and text_encoder == NONE:
        raise UserError(f"method {method} reads texts: name the encoder of their vectors, as in text_encoder='minilm'")
    chosen = {"dataset": dataset, "backbone": "sasrec", "method": method, "loss": loss, "seed": seed}
    chosen["text_encoder"] = text_encoder if kinds.get(method).reads_text else NONE
    shared = content.presets[preset]
    chosen["protocol"] = shared.protocol.model_dump() | own.protocol
    chosen["encoder"] = shared.encoder.model_dump() | own.encoder
    chosen["objective"] = content.losses[loss].model_dump() | own.loss
    chosen["items"] = content.methods[method] | own.methods.get(method, {})
    settings = validated(SequenceSettings, chosen, f"{path} ({dataset} {method})").with_values({})
    searching = settings.model_copy(update={"grid": {k: tuple(v) for k, v in (content.grid | own.grid).items()}})
    for values in searching.combinations():  # all of them, before the first is trained
        searching.with_values(values)
    return searching if search else settings


def _read(path: Path) -> SequenceFile:
    content = validated(SequenceFile, read_yaml(path), str(path))
    for changes in (content, *content.datasets.values()):
        for name in changes.methods:
            kinds.get(name)
    return content
