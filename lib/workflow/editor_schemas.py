"""JSON schemas of params/*.yaml, with which an editor completes keys, explains them and marks mistakes while typing."""

import importlib
import json
from pathlib import Path

from pydantic import TypeAdapter

from lib.core.files import ROOT, write_text
from lib.data.dataset_settings import DatasetSettings
from lib.language.encoders import EncoderSettings
from lib.language.llm.language_models import EndpointModel, LocalModel
from lib.language.wording import WORDINGS
from lib.models import alignment as alignments
from lib.models import backbones
from lib.models.click.networks import NETWORKS
from lib.models.sequential import items as kinds
from lib.results import questions
from lib.training import sequence_models
from lib.training.click_settings import ClickFile
from lib.training.run_settings import SCALES, Protocol
from lib.training.sequence_settings import SequenceFile
from lib.workflow.experiments import Entry

FOLDER = ROOT / "params/schema"


def write(folder: Path = FOLDER) -> list[Path]:
    """Write one schema per kind of yaml file; returns the paths."""
    paths = []
    for name, schema in schemas().items():
        paths.append(folder / f"{name}.json")
        write_text(paths[-1], json.dumps(schema, indent=1) + "\n")
    return paths


def schemas() -> dict[str, dict]:
    """All schemas by the name of their file; cell is that of <backbone>.yaml."""
    models = {"dataset": DatasetSettings, "encoder": EncoderSettings, "language_model": LocalModel | EndpointModel}
    known = {name: _short_members(TypeAdapter(model).json_schema()) for name, model in models.items()}
    known["dataset"]["properties"]["wording"]["enum"] = list(WORDINGS)
    known["experiments"] = TypeAdapter(dict[str, dict[str, Entry]]).json_schema()  # by paper and dataset
    known["dataset_experiments"] = TypeAdapter(dict[str, Entry]).json_schema()  # by paper
    known["questions"] = questions.schema()
    return (
        known | {"protocol": _protocol(), "cell": _cell(), "click": _click(), "sequential": _sequential()} | _papers()
    )


def _papers() -> dict[str, dict]:
    """Those of params/papers/<paper>.yaml, which the paper's own `settings` module describes."""
    folders = sorted((ROOT / "lib/papers").glob("*/settings.py"))
    # by name at run time, since papers build on this room and not the other way round
    modules = {path.parent.name: importlib.import_module(f"lib.papers.{path.parent.name}.settings") for path in folders}
    return {name: module.schema() for name, module in modules.items()}


def _short_members(schema: dict) -> dict:
    """Also a single pattern where a source names its members, as the class takes it before it checks."""
    members = schema["$defs"]["Source"]["properties"]["members"]
    members["anyOf"] = [{"type": "string"}, {key: members.pop(key) for key in ("type", "items", "minItems")}]
    return schema


def _click() -> dict:
    """papers/click.yaml, with a block of settings for each model."""
    schema = ClickFile.model_json_schema()
    blocks = {name: model.model_json_schema() for name, model in NETWORKS.items()}
    schema["properties"]["networks"] |= {"properties": blocks, "additionalProperties": False}
    return schema


def _sequential() -> dict:
    """papers/sequential.yaml, with a block of settings for each method, of which a change may hold some."""
    schema = SequenceFile.model_json_schema()
    blocks = {name: kinds.get(name).Settings.model_json_schema() for name in kinds.names()}
    parts = {name: {key: value for key, value in block.items() if key != "required"} for name, block in blocks.items()}
    schema["properties"]["methods"] |= {"properties": blocks, "additionalProperties": False}
    for kind in ("Changes", "Preset"):
        schema["$defs"][kind]["properties"]["methods"] |= {"properties": parts, "additionalProperties": False}
    own = [sequence_models.get(name).Settings.model_json_schema() for name in sequence_models.names()]
    known = {name: said for block in own for name, said in block["properties"].items()}
    for kind in ("Changes", "Preset"):
        schema["$defs"][kind]["properties"]["own"] |= {"properties": known, "additionalProperties": False}
    return schema


def _protocol() -> dict:
    """Scales by name; only `paper` has to say everything."""
    whole = Protocol.model_json_schema()
    part = {key: value for key, value in whole.items() if key != "required"}
    scales = {scale: whole if scale == "paper" else part for scale in SCALES}
    return {"type": "object", "properties": scales, "required": ["paper"], "additionalProperties": False}


def _cell() -> dict:
    """<backbone>.yaml: a block of settings for each alignment, which depends on the backbone that the file names."""
    rules = []
    for name in backbones.names():
        blocks = {"type": "object", "properties": _blocks(name), "required": ["base"], "additionalProperties": False}
        # a JSON schema cannot look a block up by the backbone's name, so there is an if-then for each
        named = {"properties": {"backbone": {"const": name}}}
        rules.append({"if": named, "then": {"properties": {"hyperparameters": blocks}}})
    known = {"dataset": {"type": "string"}, "backbone": {"enum": backbones.names()}}
    known["hyperparameters"] = {"type": "object"}
    return {"properties": known, "required": [*known], "additionalProperties": False, "allOf": rules}


def _blocks(backbone: str) -> dict:
    """A flat block of both components' settings by alignment; they are numbers and words, so nothing is referred to."""
    parts = {kind: (backbones.get(backbone).Settings, alignments.get(kind).Settings) for kind in alignments.names()}
    made = {kind: [part.model_json_schema() for part in pair] for kind, pair in parts.items()}
    return {
        kind: {
            "properties": {name: value for part in pair for name, value in part.get("properties", {}).items()},
            "required": [name for part in pair for name in part.get("required", [])],
            "additionalProperties": False,
        }
        for kind, pair in made.items()
    }
