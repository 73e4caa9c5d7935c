"""MovieLens-100K in the official layout (u.data, u.item, u.user) and in RecBole's (ml-100k.inter, .item, .user)."""

import csv
import re
from pathlib import Path

import pandas as pd

from lib.core.errors import UserError
from lib.data import preprocess
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import Interactions

# the columns of both layouts in the order in which they come
EVENTS = ["user", "item", "rating", "timestamp"]
PEOPLE = ["id", "age", "gender", "occupation", "zip"]
# in the order of the flags in u.item; RecBole writes out the same names
GENRES = [
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
]  # fmt: skip


def matches(folder: Path) -> bool:
    """Whether `folder` holds the ratings in either layout."""
    return (folder / "u.data").is_file() or (folder / "ml-100k.inter").is_file()


def has_dates(folder: Path) -> bool:
    """Always: every rating has one."""
    return True


def read(folder: Path, settings: DatasetSettings) -> Interactions:
    """All ratings that `settings` keep, with their films and people; both layouts give the same Interactions.

    Raises UserError for a file that is missing or damaged.
    """
    return preprocess.prepare(*tables(folder, settings), settings)


def tables(folder: Path, settings: DatasetSettings) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """All events with ids as they are, and users and items by id; raises UserError for a missing or damaged file."""
    again = f"run: python -m lib fetch {settings.name}"
    layout = official if (folder / "u.data").is_file() else recbole
    try:
        events, users, items = layout(folder)
        events = events.astype({"user": int, "item": int, "rating": "float32", "timestamp": int})
    except FileNotFoundError as error:
        raise UserError(f"no file {error.filename}: delete its folder and {again}") from None
    except ValueError as error:  # pandas' parser errors are ValueErrors too
        raise UserError(f"{folder} is damaged ({error}): delete it and {again}") from None
    return events, users, items


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
    # RecBole took the year out of the title and misspelt what it did not know
    titles = (items.title + " (" + items.year + ")").replace("unkonwn (unkonwn)", "unknown")
    return events, _users(users), _items(items.id, titles, items.genres.str.replace(" ", "|"))


def _text(path: Path, separator: str, names: list[str], header=None, encoding="latin-1") -> pd.DataFrame:
    """All columns as text, with these names in place of a header; raises ValueError when there is no row."""
    frame = pd.read_csv(
        path, sep=separator, names=names, header=header, encoding=encoding,
        dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE,
    )  # fmt: skip
    if frame.empty:
        raise ValueError(f"{path.name} is empty")
    return frame


def _users(people: pd.DataFrame) -> pd.DataFrame:
    """Age, gender and occupation by id."""
    people = people.astype({"id": int, "age": int}).set_index("id")
    return people[["age", "gender", "occupation"]]


def _items(ids: pd.Series, titles: pd.Series, genres) -> pd.DataFrame:
    """Title, year and genres by id; 'Title (1995)' and 'Title (1995) (V)' are taken apart, and some have no year."""
    parts = [re.fullmatch(r"(.*?) \((\d{4})\)( \(V\))*", " ".join(title.split())) for title in titles]
    names = [part[1] if part else title for part, title in zip(parts, titles, strict=True)]
    years = pd.array([int(part[2]) if part else None for part in parts], dtype="Int64")
    return pd.DataFrame({"title": names, "year": years, "genres": list(genres)}, index=ids.astype(int))
