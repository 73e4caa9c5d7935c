"""What items are called in prompts, and whether a text names any of them."""

import re
from functools import cache

import pandas as pd

from lib.data.sequences.user_sequences import Sequences
from lib.language.prompts import read_aloud

LONGEST = 12  # words of a name: names in shops go on and on
WORD = re.compile(r"[\w'’]+")


def names(sequences: Sequences, noun: str) -> list[str]:
    """What prompts call items 1 to n_items, at index 0 to n_items - 1: 'The Usual Suspects'; 'film 7' without title."""
    given = [sequences.items[column] for column in ("title", "phrase") if column in sequences.items]
    title = given[0] if given else pd.Series([None] * sequences.n_items)
    return [
        f"{noun} {number}" if pd.isna(one) or not str(one).strip() else " ".join(read_aloud(str(one)).split()[:LONGEST])
        for number, one in enumerate(title, start=1)
    ]


class Titles:
    """All names of a catalogue, to tell whether a text holds one of them.

    A profile may be told in the prompt of another user, who may have to predict an item that it names: so what a prompt
    tells of profiles must be free of names. Names of several words count in any case, those of one word (Heat, Speed)
    only as they are spelt, or every 'heat' would be taken for one.
    """

    def __init__(self, names: list[str]):
        split = [tuple(WORD.findall(name)) for name in names]
        self.single = {words[0] for words in split if len(words) == 1}
        self.several = {tuple(word.lower() for word in words) for words in split if len(words) > 1}
        self.longest = max(map(len, split), default=0)
        self.inside = cache(self._inside)  # the same phrases come in thousands of prompts

    def _inside(self, text: str) -> bool:
        """Whether any name occurs in `text`."""
        words = WORD.findall(text)
        if self.single.intersection(words):
            return True
        lower = [word.lower() for word in words]
        spans = (lower[at : at + n] for n in range(2, self.longest + 1) for at in range(len(lower) - n + 1))
        return any(tuple(span) in self.several for span in spans)
