"""Files that hold sequences without dates: sequences.parquet, or a text with the items of a user on each line.

sequences.parquet has the columns user, item, position. sequences.txt has lines 'user item item item …' as S3-Rec
writes them, inter.txt lines 'user item' in order as LLM-ESR does; both forms are read under either name. Ids become
indices in their order. Beside them may lie items.parquet (item and what is known: raw_id, text_id,
categories_resolved, or any of the columns that Sequences.texts reads) and split.parquet (user, split, rank).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import UserError, short
from lib.data.dataset_settings import DatasetSettings
from lib.data.preprocess import named
from lib.data.rated.click_split import SPLITS
from lib.data.rated.ratings import parquet
from lib.data.readers import table
from lib.data.sequences.user_sequences import Sequences, starts

TABLE, TEXTS = "sequences.parquet", ("sequences.txt", "inter.txt")
NAMES = {"raw_id": "asin", "text_id": "phrase", "categories_resolved": "categories"}  # what the columns really hold
LINE = r"\s*[0-9]{1,18}(\s+[0-9]{1,18})+\s*"


def matches(folder: Path) -> bool:
    """Whether `folder` holds such a file."""
    return any((folder / name).is_file() for name in (TABLE, *TEXTS))


def read(folder: Path, settings: DatasetSettings) -> Sequences:
    """The sequences with what lies beside them; raises UserError with file and row of the first mistake."""
    if (folder / TABLE).is_file():
        user, item = _table(folder / TABLE)
    else:
        user, item = _text(next(folder / name for name in TEXTS if (folder / name).is_file()))
    users, user = np.unique(user, return_inverse=True)
    items, item = np.unique(item, return_inverse=True)
    item = item[np.argsort(user, kind="stable")].astype(np.int32) + 1
    known, split = _items(folder / "items.parquet", items), _split(folder / "split.parquet", users)
    return Sequences(
        settings.name, pd.DataFrame({"id": users}), known, starts(np.bincount(user)), item, published=split
    )


def _frame(path: Path, ids: tuple[str, ...], numbers: tuple[str, ...] = ()) -> pd.DataFrame:
    """A parquet file with these columns, none of their values missing; ids are whole numbers or texts."""
    frame = parquet(path, [*ids, *numbers])
    if frame.columns.duplicated().any():
        raise UserError(f"{path} has two columns '{short(frame.columns[frame.columns.duplicated()][0])}': remove one")
    for column in (*ids, *numbers):
        if (gaps := frame[column].isna().to_numpy()).any():
            raise UserError(f"{path}: row {np.argmax(gaps) + 1} has no {column}: fill or remove it")
    for column in numbers:
        if frame[column].dtype.kind not in "iuf":
            raise UserError(f"{path}: the column {column} holds no numbers, by which events or users are put in order")
    return frame.assign(**{column: table.ids(frame[column]) for column in ids})


def _table(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Users and items of all events [n_events], those of a user in order."""
    frame = _frame(path, ("user", "item"), ("position",))
    if (twice := frame.duplicated(["user", "position"]).to_numpy()).any():
        row = frame.iloc[np.argmax(twice)]
        said = f"user {short(row.user, 40)} has a second event at position {row.position}"
        raise UserError(f"{path}: row {np.argmax(twice) + 1}: {said}: number the events of each user in order")
    frame = frame.sort_values(["user", "position"])
    return frame.user.to_numpy(), frame["item"].to_numpy()


def _text(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The same of lines with a user and one item or more."""
    try:
        lines = pd.Series(path.read_text(encoding="utf-8-sig").splitlines(), dtype=str)
    except (UnicodeDecodeError, OSError) as error:
        raise UserError(f"{path} cannot be read ({short(error)}): save it again as a text") from None
    lines = lines[lines.str.strip() != ""]  # the index still counts them
    if lines.empty:
        raise UserError(f"{path} is empty: it needs a line 'user item item …' for each user")
    wrong = ~lines.str.fullmatch(LINE)
    if wrong.any():
        said = f"{short(repr(lines[wrong].iloc[0]), 60)} is not 'user item item …' in whole numbers"
        raise UserError(f"{path}: line {wrong.idxmax() + 1}: {said}: mend or remove that line")
    items_in_line = lines.str.count(r"[0-9]+").to_numpy() - 1
    numbers = np.array(" ".join(lines).split(), dtype=np.int64)
    first = starts(items_in_line + 1)[:-1]
    user = pd.Series(numbers[first], lines.index)
    if (items_in_line > 1).any() and (twice := user.duplicated()).any():  # else a line is an event, not a user
        where = f"{path}: line {twice.idxmax() + 1}: user {user[twice].iloc[0]} has a line already"
        raise UserError(f"{where}: put all items of a user on one line")
    return np.repeat(user.to_numpy(), items_in_line), np.delete(numbers, first)


def _items(path: Path, ids: np.ndarray) -> pd.DataFrame:
    """One row for each item id, with what items.parquet says of it; empty texts count as unknown."""
    if not path.is_file():
        return pd.DataFrame({"id": ids})
    known = _frame(path, ("item",)).rename(columns=NAMES)
    if (twice := known["item"].duplicated().to_numpy()).any():
        raise UserError(f"{path} describes an item twice, again in row {np.argmax(twice) + 1}: remove one")
    # as texts, since other items may have ids that are no numbers
    known = known.set_index(known["item"].astype(str)).drop(columns=["item", "id", "attribute_ids"], errors="ignore")
    keys = pd.Series(ids).astype(str)
    if not keys.isin(known.index).any():
        raise UserError(f"{path} describes none of the items in the sequences: write their ids into its column 'item'")
    return pd.concat([pd.DataFrame({"id": ids}), known.replace("", None).reindex(keys).reset_index(drop=True)], axis=1)


def _split(path: Path, ids: np.ndarray) -> pd.DataFrame | None:
    """Split and rank of each user, by index; None without split.parquet."""
    if not path.is_file():
        return None
    frame = _frame(path, ("user", "split"), ("rank",))
    if (wrong := ~frame.split.isin(SPLITS).to_numpy()).any():
        said = f"the split '{short(frame.split.iloc[np.argmax(wrong)], 40)}' is none of train, valid and test"
        raise UserError(f"{path}: row {np.argmax(wrong) + 1}: {said}: mend it")
    if frame.user.duplicated().any() or frame["rank"].duplicated().any():
        raise UserError(f"{path} must have every user and every rank once: remove or mend the others")
    frame, keys = frame.set_index(frame.user.astype(str)), pd.Series(ids).astype(str)
    if len(missing := np.flatnonzero(~keys.isin(frame.index))):
        said = f"{len(missing)} users of the sequences, {named(pd.DataFrame({'id': ids}), missing)}"
        raise UserError(f"{path} has no row for {said}: add them, or remove the file to split users otherwise")
    frame = frame.loc[keys, ["split", "rank"]].reset_index(drop=True)
    return frame.assign(split=frame.split.map(SPLITS))
