"""Anybody's own data: a csv, tsv or parquet file with the columns user, item and optionally rating and timestamp."""

import difflib
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet

from lib.core.errors import UserError, short
from lib.data import preprocess
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import Interactions

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # of dates, in a second
NEEDED, NUMBERS = ("user", "item"), ("rating", "timestamp")  # columns; the numbers may be missing
SEPARATORS = {".csv": ",", ".tsv": "\t"}
WHOLE = r"(?:0|-?[1-9][0-9]{0,17})(?:\.0+)?"  # an id that is a whole number of 64 bits
# what a float32 holds; the year 5138, since milliseconds of any year but 1970 to 1973 are more than that
LIMITS = {"rating": float(np.finfo(np.float32).max), "timestamp": 10**11}


def matches(folder: Path) -> bool:
    """Whether `folder` holds an interactions.csv, .tsv or .parquet."""
    return any(_files(folder, "interactions"))


def has_dates(folder: Path) -> bool:
    """Whether the table has a column timestamp; only its head is read."""
    path = _file(folder, "interactions")
    if path.suffix == ".parquet":
        return "timestamp" in pyarrow.parquet.read_schema(path).names
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        return "timestamp" in [name.strip().strip('"') for name in next(lines, "").split(SEPARATORS[path.suffix])]


def read(folder: Path, settings: DatasetSettings) -> Interactions:
    """The table as `settings` say, with threshold, k-core and split; ids stay in the column `id` of users and items.

    users.* and items.* (csv, tsv, parquet) beside it may describe the ids in their column `user` or `item`. Raises
    UserError with file and line of the first mistake.
    """
    return preprocess.prepare(*tables(folder, settings.duplicates), settings)


def tables(folder: Path, duplicates: str = "error") -> tuple[pd.DataFrame, pd.DataFrame | None, pd.DataFrame | None]:
    """The events of the table, checked, and what users.* and items.* say by id; raises UserError as `read` does."""
    path = _file(folder, "interactions")
    events = check(_frame(path, NEEDED), path, duplicates)
    users, items = (_side(folder, side, events[side]) for side in NEEDED)
    return events, users, items


def check(frame: pd.DataFrame, path: Path, duplicates: str = "error") -> pd.DataFrame:
    """The columns user, item, rating and timestamp of `frame`, the last two NaN where they are missing.

    Of rows with the same user and item, `duplicates` "last" keeps the last, "all" keeps all. Raises UserError with the
    first wrong row.
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
    return events if duplicates == "all" else events[~repeated]


def ids(values: pd.Series) -> pd.Series:
    """Ids as whole numbers when all are written as such, else as text: '007' would become another id as a number.

    1.0 is 1, which programs write where a column once had gaps.
    """
    text, whole = _as_text(values)
    return _as_numbers(text) if whole.all() else text


def _as_text(values: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Ids as texts, and which of them are whole numbers."""
    if values.dtype.kind == "f" and (values % 1 == 0).all() and (values.abs() < 2**53).all():
        values = values.astype("int64")  # large floats would be written as 1e+16
    text = values.astype(str)
    return text, text.str.fullmatch(WHOLE).astype(bool)


def _as_numbers(text: pd.Series) -> pd.Series:
    return text.str.replace(r"\..*", "", regex=True).astype("int64")


def _files(folder: Path, stem: str) -> list[Path]:
    """The csv, tsv and parquet files of this name in `folder`."""
    return [path for path in sorted(folder.glob(f"{stem}.*")) if path.suffix in (*SEPARATORS, ".parquet")]


def _file(folder: Path, stem: str) -> Path | None:
    """The one table of this name in `folder`, if there is one; raises UserError for several, or for no file."""
    found = _files(folder, stem)
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise UserError(f"{folder} has {names}: keep the one that is to be read and remove or rename the others")
    if found and not found[0].is_file():
        raise UserError(f"{found[0]} is a folder: put a file with the table in its place")
    return found[0] if found else None


def _side(folder: Path, side: str, known: pd.Series) -> pd.DataFrame | None:
    """What users.* or items.* says by id, with ids of the type that `known` has; None without such a file."""
    path = _file(folder, f"{side}s")
    if path is None:
        return None
    frame = _frame(path, (side,))
    if "id" in frame:  # where the ids of users and items go
        raise UserError(f"{path} has a column 'id' beside '{side}', which holds the ids: rename or remove the former")
    _no_gaps(frame, side, path)
    first = frame[side].iloc[0]
    keys, whole = _as_text(frame[side])
    if known.dtype.kind == "i":  # the interactions have no other ids than whole numbers
        frame, keys = frame[whole], _as_numbers(keys[whole])
    repeated = keys.duplicated()
    if repeated.any():
        raise UserError(f"{path} describes a {side} twice, again in {_where(repeated, path)}: remove one")
    if not known.isin(keys).any():
        raise UserError(
            f"{path} describes none of the {side}s that have interactions: they have ids such as "
            f"'{short(known.iloc[0], 40)}', its column '{side}' has ids such as '{short(first, 40)}'"
        )
    return frame.drop(columns=side).set_index(keys)


def _frame(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    """The table in `path`; raises UserError when it cannot be read, has no rows or lacks a `needed` column."""
    try:
        frame = pd.read_parquet(path).reset_index(drop=True) if path.suffix == ".parquet" else _text(path)
    except pd.errors.EmptyDataError:
        raise UserError(f"{path} is empty: it needs a header with {', '.join(needed)} and one row per line") from None
    # whatever it is: a damaged file makes pandas and arrow raise nearly anything
    except Exception as error:
        raise UserError(f"{path} cannot be read ({short(error)}): mend it or save it again") from None
    names = [str(name) for name in frame.columns]
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise UserError(f"{path} has {names.count(repeated[0])} columns '{repeated[0]}': remove or rename all but one")
    for column in needed:
        if column not in frame:
            raise UserError(f"{path} has no column '{column}': {_hint(column, [*map(str, frame.columns)], path)}")
    if frame.empty:
        raise UserError(f"{path} has no rows below its header: add some")
    return frame


def _text(path: Path) -> pd.DataFrame:
    """The table in a csv or tsv file, all columns as text; its index tells the line."""
    with open(path, "rb") as file:
        # pandas would end a text there
        if any(b"\0" in part for part in iter(lambda: file.read(1 << 20), b"")):
            raise ValueError("it holds NUL bytes, so it is no UTF-8 text")
    # the header is read as a row: of one, pandas renames repeated names and drops what longer rows have more
    frame = pd.read_csv(
        path, sep=SEPARATORS[path.suffix], dtype=str, encoding="utf-8-sig", index_col=False, header=None,
        keep_default_na=False, na_values=[""], skip_blank_lines=False,
    )  # fmt: skip
    header = frame.iloc[0].fillna("").str.strip()
    # blank lines go only now: skipped while reading, they would not count as lines
    return frame.iloc[1:].set_axis(header, axis=1).dropna(how="all")


def _hint(column: str, columns: list[str], path: Path) -> str:
    """How to give the table the missing `column`: by another separator, or by the name of an existing one."""
    if len(columns) == 1 and path.suffix in SEPARATORS:
        return f"its only column is {columns[0]!r}, so separate columns by {SEPARATORS[path.suffix]!r}"
    # itemId, Item or item_id first, then the column that is called id: 'title' is more like 'item' than that
    alike = [name for name in columns if column in name.lower()]
    alike += [name for name in columns if name.lower() == "id"]
    alike += difflib.get_close_matches(column, columns, n=1, cutoff=0.7)
    return f"rename '{alike[0]}'" if alike else f"rename one of {short(', '.join(columns))}"


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
    if column == "timestamp" and pd.api.types.is_datetime64_any_dtype(values):  # a parquet file may hold dates as such
        values = values.astype("int64") // UNITS[values.dt.unit]
    # as texts, since pandas makes numbers of dates and durations too
    numbers = pd.to_numeric(values if pd.api.types.is_numeric_dtype(values) else values.astype(str), errors="coerce")
    wrong = ~np.isfinite(numbers.astype(float))
    if wrong.any():
        unit = "a number of seconds" if column == "timestamp" else "a number"
        where = f"{column} {short(repr(values[wrong].iloc[0]), 80)} in {_where(wrong, path)}"
        raise UserError(f"{path}: {where} is not {unit}: mend or remove that row")
    large = numbers.abs() >= LIMITS[column]
    if large.any():
        where, remedy = f"{column} {numbers[large].iloc[0]:.15g} in {_where(large, path)}", "mend or remove that row"
        if column == "timestamp":
            where, remedy = f"{where}, as a number of seconds,", _finer_unit(abs(float(numbers[large].iloc[0])))
        raise UserError(f"{path}: {where} is too large: {remedy}")
    return numbers


def _finer_unit(timestamp: float) -> str:
    """How to mend a `timestamp` that counts something smaller than seconds."""
    units = {10**14: ("milliseconds", 10**3), 10**17: ("microseconds", 10**6), 10**20: ("nanoseconds", 10**9)}
    unit, divisor = next((units[limit] for limit in units if timestamp < limit), ("something else", None))
    by = f"divide the column by {divisor:,}" if divisor else "write seconds since 1970"
    return f"it looks like {unit}, so {by}"


def _where(mask: pd.Series, path: Path) -> str:
    """The first row that `mask` marks, as an editor counts lines; a parquet file has rows only."""
    # the header of a text is its row 0
    return f"{'line' if path.suffix in SEPARATORS else 'row'} {int(mask.idxmax()) + 1}"
