"""What of a table its page shows: rows and columns that fit on a screen, and a sentence on what is left out.

The csv beside the page keeps everything.
"""

import pandas as pd

from lib.evaluation.verdicts.rules import PRIMARY
from lib.results import display_names

ROWS = 40  # at most, on a page
WIDTH = 130  # characters of a row at most, with three between any two columns
WRAPPED = 14  # a cell of several words takes more lines instead of more room
# how a number came about: left out first, in this order, where a table is too wide
INNER = ("user_error", "seed_error", "error", "freedom", "base_seeds", "permuted", "p", "seeds", "detectable", "chance")
INNER += ("batch", "build_s", "sampling_s", "step_s", "final_s")  # of an epoch
LAST = ("verdict", "paper", "published", "consistent")  # never left out: what a reader looks for
HEADLINES = (PRIMARY, "auc")  # the metrics that a page keeps where there are too many rows


def short(cells: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows and columns of a table of texts that a page shows, and sentences that belong above it.

    Where rows are too many, those with a verdict stay, else those of the headline metric, then the first ROWS. Where a
    row is too wide, a column that says the same in every row becomes a sentence, then INNER go, then the last columns
    but LAST.
    """
    shown = _fewer_rows(cells.reset_index(drop=True))  # of two tables in one, rows may have the same number
    shown, same = _without_repetition(shown) if _width(shown) > WIDTH else (shown, {})
    shown = _fewer_columns(shown)
    said = display_names.in_table(pd.DataFrame([same])).iloc[0]
    sentences = [f"In every row: {', '.join(f'{name} {value}' for name, value in said.items())}."] if same else []
    if left := _left_out(cells, shown, same):
        sentences.append(f"Left out here: {left}.")
    return shown, sentences


def _fewer_rows(cells: pd.DataFrame) -> pd.DataFrame:
    kept = [cells["verdict"] != ""] if "verdict" in cells else []
    kept += [cells["metric"] == name for name in HEADLINES if "metric" in cells]
    for rows in kept:
        if len(cells) > ROWS and rows.any():
            cells = cells[rows.reindex(cells.index)]
    return cells.head(ROWS)


def _without_repetition(cells: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table without columns of one value, and these values; a single row repeats nothing."""
    repeated = [name for name in cells if len(cells) > 1 and cells[name].nunique() == 1 and name != "verdict"]
    return cells.drop(columns=repeated), {name: cells[name].iloc[0] for name in repeated if cells[name].iloc[0]}


def _fewer_columns(cells: pd.DataFrame) -> pd.DataFrame:
    last = [name for name in reversed(cells.columns[1:]) if name not in LAST]
    for name in (*(name for name in INNER if name in cells), *last):
        if _width(cells) > WIDTH and name in cells:
            cells = cells.drop(columns=name)
    return cells


def _width(cells: pd.DataFrame) -> int:
    """Characters that a row takes on a screen."""
    return sum(_column_width(str(name), cells[name]) + 3 for name in cells)


def _column_width(name: str, cells: pd.Series) -> int:
    """The longest cell, or what remains of one that is broken between its words."""
    texts = [cell.replace("**", "").replace(r"\*", "*") for cell in cells]  # as they are seen
    words = max((len(word) for text in texts for word in text.split()), default=0)
    longest = max(map(len, texts), default=0)
    return max(len(name), words, min(longest, WRAPPED))


def _left_out(cells: pd.DataFrame, shown: pd.DataFrame, same: dict[str, str]) -> str:
    rows = len(cells) - len(shown)
    columns = [str(name) for name in cells if name not in shown and name not in same]
    parts = [f"{rows} of {len(cells)} rows"] * bool(rows)
    parts += [f"the {'columns' if len(columns) > 1 else 'column'} {', '.join(columns)}"] * bool(columns)
    return " and ".join(parts)
