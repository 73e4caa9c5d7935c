"""Which click model is trained, with which settings: params/papers/click.yaml, checked before anything starts."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lib.core.errors import unknown
from lib.core.files import ROOT, read_yaml
from lib.core.settings import Seed, Strict, validated
from lib.models.click.features import FeatureSettings
from lib.models.click.networks import NETWORKS, NetworkSettings, settings_class
from lib.training.grid_search import SearchedSettings

FILE = "papers/click.yaml"
Scope = Literal["full", "fewshot"]


class ClickProtocol(Strict):
    """How all click models are trained."""

    batch_size: int = Field(ge=1, description="samples per step")
    learning_rate: float = Field(gt=0, description="AdamW's at the first step; it falls along a cosine")
    weight_decay: float = Field(ge=0, description="AdamW's")
    epochs: int = Field(ge=1, description="most epochs; the cosine ends at the last of them")
    patience: int = Field(ge=1, description="stop after so many epochs without a better validation AUC")
    search_seed: Seed = Field(description="with which all combinations of the grid are tried")


class Changes(Strict):
    """What differs for one dataset or for few shots; what is left out is as for all."""

    protocol: dict[str, Any] = {}
    features: dict[str, Any] = {}
    network: dict[str, Any] = Field({}, description="of every model")
    grid: dict[str, list] = {}


class ClickFile(Strict):
    """params/papers/click.yaml."""

    protocol: ClickProtocol
    features: FeatureSettings
    networks: dict[str, dict[str, Any]] = Field(description="the settings of each model")
    grid: dict[str, list] = Field({}, description="values of settings of the network or the protocol to be tried")
    datasets: dict[str, Changes] = {}
    fewshot: Changes = Field(Changes(), description="what differs where scope is fewshot, also from the dataset")


class ClickSettings(SearchedSettings):
    """Everything that decides one training of a click model, but for the samples."""

    model: str
    scope: Scope = Field(description="full: all training samples; fewshot: those that a language model is tuned with")
    protocol: ClickProtocol
    features: FeatureSettings
    network: dict[str, Any] = Field(description="settings of the model, checked by its own class")

    @property
    def network_settings(self) -> NetworkSettings:
        """The settings of the model; raises UserError where one is unknown."""
        return validated(settings_class(self.model), self.network, f"{self.dataset} {self.model}")

    @property
    def group(self) -> Path:
        """The folder of all seeds and of their search, below runs/."""
        return Path(self.dataset) / "click" / self.model / self.scope

    def with_values(self, changed: dict[str, Any]) -> "ClickSettings":
        """These settings with some of protocol and network changed and no search; raises UserError for unknown ones."""
        where = f"{self.dataset} {self.model}"
        of_protocol = {key: value for key, value in changed.items() if key in ClickProtocol.model_fields}
        network = self.network | {key: value for key, value in changed.items() if key not in of_protocol}
        protocol = validated(ClickProtocol, self.protocol.model_dump() | of_protocol, where)
        whole = validated(settings_class(self.model), network, where).model_dump(mode="json")
        return self.model_copy(update={"protocol": protocol, "network": whole, "grid": {}})


def resolve(
    dataset: str,
    model: str,
    scope: Scope = "full",
    seed: int = 42,
    search: bool = False,
    params: Path = ROOT / "params",
) -> ClickSettings:
    """The settings of one training; `search`: the file's grid is tried first, on validation samples.

    Raises UserError with one sentence for a misspelt name, setting or value.
    """
    path = Path(params) / FILE
    content = validated(ClickFile, read_yaml(path), str(path))
    settings_class(model)
    for name in content.networks:
        settings_class(name)
    if model not in content.networks:
        raise unknown("click model", model, content.networks)
    own = content.datasets.get(dataset, Changes())
    few = content.fewshot if scope == "fewshot" else Changes()
    where = f"{path} ({dataset} {model})"
    chosen = {"dataset": dataset, "model": model, "scope": scope, "seed": seed}
    chosen["protocol"] = content.protocol.model_dump() | own.protocol | few.protocol
    chosen["features"] = content.features.model_dump() | own.features | few.features
    network = content.networks[model] | own.network | few.network
    chosen["network"] = validated(settings_class(model), network, where).model_dump(mode="json")
    settings = validated(ClickSettings, chosen, where)
    searching = settings.with_grid(content.grid | own.grid | few.grid)  # a mistake in it is told in any case
    return searching if search else settings


def names() -> list[str]:
    """Names of all click models, in the order of the paper's tables."""
    return list(NETWORKS)
