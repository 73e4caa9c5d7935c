"""Book-Crossing: the three csv files with implicit ratings (0), or parquet files of explicit ratings alone."""

import csv
import html
from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.data.dataset_settings import DatasetSettings
from lib.data.rated.book_readers import age_bands, countries
from lib.data.rated.ratings import UNKNOWN, Ratings, parquet, text, whole_numbers

NAMES = {"users": "BX-Users.csv", "books": "BX-Books.csv", "ratings": "BX-Book-Ratings.csv"}
PARQUET = ("ratings", "books", "users")
BOOK = ["isbn", "title", "author", "year", "publisher"]
EXPLICIT = (
    "Only explicit ratings (1 to 10) are in these files: the paper keeps implicit ones (0) as dislikes, so the counts "
    "of its Table 2 do not apply, and {likes:.0%} of the ratings here are likes."
)


def matches(folder: Path) -> bool:
    """Whether `folder` holds either form."""
    return all((folder / f"{name}.parquet").is_file() for name in PARQUET) or "ratings" in _files(folder)


def read(folder: Path, settings: DatasetSettings) -> Ratings:
    """Ratings without dates; books with author, year and publisher, readers with country and age band.

    Raises UserError with file and line of a row that cannot be read.
    """
    files = _files(folder)
    if "ratings" not in files:
        return _of_parquet(folder, settings)
    for name, wanted in NAMES.items():
        if name not in files:
            raise UserError(f"{folder} has no file {wanted}: put it there")
    return _of_csv(files)


def _files(folder: Path) -> dict[str, Path]:
    """The csv files wherever they lie: the zip archive has folders within folders, and one name with an underscore."""
    every = {path.name.lower().replace("_", "-"): path for path in sorted(folder.rglob("*.[cC][sS][vV]"), reverse=True)}
    return {name: every[wanted.lower()] for name, wanted in NAMES.items() if wanted.lower() in every}


def _of_csv(files: dict[str, Path]) -> Ratings:
    events = whole_numbers(_csv(files["ratings"], ["user", "item", "rating"]), ["user", "rating"], files["ratings"], 2)
    if (missing := events.item.isna()).any():
        line = int(np.argmax(missing)) + 2
        raise UserError(f"{files['ratings']}: line {line} has no ISBN: mend or remove it")
    users = whole_numbers(_csv(files["users"], ["id", "place", "age"]), ["id"], files["users"], 2)
    books = _csv(files["books"], [*BOOK, "small", "medium", "large"])
    return _ratings(events, users.drop_duplicates("id").set_index("id"), books, [])


def _of_parquet(folder: Path, settings: DatasetSettings) -> Ratings:
    ratings = parquet(folder / "ratings.parquet", ["user_id", "isbn", "rating"])
    events = ratings.set_axis(["user", "item", "rating"], axis=1)
    users = parquet(folder / "users.parquet", ["user_id", "country", "age"]).set_index("user_id")
    threshold = settings.samples.liked_above if settings.samples else 4
    note = EXPLICIT.format(likes=(events.rating > threshold).mean())
    return _ratings(events, users.rename(columns={"country": "place"}), parquet(folder / "books.parquet", BOOK), [note])


def _csv(path: Path, names: list[str]) -> pd.DataFrame:
    """One of the files: cp1252, semicolons, quotes within quotes behind a backslash."""
    return text(
        path, ";", names, header=0, encoding="cp1252", encoding_errors="replace", quoting=csv.QUOTE_MINIMAL,
        escapechar="\\",
    )  # fmt: skip


def _ratings(events: pd.DataFrame, users: pd.DataFrame, books: pd.DataFrame, notes: list[str]) -> Ratings:
    """What both forms have in common: fields as words, books by ISBN, readers for all who rated."""
    books = books[books.isbn.str.fullmatch(r"[0-9A-Za-z]+").fillna(False).astype(bool)]
    books = books.drop_duplicates("isbn").set_index("isbn")[BOOK[1:]].fillna(UNKNOWN).map(html.unescape)
    books["year"] = books.year.where(books.year.str.len() == 4, UNKNOWN)
    for column in ("author", "publisher"):
        books[column] = books[column].mask(books[column].str.lower() == "n/a", UNKNOWN)
    people = pd.DataFrame({"country": countries(users.place), "age": age_bands(users.age)})
    people = people.reindex(events.user.unique()).fillna(UNKNOWN)
    return Ratings(events.assign(rating=events.rating.astype(float), time=np.nan), people, books, notes)
