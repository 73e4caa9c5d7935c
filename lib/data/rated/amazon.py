"""Amazon reviews in the release of 2018: one json object per line in <name>.json.gz and meta_<name>.json.gz."""

import gzip
import html
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.json

from lib.core.errors import UserError, short
from lib.data.dataset_settings import DatasetSettings
from lib.data.rated.ratings import UNKNOWN, Ratings

TEXT = pa.string()
REVIEW = {"reviewerID": TEXT, "asin": TEXT, "overall": pa.float64(), "reviewTime": TEXT}
META = {"asin": TEXT, "title": TEXT, "category": pa.list_(TEXT), "description": pa.list_(TEXT)}
BLOCK = 32 << 20  # bytes that are parsed at once; no line is longer


def matches(folder: Path) -> bool:
    """Whether `folder` holds reviews with their metadata."""
    return _metadata(folder) is not None


def read(folder: Path, settings: DatasetSettings) -> Ratings:
    """Ratings of items whose third category is known, with day, title, category and the seller's description.

    A category is known where there are exactly three, as the paper's code has it. Raises UserError with file and line.
    """
    path = _metadata(folder)
    items = _items(path)
    path = path.with_name(path.name.removeprefix("meta_"))
    frame = _json(path, REVIEW)
    frame = frame[frame.asin.isin(items.index)]
    dates = pd.to_datetime(frame.reviewTime, format="%m %d, %Y", errors="coerce")
    wrong = (dates.isna() | frame.overall.isna() | frame.reviewerID.isna()).to_numpy()
    if wrong.any():
        line = int(frame.index[np.argmax(wrong)]) + 1
        raise UserError(f"{path}: line {line} lacks reviewerID, overall or a reviewTime like '02 3, 2014': mend it")
    seconds = dates.to_numpy("datetime64[s]").astype(np.int64)
    events = pd.DataFrame({"user": frame.reviewerID, "item": frame.asin, "rating": frame.overall, "time": seconds})
    notes = ["Times are days: the order of ratings within one day is that of users and items."]
    return Ratings(events, pd.DataFrame(index=pd.Index(events.user.unique())), items, notes)


def _metadata(folder: Path) -> Path | None:
    """The file with metadata that has reviews beside it."""
    found = sorted(folder.glob("meta_*.json*"))
    return next((path for path in found if path.with_name(path.name.removeprefix("meta_")).is_file()), None)


def _items(path: Path) -> pd.DataFrame:
    """Title, category and description by asin, the first of each."""
    frame = _json(path, META).dropna(subset="asin").drop_duplicates("asin").set_index("asin")
    frame = frame[frame.category.map(lambda names: names is not None and len(names) == 3)]
    described = frame.description.map(lambda parts: " ".join(filter(None, parts)) if parts is not None else "")
    columns = {"title": frame.title, "category": frame.category.map(lambda names: names[2]), "description": described}
    told = pd.DataFrame(columns, dtype=object).fillna("").map(html.unescape)
    return told.assign(title=told.title.replace("", UNKNOWN), category=told.category.replace("", UNKNOWN))[
        lambda rows: rows.category != UNKNOWN
    ]


def _json(path: Path, fields: dict[str, pa.DataType]) -> pd.DataFrame:
    """These fields of every line; raises UserError with the first line that is no such object."""
    how = pyarrow.json.ParseOptions(explicit_schema=pa.schema(fields), unexpected_field_behavior="ignore")
    try:
        with pa.input_stream(str(path), compression="gzip" if path.suffix == ".gz" else None) as stream:
            read = pyarrow.json.ReadOptions(block_size=BLOCK)
            return pyarrow.json.read_json(stream, read_options=read, parse_options=how).to_pandas()
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: {_wrong_line(path, fields) or short(error)}: mend it or get the file again") from None


def _wrong_line(path: Path, fields: dict[str, pa.DataType]) -> str | None:
    """The first line that is no json object, or has a field of another kind; arrow counts from the start of a block."""
    kinds = {TEXT: str, pa.float64(): int | float, pa.list_(TEXT): list}
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    values = json.loads(line)
                except ValueError:
                    return f"line {number} is no json object"
                for name, kind in fields.items():
                    if not isinstance(values.get(name), kinds[kind] | None):
                        return f"line {number}: {name} is {short(repr(values[name]), 40)}"
    except (OSError, EOFError, AttributeError) as error:
        return f"it cannot be read ({short(error)})"
    return None
