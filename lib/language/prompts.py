"""What a language model is asked for a profile: a few facts about one item or user, all from the train split."""

import re

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from lib.data.interactions import Interactions
from lib.language.llm.request_and_answer import Request
from lib.language.wording import with_article, wording_named

VERSION = 1  # part of every request's key: raise it when what a prompt says changes
FANS, TASTES, HISTORY = 3, 3, 6  # at most so many users of an item, genres of a user, items of a user are told


def requests(interactions: Interactions, wording: str) -> list[Request]:
    """What is asked about every user, then every item; `wording` is that of the dataset's settings."""
    return user_requests(interactions, wording) + item_requests(interactions, wording)


def item_requests(interactions: Interactions, wording: str) -> list[Request]:
    """One per item: title, year, genres and what its train users like.

    The idea is RLMRec's (docs/methods/rlmrec.md 1), the words are not. Raises UserError for an unknown `wording`.
    """
    facts = Facts(interactions, wording)
    return [facts.item_request(index) for index in range(interactions.n_items)]


def user_requests(interactions: Interactions, wording: str) -> list[Request]:
    """One per user: age and occupation if known, favourite genres and best-rated, latest train items.

    Raises UserError for an unknown `wording`.
    """
    facts = Facts(interactions, wording)
    return [facts.user_request(index) for index in range(interactions.n_users)]


class Facts:
    """Train-only facts of a dataset; whatever the data do not say is left out of the prompts."""

    def __init__(self, interactions: Interactions, wording: str):
        self.wording = wording_named(wording)
        self.noun, self.person = self.wording.item, self.wording.user
        self.users = interactions.users
        known = _known_of_items(interactions)
        self.names, self.genres = _names(known.title, self.noun), _genres(known.genres)
        self.years = [None if pd.isna(year) else int(year) for year in known.year]
        train = best_first(interactions)
        # a column of zeros is one that the data do not have
        self.rated, self.dated = train.rating.any(), train.timestamp.any()
        self.tastes = _tastes(interactions, train, self.genres)
        self.history = _first(train, "user", "item", HISTORY, interactions.n_users)
        self.fans = _first(train, "item", "user", FANS, interactions.n_items)

    def item_request(self, index: int) -> Request:
        """What is asked about item `index`."""
        genres, liked = self.genres[index], self._liked_by_fans(index)
        lines = [f"{self.noun.capitalize()}: {self.names[index]}"]
        lines += [f"Year: {self.years[index]}"] if self.years[index] else []
        lines += [f"Genres: {', '.join(genres)}"] if genres else []
        lines += [f"Its {self.person}s also like: {', '.join(liked)}"] if liked else []
        lead = f"{self.names[index]} is {with_article(f'{listed(genres)} {self.noun}'.strip())}"
        lead += f" for {self.person}s who also like {self._kinds(liked)}" if liked else ""
        return self._request("item", index, [*lines, self.wording.ask_item], f"{lead}.", self.wording.go_on_item)

    def user_request(self, index: int) -> Request:
        """What is asked about user `index`."""
        items, person = self.history[index], self._person(index)
        lines = [f"{self.person.capitalize()}: {person}"] if person else []
        lines += [f"Favourite genres: {', '.join(self.tastes[index])}"] if self.tastes[index] else []
        lines += [f"{self._order()} {self.noun}s: {'; '.join(map(self._named, items))}"]
        # the examples are items of the genres that were just named, where there are any
        fitting = sorted(items, key=lambda item: -len({*self.genres[item]} & {*self.tastes[index]}))
        examples = listed([self.names[item] for item in fitting[:2]])
        kinds = f"{listed(self.tastes[index])} {self.noun}s such as ".lstrip() if self.tastes[index] else ""
        lead = f"This {self.person} is drawn to {kinds}{examples}"
        return self._request("user", index, [*lines, self.wording.ask_user], f"{lead}.", self.wording.go_on_user)

    def _request(self, side: str, index: int, lines: list[str], lead: str, go_on: str) -> Request:
        """The answer is to open with the known facts in `lead`, which are also what is left without an answer."""
        opening, question = f"{lead} {go_on}", "\n".join(lines)
        return Request(side, index, self.wording.system, question, opening, fallback=lead, version=VERSION)

    def _liked_by_fans(self, index: int) -> list[str]:
        """Favourite genres of its best-rating train users, or without genres the other items they rate best."""
        if any(self.tastes[user] for user in self.fans[index]):
            each = [self.tastes[user][:2] for user in self.fans[index]]
            return list(dict.fromkeys(genre for tastes in each for genre in tastes))[:TASTES]
        others = [[item for item in self.history[user] if item != index][:1] for user in self.fans[index]]
        return list(dict.fromkeys(self.names[item] for first in others for item in first))

    def _kinds(self, liked: list[str]) -> str:
        """'drama and war films' of genres, of titles only their list."""
        return listed(liked) + (f" {self.noun}s" if any(self.tastes) else "")

    def _person(self, index: int) -> str:
        """'24 years, technician', or what of it is known."""
        if self.users is None:
            return ""
        row = self.users.iloc[index]
        age, job = row.get("age"), row.get("occupation")  # "other" and "none" are MovieLens' words for unknown
        known = [f"{int(age)} years"] if pd.notna(age) else []
        known += [str(job)] if pd.notna(job) and job not in ("other", "none") else []
        return ", ".join(known)

    def _order(self) -> str:
        """What the order of a user's items means."""
        return "Best rated" if self.rated else "Latest" if self.dated else "Chosen"

    def _named(self, item: int) -> str:
        """'Kolya (comedy)'."""
        return self.names[item] + (f" ({', '.join(self.genres[item][:3])})" if self.genres[item] else "")


def listed(words: list[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _known_of_items(interactions: Interactions) -> pd.DataFrame:
    """Title, year and genres of each item, NaN where the data do not say."""
    items = pd.DataFrame(index=range(interactions.n_items)) if interactions.items is None else interactions.items
    return items.reindex(columns=["title", "year", "genres"]).astype(object)


def _names(titles: pd.Series, noun: str) -> list[str]:
    """Titles by item; 'film 7' where there is none."""
    return [
        f"{noun} {index}" if pd.isna(title) else read_aloud(str(title).strip()) for index, title in enumerate(titles)
    ]


def read_aloud(title: str) -> str:
    """'Usual Suspects, The' as it is spoken."""
    return re.sub(r"^(.*?), (The|An?|Il|La|Le|Les|Das|Der|Die|El|L')(?= \(|$)", r"\2 \1", title)


def _genres(genres: pd.Series) -> list[list[str]]:
    """Genres by item, from a column such as 'Comedy|Drama'."""
    split = genres.fillna("").str.lower().str.split("|")
    return [[genre for genre in genres if genre not in ("", "unknown")] for genres in split]


def best_first(interactions: Interactions) -> pd.DataFrame:
    """Train interactions, best rated first, then latest; ties by index, so that the order is the same everywhere."""
    if interactions.events is None:
        train = pd.DataFrame(dict(zip(("user", "item"), interactions.train.nonzero(), strict=True)))
    else:
        train = interactions.events[interactions.events.split == "train"]
    known = {name: train[name].fillna(0) if name in train else 0 for name in ("rating", "timestamp")}
    return train[["user", "item"]].assign(**known).sort_values(
        ["rating", "timestamp", "user", "item"], ascending=[False, False, True, True], kind="stable"
    )  # fmt: skip


def _first(train: pd.DataFrame, key: str, value: str, count: int, size: int) -> list[list[int]]:
    """Per `key` (user or item) the first `count` values of the ordered train interactions."""
    groups = train.groupby(key).head(count).groupby(key)[value].agg(list)
    return [groups.get(index, []) for index in range(size)]


def _tastes(interactions: Interactions, train: pd.DataFrame, genres: list[list[str]]) -> list[list[str]]:
    """Per user the genres liked more often than in the whole train split.

    Liked is what the user rates at or above the own mean. The comparison count * total - user * genre is in integers,
    so that no rounding can change an order.
    """
    # without ratings all are zero, so whatever a user chose counts as liked
    liked = train[train.rating >= train.groupby("user").rating.transform("mean")]
    names = sorted({genre for row in genres for genre in row})
    if not names:
        return [[] for _ in range(interactions.n_users)]
    has = np.array([[name in row for name in names] for row in genres], dtype=np.int64)
    shape = interactions.n_users, interactions.n_items
    counts = csr_matrix((np.ones(len(liked), np.int64), (liked.user, liked.item)), shape=shape) @ has
    more = counts * counts.sum() - np.outer(counts.sum(1), counts.sum(0))
    # genres that the user never liked go last, even behind those that others like far more
    order = np.argsort(np.where(counts > 0, -more, np.iinfo(np.int64).max), axis=1, kind="stable")
    return [
        [names[column] for column in row[:TASTES] if count[column]] for row, count in zip(order, counts, strict=True)
    ]
