"""What a reader of rated data gives, and tables of text as readers need them."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import UserError, short

UNKNOWN = "unknown"  # a field that the data leave open


@dataclass(frozen=True)
class Ratings:
    """Rated events with raw ids, and what is known of users and items by id, which is the index of these frames.

    `events` has user, item, rating (NaN where unknown) and time (seconds; NaN where the data have none), in the order
    of the file. Data that bring labels and splits of their own have the columns label and split too. Events whose item
    is not in `items` are left out after selection.
    """

    events: pd.DataFrame
    users: pd.DataFrame
    items: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def text(path: Path, separator: str, names: list[str], header=None, **options) -> pd.DataFrame:
    """All columns of a text file as text, under `names`; raises UserError with the line that has too many or too few.

    `options` are those of pandas.read_csv. A file in which strings are quoted needs quoting=csv.QUOTE_MINIMAL.
    """
    options = {"quoting": csv.QUOTE_NONE, "encoding": "utf-8", "names": names} | options
    try:
        frame = pd.read_csv(
            path, sep=separator, header=header, dtype=str, keep_default_na=False, na_values=[""], index_col=False,
            **options,
        )  # fmt: skip
    except FileNotFoundError:
        raise UserError(f"no file {path}: put it there, or fetch the dataset again") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} has another encoding than {options['encoding']} ({short(error)}): save it so"
        ) from None
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors, and name the line
        raise UserError(f"{path} cannot be read ({short(error)}): mend that line or fetch the dataset again") from None
    if frame.empty:
        raise UserError(f"{path} has no rows: fetch the dataset again")
    return frame


def whole_numbers(frame: pd.DataFrame, columns: list[str], path: Path, first_line: int = 1) -> pd.DataFrame:
    """`frame` with whole numbers in `columns`; raises UserError with the first line where one is something else."""
    made = {}
    for column in columns:
        numbers = pd.to_numeric(frame[column], errors="coerce").to_numpy(float)
        wrong = ~(np.abs(numbers) < 2**53) | (numbers % 1 != 0)
        if wrong.any():
            line, value = int(np.argmax(wrong)) + first_line, frame[column][wrong].iloc[0]
            got = "is missing" if pd.isna(value) else f"{short(repr(value), 40)} is no whole number"
            raise UserError(f"{path}: line {line}: the {column} {got}: mend or remove that line")
        made[column] = numbers.astype(np.int64)
    return frame.assign(**made)


def parquet(path: Path, needed: list[str]) -> pd.DataFrame:
    """The table in a parquet file; raises UserError when it cannot be read or lacks a column."""
    try:
        frame = pd.read_parquet(path)
    except FileNotFoundError:
        raise UserError(f"no file {path}: put it there, or fetch the dataset again") from None
    # whatever it is: a damaged file makes arrow raise nearly anything
    except Exception as error:
        raise UserError(f"{path} cannot be read ({short(error)}): fetch the dataset again") from None
    missing = [name for name in needed if name not in frame]
    if missing:
        raise UserError(f"{path} has no column '{missing[0]}': it needs {', '.join(needed)}")
    if frame.empty:
        raise UserError(f"{path} has no rows: fetch the dataset again")
    return frame
