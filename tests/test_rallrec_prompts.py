"""What the language model is asked: prompts, the set it is tuned on."""

import numpy as np
import pandas as pd
import pytest
from planted_samples import random_samples, samples_of

from lib.core.errors import UserError
from lib.papers.rallrec import augmentation
from lib.papers.rallrec.prompts import MODES, Renderer, answers
from lib.papers.rallrec.retrieval import Recency, retrieve


def films(**changes):
    """One user who rated three films and is asked about a fourth."""
    titles = ['Heat "Uncut" (1995)', "Big  Night (1996)", "Fargo (1996)", "Jaws (1975)"]
    items = pd.DataFrame({"id": range(4), "title": titles, "genre": ["Crime", "Drama", np.nan, "Horror"]})
    users = pd.DataFrame({"id": [7], "gender": ["female"], "age": ["25-34"], "occupation": ["writer"]})
    items, users = changes.pop("items", items), changes.pop("users", users)
    events = pd.DataFrame({"user": 0, "item": range(4), "rating": [4.0, 1.0, 4.5, 2.0], "time": range(4)})
    return samples_of(events, items, users, **changes)


LAST, PLACES = np.array([3]), np.array([[2, 0, 1]])


def prompt(samples, wording="films", mode="rerank", places=PLACES):
    (text,) = Renderer(samples, wording).prompts(LAST, places, mode)
    return text


def test_a_prompt_about_films():
    assert prompt(films(), mode="sim").split("\n") == [
        "Viewer: female, writer, aged 25-34.",
        'She watched and rated these films, most similar to the new one first: ["Fargo (1996) (4.5 stars)", '
        '"Heat \'Uncut\' (1995) (4 stars)", "Big Night (1996) (1 star)"]',
        "More stars mean she liked it more; above 3 stars she liked it.",
        "Will she like ***Jaws (1975)***?",
        "Answer with Yes or No only.",
    ]


def test_a_prompt_about_books_has_the_reading_aid_last():
    users = pd.DataFrame({"id": [7], "country": ["Spain"], "age": [np.nan]})
    text = prompt(films(users=users, liked_above=4, scale=(0, 10)), "books", places=np.array([[1, -1, -1]]))
    assert text.split("\n") == [
        "Reader: from Spain.",
        'They read and rated these books: ["Big Night (1996) (1 star)"]',
        "Will they like ***Jaws (1975)***?",
        "More stars mean they liked it more; above 4 stars they liked it.",
        "Answer with Yes or No only.",
    ]


def test_amazon_has_no_profile_and_own_data_may_have_none():
    assert prompt(films(), "amazon").startswith("She watched and rated these titles: [")
    plain = films(users=pd.DataFrame({"id": [7]}), items=pd.DataFrame({"id": range(4)}))
    text = prompt(plain, "items")
    assert text.startswith('They chose and rated these items that matter for the new one: ["item 2 (4.5 stars)", ')
    assert "***item 3***" in text


def test_each_mode_shows_its_order():
    shown = {mode: [part[:4] for part in prompt(films(), mode=mode).split('"')[1::2]] for mode in MODES}
    by_time = ["Heat", "Big ", "Farg"]
    assert shown["recent"] == shown["sim_chrono"] == by_time
    assert shown["sim"] == shown["hybrid"] == shown["rerank"] == ["Farg", "Heat", "Big "]
    undated = [part[:4] for part in prompt(films(), "books", "recent").split('"')[1::2]]
    assert undated == by_time[::-1], "where there is no time the newest come first, as in the public code"


def test_unknown_ratings_are_told_as_far_as_they_are_known():
    samples = films()
    samples.events.rating = np.nan
    if "label" in samples.events:
        del samples.events["label"]
    text = prompt(samples)
    assert '"Fargo (1996)"' in text and "star" not in text and "She watched these films" in text
    samples.events["label"] = [1, 0, 1, 0]
    assert '"Fargo (1996) (liked)"' in prompt(samples) and '"Big Night (1996) (not liked)"' in prompt(samples)


def test_a_user_without_history():
    text = prompt(films(), places=np.array([[-1, -1, -1]]))
    assert "Nothing she watched is known." in text and "star" not in text and "***Jaws (1975)***" in text


def test_one_question_about_the_target_and_at_most_k_items():
    samples = random_samples(seed=2)
    rows = np.arange(len(samples.rows))
    positions = retrieve(samples, Recency(), 4).positions
    for row, text in zip(rows, Renderer(samples, "films").prompts(rows, positions, "recent"), strict=True):
        title = samples.items.title[samples.rows.item[row]]
        assert text.count("?") == 1 and f"***{title}***?" in text
        shown = text.count("star)") + text.count("stars)")
        assert shown == (positions[row] >= 0).sum() <= 4
        assert f'"{title} (' not in text, "the target is not in the history"


def test_gold_answers_and_mistakes():
    assert answers([1, 0, 1]) == ["Yes.", "No.", "Yes."]
    with pytest.raises(UserError, match="did you mean 'films'"):
        Renderer(films(), "film")
    with pytest.raises(UserError, match="did you mean 'sim'"):
        prompt(films(), mode="simm")


# A limit of tokens; here a token is a word


def words(texts):
    return [len(text.split()) for text in texts]


@pytest.mark.parametrize("limit", range(32, 56, 4))
def test_a_long_prompt_shows_fewer_items_and_no_other_changes(limit):
    samples = random_samples(seed=2, longest=40)
    rows, renderer = np.arange(len(samples.rows)), Renderer(samples, "films")
    positions = retrieve(samples, Recency(), 8).positions
    whole = renderer.prompts(rows, positions, "recent")
    texts, shown = renderer.fitting(rows, positions, "recent", limit, words)
    lengths = np.array(words(whole))
    assert (lengths > limit).any() and (lengths <= limit).any() and max(words(texts)) <= limit
    for row, (text, k) in enumerate(zip(texts, shown, strict=True)):
        if lengths[row] <= limit:
            assert text == whole[row] and k == 8
            continue
        least = [renderer.prompts([row], positions[row : row + 1, :count], "recent")[0] for count in range(9)]
        assert text == least[k] and words([least[k + 1]])[0] > limit, "as many of the best as fit"


def test_compact_titles_have_no_year_of_release():
    items = pd.DataFrame({"id": range(4), "title": ["Heat (1995)", "1984 (1984)", "(1941)", "Blow Up (1966) Uncut"]})
    (text,) = Renderer(films(items=items), "films", compact=True).prompts(LAST, PLACES, "sim")
    assert '["(1941) (4.5 stars)", "Heat (4 stars)", "1984 (1 star)"]' in text and "***Blow Up (1966) Uncut***" in text


def test_a_prompt_that_is_too_long_without_any_item():
    with pytest.raises(UserError, match="sample 3 has more than 20 tokens without any item"):
        Renderer(films(), "films").fitting(LAST, PLACES, "sim", 20, words)


# Which prompts are for tuning


def test_the_same_samples_in_three_orders_side_by_side():
    samples = random_samples(seed=2, longest=60)
    rows = augmentation.sampled_rows(samples, "train", 5, seed=42)
    similar, recent = (retrieve(samples, Recency(), k, rows).positions for k in (4, 2))
    table = augmentation.examples(
        Renderer(samples, "films"), rows, similar, recent, augmentation.MIXES["mixed"].modes, 999, words
    )
    assert table.row.tolist() == np.repeat(rows, 3).tolist()
    assert table["mode"].tolist() == ["sim", "sim_chrono", "recent"] * 5
    assert table.answer.tolist() == answers(samples.rows.label[table.row]) and set(table.answer) == {"Yes.", "No."}
    assert table.prompt[2].count("star") - 2 == (recent[0] >= 0).sum(), "recent prompts show the recent items"
    assert "similar" in table.prompt[0] and "oldest first" in table.prompt[1]
    assert set(augmentation.MIXES["rag"].modes) == {"sim", "sim_chrono"}


def test_a_smaller_sample_is_the_beginning_of_a_larger_one():
    samples = random_samples(seed=2)
    few, many = (augmentation.sampled_rows(samples, "train", count, seed=42) for count in (5, 30))
    assert few.tolist() == many[:5].tolist() and len(set(many)) == 30
    assert set(samples.rows.split[many]) == {"train"}
    assert augmentation.sampled_rows(samples, "train", 5, seed=43).tolist() != few.tolist()
    assert len(augmentation.sampled_rows(samples, "train", 10**6, 1)) == (samples.rows.split == "train").sum()


def test_the_first_test_samples_in_time():
    samples = random_samples(seed=2)
    rows = augmentation.test_rows(samples, 4)
    assert samples.rows.time[rows].tolist() == sorted(samples.rows.time[samples.rows.split == "test"])[:4]
    assert len(augmentation.test_rows(samples, None)) == (samples.rows.split == "test").sum()
    drawn = augmentation.test_rows(samples, 4, "random", seed=1)
    assert set(samples.rows.split[drawn]) == {"test"} and drawn.tolist() == sorted(set(drawn)) != rows.tolist()


def test_a_split_without_samples():
    with pytest.raises(UserError, match="planted has no validation samples"):
        augmentation.sampled_rows(films(), "validation", 3, 1)
