"""A made-up world in which it is known which of four candidate profiles is good.

Items have a topic and a few favourite words of it, users a taste like that, and take items near it. A profile is a bag
of words and its vector their mean, so that no language model is needed. Per entity and in random order there are

    good       words of what the entity's prompt shows
    smoothed   for the most part words of its neighbours' neighbours, so that it tells less of the entity itself
    truncated  as good, but only the first few words
    off_topic  words that would be good for somebody of another topic

What holds here shows that the mechanics work: that rewards, features and training find a difference that is there.
It says nothing of profiles that a language model writes, nor of any data.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from lib.data.sequences.user_sequences import Sequences, starts
from lib.papers.pte.profiling import settings as profiling
from lib.papers.pte.profiling.histories import Histories, of_leave_one_out
from lib.papers.pte.profiling.probes import probes as hidden_probes
from lib.papers.pte.selection.cosines import row_means, unit
from lib.papers.pte.selection.features import TEMPLATES, text_measures
from lib.papers.pte.selection.probes import part, shown, with_negatives
from lib.papers.pte.selection.rewards import well_formed
from lib.papers.pte.selection.settings import SelectionSettings
from lib.papers.pte.selection.sides import Candidates, Side

KINDS = ("good", "smoothed", "truncated", "off_topic")
TOPICS, WORDS, COMMON, FAVOURITES = 8, 24, 40, 4  # words of each topic, of none, and of an item's or user's liking
WIDTH = 64  # of vectors
CENTRE = 0.1  # how much a topic's words are alike
AFFINITY = 18  # how much taste decides what a user takes
SHORTEST, LONGEST, CUT = 20, 30, 4  # words of a whole and of a truncated profile
OWN = 0.1  # share of its own words in a smoothed profile
NEIGHBOURS = 9
WINDOW = 60  # ProbeSettings.window, which would else be wider than the catalogue
EVENTS = 5, 15  # of a user, at least and fewer than
TEMPERATURES = (0.3, 0.7, 0.9, 1.0)


class World(NamedTuple):
    """Both sides with all their rewarded candidates, and which is which.

    `histories` hold all events of each user but the last one.
    `kinds` holds by side the number in KINDS of each rewarded candidate [n, 4] and of each final one [N, 4].
    """

    sequences: Sequences
    histories: Histories
    users: Side
    items: Side
    kinds: dict[str, tuple[np.ndarray, np.ndarray]]


class _Language(NamedTuple):
    """Words and their vectors [n_words, WIDTH]; topic [n_words] is TOPICS for common ones."""

    words: np.ndarray
    topic: np.ndarray
    vectors: np.ndarray


def planted_world(settings: SelectionSettings, seed: int, n_users: int = 400, n_items: int = 200) -> World:
    """The world of a seed: its interactions, profiles of all users and items, and probes as those of profiling."""
    settings = settings.model_copy(update={"probes": settings.probes.model_copy(update={"window": WINDOW})})
    everybody = {"seed": seed, "probed_users": n_users, "probed_items": n_items}
    rng = np.random.default_rng(seed)
    language = _language(rng)
    topics = {"user": rng.integers(TOPICS, size=n_users), "item": rng.integers(TOPICS, size=n_items)}
    taste = {side: _favourites(language, topic, rng) for side, topic in topics.items()}
    # a user has a second interest, which few of the neighbours share
    taste["user"] = (taste["user"] + _favourites(language, rng.integers(TOPICS, size=n_users), rng)) / 2
    metadata = taste["item"]  # an item's words are what is known of it
    sequences = _interactions(unit(taste["user"] @ language.vectors), unit(metadata @ language.vectors), rng)
    histories = of_leave_one_out(sequences, held_out=1)
    users, items = np.arange(n_users), np.arange(1, n_items + 1)
    hidden = hidden_probes(histories, items, profiling.load("paper").model_copy(update=everybody))
    seen = part(histories.matrix, users, items)
    content = {"item": unit(metadata @ language.vectors)}
    content["user"] = row_means(seen, content["item"])
    away = {"user": part(hidden.of_users(histories.matrix.shape), users, items),
            "item": part(hidden.of_items(histories.matrix.shape).T, items, users)}  # fmt: skip
    sides, kinds = {}, {}
    for name, visible in (("user", seen), ("item", seen.T.tocsr())):
        known = with_negatives(away[name], visible, settings.probes, rng)
        own = metadata if name == "item" else None
        partner = metadata if name == "user" else row_means(seen, metadata)
        writer = _Writer(language, topics[name], own, partner, _nearest(visible))
        some = np.flatnonzero(known.defined)
        rewarded, of_rewarded, texts = writer.candidates(some, shown(visible, known.hidden)[some], rng)
        final, of_final, _ = writer.candidates(np.arange(visible.shape[0]), visible, rng)
        parsed = np.ones(texts.shape, bool)
        fine = well_formed(texts, parsed, settings.reward.words, known.hidden[some])
        popularity = np.bincount(visible.indices, minlength=visible.shape[1])
        sides[name] = Side(
            name, rewarded, known.of(some), fine, final, content[name], writer.neighbours, popularity
        )  # fmt: skip
        kinds[name] = of_rewarded, of_final
    return World(sequences, histories, sides["user"], sides["item"], kinds)


class _Writer:
    """Writes four candidates per entity of one side: `own` [N, n_words] are its own words, if it has some."""

    def __init__(self, language: _Language, topic, own, partner: np.ndarray, neighbours: np.ndarray):
        self.language, self.own, self.partner, self.neighbours = language, own, partner, neighbours
        order = np.argsort(topic, kind="stable")
        self.other = np.empty(len(topic), dtype=int)  # half the entities further on, so of another topic
        self.other[order] = np.roll(order, len(order) // 2)

    def candidates(
        self, entity: np.ndarray, shown: csr_matrix, rng: np.random.Generator
    ) -> tuple[Candidates, np.ndarray, np.ndarray]:
        """Candidates of some entities, of what is shown of them, with their kinds and texts [n, 4]."""
        good = self._words(entity, shown)
        everybody = np.zeros((len(self.neighbours), good.shape[1]))
        everybody[entity] = good
        # neighbours of neighbours, as after two rounds of writing each by the others' profiles
        near = everybody[self.neighbours].mean(axis=1)[self.neighbours[entity]].mean(axis=1)
        near = np.where(near.any(axis=1, keepdims=True), near, good)
        mixed = OWN * good + (1 - OWN) * near / near.sum(axis=1, keepdims=True)
        off = everybody[self.other[entity]]
        off = np.where(off.any(axis=1, keepdims=True), off, np.roll(good, len(good) // 2, axis=0))
        kinds = np.argsort(rng.random((len(entity), len(KINDS))), axis=1)
        words = np.take_along_axis(np.stack([good, mixed, good, off], axis=1), kinds[:, :, None], axis=1)
        length = np.where(kinds == KINDS.index("truncated"), CUT, rng.integers(SHORTEST, LONGEST, kinds.shape))
        tokens = _drawn(words, rng)
        there = np.arange(LONGEST) < length[:, :, None]
        vectors = unit((self.language.vectors[tokens] * there[..., None]).sum(axis=2))
        texts = _texts(self.language.words[tokens], there)
        slot = np.broadcast_to(np.arange(len(KINDS)), kinds.shape)
        temperature = np.array(TEMPERATURES)[slot]
        made = Candidates(entity, vectors, shown, text_measures(texts), slot % TEMPLATES, temperature)
        return made, kinds, texts

    def _words(self, entity: np.ndarray, shown: csr_matrix) -> np.ndarray:
        """How likely each word is in a good profile [n, n_words]."""
        of_partners = row_means(shown, self.partner)
        return of_partners if self.own is None else (self.own[entity] + of_partners) / 2


def _language(rng: np.random.Generator) -> _Language:
    topic = np.append(np.repeat(np.arange(TOPICS), WORDS), np.full(COMMON, TOPICS))
    centres = np.vstack([rng.normal(size=(TOPICS, WIDTH)), np.zeros((1, WIDTH))])
    vectors = CENTRE * centres[topic] + rng.normal(size=(len(topic), WIDTH))
    words = np.array([f"word{number}of{of}" for number, of in enumerate(topic)])
    return _Language(words, topic, (vectors / np.sqrt(WIDTH)).astype(np.float32))


def _favourites(language: _Language, topic: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How likely each word is [n, n_words]: most often a favourite one, else one of the topic or of none."""
    of_topic = language.topic == topic[:, None]
    order = np.argsort(np.where(of_topic, rng.random(of_topic.shape), 2), axis=1)
    favourite = np.zeros(of_topic.shape)
    np.put_along_axis(favourite, order[:, :FAVOURITES], 1 / FAVOURITES, axis=1)
    return 0.7 * favourite + 0.15 * of_topic / WORDS + 0.15 * (language.topic == TOPICS) / COMMON


def _interactions(users: np.ndarray, items: np.ndarray, rng: np.random.Generator) -> Sequences:
    """Every user takes some items, mostly near the taste or popular, each once and in a random order."""
    affinity = AFFINITY * users @ items.T + rng.normal(size=len(items)) / 2
    taken = np.argsort(-(affinity + rng.gumbel(size=affinity.shape)), axis=1)[:, : EVENTS[1]]
    length = rng.integers(*EVENTS, size=len(users))
    kept = np.where(np.arange(EVENTS[1]) < length[:, None], rng.random(taken.shape), 2)
    item = np.take_along_axis(taken, np.argsort(kept, axis=1), axis=1)
    item = item[np.arange(EVENTS[1]) < length[:, None]].astype(np.int32) + 1
    frames = (
        pd.DataFrame({"id": [f"{side}{i}" for i in range(n)]}) for side, n in (("u", len(users)), ("i", len(items)))
    )
    return Sequences("planted", *frames, starts(length), item)


def _nearest(visible: csr_matrix) -> np.ndarray:
    """The nearest rows by cosine of what they have seen [n, NEIGHBOURS]."""
    seen = unit(visible.toarray())
    cosines = seen @ seen.T
    np.fill_diagonal(cosines, -1)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]


def _drawn(words: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """LONGEST words drawn by probabilities [n, G, n_words], which need not sum to 1: [n, G, LONGEST]."""
    n, groups, width = words.shape
    flat = words.reshape(-1, width).cumsum(axis=1)
    flat /= flat[:, -1:]
    row = np.arange(len(flat))[:, None]
    # one search for all rows: row r lies between r and r + 1
    found = np.searchsorted((flat + row).ravel(), rng.random((len(flat), LONGEST)) + row, side="right")
    return (found - row * width).clip(0, width - 1).reshape(n, groups, LONGEST)


def _texts(words: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Words [n, G, LONGEST] of which some are there as texts [n, G]."""
    texts = [
        " ".join(said[kept]) for said, kept in zip(words.reshape(-1, LONGEST), there.reshape(-1, LONGEST), strict=True)
    ]
    return np.array(texts, dtype=object).reshape(words.shape[:2])
