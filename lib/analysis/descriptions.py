"""What to call items and users where people read about them: names and sentences from titles and profiles."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

WORDS = 12  # of a sentence beside a title


def texts_of(profiles: pd.DataFrame, side: str) -> np.ndarray:
    """Profile texts of one side, user or item, by index: [n] strings."""
    return profiles[profiles["side"] == side].sort_values("index")["text"].to_numpy(dtype=object)


def names_of(items: pd.DataFrame | None, texts: Sequence[str]) -> np.ndarray:
    """What to call each item: its title; where there is none, its category and the first words of its text."""
    # from the weakest name to the strongest: a later one replaces those before it where the data have it
    names = pd.Series([_shortened(text, 5) for text in texts], dtype=object)
    if items is not None and "category" in items:
        names = names.mask(items["category"].notna(), items["category"].astype(str) + ": " + names)
    if items is not None and "title" in items:
        titles = items["title"].astype("string")
        titles = titles.str.replace(r"^(.*?), (The|An?)(?= \(|$)", r"\2 \1", regex=True)  # MovieLens sorts by them
        names = names.mask(titles.notna(), titles)
    return names.to_numpy()


def sentence(text: str, words: int) -> str:
    """The first sentence of a text, cut after so many words."""
    # a dot ends a sentence only before a space, so a number such as 3.5 stays whole
    return _shortened(re.split(r"(?<=[.!?])\s", str(text).strip(), maxsplit=1)[0], words)


def _shortened(text: str, words: int) -> str:
    """The first words of a text, with an ellipsis where there are more."""
    parts = str(text).split()
    return " ".join(parts[:words]) + (" …" if len(parts) > words else "")


def described(name: str, text: str) -> str:
    """A name with the first sentence of its text behind it; a name that the sentence begins with stands there once."""
    # a shortened name ends in an ellipsis, which stands nowhere in the sentence that it was taken from
    rest, begun = sentence(text, WORDS), name.removesuffix(" …")
    return f"**{begun}**{rest.removeprefix(begun)}" if rest.startswith(begun) else f"**{name}**: {rest}"
