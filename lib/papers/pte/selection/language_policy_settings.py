"""The block `language_policy` of params/papers/pte.yaml."""

from pathlib import Path

from pydantic import Field

from lib.core.files import ROOT, read_yaml
from lib.core.settings import Seed, Strict, validated
from lib.language.yes_no.tuning_settings import AdapterSettings
from lib.papers.pte.selection.settings import FILE


class LanguagePolicySettings(Strict):
    """How TRL's GRPOTrainer tunes the language model that writes profiles."""

    adapter: AdapterSettings = Field(description="the LoRA adapter that learns; without it the model is the reference")
    steps: int = Field(ge=1, description="updates of the adapter")
    prompts: int = Field(ge=1, description="users or items of a step")
    completions: int = Field(ge=2, description="G, answers to each prompt, whose rewards are compared")
    tokens: int = Field(ge=8, description="of a completion, at most")
    temperature: float = Field(gt=0, le=2, description="of sampling")
    top_p: float = Field(gt=0, le=1, description="share of probability that sampling keeps")
    epsilon: float = Field(gt=0, lt=1, description="a ratio of probabilities is clipped to 1 ± epsilon")
    beta: float = Field(ge=0, description="weight of the KL divergence from the model without the adapter")
    learning_rate: float = Field(gt=0, description="of AdamW; falls to zero along a line")
    seed: Seed = Field(description="of the adapter, the order of prompts and sampling")


def load(params: Path = ROOT / "params") -> LanguagePolicySettings:
    """The settings in params/papers/pte.yaml; raises UserError with the file, the key and the remedy."""
    path = Path(params) / FILE
    return validated(LanguagePolicySettings, read_yaml(path).get("language_policy"), f"{path}: language_policy")
