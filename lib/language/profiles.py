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

WORDS = 15  # of each item in a user's text: six beginnings of titles and first sentences, half of what MiniLM reads
COLUMNS = ["side", "index", "text", "writer", "model", "prompt_hash", "status"]


def load(interactions: Interactions, settings: DatasetSettings, data: Path = ROOT / "data") -> pd.DataFrame:
    """One row per user, then per item, with the columns side, index, text, writer, model, prompt_hash, status.

    The texts are the recorded answers of the dataset's language model (column writer: recorded), or without one the
    `profile` columns of the data (dataset). Where these describe items only, a user's text is made of the items'
    (train items). prompt_hash is the key of the request, status that of its answer. Raises UserError when any text is
    missing.
    """
    model = settings.language_model
    if model is None:
        return of_dataset(interactions)
    asked = prompts.requests(interactions, settings.wording)
    answers = recorded.read(folder(interactions.name, model, data))
    _complete(asked, answers, interactions.name, model)
    # users or items with the same facts share an answer, so side and index are those of the request
    found = [(request, answers[request.key]) for request in asked]
    rows = [(ask.side, ask.index, answer.text, "recorded", model, ask.key, answer.status) for ask, answer in found]
    return pd.DataFrame(rows, columns=COLUMNS)


def recording(
    interactions: Interactions, settings: DatasetSettings, model: LocalModel | EndpointModel, data: Path = ROOT / "data"
) -> asking.Recording:
    """What `model` is asked for the profiles of a dataset, recorded below `data`/recorded."""
    asked, where = prompts.requests(interactions, settings.wording), folder(interactions.name, model.name, data)
    return asking.Recording(asked, ProfileParser(), model, where)


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


def of_dataset(interactions: Interactions) -> pd.DataFrame:
    """The texts that come with the data; raises UserError when the items have none, or a side an empty one."""
    items = _column(interactions, "item")
    if items is None:
        raise UserError(
            f"{interactions.name} has no item profiles: give the items a text each in a column profile of items.csv "
            f"(users may have one too, in users.csv; without, theirs are made of their train items'), or name a "
            f"language_model in params/{interactions.name}/dataset.yaml"
        )
    users, written = _column(interactions, "user"), "dataset"
    if users is None:
        users, written = _of_train_items(interactions, items), "train items"
    sides = [
        pd.DataFrame({"side": side, "index": range(len(texts)), "text": texts.to_numpy(), "writer": writer})
        for side, texts, writer in (("user", users, written), ("item", items, "dataset"))
    ]
    return pd.concat(sides, ignore_index=True).assign(model="", prompt_hash="", status="ok")[COLUMNS]


def _column(interactions: Interactions, side: str) -> pd.Series | None:
    """The column profile of one side, if it has one; raises UserError when a text is missing."""
    frame = interactions.users if side == "user" else interactions.items
    texts = None if frame is None else frame.get("profile")
    if texts is None:
        return None
    if len(lacking := np.flatnonzero(texts.isna() | (texts.astype(str).str.strip() == ""))):
        raise UserError(
            f"{len(lacking)} of {len(texts)} {side}s of {interactions.name} have no profile, "
            f"{named(frame, lacking)}: give each a row in the file of {side}s, with a text in the column profile"
        )
    return texts.astype(str)


def _of_train_items(interactions: Interactions, texts: pd.Series) -> pd.Series:
    """A text per user: the beginnings of those of the train items that a prompt would tell of (best rated, latest)."""
    told = prompts.best_first(interactions).groupby("user").head(prompts.HISTORY)
    begun = texts.str.split().str[:WORDS].str.join(" ").to_numpy()
    joined = told.assign(text=begun[told.item]).groupby("user").text.agg(" ".join)
    # who has no train item has nothing to be described by
    return joined.reindex(range(interactions.n_users), fill_value="unknown")
