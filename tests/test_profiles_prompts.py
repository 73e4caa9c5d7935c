"""What the prompts say: train facts only, recounted here with plain loops."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from film_data import GENRES, interactions, matrices
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.errors import UserError
from lib.data import datasets
from lib.data.dataset_settings import DatasetSettings
from lib.language import prompts, wording


def all_texts(data):
    return [(p.text, p.opening, p.fallback, p.key) for p in prompts.requests(data, "films")]


def of_items(data, wording="films"):
    return prompts.item_requests(data, wording)


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_validation_and_test_events_change_nothing(seed):
    data = interactions(seed)
    random = np.random.default_rng(seed)
    held = data.events.split != "train"
    changed = data.events.copy()
    changed.loc[held, "rating"] = random.permutation(changed.rating[held])
    changed.loc[held, "timestamp"] += 100
    changed.loc[held, "item"] = random.integers(0, len(GENRES), held.sum())
    train = data.events[data.events.split == "train"]
    for events in (changed, train, train.sample(frac=1, random_state=seed)):
        # Interactions insists on disjoint splits, so the leaking matrices stay as they are and only events change
        other = replace(data, events=events)
        assert all_texts(other) == all_texts(data)


def test_a_train_rating_does_change_a_prompt():
    data = interactions()
    events = data.events.copy()
    events.loc[events.split == "train", "rating"] = 6 - events.rating
    assert all_texts(replace(data, events=events)) != all_texts(data)


@pytest.mark.parametrize("seed", range(5))
def test_tastes_are_what_a_plain_loop_finds(seed):
    data = interactions(seed)
    train = data.events[data.events.split == "train"]
    found = prompts.Facts(data, "films").tastes
    liked = [
        (row.user, genre)
        for row in train.itertuples()
        if row.rating >= train.rating[train.user == row.user].mean()
        for genre in GENRES[row.item].lower().split("|")
        if genre
    ]
    overall, total = Counter(genre for _, genre in liked), len(liked)
    for user in range(data.n_users):
        own = Counter(genre for who, genre in liked if who == user)
        surplus = {genre: count - sum(own.values()) * overall[genre] / total for genre, count in own.items()}
        expected = sorted(surplus, key=lambda genre: (-round(surplus[genre], 9), genre))[: prompts.TASTES]
        assert found[user] == expected


@pytest.mark.parametrize("seed", range(5))
def test_history_is_best_rated_then_latest_first(seed):
    data = interactions(seed)
    rows = [row for row in data.events.itertuples() if row.split == "train"]
    facts = prompts.Facts(data, "films")
    for user in range(data.n_users):
        own = sorted((-row.rating, -row.timestamp, row.item) for row in rows if row.user == user)
        assert facts.history[user] == [item for *_, item in own][: prompts.HISTORY]
    for item in range(data.n_items):
        own = sorted((-row.rating, -row.timestamp, row.user) for row in rows if row.item == item)
        assert facts.fans[item] == [user for *_, user in own][: prompts.FANS]


def test_what_a_film_prompt_says():
    first, *_, last = of_items(interactions())
    assert "Film: A\nYear: 1990\nGenres: drama\nIts viewers also like: " in first.user
    assert last.opening.startswith("Il Postino (Postman, The) is a western and war film for viewers who also like")
    assert last.opening.startswith(last.fallback) and last.fallback.endswith(".")
    assert of_items(interactions())[1].user.startswith("Film: B\nGenres")  # no year


def test_what_a_viewer_prompt_says():
    first, second, *_ = prompts.user_requests(interactions(), "films")
    assert first.user.startswith("Viewer: 20 years, writer\nFavourite genres: ")
    assert second.user.startswith("Viewer: 21 years\n")  # occupation "other" says nothing
    assert "Best rated films: " in first.user


def test_prompts_differ_exactly_when_their_facts_do():
    data = interactions(items=None, users=None, events=None)
    assert len({p.key for p in of_items(data)}) == data.n_items
    twin = interactions()
    twin.items.loc[1] = twin.items.loc[0]
    events = twin.events[twin.events.item != 1]
    copied = events[events.item == 0].assign(item=1)
    events = pd.concat([events, copied], ignore_index=True)
    twin = replace(twin, events=events, **matrices(events, twin.n_users))
    a, b, c, *_ = of_items(twin)
    assert a.key == b.key != c.key


@pytest.mark.parametrize("field", ["side", "system", "user", "opening"])
def test_the_key_covers_the_whole_question(field):
    prompt = of_items(interactions())[0]
    assert replace(prompt, **{field: "changed"}).key != prompt.key
    assert replace(prompt, index=99).key == prompt.key


def test_the_key_covers_the_version(monkeypatch):
    before = of_items(interactions())[0].key
    monkeypatch.setattr(prompts, "VERSION", prompts.VERSION + 1)
    assert of_items(interactions())[0].key != before


@pytest.mark.parametrize("drop", [["rating"], ["timestamp"], ["rating", "timestamp"]])
def test_events_without_ratings_or_dates(drop):
    data = interactions()
    data = replace(data, events=data.events.drop(columns=drop))
    order = {"rating": "Latest", "timestamp": "Best rated"}[drop[0]] if len(drop) == 1 else "Chosen"
    assert all(f"{order} films: " in prompt.user for prompt in prompts.user_requests(data, "films"))


def test_a_dataset_that_says_nothing_about_its_items():
    data = interactions(items=None, users=None, events=None)
    item, user = of_items(data, "items")[0], prompts.user_requests(data, "items")[0]
    assert item.user.startswith("Item: item 0\nIts users also like: item ")
    assert user.user.startswith("Chosen items: item ")
    for prompt in prompts.requests(data, "items"):
        assert "film" not in prompt.text + prompt.opening and "nan" not in prompt.text.lower()


def test_titles_without_genres():
    data = interactions()
    data = replace(data, items=data.items[["title"]])
    item = of_items(data, "items")[0]
    assert item.user.splitlines()[1].startswith("Its users also like: ")
    assert "A" not in item.user.splitlines()[1].split(": ")[1].split(", ")


def test_the_settings_of_a_dataset_name_its_wording_and_its_name_does_not():
    assert datasets.settings("movielens-100k").wording == "films"
    assert {datasets.settings(name).wording for name in datasets.names()} <= {*wording.WORDINGS}
    assert DatasetSettings(name="toy", title="Toy").wording == "items"
    assert of_items(interactions(name="movielens-100k"), "items")[0].user.startswith("Item: A")


def test_another_wording_is_one_entry(monkeypatch):
    books = replace(wording.WORDINGS["items"], item="book", user="reader", ask_item="What is this book like?")
    monkeypatch.setitem(wording.WORDINGS, "books", books)
    request = of_items(interactions(), "books")[0]
    assert request.system.startswith("You write profiles for a book recommender.")
    assert request.user.startswith("Book: A\n") and request.user.endswith("\nWhat is this book like?")
    assert " book for readers who also like " in request.opening


def test_an_unknown_wording_names_the_nearest():
    with pytest.raises(UserError, match="unknown wording 'film': did you mean 'films'"):
        prompts.requests(interactions(), "film")


@pytest.mark.parametrize(
    ("title", "spoken"),
    [
        ("Usual Suspects, The", "The Usual Suspects"),
        ("Hate (Haine, La)", "Hate (Haine, La)"),
        ("Good, the Bad and the Ugly, The", "The Good, the Bad and the Ugly"),
        ("Boot, Das (1981)", "Das Boot (1981)"),
        ("Theodore Rex", "Theodore Rex"),
    ],
)
def test_titles_as_they_are_spoken(title, spoken):
    assert prompts.read_aloud(title) == spoken


def test_listing():
    assert [prompts.listed(list(words)) for words in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
