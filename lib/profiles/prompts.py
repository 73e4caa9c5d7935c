"""What a language model is asked: a few facts about one item or one user, all of them from the train split."""

import hashlib
import json
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from lib.datasets import Interactions

VERSION = 1  # part of every hash: raise it when the wording below changes
FANS, TASTES, HISTORY = 3, 3, 6


@dataclass(frozen=True)
class Wording:
    """How a domain calls its items and users, what is asked about them and how answers go on after the known facts."""

    item: str
    user: str
    ask_item: str
    ask_user: str
    go_on_item: str
    go_on_user: str

    @property
    def system(self) -> str:
        """What the model is told first."""
        return (
            f"You write profiles for {_article(self.item)} recommender. "
            'Answer with a JSON object that has one key, "profile": two short sentences.'
        )


FILMS = Wording(
    item="film",
    user="viewer",
    ask_item="In two sentences, say what this film is like and which viewers will enjoy it.",
    ask_user="In two sentences, say which kinds of film, story and mood this viewer enjoys.",
    go_on_item="It is a story of",
    go_on_user="They like stories about",
)
ITEMS = Wording(
    item="item",
    user="user",
    ask_item="In two sentences, say what this item is like and which users will enjoy it.",
    ask_user="In two sentences, say which kinds of item this user enjoys.",
    go_on_item="It is",
    go_on_user="They like",
)
DOMAINS = {"movielens": FILMS}  # by the first part of the dataset's name; ITEMS for all others


@dataclass(frozen=True)
class Prompt:
    """One question: `side` (user|item), dense `index`, the chat messages, and what to do without a good answer.

    `opening` are the first words of the answer, which a local model is made to continue; `fallback` is the text that
    takes the place of an answer that stays unusable.
    """

    side: str
    index: int
    system: str
    user: str
    opening: str
    fallback: str

    @property
    def messages(self) -> list[dict]:
        """The chat that asks."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]

    @property
    def text(self) -> str:
        """All that the model reads."""
        return f"{self.system}\n\n{self.user}"

    @property
    def prompt_hash(self) -> str:
        """Hex sha256 over everything that decides the answer; equal facts give equal hashes."""
        parts = [VERSION, self.side, self.system, self.user, self.opening]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def item_prompts(interactions: Interactions) -> list[Prompt]:
    """One prompt per item: title, year, genres and what its train users like (idea of spec rlmrec 1, own wording)."""
    facts = Facts(interactions)
    return [facts.item_prompt(index) for index in range(interactions.n_items)]


def user_prompts(interactions: Interactions) -> list[Prompt]:
    """One prompt per user: age and occupation if known, favourite genres and best-rated, latest train items."""
    facts = Facts(interactions)
    return [facts.user_prompt(index) for index in range(interactions.n_users)]


def questions(interactions: Interactions) -> list[Prompt]:
    """All prompts, users first."""
    return user_prompts(interactions) + item_prompts(interactions)


class Facts:
    """Train-only facts of a dataset; whatever the data does not say is left out of the prompts."""

    def __init__(self, interactions: Interactions):
        self.wording = DOMAINS.get(interactions.name.split("-")[0], ITEMS)
        self.noun, self.person = self.wording.item, self.wording.user
        self.users = interactions.users
        self.names, self.years = _names(interactions, self.noun), _years(interactions)
        self.genres = _genres(interactions)
        train = _train(interactions)
        self.rated, self.dated = train.rating.any(), train.timestamp.any()
        self.tastes = _tastes(interactions, train, self.genres)
        self.history = _first(train, "user", "item", HISTORY, interactions.n_users)
        self.fans = _first(train, "item", "user", FANS, interactions.n_items)

    def item_prompt(self, index: int) -> Prompt:
        """The prompt of item `index`."""
        genres, liked = self.genres[index], self._liked_by_fans(index)
        lines = [f"{self.noun.capitalize()}: {self.names[index]}"]
        lines += [f"Year: {self.years[index]}"] if self.years[index] else []
        lines += [f"Genres: {', '.join(genres)}"] if genres else []
        lines += [f"Its {self.person}s also like: {', '.join(liked)}"] if liked else []
        lead = f"{self.names[index]} is {_article(f'{listed(genres)} {self.noun}'.strip())}"
        lead += f" for {self.person}s who also like {self._kinds(liked)}" if liked else ""
        return self._prompt("item", index, [*lines, self.wording.ask_item], f"{lead}.", self.wording.go_on_item)

    def user_prompt(self, index: int) -> Prompt:
        """The prompt of user `index`."""
        items, person = self.history[index], self._person(index)
        lines = [f"{self.person.capitalize()}: {person}"] if person else []
        lines += [f"Favourite genres: {', '.join(self.tastes[index])}"] if self.tastes[index] else []
        lines += [f"{self._order()} {self.noun}s: {'; '.join(map(self._named, items))}"]
        fitting = sorted(items, key=lambda item: -len({*self.genres[item]} & {*self.tastes[index]}))
        examples = listed([self.names[item] for item in fitting[:2]])
        kinds = f"{listed(self.tastes[index])} {self.noun}s such as ".lstrip() if self.tastes[index] else ""
        lead = f"This {self.person} is drawn to {kinds}{examples}"
        return self._prompt("user", index, [*lines, self.wording.ask_user], f"{lead}.", self.wording.go_on_user)

    def _prompt(self, side, index, lines, lead, go_on) -> Prompt:
        return Prompt(side, index, self.wording.system, "\n".join(lines), f"{lead} {go_on}", fallback=lead)

    def _liked_by_fans(self, index: int) -> list[str]:
        """Favourite genres of its best-rating train users, or without genres the other items they rate best."""
        if any(self.tastes[user] for user in self.fans[index]):
            each = [self.tastes[user][:2] for user in self.fans[index]]
            return list(dict.fromkeys(genre for tastes in each for genre in tastes))[:TASTES]
        others = [[item for item in self.history[user] if item != index][:1] for user in self.fans[index]]
        return list(dict.fromkeys(self.names[item] for first in others for item in first))

    def _kinds(self, liked: list[str]) -> str:
        return listed(liked) + (f" {self.noun}s" if any(self.tastes) else "")

    def _person(self, index: int) -> str:
        if self.users is None:
            return ""
        row = self.users.iloc[index]
        age, job = row.get("age"), row.get("occupation")
        return ", ".join(
            ([f"{int(age)} years"] if pd.notna(age) else [])
            + ([str(job)] if pd.notna(job) and job not in ("other", "none") else [])
        )

    def _order(self) -> str:
        return "Best rated" if self.rated else "Latest" if self.dated else "Chosen"

    def _named(self, item: int) -> str:
        return self.names[item] + (f" ({', '.join(self.genres[item][:3])})" if self.genres[item] else "")


def listed(words: list[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def _names(interactions: Interactions, noun: str) -> list[str]:
    if interactions.items is None or "title" not in interactions.items:
        return [f"{noun} {index}" for index in range(interactions.n_items)]
    titles = interactions.items.title
    return [
        f"{noun} {index}" if pd.isna(title) else _read_aloud(str(title).strip()) for index, title in enumerate(titles)
    ]


def _read_aloud(title: str) -> str:
    """'Usual Suspects, The' as it is spoken."""
    return re.sub(r"^(.*?), (The|An?|Il|La|Le|Les|Das|Der|Die|El|L')(?= \(|$)", r"\2 \1", title)


def _years(interactions: Interactions) -> list:
    if interactions.items is None or "year" not in interactions.items:
        return [None] * interactions.n_items
    return [None if pd.isna(year) else int(year) for year in interactions.items.year]


def _genres(interactions: Interactions) -> list[list[str]]:
    if interactions.items is None or "genres" not in interactions.items:
        return [[] for _ in range(interactions.n_items)]
    split = interactions.items.genres.fillna("").str.lower().str.split("|")
    return [[genre for genre in genres if genre not in ("", "unknown")] for genres in split]


def _train(interactions: Interactions) -> pd.DataFrame:
    """Train interactions, best rated first, then latest; ties by index, so that the order is the same everywhere."""
    if interactions.events is None:
        train = pd.DataFrame(dict(zip(("user", "item"), interactions.train.nonzero(), strict=True)))
    else:
        train = interactions.events[interactions.events.split == "train"]
    known = {name: train[name].fillna(0) if name in train else 0 for name in ("rating", "timestamp")}
    return train[["user", "item"]].assign(**known).sort_values(
        ["rating", "timestamp", "user", "item"], ascending=[False, False, True, True], kind="stable"
    )  # fmt: skip


def _first(train, key, value, count, size) -> list[list[int]]:
    """Per `key` the first `count` values of the ordered train interactions."""
    groups = train.groupby(key).head(count).groupby(key)[value].agg(list)
    return [groups.get(index, []) for index in range(size)]


def _tastes(interactions, train, genres) -> list[list[str]]:
    """Per user the genres liked more often than in the whole train split.

    Liked is what the user rates at or above the own mean. The comparison count * total - user * genre is in integers,
    so that no rounding can change an order.
    """
    liked = train[train.rating >= train.groupby("user").rating.transform("mean")]
    names = sorted({genre for row in genres for genre in row})
    if not names:
        return [[] for _ in range(interactions.n_users)]
    has = np.array([[name in row for name in names] for row in genres], dtype=np.int64)
    shape = interactions.n_users, interactions.n_items
    counts = csr_matrix((np.ones(len(liked), np.int64), (liked.user, liked.item)), shape=shape) @ has
    more = counts * counts.sum() - np.outer(counts.sum(1), counts.sum(0))
    order = np.argsort(np.where(counts > 0, -more, np.iinfo(np.int64).max), axis=1, kind="stable")
    return [
        [names[column] for column in row[:TASTES] if count[column]] for row, count in zip(order, counts, strict=True)
    ]
