"""Ratings that follow planted genres, tastes and drift, written in the raw formats so that the true readers read them.

Titles tell the genre of most films, lie about that of some and say nothing of others: text alone is imperfect, and who
rated what repairs it. Tastes drift: what a user rated last tells more than what came first.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data import datasets
from lib.data.samples import Samples

WORDS = ["Love", "War", "Space", "Ghost", "Comic", "Crime", "Western", "Jungle"]  # one per genre, in titles
GENRES = ["Romance", "War", "Sci-Fi", "Horror", "Comedy", "Crime", "Western", "Adventure"]
NOUNS = ["River", "Night", "House", "Road", "Garden", "Winter", "Letter", "Mirror", "Island", "Stranger"]
HONEST, MISLEADING = 0.70, 0.15  # shares of titles; the rest says nothing
LAYOUTS = {"movielens-100k": "movielens-100k", "ml1m": "ml1m", "amazon": "amazon-movies", "books": "bookcrossing"}
START = 956_700_000  # the year 2000
DAY = 86_400


def planted(folder: Path, seed: int = 0, layout: str = "ml1m", fidelity: str = "paper", **sizes) -> Samples:
    """Write planted ratings in `layout` (see LAYOUTS) below `folder` and read them as that dataset.

    `sizes`: n_users, n_items, n_genres, ratings_per_user, noise. The true genre of each item is in `items.planted`.
    """
    events, items, users = made(seed, **sizes)
    name = LAYOUTS[layout]
    (Path(folder) / name).mkdir(parents=True, exist_ok=True)
    WRITERS[layout](Path(folder) / name, events, items, users)
    if layout in ("amazon", "books"):  # the bounds of the papers need a larger catalogue
        samples = datasets.load_samples(name, fidelity, _small_settings(Path(folder), name), folder)
    else:
        samples = datasets.load_samples(name, fidelity, data=folder)
    genres = items.set_index("key").genre
    samples.items["planted"] = genres.loc[samples.items.id.astype(str)].to_numpy()
    return samples


def made(seed=0, n_users=200, n_items=120, n_genres=6, ratings_per_user=30, noise=0.4):
    """Events (user, item, rating, time), items (key, title, genre, told) and users, by index from 1."""
    rng = np.random.default_rng(seed)
    genre = rng.integers(0, n_genres, n_items)
    quality = rng.normal(0, 0.4, n_items)
    told = _told(rng, genre, n_genres)
    early, late = (rng.normal(0, 1.4, (n_users, n_genres)) for _ in range(2))
    late = 0.4 * early + 0.9 * late
    count = np.minimum(rng.integers(ratings_per_user // 2, 2 * ratings_per_user, n_users), n_items)
    # whom a film draws follows taste, as in life: Gumbel noise makes the order of preference a random one
    drawn = (early[:, genre] + late[:, genre]) / 2 + quality + rng.gumbel(0, 1, (n_users, n_items))
    item = np.argsort(-drawn, axis=1)
    user, place = np.nonzero(np.arange(n_items) < count[:, None])
    item = item[user, place]
    shuffled = rng.random(len(user))
    order = np.lexsort((shuffled, user))
    user, item = user[order], item[order]
    turn = np.arange(len(user)) - np.searchsorted(user, user)
    share = turn / np.maximum(count[user] - 1, 1)
    taste = (1 - share) * early[user, genre[item]] + share * late[user, genre[item]]
    rating = np.clip(np.rint(3.4 + 0.9 * taste + quality[item] + rng.normal(0, noise, len(user))), 1, 5).astype(int)
    begin, length = rng.random(n_users) * 0.6, 0.2 + rng.random(n_users) * 0.2
    time = START + ((begin[user] + length[user] * share) * 1000 * DAY).astype(int)
    events = pd.DataFrame({"user": user + 1, "item": item + 1, "rating": rating, "time": time})
    items = pd.DataFrame({"title": _titles(rng, told, n_items), "genre": genre, "told": told})
    items["key"] = (items.index + 1).astype(str)
    users = pd.DataFrame(
        {"gender": rng.choice(["M", "F"], n_users), "age": rng.choice([1, 18, 25, 35, 45, 50, 56], n_users)}
    )
    return events, items, users


def _told(rng, genre, n_genres) -> np.ndarray:
    """The genre that a title tells, -1 for none."""
    kind = rng.random(len(genre))
    other = (genre + rng.integers(1, n_genres, len(genre))) % n_genres
    return np.where(kind < HONEST, genre, np.where(kind < HONEST + MISLEADING, other, -1))


def _titles(rng, told, count) -> list[str]:
    words = [f"{WORDS[genre]} " if genre >= 0 else "" for genre in told]
    nouns = rng.choice(NOUNS, (count, 2))
    return [
        f"The {word}{first} of {second}: é {n}"
        for n, (word, (first, second)) in enumerate(zip(words, nouns, strict=True), 1)
    ]


def _genre_names(items, rng) -> list[str]:
    """What the data say of genres: what the title tells, else any."""
    any_genre = rng.integers(0, items.genre.max() + 1, len(items))
    return [GENRES[told if told >= 0 else other] for told, other in zip(items.told, any_genre, strict=True)]


def _movielens_100k(folder, events, items, users):
    from lib.data.readers import movielens

    rows = events[["user", "item", "rating", "time"]]
    rows.to_csv(folder / "u.data", sep="\t", header=False, index=False)
    people = [f"{n}|{max(age, 9)}|{gender}|writer|05201" for n, (gender, age) in enumerate(users.to_numpy(), 1)]
    (folder / "u.user").write_text("\n".join(people) + "\n", encoding="latin-1")
    genres = _genre_names(items, np.random.default_rng(1))
    films = [
        f"{n}|{title} (1995)|01-Jan-1995||link|" + "|".join("1" if name == genre else "0" for name in movielens.GENRES)
        for n, (title, genre) in enumerate(zip(items.title, genres, strict=True), 1)
    ]
    (folder / "u.item").write_text("\n".join(films) + "\n", encoding="latin-1")


def _ml1m(folder, events, items, users):
    rows = events[["user", "item", "rating", "time"]].astype(str).agg("::".join, axis=1)
    (folder / "ratings.dat").write_text("\n".join(rows) + "\n", encoding="latin-1")
    people = [f"{n}::{gender}::{age}::{n % 21}::{n:05d}" for n, (gender, age) in enumerate(users.to_numpy(), 1)]
    (folder / "users.dat").write_text("\n".join(people) + "\n", encoding="latin-1")
    genres = _genre_names(items, np.random.default_rng(1))
    films = [
        f"{n}::{title} (1995)::{genre}|Drama"
        for n, (title, genre) in enumerate(zip(items.title, genres, strict=True), 1)
    ]
    (folder / "movies.dat").write_text("\n".join(films) + "\n", encoding="latin-1")


def _amazon(folder, events, items, users):
    """Ids as texts: reviewers R0001, items 1 and so on; every tenth rating stands there twice."""
    dates = pd.to_datetime(events.time, unit="s")
    lines = [
        json.dumps({"overall": float(rating), "verified": True, "reviewTime": f"{date:%m} {date.day}, {date.year}",
                    "reviewerID": f"R{user:05d}", "asin": str(item), "style": {"Format:": " DVD"}, "unixReviewTime": 0})
        for user, item, rating, date in zip(events.user, events.item, events.rating, dates, strict=True)
    ]  # fmt: skip
    with gzip.open(folder / "Movies_and_TV.json.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join([*lines, *lines[::10]]) + "\n")
    genres = _genre_names(items, np.random.default_rng(1))
    with gzip.open(folder / "meta_Movies_and_TV.json.gz", "wt", encoding="utf-8") as file:
        for n, (title, genre) in enumerate(zip(items.title, genres, strict=True), 1):
            about = {"category": ["Movies &amp; TV", "Genre", genre], "title": title, "asin": str(n)}
            file.write(json.dumps(about | {"description": ["A film."], "price": n}) + "\n")


def _books(folder, events, items, users):
    """Ratings from 0 to 10 in no order; quotes in titles; the folders of the archive."""
    inside = folder / "Book reviews" / "Book reviews"
    inside.mkdir(parents=True, exist_ok=True)
    rated = events.assign(rating=np.where(events.rating > 3, 2 * events.rating, 0))
    lines = [f'"{user}";"{item}";"{rating}"' for user, item, rating in rated[["user", "item", "rating"]].to_numpy()]
    _write(inside / "BX-Book-Ratings.csv", '"User-ID";"ISBN";"Book-Rating"', lines)
    people = [f'"{n}";"somewhere, state, usa";"{age}"' for n, age in enumerate(users.age, 1)]
    _write(inside / "BX-Users.csv", '"User-ID";"Location";"Age"', people)
    books = [
        f'"{n}";"{title} \\"Q\\"; vol &amp; 1";"A {n % 9}";"1995";"P {n % 5}";"s";"m";"l"'
        for n, title in enumerate(items.title, 1)
    ]
    header = '"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication";"Publisher";"S";"M";"L"'
    _write(inside / "BX_Books.csv", header, books)


def _write(path, header, lines):
    path.write_text("\n".join([header, *lines]) + "\n", encoding="cp1252")


def _small_settings(folder, name) -> Path:
    """The dataset's yaml with bounds that a hundred items can meet."""
    import yaml

    content = datasets.settings(name).model_dump(mode="json")
    content["samples"]["code"] |= {"user_ratings": [6, 200], "item_ratings": [3, None]}
    content["samples"]["code"] |= {"most_rated": 100} if name == "amazon-movies" else {}
    (folder / "params" / name).mkdir(parents=True, exist_ok=True)
    (folder / "params" / name / "dataset.yaml").write_text(yaml.safe_dump(content))
    return folder / "params"


WRITERS = {"movielens-100k": _movielens_100k, "ml1m": _ml1m, "amazon": _amazon, "books": _books}
