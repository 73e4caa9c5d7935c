"""What is said about items: names, title texts from a template, and descriptions by a language model (Eq. 1).

The paper asks for a compact description from basic facts; the words of the request are ours. Answers are recorded in
data/recorded/<dataset>/rallrec/<model>.
"""

from pathlib import Path

import pandas as pd

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.data.dataset_settings import DatasetSettings
from lib.data.samples import Samples
from lib.language.llm import asking, recorded
from lib.language.llm.language_models import EndpointModel, LocalModel
from lib.language.llm.request_and_answer import Parser, Request
from lib.language.profile_answers import check, whole_sentences
from lib.language.prompts import read_aloud
from lib.language.wording import with_article, wording_named

VERSION = 1  # part of every request's key: raise it when what is asked changes
ASKED = (
    "In two or three short sentences, tell somebody who does not know this {item} what happens in it, who made it, and "
    "which themes and mood it has. Write only the description."
)
# what the template tells of an item, and in which words
FACTS = {"author": "by {}", "year": "of {}", "publisher": "published by {}", "category": "in the category {}"}
UNKNOWN = ("", "unknown", "nan")


class DescriptionParser(Parser):
    """A few whole sentences on one line."""

    form = "nothing but the description, in whole sentences"

    def parse(self, reply: str | None) -> str:
        """The description; raises ValueError when it is too short, too long, or repeats itself."""
        return check(" ".join((reply or "").split()))

    def completed(self, opening: str, continuation: str) -> tuple[str, bool]:
        """The whole sentences of both parts, and whether anything had to be cut off."""
        whole = opening + continuation.partition(self.stop)[0].rstrip()
        sentences = whole_sentences(whole, after=len(opening))
        return sentences, sentences != whole


def names(samples: Samples, noun: str) -> list[str]:
    """What prompts call each item: 'Heat (1995)', or 'film 7' where there is no title."""
    items = samples.items
    titles = items["title"] if "title" in items else pd.Series(index=items.index, dtype=object)
    both = zip(items.id, titles, strict=True)
    return [f"{noun} {id}" if pd.isna(title) else read_aloud(str(title)) for id, title in both]


def title_texts(samples: Samples, wording: str) -> list[str]:
    """The title template of every item: kind of item, name, first genre and whatever else is known."""
    noun = wording_named(wording).item
    facts = [_facts(row) for row in samples.items.to_dict("records")]
    kinds = [f"{genre} {noun}".strip() for genre in _genres(samples)]
    told = zip(names(samples, noun), kinds, facts, strict=True)
    return [", ".join([f"{name} is {with_article(kind)}", *further]) + "." for name, kind, further in told]


def _facts(row: dict) -> list[str]:
    """What is known beside name and genre."""
    return [form.format(row[key]) for key, form in FACTS.items() if str(row.get(key, "")).lower() not in UNKNOWN]


def _genres(samples: Samples) -> list[str]:
    """The first listed genre of each item in lower case, as the paper has it; empty where none is known."""
    genres = samples.items.get("genre", pd.Series("", index=samples.items.index)).fillna("").str.lower()
    return genres.where(~genres.isin(UNKNOWN), "").tolist()


def requests(samples: Samples, wording: str) -> list[Request]:
    """What is asked about every item."""
    words = wording_named(wording)
    system = f"You write short, factual descriptions for a catalogue of {words.item}s."
    asked = ASKED.format(item=words.item)
    told = zip(names(samples, words.item), title_texts(samples, wording), strict=True)
    return [
        Request(
            side="item", index=index, system=system, user=f"{words.item.capitalize()}: {name}\n{text}\n{asked}",
            opening=f"{text} {words.go_on_item}", fallback=text, version=VERSION,
        )
        for index, (name, text) in enumerate(told)
    ]  # fmt: skip


def folder(dataset: str, model: str, data: Path = ROOT / "data") -> Path:
    """Where the descriptions that a model wrote are recorded."""
    return Path(data) / "recorded" / dataset / "rallrec" / model


def recording(
    samples: Samples, settings: DatasetSettings, model: LocalModel | EndpointModel, data: Path = ROOT / "data"
) -> asking.Recording:
    """What `model` is asked for the descriptions of a dataset's items, recorded below `data`/recorded."""
    asked, where = requests(samples, settings.wording), folder(samples.name, model.name, data)
    return asking.Recording(asked, DescriptionParser(), model, where)


def descriptions(samples: Samples, wording: str, model: str, data: Path = ROOT / "data") -> pd.DataFrame:
    """The recorded description of every item: text, status; raises UserError where one is missing."""
    asked = requests(samples, wording)
    answers = recorded.read(folder(samples.name, model, data))
    if missing := sum(request.key not in answers for request in asked):
        raise UserError(
            f"{missing} of {len(asked)} descriptions of {samples.name} by {model} are not recorded (the data or the "
            f"request changed): record them with: python -m lib profiles {samples.name} --model {model} --paper rallrec"
        )
    found = [answers[request.key] for request in asked]
    return pd.DataFrame({"text": [one.text for one in found], "status": [one.status for one in found]})
