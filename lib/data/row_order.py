"""The order of users and items everywhere in RepRec, told by the ids that they have in the data."""

from pathlib import Path

import pandas as pd

from lib.core.errors import UserError
from lib.core.files import write_text
from lib.data.interactions import Interactions


def ids(data: Interactions, side: str) -> pd.Series:
    """The ids of all users or items, as text, by index; data that bring their own splits may have no ids but these."""
    frame, count = (data.users, data.n_users) if side == "user" else (data.items, data.n_items)
    known = frame["id"] if frame is not None and "id" in frame else pd.RangeIndex(count).to_series()
    return known.astype(str)


def table(data: Interactions) -> pd.DataFrame:
    """One row per user, then per item: side, index and id."""
    sides = {side: ids(data, side).rename("id").rename_axis("index").reset_index() for side in ("user", "item")}
    return pd.concat(sides, names=["side"]).reset_index("side").reset_index(drop=True)


def write(data: Interactions, path: Path) -> Path:
    """Write the table as csv; raises UserError rather than replace the list of vectors by another one."""
    text = table(data).to_csv(index=False)
    # only a name like vectors.order.csv is read as the list of a file's rows
    if path.name != "order.csv" and path.exists() and path.read_text(encoding="utf-8") != text:
        raise UserError(f"{path} lists other ids: remove it first if the vectors were made anew in today's order")
    write_text(path, text)
    return path
