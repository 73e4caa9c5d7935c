"""Profiles: what a language model says about every user and item, from requests that know the train split only."""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import Interactions
from lib.data.preprocess import named
from lib.language import prompts
from lib.language.llm import asking, recorded
from lib.language.llm.language_models import EndpointModel, LocalModel
from lib.language.llm.request_and_answer import Answer, Request
from lib.language.profile_answers import ProfileParser

COLUMNS = ["side", "index", "text", "writer", "model", "prompt_hash", "status"]


def load(interactions: Interactions, settings: DatasetSettings, data: Path = ROOT / "data") -> pd.DataFrame:
    """One row per user, then per item, with the columns side, index, text, writer, model, prompt_hash, status.

    The texts are the recorded answers of the dataset's language model (column writer: recorded), or without one the
    `profile` columns of the data (dataset). prompt_hash is the key of the request, status that of its answer. Raises
    UserError when any text is missing.
    """
    model = settings.language_model
    if model is None:
        return _of_dataset(interactions)
    asked = prompts.requests(interactions, settings.wording)
    answers = recorded.read(folder(interactions.name, model, data))
    _complete(asked, answers, interactions.name, model)
    # users or items with the same facts share an answer, so side and index are those of the request
    found = [(request, answers[request.key]) for request in asked]
    rows = [(ask.side, ask.index, answer.text, "recorded", model, ask.key, answer.status) for ask, answer in found]
    return pd.DataFrame(rows, columns=COLUMNS)


def write(
    interactions: Interactions,
    settings: DatasetSettings,
    model: LocalModel | EndpointModel,
    data: Path = ROOT / "data",
    live: bool = False,
    writer=None,
) -> dict:
    """Let `model` write what its recording below `data`/recorded lacks; returns and raises what `asking.write` does."""
    asked, where = prompts.requests(interactions, settings.wording), folder(interactions.name, model.name, data)
    return asking.write(asked, ProfileParser(), model, where, live, writer)


def pending(
    interactions: Interactions,
    settings: DatasetSettings,
    model: LocalModel | EndpointModel,
    data: Path = ROOT / "data",
    live: bool = False,
) -> list[Request]:
    """The requests that `write` would ask."""
    asked, where = prompts.requests(interactions, settings.wording), folder(interactions.name, model.name, data)
    return asking.pending(asked, model, where, live)


def folder(dataset: str, model: str, data: Path = ROOT / "data") -> Path:
    """Where the profiles that `model` wrote for `dataset` are recorded."""
    return Path(data) / "recorded" / dataset / model


def _complete(asked: list[Request], answers: dict[str, Answer], dataset: str, model: str) -> None:
    """Raise UserError when an answer is missing."""
    if missing := sum(request.key not in answers for request in asked):
        raise UserError(
            f"{missing} of {len(asked)} profiles of {dataset} are not in the recording of {model} (the data or the "
            f"prompts changed): generate them with: python -m lib profiles {dataset}"
        )


def _of_dataset(interactions: Interactions) -> pd.DataFrame:
    """The texts that come with the data; raises UserError when a side has none or an empty one."""
    sides = []
    for side, frame in (("user", interactions.users), ("item", interactions.items)):
        texts = None if frame is None else frame.get("profile")
        if texts is None:
            raise UserError(
                f"{interactions.name} has no {side} profiles: name a language_model in "
                f"params/{interactions.name}/dataset.yaml or give the {side}s a column profile"
            )
        if len(lacking := np.flatnonzero(texts.isna() | (texts.astype(str).str.strip() == ""))):
            raise UserError(
                f"{len(lacking)} of {len(texts)} {side}s of {interactions.name} have no profile, "
                f"{named(frame, lacking)}: give each a row in the file of {side}s, with a text in the column profile"
            )
        sides.append(pd.DataFrame({"side": side, "index": range(len(texts)), "text": texts.astype(str)}))
    return pd.concat(sides, ignore_index=True).assign(writer="dataset", model="", prompt_hash="", status="ok")
