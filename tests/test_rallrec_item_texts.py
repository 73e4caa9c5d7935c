"""What is said about items: title texts, requests for descriptions, which replies will do, and their recording."""

import pandas as pd
import pytest
from fake_llm import SMOLLM2, Echo
from planted_samples import samples_of

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.data import datasets
from lib.data.dataset_settings import DatasetSettings
from lib.papers.rallrec import item_texts

FILMS = pd.DataFrame(
    {"id": [7, 8, 9], "title": ["Usual Suspects, The (1995)", "Heat (1995)", None], "genre": ["Crime", "unknown", None]}
)
BOOKS = pd.DataFrame(
    {"id": ["a"], "title": ["Emma"], "author": ["Jane Austen"], "year": ["1815"], "publisher": ["unknown"]}
)
GOOD = "Heat (1995) is a film. It is a story of a thief and a policeman who respect each other in Los Angeles."
ABOUT = DatasetSettings(name="planted", title="Planted", wording="films")


def rated(items):
    events = pd.DataFrame({"user": 0, "item": range(len(items)), "rating": 4.0, "time": range(len(items))})
    return samples_of(events, items, pd.DataFrame({"id": [1]}))


def test_title_texts_tell_what_is_known_and_no_more():
    assert item_texts.title_texts(rated(FILMS), "films") == [
        "The Usual Suspects (1995) is a crime film.", "Heat (1995) is a film.", "film 9 is a film."
    ]  # fmt: skip
    assert item_texts.title_texts(rated(BOOKS), "items") == ["Emma is an item, by Jane Austen, of 1815."]


def test_a_request_holds_the_facts_and_opens_the_answer_with_them():
    first = item_texts.requests(rated(FILMS), "films")[0]
    assert first.side == "item" and "Film: The Usual Suspects (1995)\n" in first.user
    assert first.opening.startswith("The Usual Suspects (1995) is a crime film. ") and first.fallback in first.opening


def test_whole_sentences_are_kept():
    parser = item_texts.DescriptionParser()
    whole, cut = parser.completed("Heat (1995) is a film. It", " is long. And then it\nNext line")
    assert (whole, cut) == ("Heat (1995) is a film. It is long.", True)
    assert parser.completed("Heat is a film. It", " is long.\nmore") == ("Heat is a film. It is long.", False)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("Too short.", "words instead of"),
        (None, "words instead of"),
        (GOOD + " I like it a lot, my friend.", "first person"),
    ],
)
def test_unusable_replies(reply, said):
    assert item_texts.DescriptionParser().parse(GOOD) == GOOD
    with pytest.raises(ValueError, match=said):
        item_texts.DescriptionParser().parse(reply)


class Written(Echo):
    """Answers every request with a description of its own."""

    def write(self, requests, parser):
        for request in requests:
            yield request.answered(f"{request.fallback} It is told at length, with people, places and a mood.", "ok")


def test_descriptions_are_recorded_and_found_again(tmp_path):
    samples = rated(FILMS)
    with pytest.raises(UserError, match="3 of 3 descriptions of planted by smollm2 are not recorded.*--paper rallrec"):
        item_texts.descriptions(samples, "films", "smollm2", tmp_path)
    assert len(item_texts.recording(samples, ABOUT, SMOLLM2, tmp_path).pending()) == 3
    item_texts.recording(samples, ABOUT, SMOLLM2, tmp_path).write(writer=Written())
    found = item_texts.descriptions(samples, "films", "smollm2", tmp_path)
    assert found.text[1].startswith("Heat (1995) is a film. It is told") and set(found.status) == {"ok"}
    assert item_texts.recording(samples, ABOUT, SMOLLM2, tmp_path).pending() == []
    changed = rated(FILMS.assign(genre="Drama"))  # another question
    with pytest.raises(UserError, match="not recorded"):
        item_texts.descriptions(changed, "films", "smollm2", tmp_path)


@pytest.mark.skipif(not (ROOT / "data/movielens-100k").is_dir(), reason="no data: python -m lib fetch movielens-100k")
def test_every_film_has_a_recorded_description():
    samples = datasets.load_samples("movielens-100k")
    found, titles = (
        item_texts.descriptions(samples, "films", "smollm2"), item_texts.title_texts(samples, "films")
    )  # fmt: skip
    assert len(found) == 1682 and (found.status == "fallback").mean() < 0.05
    assert all(text.startswith(title) for text, title in zip(found.text, titles, strict=True))
