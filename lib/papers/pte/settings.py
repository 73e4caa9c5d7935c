"""params/papers/pte.yaml as editors check it: a block of settings for each part of PtE that has some."""

from pydantic import TypeAdapter

from lib.papers.pte.profiling.settings import ProfilingSettings
from lib.papers.pte.selection.language_policy_settings import LanguagePolicySettings
from lib.papers.pte.selection.settings import SelectionSettings
from lib.training.run_settings import SCALES


def schema() -> dict:
    """JSON schema of the file: of profiling `paper` says everything, the other scales what they change."""
    models = ProfilingSettings, SelectionSettings, LanguagePolicySettings
    profiling, selection, policy = (TypeAdapter(model).json_schema() for model in models)
    changes = {key: value for key, value in profiling.items() if key != "required"}
    scales = {scale: profiling if scale == "paper" else changes for scale in SCALES}
    definitions = selection.pop("$defs", {}) | policy.pop("$defs", {})
    block = {"type": "object", "properties": scales, "required": ["paper"], "additionalProperties": False}
    return {
        "type": "object",
        "properties": {"profiling": block, "selection": selection, "language_policy": policy},
        "additionalProperties": False,
        "$defs": definitions,
    }
