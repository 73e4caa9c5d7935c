"""LoRA adapters: a few small matrices beside a model's weights, kept with their settings and their model's digest."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lib.core.errors import UserError, short
from lib.core.files import atomic_path, digest, write_json
from lib.core.settings import validated
from lib.language.llm.language_models import LocalModel, weights_digest
from lib.language.yes_no.tuning_settings import AdapterSettings

WEIGHTS, ABOUT = "adapter.safetensors", "adapter.json"


@dataclass(frozen=True)
class Adapter:
    """What adapter.json says; `tuned` is whatever the tuning told about itself."""

    settings: AdapterSettings
    model: str
    model_digest: str
    tuned: dict


def add(model, settings: AdapterSettings, seed: int):
    """The model as peft wraps it, with a new adapter that changes nothing yet; only the adapter learns."""
    import peft  # takes seconds to import

    targets = settings.targets or _usual(model)
    # peft draws from torch's own generator, and tells of its own use of transformers and of GPT-2's transposed weights
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")
        torch.manual_seed(seed)
        how = dict(lora_alpha=settings.alpha, lora_dropout=settings.dropout, bias="none", task_type="CAUSAL_LM")
        try:
            return peft.get_peft_model(model, peft.LoraConfig(r=settings.rank, target_modules=targets, **how))
        except ValueError as error:  # no layer has such a name
            raise UserError(f"no adapter for {', '.join(targets)}: {short(error)}") from None


def attached(model, settings: LocalModel, folder: Path):
    """The model as peft wraps it, with the adapter in `folder`; raises UserError for that of another model."""
    import peft

    about = description(folder)
    if about.model_digest != weights_digest(settings):
        said = f"the adapter in {folder} is for another model ({about.model}) than {settings.name}"
        raise UserError(f"{said}: tune one for this model")
    wrapped = add(model, about.settings, seed=0)
    try:
        loaded = peft.set_peft_model_state_dict(wrapped, load_file(Path(folder) / WEIGHTS))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"the adapter in {folder} cannot be read ({short(error)}): tune it again") from None
    if loaded.unexpected_keys:
        raise UserError(f"the adapter in {folder} is not for layers of {settings.name}: tune it again")
    return wrapped


def weights(model) -> dict[str, torch.Tensor]:
    """Copies of the adapter's matrices, by the names that they have on disk."""
    import peft

    # embeddings are not adapted; else peft would look for the base model's config, which a GGUF file has not
    found = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: value.detach().clone() for name, value in found.items()}


def save(folder: Path, matrices: dict[str, torch.Tensor], settings: AdapterSettings, base: LocalModel, tuned: dict):
    """Write the adapter atomically, the description last: a folder without it holds no adapter."""
    with atomic_path(Path(folder) / WEIGHTS) as temporary:
        save_file({name: value.contiguous().cpu() for name, value in matrices.items()}, temporary)
    about = {"settings": settings.model_dump(), "model": base.name, "model_digest": weights_digest(base)}
    write_json(Path(folder) / ABOUT, about | {"tuned": tuned})


def description(folder: Path) -> Adapter:
    """What adapter.json in `folder` says; raises UserError when there is none."""
    path = Path(folder) / ABOUT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        settings = validated(AdapterSettings, content["settings"], str(path))
        return Adapter(settings, content["model"], content["model_digest"], content["tuned"])
    except FileNotFoundError:
        raise UserError(f"no adapter in {folder}: tune one first") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} does not describe an adapter: tune it again") from None


def adapter_digest(folder: Path | None) -> str:
    """What tells two adapters apart; empty for none. Raises UserError when there is none in the folder."""
    if folder is None:
        return ""
    about = description(folder)
    try:
        return digest(about.settings.model_dump(), about.model_digest, Path(folder) / WEIGHTS)
    except FileNotFoundError:
        raise UserError(f"no {WEIGHTS} in {folder}: tune it again") from None


def _usual(model) -> list[str] | str:
    """The layers that the paper adapts, where the architecture calls them so."""
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    return ["q_proj", "v_proj"] if {"q_proj", "v_proj"} <= names else "all-linear"
