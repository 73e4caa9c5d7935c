"""Requests for profiles: the facts about one user or item as labelled lines, and an instruction.

Of other profiles a prompt tells phrases without any name of the catalogue (titles.Titles), never summaries.
"""

import hashlib
import json
from dataclasses import dataclass

import pandas as pd

from lib.data.sequences.user_sequences import Sequences
from lib.language.llm.request_and_answer import Request
from lib.language.wording import Wording
from lib.papers.pte.profiling.contract import FIELDS, written
from lib.papers.pte.profiling.perturbation import Perturbation
from lib.papers.pte.profiling.titles import Titles, names
from lib.papers.pte.profiling.wording import SYSTEM, VERSION, begun, instruction

KINDS = ("genres", "categories")  # columns that say what kind of thing an item is
KIND_COUNT, DESCRIPTION = 3, 30  # kinds of an item, and words of its description, that are told


@dataclass(frozen=True)
class Draw(Request):
    """A Request that is answered by sampling; with seed 0 all that ask the same share one answer."""

    temperature: float = 0.0
    seed: int = 0

    @property
    def key(self) -> str:
        """128 bits of the sha256, in hex, over everything that decides the answer, the draw included."""
        parts = [super().key, self.temperature, self.seed]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


class Renderer:
    """Knows what the data say of items and writes requests; profiles and histories come with each call."""

    def __init__(self, sequences: Sequences, wording: Wording, phrases: int):
        self.wording, self.phrases = wording, phrases
        self.names = names(sequences, wording.item)
        self.titles = Titles(self.names)
        self.kinds = [self._kinds(row) for row in _columns(sequences, KINDS)]
        self.facts = [self._facts(row) for row in _columns(sequences, ("year", "description"))]

    def metadata(self) -> list[str]:
        """p_i^0 of items 1 to n_items, at index 0 to n_items - 1: what the data say, in the form of a profile."""
        found = []
        for name, kinds, facts in zip(self.names, self.kinds, self.facts, strict=True):
            summary = "; ".join([name, *facts, *([", ".join(kinds)] if kinds else [])])
            found.append(written({"summary": f"{summary}.", "appeal": kinds}, "item"))
        return found

    def user(
        self,
        index: int,
        history: list[int],
        of_items: list[str],
        neighbours: list[str],
        earlier: str,
        how: Perturbation,
    ) -> Draw:
        """What is asked about a user, with a history that is oldest first.

        of_items: profiles of all items, by number - 1; neighbours: profiles of similar users; earlier: the user's own
        profile so far, '' for none.
        """
        noun, person = self.wording.item, self.wording.user
        shown = [f"- {self._named(item, of_items[item - 1])}" for item in how.some(history, latest=True)]
        others = list(filter(None, (self._told(text, "user") for text in how.some(neighbours))))
        blocks = [[f"{noun.capitalize()}s this {person} chose, oldest first:", *shown]]
        blocks += (
            [[f"{person.capitalize()}s of similar taste like:", *(f"- {one}" for one in others)]] if others else []
        )
        blocks += self._earlier(earlier, "user")
        return self._request("user", index, how.shuffled(blocks), earlier, how)

    def item(self, index: int, audience: list[str], earlier: str, how: Perturbation) -> Draw:
        """What is asked about item number `index`: its metadata and the profiles of users who chose it."""
        noun, person = self.wording.item, self.wording.user
        known = [*self.facts[index - 1], *self.kinds[index - 1]]
        about = [f"{noun.capitalize()}: {self.names[index - 1]}" + (f" ({', '.join(known)})" if known else "")]
        told = list(filter(None, (self._told(text, "user") for text in how.some(audience))))
        blocks = [[f"{person.capitalize()}s who chose it like:", *(f"- {one}" for one in told)]] if told else []
        blocks += self._earlier(earlier, "item")
        return self._request("item", index, [about, *how.shuffled(blocks)], earlier, how)

    def _request(self, side: str, index: int, blocks: list[list[str]], earlier: str, how: Perturbation) -> Draw:
        ask = instruction(side, how.template, self.wording)
        user = "\n".join([line for block in blocks for line in block] + ["", ask])
        opening = begun(side, self.wording)[0]
        return Draw(side, index, SYSTEM, user, opening, earlier, VERSION, how.temperature, how.seed)

    def _named(self, item: int, text: str) -> str:
        """'Kolya (comedy)', or with what its profile says in the place of its kind."""
        told = self._told(text, "item", lists=1)
        return self.names[item - 1] + (f" ({told})" if told else "")

    def _earlier(self, text: str, side: str) -> list[list[str]]:
        told = self._told(text, side)
        return [[f"Profile so far: {told}"]] if told else []

    def _told(self, text: str, side: str, lists: int = 2) -> str:
        """Phrases of a profile's first lists, without those that name an item; '' when none is left."""
        profile = json.loads(text) if text else {}
        parts = [self._nameless(profile.get(field.key, [])) for field in FIELDS[side][1 : 1 + lists]]
        return "; ".join(", ".join(part) for part in parts if part)

    def _nameless(self, phrases: list[str]) -> list[str]:
        return [phrase for phrase in phrases if not self.titles.inside(phrase)][: self.phrases]

    def _kinds(self, row: dict) -> list[str]:
        words = [word.strip() for column in KINDS if pd.notna(row[column]) for word in str(row[column]).split("|")]
        known = [word.lower() for word in words if word and word != "unknown" and not self.titles.inside(word.lower())]
        return list(dict.fromkeys(known))[:KIND_COUNT]

    def _facts(self, row: dict) -> list[str]:
        """The year, and the beginning of the description where it names no other item."""
        year = [str(int(row["year"]))] if pd.notna(row["year"]) else []
        text = " ".join(str(row["description"]).split()[:DESCRIPTION]) if pd.notna(row["description"]) else ""
        return year + ([text] if text and not self.titles.inside(text) else [])


def _columns(sequences: Sequences, wanted: tuple[str, ...]) -> list[dict]:
    """What the data say of each item in these columns, None where they do not."""
    return sequences.items.reindex(columns=list(wanted)).astype(object).to_dict("records")
