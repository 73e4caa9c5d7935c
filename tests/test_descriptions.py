"""Names and sentences for people."""

import numpy as np
import pandas as pd
import pytest

from lib.analysis import descriptions


def test_names_are_titles_then_category_and_words_then_words():
    items = pd.DataFrame(
        {"title": ["Heat", None, None, "Usual Suspects, The"], "category": [None, "Novels", None, "x"]}
    )
    texts = ["a", "A long tale of two old friends", "Short one", "b"]
    expected = ["Heat", "Novels: A long tale of two …", "Short one", "The Usual Suspects"]
    assert descriptions.names_of(items, texts).tolist() == expected
    assert (
        descriptions.names_of(None, texts)[1]
        == descriptions.names_of(items.iloc[:, :0], texts)[1]
        == "A long tale of two …"
    )
    assert descriptions.names_of(items.assign(title=np.nan, category=np.nan), texts)[3] == "b"


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("One two three. Four.", 9, "One two three."),
        ("One two three. Four.", 2, "One two …"),
        ("3.5 stars, no full stop", 9, "3.5 stars, no full stop"),
        ("  \n Really? Yes.", 9, "Really?"),
    ],
)
def test_a_sentence_ends_at_its_mark_or_is_cut(text, words, expected):
    assert descriptions.sentence(text, words) == expected


def test_a_name_that_begins_its_sentence_stands_there_once():
    assert descriptions.described("Heat", "Heat is a film. Long.") == "**Heat** is a film."
    assert descriptions.described("Heat", "A film.") == "**Heat**: A film."
    assert (
        descriptions.described("A long tale of two …", "A long tale of two old friends.")
        == "**A long tale of two** old friends."
    )


def test_texts_of_a_side_are_by_index_whatever_the_order():
    profiles = pd.DataFrame({"side": ["item", "user", "item"], "index": [1, 0, 0], "text": ["b", "u", "a"]})
    assert descriptions.texts_of(profiles, "item").tolist() == ["a", "b"]
