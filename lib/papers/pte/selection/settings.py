"""The block `selection` of params/papers/pte.yaml."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lib.core.files import ROOT, read_yaml
from lib.core.settings import Strict, validated

FILE = "papers/pte.yaml"
Weight = Annotated[float, Field(ge=0)]


class ProbeSettings(Strict):
    """What hidden interactions are compared with; which are hidden is a matter of profiling."""

    negatives: int = Field(ge=1, description="partners without interaction that probes are compared with")
    window: int = Field(ge=2, description="of partners about as popular as a probe, from which these are drawn")


class RewardSettings(Strict):
    """What a good candidate is; a weight of 0 leaves a part out."""

    collaborative: Weight = Field(description="weight of R_col")
    distinctiveness: Weight = Field(description="weight of R_dis")
    format: Weight = Field(description="weight of R_fmt")
    temperature: float = Field(gt=0, description="of the softmax of R_dis")
    neighbours: int = Field(ge=1, description="nearest neighbours among which R_dis identifies the owner")
    words: tuple[int, int] = Field(description="fewest and most words of a well-formed profile")


class FeatureSettings(Strict):
    """What the policy reads."""

    neighbours: int = Field(ge=1, description="nearest neighbours whose profiles show over-smoothing")
    density: int = Field(ge=1, description="nearest profiles of others of which the density is the mean cosine")


class TrainingSettings(Strict):
    """The policy network and how it is trained."""

    hidden: int = Field(ge=1, description="width of both hidden layers")
    epsilon: float = Field(gt=0, lt=1, description="a ratio of probabilities is clipped to 1 ± epsilon")
    beta: float = Field(ge=0, description="weight of the KL divergence from the uniform distribution")
    estimator: Literal["enumerated", "sampled"] = Field(description="all candidates, or as many drawn with replacement")
    refreshes: int = Field(ge=1, description="how often the old policy becomes the current one, at most")
    inner_epochs: int = Field(ge=1, description="passes over all entities between two refreshes")
    patience: int = Field(ge=1, description="refreshes without a better held-out reward after which training ends")
    held_out: float = Field(gt=0, lt=1, description="share of rewarded entities that training does not see")
    learning_rate: float = Field(gt=0, description="of Adam")
    batch_size: int = Field(ge=1, description="entities")


class SelectionSettings(Strict):
    """All that selection reads."""

    probes: ProbeSettings
    reward: RewardSettings
    features: FeatureSettings
    training: TrainingSettings
    sweeps: int = Field(ge=1, description="over both sides, users first")


def load(params: Path = ROOT / "params") -> SelectionSettings:
    """The settings in params/papers/pte.yaml; raises UserError with the file, the key and the remedy."""
    path = Path(params) / FILE
    return validated(SelectionSettings, read_yaml(path).get("selection"), f"{path}: selection")
