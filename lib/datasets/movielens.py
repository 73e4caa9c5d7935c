"""MovieLens-100K in the official layout (u.data, u.item, u.user) and in RecBole's (ml-100k.inter, .item, .user)."""

import csv
import re
from pathlib import Path

import pandas as pd

from lib.datasets import preprocess
from lib.datasets.interactions import Interactions
from lib.datasets.schema import DatasetSettings
from lib.files import UserError

EVENTS = ["user", "item", "rating", "timestamp"]
PEOPLE = ["id", "age", "gender", "occupation", "zip"]
# order of the flags in u.item; RecBole writes the same names
GENRES = [
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
]  # fmt: skip


def matches(folder: Path) -> bool:
    """Whether `folder` looks like either layout."""
    return (folder / "u.data").is_file() or (folder / "ml-100k.inter").is_file()


def read(folder: Path, settings: DatasetSettings) -> Interactions:
    """All films and people with the ratings that `settings` keep; both layouts give the same Interactions."""
    again = f"run: python -m lib fetch {settings.name}"
    layout = official if (folder / "u.data").is_file() else recbole
    try:
        events, users, items = layout(folder)
        events = events.astype({"user": int, "item": int, "rating": "float32", "timestamp": int})
    except FileNotFoundError as error:
        raise UserError(f"no file {error.filename}: delete its folder and {again}") from None
    except ValueError as error:  # pandas' parser errors are ValueErrors too
        raise UserError(f"{folder} is damaged ({error}): delete it and {again}") from None
    return preprocess.interactions(events, users, items, settings)


def official(folder: Path):
    """Events, users and items of the official archive (tab and bar separated, latin-1, one flag per genre)."""
    events = _text(folder / "u.data", "\t", EVENTS)
    users = _text(folder / "u.user", "|", PEOPLE)
    items = _text(folder / "u.item", "|", ["id", "title", "released", "video", "link", *GENRES])
    flags = (items[GENRES] == "1").to_numpy()
    genres = ["|".join(name for name, flag in zip(GENRES, row, strict=True) if flag) for row in flags]
    return events, _users(users), _items(items.id, items.title, genres)


def recbole(folder: Path):
    """Events, users and items of RecBole's copy (tab separated, typed headers, the year in a column of its own)."""
    events = _text(folder / "ml-100k.inter", "\t", EVENTS, header=0, encoding="utf-8")
    users = _text(folder / "ml-100k.user", "\t", PEOPLE, header=0, encoding="utf-8")
    items = _text(folder / "ml-100k.item", "\t", ["id", "title", "year", "genres"], header=0, encoding="utf-8")
    titles = (items.title + " (" + items.year + ")").replace("unkonwn (unkonwn)", "unknown")
    return events, _users(users), _items(items.id, titles, items.genres.str.replace(" ", "|"))


def _text(path, separator, names, header=None, encoding="latin-1") -> pd.DataFrame:
    frame = pd.read_csv(
        path, sep=separator, names=names, header=header, encoding=encoding,
        dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE,
    )  # fmt: skip
    if frame.empty:
        raise ValueError(f"{path.name} is empty")
    return frame


def _users(people) -> pd.DataFrame:
    people = people.astype({"id": int, "age": int}).set_index("id")
    return people[["age", "gender", "occupation"]]


def _items(ids, titles, genres) -> pd.DataFrame:
    """Split 'Title (1995)' and 'Title (1995) (V)' into title and year."""
    parts = [re.fullmatch(r"(.*?) \((\d{4})\)( \(V\))*", " ".join(title.split())) for title in titles]
    names = [part[1] if part else title for part, title in zip(parts, titles, strict=True)]
    years = pd.array([int(part[2]) if part else None for part in parts], dtype="Int64")
    return pd.DataFrame({"title": names, "year": years, "genres": list(genres)}, index=ids.astype(int))
