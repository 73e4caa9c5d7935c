"""Every constant of RALLRec: params/papers/rallrec.yaml, checked before anything starts."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from lib.core.errors import UserError, short, unknown
from lib.core.files import ROOT, read_yaml
from lib.core.settings import Seed, Strict, validated
from lib.language.llm.language_models import Precision
from lib.language.yes_no.tuning_settings import TuningSettings
from lib.training.run_settings import SCALES

FILE = "papers/rallrec.yaml"


class CollaborativeSettings(Strict):
    """LightGCN on the train period's edges (Eq. 4)."""

    embedding_size: int = Field(ge=1, le=4096, description="width of the vectors")
    layers: int = Field(ge=1, le=10, description="propagation layers; the vectors are the mean of layers 0 to this")
    learning_rate: float = Field(gt=0, description="Adam, constant")
    batch_size: int = Field(ge=1, description="(user, item, other item) triples per step")
    reg_weight: float = Field(ge=0, description="weight of the mean squared length of a triple's three vectors")
    epochs: int = Field(ge=1, description="most epochs")
    evaluate_every: int = Field(ge=1, description="epochs between two evaluations")
    patience: int = Field(ge=1, description="stop after so many evaluations without a better recall")
    cut_off: int = Field(ge=1, le=10_000, description="k of the recall on held-out edges that picks the epoch")
    held_out_from: int = Field(ge=2, description="users with at least so many edges have one held out of training")


class AlignmentSettings(Strict):
    """The perceptron that maps text to collaborative vectors (Eq. 5, 6)."""

    hidden: int = Field(ge=1, description="width between its two layers")
    temperature: float = Field(gt=0, description="of the symmetric InfoNCE; 1 is Eq. 5 as printed")
    learning_rate: float = Field(gt=0, description="Adam, constant")
    weight_decay: float = Field(ge=0, description="Adam's")
    epochs: int = Field(ge=1, description="most epochs, each one step on all items")
    patience: int = Field(ge=1, description="stop after so many epochs without a better recall")
    held_out: float = Field(gt=0, lt=1, description="share of the items whose recall picks the epoch")
    cut_off: int = Field(ge=1, description="k of that recall, text to collaborative, among all items")


class MixtureSettings(Strict):
    """How the parts of a joint vector are put side by side (Eq. 7)."""

    text_pca: int | None = Field(description="centre text vectors and keep so many components; null: as they are")
    norm: Literal["row", "max"] = Field(description="each vector to length 1 (paper), or the longest only (its code)")
    similarity: Literal["dot", "cosine"] = Field(description="of the joint vectors")


class RetrievalSettings(Strict):
    """Which rated items a model gets to see."""

    k: int = Field(ge=1, le=500, description="items per prompt")
    hybrid_weight: float = Field(ge=0, le=1, description="of text in the hybrid score; the rest is collaborative")
    hybrid_temperature: float = Field(gt=0, description="of both softmaxes of the hybrid score")
    hybrid_over: Literal["catalogue", "history"] = Field(description="what these softmaxes sum over")


class RerankSettings(Strict):
    """How similar and recent items are merged (Eq. 8)."""

    alpha: float = Field(ge=0, le=1, description="weight of similarity; the rest is recency")
    beta: float = Field(gt=0, description="a rank r counts r^-beta")
    duplicates: Literal["max", "sum"] = Field(description="score of an item that is both similar and recent")
    order: Literal["score", "chronological", "legacy_books", "legacy_films"] = Field(
        description="of the prompt; legacy_*: the fixed two thirds of the public code, in its two flavours"
    )
    reorder_short: bool = Field(description="rerank also where the whole history fits, as the code does for films")


class AugmentationSettings(Strict):
    """Which prompts a model is tuned on (section 3.3 of the paper)."""

    n_index: int = Field(ge=1, description="train samples, each rendered once in every mode")
    validation_rows: int = Field(ge=1, description="validation samples that stop the tuning")


class QuestionSettings(Strict):
    """Which samples a language model is asked about, and what is varied."""

    test_rows: int | None = Field(description="test samples; null: all")
    order: Literal["head", "random"] = Field(description="of these: the first in time, or drawn by `seed`")
    compact: bool = Field(description="titles in prompts without the year of release")
    k_grid: list[Annotated[int, Field(ge=1, le=500)]] = Field(min_length=1, description="items per prompt of Figure 3")
    alphas: list[Annotated[float, Field(ge=0, le=1)]] = Field(
        description="of rerank.alpha: the one with the best AUC on validation samples is taken; none: rerank.alpha"
    )
    seeds: list[Seed] = Field(min_length=1, description="of the tunings of Table 1; all else has the first")
    precision: Precision = Field(description="of the model when it answers")


class MergingSettings(Strict):
    """How reasoning and general predictions are merged (RALLRec+)."""

    reasoning_weight: float = Field(gt=0, description="w_A")
    general_weight: float = Field(gt=0, description="w_B")
    reasoning_scale: float = Field(gt=0, description="tau_A, by which the variance of reasoning predictions is divided")
    general_scale: float = Field(gt=0, description="tau_B, the same for the general model's")
    epsilon: float = Field(gt=0, description="added to both variances")


class RallrecSettings(Strict):
    """What all stages of the paper read."""

    seed: Seed
    collaborative: CollaborativeSettings
    alignment: AlignmentSettings
    mixture: MixtureSettings
    retrieval: RetrievalSettings
    rerank: RerankSettings
    augmentation: AugmentationSettings
    tuning: TuningSettings
    questions: QuestionSettings
    merging: MergingSettings


def load(scale: str, dataset: str | None = None, params: Path = ROOT / "params") -> RallrecSettings:
    """The settings of a scale: those of `paper`, with the dataset's and then the scale's own changes.

    A dataset without changes of its own has none. Raises UserError with the file, the key and the remedy.
    """
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    path = Path(params) / FILE
    content = read_yaml(path)
    for key in content:
        if key not in (*SCALES, "datasets"):
            raise UserError(f"{path}: {unknown('key', key, [*SCALES, 'datasets'])}")
    values = merged(_block(content, "paper", path), _block(_block(content, "datasets", path), dataset, path))
    if scale != "paper":
        values = merged(values, _block(content, scale, path))
    return validated(RallrecSettings, values, f"{path} ({scale})")


def _block(content: dict, key: str | None, path: Path) -> dict:
    """The block under `key`, empty where there is none; raises UserError where something else stands there."""
    block = content.get(key)
    if block is not None and not isinstance(block, dict):
        raise UserError(f"{path}: {key} should be a block of 'key: value', got {short(repr(block), 80)}")
    return block or {}


def merged(whole: dict, changes: dict) -> dict:
    """`whole` with the values of `changes`, block by block."""
    blocks = {
        key: merged(whole[key], value) if isinstance(value, dict) and isinstance(whole.get(key), dict) else value
        for key, value in changes.items()
    }
    return whole | blocks


def schema() -> dict:
    """JSON schema of params/papers/rallrec.yaml for editors: `paper` says everything, the others what they change."""
    whole = TypeAdapter(RallrecSettings).json_schema()
    definitions = whole.pop("$defs")
    changes = {f"{name}Changes": _optional(block) for name, block in (definitions | {"Rallrec": whole}).items()}
    part = {"$ref": "#/$defs/RallrecChanges"}
    scales = {scale: whole if scale == "paper" else part for scale in SCALES}
    return {
        "type": "object",
        "properties": scales | {"datasets": {"type": "object", "additionalProperties": part}},
        "required": ["paper"],
        "additionalProperties": False,
        "$defs": definitions | changes,
    }


def _optional(block: dict) -> dict:
    """A block of which no key is required, nor any of the blocks in it."""
    properties = {
        key: {"$ref": f"{value['$ref']}Changes"} if "$ref" in value else value
        for key, value in block["properties"].items()
    }
    return {key: value for key, value in block.items() if key != "required"} | {"properties": properties}
