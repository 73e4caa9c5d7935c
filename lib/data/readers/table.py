"""Anybody's own data: a csv, tsv or parquet file with the columns user, item and optionally rating and timestamp."""

import difflib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet

from lib.core.errors import UserError
from lib.data import preprocess
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import Interactions

NEEDED, NUMBERS = ("user", "item"), ("rating", "timestamp")  # columns; the numbers may be missing
SEPARATORS = {".csv": ",", ".tsv": "\t"}


def matches(folder: Path) -> bool:
    """Whether `folder` holds an interactions.csv, .tsv or .parquet."""
    return any(_files(folder, "interactions"))


def has_dates(folder: Path) -> bool:
    """Whether the table has a column timestamp; only its head is read."""
    path = next(_files(folder, "interactions"))
    if path.suffix == ".parquet":
        return "timestamp" in pyarrow.parquet.read_schema(path).names
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        return "timestamp" in [name.strip().strip('"') for name in next(lines, "").split(SEPARATORS[path.suffix])]


def read(folder: Path, settings: DatasetSettings) -> Interactions:
    """The table as `settings` say, with threshold, k-core and split; ids stay in the column `id` of users and items.

    users.* and items.* (csv, tsv, parquet) beside it may describe the ids in their column `user` or `item`. Raises
    UserError with file and line of the first mistake.
    """
    path = next(_files(folder, "interactions"))
    events = check(_frame(path, NEEDED), path, settings.duplicates)
    users, items = (_side(folder, side, events[side]) for side in NEEDED)
    return preprocess.prepare(events, users, items, settings)


def check(frame: pd.DataFrame, path: Path, duplicates: str = "error") -> pd.DataFrame:
    """The columns user, item, rating and timestamp of `frame`, the last two NaN where they are missing.

    Of rows with the same user and item, `duplicates` "last" keeps the last. Raises UserError with the first wrong row.
    """
    for column in NEEDED:
        _no_gaps(frame, column, path)
    numbers = {column: _numbers(frame, column, path) for column in NUMBERS}
    events = frame[[*NEEDED]].apply(ids).assign(**numbers).astype({"rating": "float32"})
    repeated = events.duplicated([*NEEDED], keep="last" if duplicates == "last" else "first")
    if duplicates == "error" and repeated.any():
        raise UserError(
            f"{path}: {repeated.sum()} rows repeat a user and item, first in {_where(repeated, path)}: remove them, or "
            "write 'duplicates: last' in dataset.yaml to keep the last of each"
        )
    return events[~repeated]


def ids(values: pd.Series) -> pd.Series:
    """Ids as whole numbers when all are written as such, else as text: '007' would become another id as a number."""
    text = values.astype(str)
    plain = text.str.fullmatch(r"0|-?[1-9]\d{0,17}").all()
    return text.astype("int64") if plain else text


def _files(folder: Path, stem: str):
    """The csv, tsv and parquet files of this name in `folder`."""
    return (path for path in sorted(folder.glob(f"{stem}.*")) if path.suffix in (*SEPARATORS, ".parquet"))


def _side(folder: Path, side: str, known: pd.Series) -> pd.DataFrame | None:
    """What users.* or items.* says by id, with ids of the type that `known` has; None without such a file."""
    path = next(_files(folder, f"{side}s"), None)
    if path is None:
        return None
    frame = _frame(path, (side,))
    _no_gaps(frame, side, path)
    keys = frame[side].astype(str)
    if known.dtype.kind == "i":
        keys = pd.to_numeric(keys, errors="coerce")  # a text becomes NaN: the interactions have no such id
    repeated = keys.duplicated() & keys.notna()
    if repeated.any():
        raise UserError(f"{path} describes a {side} twice, again in {_where(repeated, path)}: remove one")
    return frame.drop(columns=side).set_index(keys)


def _frame(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    """The table in `path`; raises UserError when it cannot be read, has no rows or lacks a `needed` column."""
    try:
        frame = pd.read_parquet(path).reset_index(drop=True) if path.suffix == ".parquet" else _text(path)
    except pd.errors.EmptyDataError:
        raise UserError(f"{path} is empty: it needs a header with {', '.join(needed)} and one row per line") from None
    except (pd.errors.ParserError, UnicodeDecodeError, pyarrow.ArrowInvalid) as error:
        raise UserError(f"{path} cannot be read ({' '.join(str(error).split())}): mend it or save it again") from None
    for column in needed:
        if column not in frame:
            raise UserError(f"{path} has no column '{column}': {_hint(column, [*map(str, frame.columns)], path)}")
    if frame.empty:
        raise UserError(f"{path} has no rows below its header: add some")
    return frame


def _text(path: Path) -> pd.DataFrame:
    """The table in a csv or tsv file, all columns as text; its index tells the line."""
    frame = pd.read_csv(
        path, sep=SEPARATORS[path.suffix], dtype=str, encoding="utf-8-sig", index_col=False,
        keep_default_na=False, na_values=[""], skip_blank_lines=False,
    )  # fmt: skip
    # blank lines go only now: skipped while reading, they would not count as lines
    return frame.rename(columns=str.strip).dropna(how="all")


def _hint(column: str, columns: list[str], path: Path) -> str:
    """How to give the table the missing `column`: by another separator, or by the name of an existing one."""
    if len(columns) == 1 and path.suffix in SEPARATORS:
        return f"its only column is {columns[0]!r}, so separate columns by {SEPARATORS[path.suffix]!r}"
    near = difflib.get_close_matches(column, columns, n=1, cutoff=0.5)
    return f"rename '{near[0]}'" if near else f"rename one of {', '.join(columns)}"


def _no_gaps(frame: pd.DataFrame, column: str, path: Path) -> None:
    """Raise UserError when a value of `column` is missing."""
    gaps = frame[column].isna()
    if gaps.any():
        where = f"{path}: column '{column}' is empty in {gaps.sum()} rows, first in {_where(gaps, path)}"
        raise UserError(f"{where}: fill or remove them")


def _numbers(frame: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """The numbers in `column`, dates as seconds, NaN without such a column; raises UserError for anything else."""
    if column not in frame:
        return pd.Series(np.nan, index=frame.index)
    _no_gaps(frame, column, path)
    values = frame[column]
    if pd.api.types.is_datetime64_any_dtype(values):  # a parquet file may hold dates as such
        values = (values - pd.Timestamp(0, tz=values.dt.tz)) // pd.Timedelta("1s")
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        unit = "a number of seconds" if column == "timestamp" else "a number"
        where = f"{column} {values[wrong].iloc[0]!r} in {_where(wrong, path)}"
        raise UserError(f"{path}: {where} is not {unit}: mend or remove that row")
    return numbers


def _where(mask: pd.Series, path: Path) -> str:
    """The first row that `mask` marks, as an editor counts lines; a parquet file has rows only."""
    row = int(mask.idxmax())
    return f"line {row + 2}" if path.suffix in SEPARATORS else f"row {row + 1}"
