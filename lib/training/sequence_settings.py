"""Which sequential recommender is trained, with which settings: params/papers/sequential.yaml, checked beforehand."""

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field

from lib.core.errors import UserError, unknown
from lib.core.files import ROOT, read_yaml
from lib.core.names import encoder_folder
from lib.core.settings import Seed, Strict, validated
from lib.models.sequential import items as kinds
from lib.models.sequential.losses import LossSettings
from lib.models.sequential.sasrec import EncoderSettings
from lib.training import sequence_models
from lib.training.grid_search import SearchedSettings

FILE = "papers/sequential.yaml"
NONE = "none"  # in the place of an encoder, for methods without text
Backbone = Literal["sasrec", "dreamrec"]
Scale = Literal["tiny", "quick", "paper"]


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
    """Backbone, protocol and encoder as one paper has them."""

    backbone: Backbone = "sasrec"
    protocol: SequenceProtocol
    encoder: EncoderSettings
    own: dict[str, Any] = Field({}, description="of the backbone, checked by its own class")
    methods: dict[str, dict[str, Any]] = Field({}, description="what differs for this backbone")


class Changes(Strict):
    """What differs for a dataset or a scale; what is left out is as the preset has it."""

    protocol: dict[str, Any] = {}
    encoder: dict[str, Any] = {}
    own: dict[str, Any] = Field({}, description="of the backbone")
    methods: dict[str, dict[str, Any]] = {}
    grid: dict[str, list] = {}


class SequenceFile(Strict):
    """params/papers/sequential.yaml."""

    presets: dict[str, Preset]
    losses: dict[str, LossSettings] = Field(description="what to train with and score by; the name is a folder's")
    methods: dict[str, dict[str, Any]] = Field(description="the settings of each kind of item vectors")
    grid: dict[str, list] = Field({}, description="values to be tried, the same for every method and loss")
    datasets: dict[str, dict[str, Changes]] = Field({}, description="by preset, what differs for a dataset")
    scales: dict[Literal["tiny", "quick"], dict[str, Changes]] = Field(
        {}, description="by preset, what makes a training shorter than its paper's"
    )


class SequenceSettings(SearchedSettings):
    """Everything that decides one training of a sequential recommender, but for rows and texts."""

    text_encoder: str = Field(description="the name of what made the text vectors; none: the method has no text")
    preset: str = Field(description="its name in the file; decides the backbone and whose protocol it is")
    backbone: Backbone
    method: str = Field(description="kind of item vectors")
    loss: str = Field(description="its name in the file")
    scale: Scale = "paper"
    protocol: SequenceProtocol
    encoder: EncoderSettings
    own: dict[str, Any] = Field({}, description="settings of the backbone, checked by its own class")
    objective: LossSettings
    items: dict[str, Any] = Field(description="settings of the method, checked by its own class")

    @property
    def items_settings(self) -> Strict:
        """The settings of the method; raises UserError where one is unknown."""
        return validated(kinds.get(self.method).Settings, self.items, f"{self.dataset} {self.method}")

    @property
    def recommender(self) -> str:
        """The model that is trained: the backbone, or the one that the method has of its own."""
        return kinds.get(self.method).recommender or self.backbone

    @property
    def backbone_settings(self) -> Strict:
        """The settings of the recommender itself; raises UserError where one is unknown."""
        where = f"{self.dataset} {self.recommender}"
        return validated(sequence_models.get(self.recommender).Settings, self.own, where)

    @property
    def group(self) -> Path:
        """The folder of all seeds and of their search, below runs/."""
        text = encoder_folder(self.text_encoder)
        return Path(self.dataset) / "sequential" / text / self.preset / self.method / self.loss

    def with_values(self, changed: dict[str, Any]) -> "SequenceSettings":
        """These settings with some changed and no search; raises UserError for unknown ones.

        A name is looked for in protocol, encoder, objective, then among the backbone's and the method's own settings.
        """
        content, rest = {}, dict(changed)
        for part in ("protocol", "encoder", "objective"):
            known = getattr(self, part)
            own = {key: rest.pop(key) for key in list(rest) if key in type(known).model_fields}
            content[part] = validated(type(known), known.model_dump() | own, f"{self.dataset} {self.method}: {part}")
        known = sequence_models.get(self.recommender).Settings.model_fields
        own = self.own | {key: rest.pop(key) for key in list(rest) if key in known}
        settings = self.model_copy(update=content | {"own": own, "items": self.items | rest, "grid": {}})
        checked = {"own": settings.backbone_settings, "items": settings.items_settings}
        return settings.model_copy(update={name: part.model_dump(mode="json") for name, part in checked.items()})


def resolve(
    dataset: str,
    method: str,
    loss: str = "infonce",
    text_encoder: str = NONE,
    seed: int = 42,
    preset: str = "alphafuse",
    search: bool = False,
    scale: str = "paper",
    params: Path = ROOT / "params",
) -> SequenceSettings:
    """The settings of one training; `search`: the file's grid is tried first, on validation rows.

    Raises UserError with one sentence for a misspelt name, setting or value, where a method lacks an encoder, and for a
    method or loss that the preset's backbone does not have.
    """
    path = Path(params) / FILE
    content = _read(path)
    for kind, name, known in (
        ("method", method, content.methods),
        ("loss", loss, content.losses),
        ("preset", preset, content.presets),
        ("scale", scale, get_args(Scale)),
    ):
        if name not in known:
            raise unknown(kind, name, known)
    kind, shared = kinds.get(method), content.presets[preset]
    _check(method, loss, text_encoder, content, shared.backbone)
    changes = [of.get(preset, Changes()) for of in (content.datasets.get(dataset, {}), content.scales.get(scale, {}))]
    settings = {"dataset": dataset, "preset": preset, "backbone": shared.backbone, "method": method, "loss": loss}
    settings |= {"seed": seed, "text_encoder": text_encoder if kind.reads_text else NONE, "scale": scale}
    for part in ("protocol", "encoder", "own"):
        settings[part] = _merged(shared.model_dump()[part], *(getattr(change, part) for change in changes))
    settings["objective"] = content.losses[loss]
    settings["items"] = _merged(*(part.methods.get(method, {}) for part in (content, shared, *changes)))
    settings = validated(SequenceSettings, settings, f"{path} ({dataset} {method})").with_values({})
    # a mistake in the grid is told in any case
    searching = settings.with_grid(_merged(content.grid, *(change.grid for change in changes)))
    return searching if search else settings


def _merged(*blocks: dict[str, Any]) -> dict[str, Any]:
    """One block in which later ones count."""
    return {name: value for block in blocks for name, value in block.items()}


def _check(method: str, loss: str, text_encoder: str, content: SequenceFile, backbone: str) -> None:
    kind = kinds.get(method)
    if kind.reads_text and text_encoder == NONE:
        raise UserError(f"method {method} reads texts: name the encoder of their vectors, as in text_encoder='minilm'")
    if backbone not in kind.backbones:
        raise UserError(f"method {method} is one of {', '.join(kind.backbones)} and not of {backbone}: leave it out")
    if (content.losses[loss].kind == "diffusion") != (backbone == "dreamrec"):
        raise UserError(f"{backbone} is not trained with the loss {loss}: diffusion is dreamrec's, the others sasrec's")


def _read(path: Path) -> SequenceFile:
    content = validated(SequenceFile, read_yaml(path), str(path))
    changed = [*content.datasets.values(), *content.scales.values()]
    for changes in (content, *content.presets.values(), *(one for by_preset in changed for one in by_preset.values())):
        for name in changes.methods:
            kinds.get(name)
    for name in {name for by_preset in changed for name in by_preset} - set(content.presets):
        raise unknown("preset", name, content.presets)
    return content
