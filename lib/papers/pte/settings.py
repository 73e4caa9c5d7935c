"""params/papers/pte.yaml as editors check it: a block of settings for each part of PtE that has some."""

from pydantic import TypeAdapter

from lib.papers.pte.profiling.settings import ProfilingSettings
from lib.papers.pte.selection.settings import SelectionSettings
from lib.training.run_settings import SCALES


def schema() -> dict:
    """JSON schema of the file: of profiling `paper` says everything, the other scales what they change."""
    profiling, selection = (TypeAdapter(model).json_schema() for model in (ProfilingSettings, SelectionSettings))
    changes = {key: value for key, value in profiling.items() if key != "required"}
    scales = {scale: profiling if scale == "paper" else changes for scale in SCALES}
    definitions = selection.pop("$defs", {})
    block = {"type": "object", "properties": scales, "required": ["paper"], "additionalProperties": False}
    return {
        "type": "object",
        "properties": {"profiling": block, "selection": selection},
        "additionalProperties": False,
        "$defs": definitions,
    }
