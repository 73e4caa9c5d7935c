"""MovieLens-100K and MovieLens-1M with ratings, ages in bands, occupations as words, first genres."""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import UserError, short
from lib.data.dataset_settings import DatasetSettings
from lib.data.rated.ratings import UNKNOWN, Ratings, text, whole_numbers
from lib.data.readers import movielens

# the bands of MovieLens-1M by their lowest age, as its README has them
AGES = {1: "under 18", 18: "18-24", 25: "25-34", 35: "35-44", 45: "45-49", 50: "50-55", 56: "56 or older"}
GENDERS = {"M": "male", "F": "female"}
OCCUPATIONS = [
    "other", "academic or educator", "artist", "clerical or admin", "college or graduate student", "customer service",
    "doctor or health care", "executive or managerial", "farmer", "homemaker", "K-12 student", "lawyer", "programmer",
    "retired", "sales or marketing", "scientist", "self-employed", "technician or engineer", "tradesman or craftsman",
    "unemployed", "writer",
]  # fmt: skip


def matches(folder: Path) -> bool:
    """Whether `folder` holds the ratings of either."""
    return _is_1m(folder) or movielens.matches(folder)


def read(folder: Path, settings: DatasetSettings) -> Ratings:
    """All ratings with films and people; raises UserError for a file that is missing or damaged."""
    return _of_1m(folder) if _is_1m(folder) else _of_100k(folder, settings)


def _is_1m(folder: Path) -> bool:
    return (folder / "ratings.dat").is_file()


def _of_100k(folder: Path, settings: DatasetSettings) -> Ratings:
    """MovieLens-100K in either layout, with the year back in the title, as MovieLens-1M has it."""
    events, users, items = movielens.tables(folder, settings)
    years = (" (" + items.year.astype("string") + ")").fillna("")
    items = pd.DataFrame({"title": items.title + years, "genre": _first(items.genres), "genres": items.genres})
    bands = np.array([*AGES], dtype=int)
    codes = bands[np.searchsorted(bands, users.age.clip(lower=1), side="right") - 1]
    return Ratings(events.rename(columns={"timestamp": "time"}), _people(users.assign(age=codes)), items)


def _of_1m(folder: Path) -> Ratings:
    """MovieLens-1M from ratings.dat, users.dat and movies.dat, whose columns are separated by '::'."""
    events = _columns(folder / "ratings.dat", ["user", "item", "rating", "time"], ["user", "item", "rating", "time"])
    users = _columns(folder / "users.dat", ["id", "gender", "age", "occupation", "zip"], ["id", "age", "occupation"])
    wrong = ~users.occupation.between(0, len(OCCUPATIONS) - 1) | ~users.age.isin(AGES) | ~users.gender.isin(GENDERS)
    if wrong.any():
        row, line = users[wrong].iloc[0], int(np.argmax(wrong)) + 1
        said = f"gender {short(row.gender, 20)}, age {row.age} or occupation {row.occupation}"
        raise UserError(f"{folder / 'users.dat'}: line {line}: {said} is no code of MovieLens-1M: fetch the data again")
    users = users.assign(occupation=np.array(OCCUPATIONS)[users.occupation])
    return Ratings(events.astype({"rating": float}), _people(users.set_index("id")), _films(folder / "movies.dat"))


def _columns(path: Path, names: list[str], numbers: list[str]) -> pd.DataFrame:
    """A file with '::' between columns, none of which holds a colon: twice as many columns, every other one empty."""
    every = [part for name in names for part in (name, f"{name} ")][:-1]
    frame = text(path, ":", every, encoding="latin-1")
    broken = frame[names].isna().any(axis=1) | frame[every[1::2]].notna().any(axis=1)
    if broken.any():
        line = int(np.argmax(broken)) + 1
        raise UserError(f"{path}: line {line} does not have {len(names)} columns separated by '::': mend or remove it")
    return whole_numbers(frame[names], numbers, path)


def _films(path: Path) -> pd.DataFrame:
    """Titles and genres by id; a title may hold colons."""
    lines = text(path, "\x01", ["line"], encoding="latin-1").line  # a sign that no line has
    parts = lines.str.extract(r"^(\d+)::(.*)::(.*)$")
    if (wrong := parts.isna().any(axis=1)).any():
        line = int(np.argmax(wrong)) + 1
        raise UserError(f"{path}: line {line} is not 'id::title::genres': mend or remove it")
    parts = parts.set_axis(["id", "title", "genres"], axis=1).astype({"id": int}).set_index("id")
    return parts.assign(genre=_first(parts.genres))[["title", "genre", "genres"]]


def _first(genres: pd.Series) -> pd.Series:
    """The first of genres separated by bars."""
    return genres.str.split("|").str[0].replace("", UNKNOWN).fillna(UNKNOWN)


def _people(users: pd.DataFrame) -> pd.DataFrame:
    """Users with words in place of codes for gender and age band."""
    return users.assign(gender=users.gender.map(GENDERS).fillna(UNKNOWN), age=users.age.map(AGES))
