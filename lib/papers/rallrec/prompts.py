"""What the language model is asked about a sample: a profile, K rated items, and whether the target will be liked.

The slots and their order are the paper's, the words are ours. A prompt never holds a description: these serve retrieval
alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.core.errors import UserError, unknown
from lib.data.samples import Samples
from lib.papers.rallrec.rerank import chronological, newest_first
from lib.papers.rallrec.retrieval import NONE

SYSTEM = "You predict what people like."
CUE = "Answer with Yes or No only."
ANSWERS = ("No.", "Yes.")  # by label
PRONOUNS = {"male": "he", "m": "he", "man": "he", "female": "she", "f": "she", "woman": "she"}
UNKNOWN = {"", "unknown", "other", "none", "nan", "other or not specified"}


@dataclass(frozen=True)
class Wording:
    """How one domain speaks of its items and users.

    `profile` are columns of the users' frame, in order, each with the text around its value; `said` is what the order
    of a history means, by mode.
    """

    item: str
    person: str
    did: str
    profile: tuple[tuple[str, str], ...]
    said: dict[str, str]
    aid_last: bool = False  # the reading aid stands behind the question
    newest_first: bool = False  # what `recent` means where there are no times, as in the public code


IN_ORDER = {
    "recent": ", oldest first",
    "sim_chrono": ", oldest first",
    "sim": ", most similar to the new one first",
    "hybrid": ", most similar to the new one first",
    "rerank": " that matter for the new one",
}
NO_ORDER = dict.fromkeys(IN_ORDER, "")
WORDINGS = {
    "films": Wording(
        "film", "Viewer", "watched", (("gender", "{}"), ("occupation", "{}"), ("age", "aged {}")), IN_ORDER
    ),
    "books": Wording(
        "book",
        "Reader",
        "read",
        (("country", "from {}"), ("age", "aged {}")),
        NO_ORDER,
        aid_last=True,
        newest_first=True,
    ),
    "amazon": Wording("title", "Viewer", "watched", (), NO_ORDER),
    "items": Wording("item", "User", "chose", (), IN_ORDER),
}
MODES = tuple(IN_ORDER)


class Renderer:
    """Prompts of one dataset in one wording; the texts that samples share are made once.

    An item without a title is called by its number. compact: without the year of release that ends a title, a third of
    its tokens. Raises UserError for an unknown wording.
    """

    def __init__(self, samples: Samples, wording: str, compact: bool = False):
        if wording not in WORDINGS:
            raise unknown("wording of prompts", wording, WORDINGS)
        self.samples, self.wording = samples, WORDINGS[wording]
        self.titles = _titles(samples.items, self.wording.item, compact)
        self.rows = samples.rows[["user", "item"]].to_numpy().tolist()
        self.items = samples.events.item.tolist()
        self.marks, self.rated = _marks(samples.events)
        self.shown = {}  # texts of events by position, made as they are needed
        self.profiles, self.pronouns = _profiles(samples.users, self.wording), _pronouns(samples.users)

    def prompts(self, rows: np.ndarray, positions: np.ndarray, mode: str) -> list[str]:
        """One prompt per sample of `rows` (numbers of samples), about the events at `positions` [len(rows), K].

        `positions` come best first, as retrieval and reranking give them; the mode decides the order of the prompt.
        Raises UserError for an unknown mode.
        """
        ordered = arranged(positions, mode, self.wording)
        return [
            self._prompt(*self.rows[row], [self._event(place) for place in places if place != NONE], mode)
            for row, places in zip(rows, ordered.tolist(), strict=True)
        ]

    def fitting(
        self, rows: np.ndarray, positions: np.ndarray, mode: str, limit: int, count: Callable[[list[str]], list[int]]
    ) -> tuple[list[str], np.ndarray]:
        """Prompts of at most `limit` tokens, and how many items each may show [len(rows)].

        Where a prompt is too long, K is lowered to the largest number of best items that fits. `count` gives the tokens
        of each prompt, everything around it included. Raises UserError when one is too long without any item.
        """
        rows, k = np.asarray(rows), positions.shape[1]
        texts = self.prompts(rows, positions, mode)
        shown = np.full(len(rows), k)
        long = np.flatnonzero(np.asarray(count(texts)) > limit)
        # halving the range of K for all long prompts at once: those with `low` items fit, with `high` they do not
        low, high = np.full(len(long), -1), shown[long].copy()
        while len(open_ := np.flatnonzero(high - low > 1)):
            middle = (low[open_] + high[open_]) // 2
            here = long[open_]
            tried = self.prompts(rows[here], _first(positions[here], middle), mode)
            fits = np.asarray(count(tried)) <= limit
            low[open_[fits]], high[open_[~fits]] = middle[fits], middle[~fits]
            for place in np.flatnonzero(fits):
                texts[here[place]] = tried[place]
        if (low < 0).any():
            first = rows[long[np.flatnonzero(low < 0)[0]]]
            raise UserError(
                f"{self.samples.name}: the prompt of sample {first} has more than {limit} tokens without any item of "
                "its history: take a model with a longer context or raise max_tokens"
            )
        shown[long] = low
        return texts, shown

    def _prompt(self, user: int, item: int, history: list[str], mode: str) -> str:
        """The slots in order: profile, lead-in, history, reading aid, question, instruction."""
        wording, who = self.wording, self.pronouns[user]
        profile = [f"{wording.person}: {self.profiles[user]}."] if self.profiles[user] else []
        did = f"{who.capitalize()} {wording.did}{' and rated' * self.rated}"
        told = f"{did} these {wording.item}s{wording.said[mode]}: [{', '.join(history)}]"
        aid = [self._reading_aid(who)] if history and self.rated else []
        question = f"Will {who} like ***{self.titles[item]}***?"
        middle = [question, *aid] if wording.aid_last else [*aid, question]
        return "\n".join([*profile, told if history else f"Nothing {who} {wording.did} is known.", *middle, CUE])

    def _reading_aid(self, who: str) -> str:
        above = f"{self.samples.liked_above:g}"
        return f"More stars mean {who} liked it more; above {above} stars {who} liked it."

    def _event(self, place: int) -> str:
        if place not in self.shown:
            self.shown[place] = f'"{self.titles[self.items[place]]}{self.marks[place]}"'
        return self.shown[place]


def arranged(positions: np.ndarray, mode: str, wording: Wording) -> np.ndarray:
    """Positions [n, K], best first, in the order in which a prompt of this mode shows them."""
    if mode not in MODES:
        raise unknown("history mode", mode, MODES)
    if mode == "recent" and wording.newest_first:
        return newest_first(positions)
    return chronological(positions) if mode in ("recent", "sim_chrono") else positions


def answers(labels) -> list[str]:
    """The gold answers to samples with these labels (1 = liked)."""
    return [ANSWERS[int(label)] for label in labels]


def _first(positions: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The first counts[i] positions of row i, -1 behind them."""
    return np.where(np.arange(positions.shape[1]) < counts[:, None], positions, NONE)


def _titles(items: pd.DataFrame, noun: str, compact: bool) -> list[str]:
    """Titles by item on one line, without the quotation marks that go around them; 'film 7' where there is none."""
    known = items.get("title", pd.Series(index=items.index, dtype=object)).astype(object)
    numbered = pd.Series([f"{noun} {index}" for index in range(len(items))], index=items.index)
    lines = known.where(known.notna(), numbered).astype(str).str.replace('"', "'").str.split().str.join(" ")
    if compact:
        lines = lines.str.replace(r"(?<=\S) \(\d{4}\)$", "", regex=True)
    return lines.where(lines != "", numbered).tolist()


def _marks(events: pd.DataFrame) -> tuple[list[str], bool]:
    """What stands behind the title of each event, ' (4 stars)' or ' (1 star)', and whether there are stars at all.

    Where only liked or not is known, the label says so, ' (liked)'; without one nothing stands there.
    """
    codes, ratings = pd.factorize(events.rating)
    stars = np.array([f" ({rating:g} star{'s' * (rating > 1)})" for rating in ratings] + [""])
    marks = stars[codes]  # code -1, an unknown rating, is the last one
    if "label" in events:
        said = np.select([events.label == 1, events.label == 0], [" (liked)", " (not liked)"], "")
        marks = np.where(codes < 0, said, marks)
    return marks.tolist(), len(ratings) > 0


def _profiles(users: pd.DataFrame, wording: Wording) -> list[str]:
    """What is known of each user, 'female, writer, aged 25-34'; empty where nothing is."""
    known = [
        [form.format(value) if str(value).lower() not in UNKNOWN else "" for value in users[name]]
        for name, form in wording.profile
        if name in users
    ]
    return [", ".join(filter(None, parts)) for parts in zip(*known, strict=True)] if known else [""] * len(users)


def _pronouns(users: pd.DataFrame) -> list[str]:
    """he, she or, where the data do not say, they, by user."""
    genders = users.get("gender", pd.Series("", index=users.index))
    return [PRONOUNS.get(str(gender).lower(), "they") for gender in genders]
