"""What a language model is asked to write about an item: a short description for retrieval (Eq. 1).

Who asks: lib/language/llm/asking.py with these requests and this parser; recorded below
data/recorded/<dataset>/descriptions/<model>. A description never enters a prompt about a user.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lib.core.errors import UserError, unknown
from lib.core.files import ROOT
from lib.data.samples import Samples
from lib.language.llm import asking, recorded
from lib.language.llm.language_models import EndpointModel, LocalModel
from lib.language.llm.request_and_answer import Parser, Request
from lib.language.profile_answers import whole_sentences
from lib.language.wording import with_article

VERSION = 1  # part of every request's key: raise it when what a request says changes
SHORTEST, LONGEST = 12, 80  # words
MISSING = {"", "unknown", "nan", "none", "n/a"}
# what speaks of the request instead of the item, or of the one who writes
COPIED = re.compile(r"\b(as an ai|language model|i'm sorry|i cannot|fewer than|description)\b|<\|im_|\bI (am|have)\b")

INITIAL = re.compile(r"\b[A-Z]\.$")  # of a name that was cut off, as in Michael B.


@dataclass(frozen=True)
class Subject:
    """How one domain's items are asked about: the noun, the columns of facts by their label, what to touch on."""

    noun: str
    facts: dict[str, str]
    touch: str
    go_on: str


FILM = "the premise without the ending, genre and themes, when and where it plays, main characters and cast, director"
BOOK = "the premise without the ending, genre and themes, when and where it plays, main characters, the author's style"
SUBJECTS = {
    "films": Subject("film", {"title": "Title", "genre": "Genre"}, f"{FILM}, mood, influence", "It tells the story of"),
    "amazon": Subject(
        "film or series",
        {"title": "Title", "category": "Category"},
        f"{FILM}, mood, influence",
        "It tells the story of",
    ),
    "books": Subject(
        "book",
        {"title": "Title", "id": "ISBN", "author": "Author", "year": "Year", "publisher": "Publisher"},
        f"{BOOK}, mood, influence, year and publisher",
        "It tells the story of",
    ),
    "items": Subject(
        "item", {"title": "Name", "genre": "Kind"}, "what it is, whom it is for, what sets it apart", "It is"
    ),
}


class DescriptionParser(Parser):
    """Takes whole sentences, 12 to 80 words in all, on one line and without quotation marks."""

    form = f"the description alone, fewer than {LONGEST} words"
    unwanted = (" I", " me", " my", " mine")

    def parse(self, reply: str | None) -> str:
        """The description; raises ValueError when it is too short, repeats itself or speaks of something else."""
        text = _sentences(" ".join((reply or "").replace('"', "").split()))
        words = text.lower().split()
        if not SHORTEST <= len(words) <= LONGEST:
            raise ValueError(f"it has {len(words)} words in whole sentences instead of {SHORTEST} to {LONGEST}")
        if len(set(words)) < len(words) / 2:
            raise ValueError("it repeats itself")
        if found := COPIED.search(text):
            raise ValueError(f"it speaks of the request or of the writer ({found.group()})")
        return text

    def completed(self, opening: str, continuation: str) -> tuple[str, bool]:
        """Opening and continuation, cut at the last whole sentence within the limit."""
        whole = " ".join((opening + continuation.partition(self.stop)[0]).split())
        kept = _sentences(" ".join(whole.split()[:LONGEST]), after=len(opening))
        return kept, kept != whole


def _sentences(text: str, after: int = 0) -> str:
    """The whole sentences of a text that end behind position `after`; the dot of an initial ends none."""
    kept = whole_sentences(text, after)
    while INITIAL.search(kept):
        kept = whole_sentences(kept[:-1], after)
    return kept


def requests(samples: Samples, subject: str) -> list[Request]:
    """One per item with a title; raises UserError for an unknown `subject` and for data without titles."""
    if subject not in SUBJECTS:
        raise unknown("kind of items", subject, SUBJECTS)
    if "title" not in samples.items:
        raise UserError(f"{samples.name}: the items have no column title, so nothing can be said about them: add one")
    about = SUBJECTS[subject]
    known = facts(samples.items, about)
    return [_request(about, index, row) for index, row in known.items() if about.facts["title"] in row]


def facts(items: pd.DataFrame, about: Subject) -> dict[int, dict[str, str]]:
    """What is known of each item, by label; what the data do not say is left out."""
    # where nothing is known pandas keeps a NaN even as text
    known = {label: items[name].where(items[name].notna(), "") for name, label in about.facts.items() if name in items}
    columns = {label: values.astype(str).tolist() for label, values in known.items()}
    return {
        index: {label: value for label, value in zip(columns, values, strict=True) if value.lower() not in MISSING}
        for index, values in enumerate(zip(*columns.values(), strict=True))
    }


def template(known: dict[str, str], noun: str) -> str:
    """The title text (section 3.2): kind of item, title and what else is known, in one sentence.

    'Heat (1995) is a film; genre: action.'
    """
    first, *others = known.items()
    return "; ".join([f"{first[1]} is {with_article(noun)}", *(f"{k.lower()}: {v}" for k, v in others)]) + "."


def title_texts(samples: Samples, subject: str) -> list[str]:
    """The title text of every item, empty for one without a title."""
    about = SUBJECTS[subject]
    known = facts(samples.items, about)
    title = about.facts["title"]
    return [template(known[index], about.noun) if title in known[index] else "" for index in range(len(samples.items))]


def load(samples: Samples, subject: str, model: str, data: Path = ROOT / "data") -> list[str]:
    """The recorded description of every item, empty for one without a title; raises UserError when any is missing."""
    asked, answers = requests(samples, subject), recorded.read(folder(samples.name, model, data))
    if missing := sum(request.key not in answers for request in asked):
        raise UserError(
            f"{missing} of {len(asked)} descriptions of {samples.name} are not in the recording of {model}: write them "
            f"with: python -m lib descriptions {samples.name}"
        )
    texts = [""] * len(samples.items)
    for request in asked:
        texts[request.index] = answers[request.key].text
    return texts


def write(
    samples: Samples,
    subject: str,
    model: LocalModel | EndpointModel,
    data: Path = ROOT / "data",
    live: bool = False,
    writer=None,
) -> dict:
    """Let `model` write what its recording lacks; returns and raises what `asking.write` does."""
    asked = requests(samples, subject)
    return asking.write(asked, DescriptionParser(), model, folder(samples.name, model.name, data), live, writer)


def folder(dataset: str, model: str, data: Path = ROOT / "data") -> Path:
    """Where the descriptions that `model` wrote for `dataset` are recorded."""
    return Path(data) / "recorded" / dataset / "descriptions" / model


def _request(about: Subject, index: int, known: dict[str, str]) -> Request:
    """The answer opens with the known facts, which are also what is left without one."""
    system = f"You know {about.noun}s well and describe them in plain words."
    lines = [f"{label}: {value}" for label, value in known.items()]
    ask = (
        f"Describe this {about.noun} in fewer than {LONGEST} words, as facts. Touch on {about.touch}, as far as you "
        "know them. Write the text alone."
    )
    lead = template(known, about.noun)
    return Request("item", index, system, "\n".join([*lines, ask]), f"{lead} {about.go_on}", lead, VERSION)
