"""Profiles: what a language model says about every user and item, from prompts that know the train split only."""

from pathlib import Path

import pandas as pd

from lib.datasets import DatasetSettings, Interactions
from lib.files import ROOT, UserError
from lib.profiles import models, prompts, recorded
from lib.profiles.answers import Answer
from lib.profiles.endpoint import EndpointWriter, Estimate, estimate
from lib.profiles.models import EndpointModel, LocalModel
from lib.profiles.prompts import Prompt
from lib.progress import Progress

__all__ = ["Answer", "Estimate", "Prompt", "estimate", "folder", "load", "models", "open_writer", "pending", "write"]
COLUMNS = ["side", "index", "text", "writer", "model", "prompt_hash", "status"]


def load(
    interactions: Interactions, settings: DatasetSettings, data: Path = ROOT / "data", writer=None
) -> pd.DataFrame:
    """One row per user, then per item: side, index, text, writer, model, prompt_hash, status (ok|repaired|fallback).

    The texts are what `writer` answers when one is given, the recorded answers of the dataset's language model, or
    without a language model the `profile` columns of the data. Raises UserError when any is missing.
    """
    if writer is None and settings.language_model is None:
        return _published(interactions)
    asked = prompts.questions(interactions)
    if writer is not None:
        answers = {answer.prompt_hash: answer for answer in writer.write(_once(asked))}
        source, model = writer.settings.writer, writer.settings.name
    else:
        source, model = "recorded", settings.language_model
        answers = recorded.read(folder(interactions.name, model, data))
        _complete(asked, answers, interactions.name, model)
    found = [(prompt, answers[prompt.prompt_hash]) for prompt in asked]
    rows = [(p.side, p.index, answer.text, source, model, p.prompt_hash, answer.status) for p, answer in found]
    return pd.DataFrame(rows, columns=COLUMNS)


def write(
    interactions: Interactions,
    settings: LocalModel | EndpointModel,
    data: Path = ROOT / "data",
    live: bool = False,
    threads: int | None = None,
    writer=None,
) -> dict:
    """Record the model's answers below `data`/recorded and return the content of writer.json (settings, counts, ...).

    Asks for what the recording lacks, with `live` for everything again. Every answer is on the disk before the next one
    counts: the same call after a crash goes on where it stopped, and a finished recording stays until a new one is
    complete. `writer` replaces the one that `settings` describe. Raises UserError when the model cannot be used.
    """
    out, asked = folder(interactions.name, settings.name, data), _once(prompts.questions(interactions))
    if missing := pending(interactions, settings, data, live):
        _ask(missing, writer or open_writer(settings, threads), recorded.unfinished(out, settings))
    if fresh := recorded.read(recorded.unfinished(out, settings)):
        known = recorded.read(out) | fresh
        recorded.finish(out, settings, [known[prompt.prompt_hash] for prompt in asked], asked)
    return recorded.description(out)


def pending(interactions, settings, data: Path = ROOT / "data", live: bool = False) -> list[Prompt]:
    """The prompts that `write` would ask for; prompts with the same facts count once."""
    out = folder(interactions.name, settings.name, data)
    known = recorded.read(recorded.unfinished(out, settings)) | ({} if live else recorded.read(out))
    return [prompt for prompt in _once(prompts.questions(interactions)) if prompt.prompt_hash not in known]


def open_writer(settings: LocalModel | EndpointModel, threads: int | None = None):
    """The writer that `settings` describe: has them as `settings`, and `write(prompts)` yields an Answer per prompt."""
    if settings.writer == "endpoint":
        return EndpointWriter(settings)
    from lib.profiles.local import LocalWriter  # transformers takes seconds to import

    return LocalWriter(settings, threads)


def folder(dataset: str, model: str, data: Path = ROOT / "data") -> Path:
    """Where the answers of `model` for `dataset` are recorded."""
    return Path(data) / "recorded" / dataset / model


def _ask(missing: list[Prompt], writer, out: Path) -> None:
    counts = {"ok": 0, "repaired": 0, "fallback": 0}
    with recorded.appending(out) as append, Progress(len(missing), "profiles", "profile") as progress:
        for answer in writer.write(missing):
            append(answer)
            counts[answer.status] += 1
            progress.update(note=f"{counts['repaired']} repaired, {counts['fallback']} fallback")


def _once(asked: list[Prompt]) -> list[Prompt]:
    return list({prompt.prompt_hash: prompt for prompt in asked}.values())


def _complete(asked, answers, dataset: str, model: str) -> None:
    if missing := sum(prompt.prompt_hash not in answers for prompt in asked):
        raise UserError(
            f"{missing} of {len(asked)} profiles of {dataset} are not in the recording of {model} (the data or the "
            f"prompts changed): generate them with: python -m lib profiles {dataset}"
        )


def _published(interactions: Interactions) -> pd.DataFrame:
    sides = []
    for side, frame in (("user", interactions.users), ("item", interactions.items)):
        texts = None if frame is None else frame.get("profile")
        if texts is None:
            raise UserError(
                f"{interactions.name} has no {side} profiles: name a language_model in "
                f"params/{interactions.name}/dataset.yaml or give the {side}s a column profile"
            )
        if lacking := (texts.isna() | (texts.astype(str).str.strip() == "")).sum():
            raise UserError(f"{lacking} {side}s of {interactions.name} have an empty profile: fill the column profile")
        sides.append(pd.DataFrame({"side": side, "index": range(len(texts)), "text": texts.astype(str)}))
    return pd.concat(sides, ignore_index=True).assign(writer="published", model="", prompt_hash="", status="ok")
