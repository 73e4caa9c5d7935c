"""Which model is trained, with which settings: params/*.yaml, resolved and checked before anything starts."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, create_model, field_validator
from pydantic_core import PydanticCustomError

from lib.core.errors import UserError, short, unknown
from lib.core.files import ROOT, digest, read_yaml
from lib.core.names import half, read_alignment, read_dataset, reads_text, run_folder, runs_of, shortest
from lib.core.settings import Seed, Strict, blocks, validated
from lib.core.vector_files import identified
from lib.models import alignment as alignments
from lib.models import backbones

SCALES = ("tiny", "quick", "paper")


CutOff = Annotated[int, Field(ge=1, le=10_000)]


class Protocol(Strict):
    """Training and evaluation constants shared by all models of a scale (params/protocol.yaml).

    Values and reasons are in docs/methods/rlmrec.md 2.
    """

    embedding_size: int = Field(ge=1, le=100_000, description="width d of the ego table")
    batch_size: int = Field(ge=1, description="(user, positive, negative) triples per step")
    learning_rate: float = Field(gt=0, description="Adam, constant")
    epochs: int = Field(ge=1, description="most epochs")
    evaluate_every: int = Field(ge=1, description="validate when epoch % evaluate_every == 0, from epoch 0 (Q15)")
    patience: int = Field(ge=1, description="stop after so many evaluations without a better validation recall@20")
    ks: tuple[CutOff, ...] = Field(
        min_length=1, description="cut-offs of the ranking metrics, ascending; the last one selects the model"
    )

    @field_validator("ks")
    @classmethod
    def _ascending(cls, ks):
        # the largest decides how many items are ranked, the last one which epoch is kept
        if list(ks) != sorted(set(ks)):
            raise PydanticCustomError("ascending", "write every cut-off once, the smallest first, as in [5, 10, 20]")
        return ks

    @property
    def selection(self) -> str:
        """The validation metric that alone selects epoch and weights (Q15)."""
        return f"recall@{self.ks[-1]}"


class RunSettings(Strict):
    """Everything that decides one training run."""

    dataset: str
    backbone: str
    alignment: str = Field(description="base, contrastive, generative, or matched as in base@contrastive")
    encoder: str = Field(description="text encoder; 'none' for base, where text plays no part")
    seed: Seed
    scale: Literal[SCALES]
    protocol: Protocol
    backbone_settings: dict
    alignment_settings: dict
    initial: "RunSettings | None" = Field(None, description="the run whose ego table training starts from")

    @property
    def kind(self) -> str:
        """The alignment itself, whatever its name says about settings: 'base' of 'base@contrastive'."""
        return read_alignment(self.alignment).kind

    @property
    def model(self) -> tuple[str, str, str, str]:
        """Dataset, encoder, backbone and alignment: what names a model in tables, whose runs differ by the seed."""
        return self.dataset, self.encoder, self.backbone, self.alignment

    @property
    def folder(self) -> Path:
        """The run's folder below runs/; tiny trials have a tree of their own and never touch results."""
        tree = Path(runs_of(self.scale)).relative_to("runs")
        return tree / run_folder(self.dataset, self.encoder, self.backbone, self.alignment, self.seed)

    @property
    def digest(self) -> str:
        """Content hash of all settings."""
        return digest(self.model_dump(mode="json", exclude_none=True))


def protocol(scale: str, params: Path = ROOT / "params") -> Protocol:
    """The protocol of a scale: that of `paper` with the scale's own changes."""
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    path = Path(params) / "protocol.yaml"
    scales = read_yaml(path)
    for name in ("paper", scale):
        if not isinstance(scales.setdefault(name, {}), dict):
            raise UserError(f"{path}: {name} should be a block of 'key: value', got {short(repr(scales[name]), 80)}")
    return validated(Protocol, scales["paper"] | scales[scale], f"{path} ({scale})")


def resolve(
    dataset: str,
    backbone: str,
    alignment: str = "base",
    seed: int = 2023,
    scale: str = "tiny",
    encoder: str = "minilm",
    hyperparameters: dict | None = None,
    params: Path = ROOT / "params",
) -> RunSettings:
    """The settings of one run; `hyperparameters` by alignment replace those of params/<dataset>/<backbone>.yaml.

    Names of alignments, datasets and encoders may say more than the plain name (lib/core/names.py):
    `base@contrastive` is base with the backbone settings of contrastive, since the published base and aligned rows
    differ in backbone settings too and a comparison of alignment alone needs equal ones (docs/methods/rlmrec.md 6).
    `contrastive+weight=0.1` changes a setting, and `base+initial=contrastive` starts from the ego table of that cell,
    trained on the dataset's early period. Raises UserError for an unknown name, a misspelt key or a wrong type.
    """
    kind, settings_of, changed = read_alignment(alignment)
    for name in (kind, settings_of):
        alignments.get(name)
    backbones.get(backbone)  # misspelt names, before a file is missed
    plain = read_dataset(dataset).name
    path = cell_file(plain, backbone, params)
    label = shortest(alignment)
    chosen = {"dataset": dataset, "backbone": backbone, "alignment": label, "seed": seed, "scale": scale}
    chosen["encoder"] = identified(encoder) if reads_text(alignment) else "none"
    if earlier := changed.pop("initial", None):
        chosen["initial"] = resolve(
            half(plain, "early"), backbone, str(earlier), seed, scale, encoder, hyperparameters, params
        )
    of_protocol = {key: value for key, value in changed.items() if key in Protocol.model_fields}
    of_model = {key: value for key, value in changed.items() if key not in Protocol.model_fields}
    own = _settings(path, hyperparameters, backbone, kind, of_model)
    chosen["alignment_settings"] = own["alignment_settings"]
    # a matched base takes the backbone settings of the alignment that it is compared with
    partner = own if settings_of == kind else _settings(path, hyperparameters, backbone, settings_of, of_model)
    chosen["backbone_settings"] = partner["backbone_settings"]
    chosen["protocol"] = protocol(scale, params).model_dump() | of_protocol
    return validated(RunSettings, chosen, f"{dataset} {backbone} {label}")


def _settings(path: Path, given: dict | None, backbone: str, name: str, changed: dict) -> dict[str, dict]:
    """The checked settings of one alignment's block, given or from the yaml file `path`, with some changed."""
    known = blocks({"hyperparameters": given} if (given or {}).get(name) else read_yaml(path), str(path))
    if name not in known:
        raise UserError(f"{path} has no block '{name}' under hyperparameters: add its values")
    block = known[name]
    parts = {"backbone_settings": backbones.get(backbone).Settings, "alignment_settings": alignments.get(name).Settings}
    return split_block(block | changed, parts, f"{path} ({name})")


def split_block(block: dict, parts: dict[str, type[Strict]], where: str) -> dict[str, dict]:
    """Divide a yaml block among settings classes, checked together and with every default written out.

    One class of all their fields checks the block, so that an unknown key is told from the fields of every part.
    """
    whole = validated(create_model("Block", __base__=tuple(parts.values())), block, where).model_dump()
    return {name: {key: whole[key] for key in part.model_fields} for name, part in parts.items()}


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
