"""Which model is trained, with which settings: params/*.yaml, resolved and checked before anything starts."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lib import alignment as alignments
from lib import backbones, variants
from lib.experiments import changes, encoder_folder, experiments, parts, reads_text
from lib.files import ROOT, UserError, digest, read_yaml, unknown, validated

SCALES = ("tiny", "quick", "paper")


class Protocol(BaseModel):
    """Training and evaluation constants shared by all models of a scale (params/protocol.yaml, spec rlmrec 2)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    embedding_size: int = Field(ge=1, description="width d of the ego table")
    batch_size: int = Field(ge=1, description="(user, positive, negative) triples per step")
    learning_rate: float = Field(gt=0, description="Adam, constant")
    epochs: int = Field(ge=1, description="most epochs")
    evaluate_every: int = Field(ge=1, description="validate when epoch % evaluate_every == 0, from epoch 0 (Q15)")
    patience: int = Field(ge=1, description="stop after so many evaluations without a better validation recall@20")
    ks: tuple[int, ...] = Field(description="cut-offs of the ranking metrics; the last one selects the model")

    @property
    def selection(self) -> str:
        """The validation metric that alone selects epoch and weights (Q15)."""
        return f"recall@{self.ks[-1]}"


class RunSettings(BaseModel):
    """Everything that decides one training run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    backbone: str
    alignment: str = Field(description="base, contrastive, generative, or matched as in base@contrastive")
    encoder: str = Field(description="text encoder; 'none' for base, where text plays no part")
    seed: int = Field(ge=0)
    scale: Literal[SCALES]
    protocol: Protocol
    backbone_settings: dict
    alignment_settings: dict
    initial: "RunSettings | None" = Field(None, description="the run whose ego table training starts from")

    @property
    def kind(self) -> str:
        """The alignment without whose backbone settings it takes."""
        return parts(self.alignment)[0]

    @property
    def folder(self) -> Path:
        """The run's folder below runs/; tiny trials have a tree of their own and never touch results."""
        tree = Path("tiny") if self.scale == "tiny" else Path()
        return tree / self.dataset / encoder_folder(self.encoder) / self.backbone / self.alignment / f"seed{self.seed}"

    @property
    def digest(self) -> str:
        """Content hash of all settings."""
        return digest(self.model_dump(mode="json", exclude_none=True))


def protocol(scale: str, params: Path = ROOT / "params") -> Protocol:
    """The protocol of a scale: that of `paper` with the scale's own changes."""
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    path = Path(params) / "protocol.yaml"
    blocks = read_yaml(path)
    return validated(Protocol, {**blocks["paper"], **blocks.get(scale, {})}, f"{path} ({scale})")


def resolve(
    dataset: str,
    backbone: str,
    alignment: str = "base",
    seed: int = 2023,
    scale: str = "tiny",
    encoder: str = "minilm",
    blocks: dict | None = None,
    params: Path = ROOT / "params",
) -> RunSettings:
    """The settings of one run; `blocks` by alignment replace those of params/<dataset>/<backbone>.yaml.

    The published base and aligned rows differ in backbone settings too; `base@contrastive` is base with the backbone
    settings of contrastive, so that a comparison of the two is one of alignment alone (spec rlmrec 6). Behind a '+'
    stand changed settings, `contrastive+weight=0.1`, and `initial=contrastive`, which starts from the ego table of that
    cell trained on the dataset's early period. Datasets and encoders may name a variant likewise (lib.variants).
    Raises UserError for an unknown name, a misspelt key or a wrong type.
    """
    kind, settings_of = parts(alignment)
    for name in (kind, settings_of):
        alignments.get(name)
    backbones.get(backbone)  # misspelt names, before a file is missed
    path, changed = cell_file(variants.name(dataset), backbone, params), changes(alignment)
    label = alignment.replace(f"{kind}@{kind}", kind)
    chosen = {"dataset": dataset, "backbone": backbone, "alignment": label, "seed": seed, "scale": scale}
    chosen["encoder"] = encoder if reads_text(alignment) else "none"
    if initial := changed.pop("initial", None):
        earlier = f"{variants.name(dataset)}+early"
        chosen["initial"] = resolve(earlier, backbone, initial, seed, scale, encoder, blocks, params)
    own = _block(path, blocks, backbone, kind, changed)
    chosen["alignment_settings"] = own["alignment_settings"]
    other = own if kind == settings_of else _block(path, blocks, backbone, settings_of, changed)
    chosen["backbone_settings"] = other["backbone_settings"]
    protocol_changes = {key: changed[key] for key in changed if key in Protocol.model_fields}
    chosen["protocol"] = protocol(scale, params).model_dump() | protocol_changes
    return validated(RunSettings, chosen, f"{dataset} {backbone} {label}")


def _block(path: Path, blocks: dict | None, backbone: str, name: str, changed: dict) -> dict:
    """The checked settings of one alignment's block, given or from the yaml file `path`, with some changed."""
    block = (blocks or {}).get(name) or read_yaml(path).get(name)
    if block is None:
        raise UserError(f"{path} has no block '{name}': add its hyper-parameters")
    block = block | {key: value for key, value in changed.items() if key not in Protocol.model_fields}
    return split_block(block, backbones.get(backbone).Settings, alignments.get(name).Settings, f"{path} ({name})")


def split_block(block: dict, backbone, alignment, where: str) -> dict:
    """Divide a yaml block into checked backbone and alignment settings with every default written out."""
    extra = sorted(set(block) - set(backbone.model_fields) - set(alignment.model_fields))
    if extra:
        raise UserError(f"{where}: {unknown('key', extra[0], {**backbone.model_fields, **alignment.model_fields})}")
    return {
        f"{name}_settings": validated(
            model, {key: value for key, value in block.items() if key in model.model_fields}, where
        ).model_dump()
        for name, model in (("backbone", backbone), ("alignment", alignment))
    }


def cell_file(dataset: str, backbone: str, params: Path = ROOT / "params") -> Path:
    """params/<dataset>/<backbone>.yaml; raises UserError with the nearest name when either is missing."""
    datasets = [path.parent.name for path in Path(params).glob("*/dataset.yaml")]
    if dataset not in datasets:
        raise unknown("dataset", dataset, datasets)
    path = Path(params) / dataset / f"{backbone}.yaml"
    if not path.exists():
        raise UserError(f"no settings for {backbone} on {dataset}: write {path} (copy one of another dataset)")
    for key, wanted in (("dataset", dataset), ("backbone", backbone)):
        if (said := read_yaml(path).get(key)) != wanted:  # papermill -f would train what the file says
            raise UserError(f"{path} says {key}: {said}; it must say {key}: {wanted}")
    return path


def grid(
    dataset: str, scale: str | None = None, encoder: str | None = None, params: Path = ROOT / "params", **chosen
) -> list[RunSettings]:
    """The settings of every run in a dataset's grid, optionally at another scale or with another encoder.

    `chosen` are the backbones, alignments or seeds to take instead of the grid's. Raises UserError as `resolve` does.
    """
    known = experiments(params)
    if dataset not in known:
        raise unknown("dataset in params/experiments.yaml", dataset, known)
    plan = known[dataset]
    return [
        resolve(dataset, *cell, scale or plan.scale, encoder or plan.encoder, params=params)
        for cell in plan.cells(**chosen)
    ]


def figures(dataset: str, scale: str) -> Path:
    """Where figures and tables of a dataset go: tiny trials have a folder of their own and never touch results."""
    return ROOT / ("runs/tiny/figures" if scale == "tiny" else "figures") / dataset
