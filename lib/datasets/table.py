"""Anybody's own data: a csv, tsv or parquet file with the columns user, item and optionally rating and timestamp."""

import difflib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow

from lib.datasets import preprocess
from lib.datasets.interactions import Interactions
from lib.datasets.schema import DatasetSettings
from lib.files import UserError

NEEDED, NUMBERS = ("user", "item"), ("rating", "timestamp")
SEPARATORS = {".csv": ",", ".tsv": "\t"}


def matches(folder: Path) -> bool:
    """Whether `folder` holds an interactions.csv, .tsv or .parquet."""
    return any(_files(folder, "interactions"))


def read(folder: Path, settings: DatasetSettings) -> Interactions:
    """Check the table, then threshold, k-core and split it; raw ids stay in column `id` of the users and items frames.

    users.* and items.* (csv, tsv, parquet) beside it may describe the ids in their column `user` or `item`.
    """
    path = next(_files(folder, "interactions"))
    events = check(_frame(path, NEEDED), path, settings.duplicates)
    users, items = (_side(folder, side, events[side]) for side in NEEDED)
    return preprocess.interactions(events, users, items, settings)


def check(frame: pd.DataFrame, path: Path, duplicates: str = "error") -> pd.DataFrame:
    """Checked columns user, item, rating and timestamp of `frame`; raises UserError with the first wrong row."""
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
    """Raw ids as whole numbers when all are written as such, else as text ('007' stays text)."""
    text = values.astype(str)
    plain = text.str.fullmatch(r"0|-?[1-9]\d{0,17}").all()
    return text.astype("int64") if plain else text


def _files(folder: Path, stem: str):
    return (path for path in sorted(folder.glob(f"{stem}.*")) if path.suffix in (*SEPARATORS, ".parquet"))


def _side(folder: Path, side: str, known: pd.Series) -> pd.DataFrame | None:
    """What users.* or items.* says, indexed by raw id of the type of `known`."""
    path = next(_files(folder, f"{side}s"), None)
    if path is None:
        return None
    frame = _frame(path, (side,))
    _no_gaps(frame, side, path)
    keys = frame[side].astype(str)
    keys = pd.to_numeric(keys, errors="coerce") if known.dtype.kind == "i" else keys
    if keys.duplicated().any():
        raise UserError(f"{path} describes a {side} twice, again in {_where(keys.duplicated(), path)}: remove one")
    return frame.drop(columns=side).set_index(keys)


def _frame(path: Path, needed) -> pd.DataFrame:
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
    frame = pd.read_csv(
        path, sep=SEPARATORS[path.suffix], dtype=str, encoding="utf-8-sig", index_col=False,
        keep_default_na=False, na_values=[""], skip_blank_lines=False,
    )  # fmt: skip
    # blank lines go only now, so that the index still tells the line
    return frame.rename(columns=str.strip).dropna(how="all")


def _hint(column: str, columns: list[str], path: Path) -> str:
    if len(columns) == 1 and path.suffix in SEPARATORS:
        return f"its only column is {columns[0]!r}, so separate columns by {SEPARATORS[path.suffix]!r}"
    near = difflib.get_close_matches(column, columns, n=1, cutoff=0.5)
    return f"rename '{near[0]}'" if near else f"rename one of {', '.join(columns)}"


def _no_gaps(frame, column: str, path) -> None:
    gaps = frame[column].isna()
    if gaps.any():
        where = f"{path}: column '{column}' is empty in {gaps.sum()} rows, first in {_where(gaps, path)}"
        raise UserError(f"{where}: fill or remove them")


def _numbers(frame, column: str, path) -> pd.Series:
    if column not in frame:
        return pd.Series(np.nan, index=frame.index)
    _no_gaps(frame, column, path)
    values = frame[column]
    if pd.api.types.is_datetime64_any_dtype(values):
        values = (values - pd.Timestamp(0, tz=values.dt.tz)) // pd.Timedelta("1s")
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        unit = "a number of seconds" if column == "timestamp" else "a number"
        where = f"{column} {values[wrong].iloc[0]!r} in {_where(wrong, path)}"
        raise UserError(f"{path}: {where} is not {unit}: mend or remove that row")
    return numbers


def _where(mask: pd.Series, path: Path) -> str:
    """The first marked row, as an editor counts lines."""
    row = int(mask.idxmax())
    return f"line {row + 2}" if path.suffix in SEPARATORS else f"row {row + 1}"
