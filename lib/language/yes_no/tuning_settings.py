"""How an adapter looks and how it learns: what params/papers may say."""

from pydantic import Field

from lib.core.settings import Seed, Strict
from lib.language.llm.language_models import Precision


class AdapterSettings(Strict):
    """A LoRA adapter (Hu et al. 2021), without biases."""

    rank: int = Field(8, ge=1, description="width of the two matrices beside each weight")
    alpha: float = Field(16, gt=0, description="what they add is multiplied by alpha / rank")
    dropout: float = Field(0.05, ge=0, lt=1, description="of their input, while learning")
    targets: list[str] | None = Field(
        None, description="names of layers; none: q_proj and v_proj, or all linear layers of a model without these"
    )


class TuningSettings(Strict):
    """How an adapter learns."""

    adapter: AdapterSettings = AdapterSettings()
    learning_rate: float = Field(5e-4, gt=0, description="of AdamW; falls to zero along a line")
    weight_decay: float = Field(0.0, ge=0)
    batch_size: int = Field(256, ge=1, description="examples of a step")
    epochs: int = Field(20, ge=1)
    patience: int = Field(
        5, ge=1, description="validations without a lower loss before it ends; there is one per epoch"
    )
    gradient_norm: float = Field(1.0, gt=0, description="longer gradients are scaled down to it")
    precision: Precision = Field("float32", description="of the model; the adapter is always float32")
    seed: Seed = 42
