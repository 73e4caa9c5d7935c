"""The tables of PtE and of those that it compares itself with: params/published/pte_*.csv."""

from pathlib import Path

import pandas as pd

from lib.analysis.published import FOLDER, published_table
from lib.core.errors import unknown

TABLES = ("cold_start", "long_tail", "isi", "counts")
HALF_DIGIT = 5e-5  # a cell of four decimals stands for any value so far from it
LARGEST_GAIN = 49  # percent: its public description speaks of gains of up to so much


def published(table: str, folder: Path = FOLDER) -> pd.DataFrame:
    """One of the tables: columns dataset, backbone, method, metric, k, value; `long_tail` has group, too.

    Cells are of one target per row, so what the tables call R is HR. `isi` is a figure of "ISI scores" with columns
    source, target, value (docs/methods/pte-dominance.md 3); `counts` has dataset, protocol, quantity, value. Raises
    UserError for an unknown table.
    """
    if table not in TABLES:
        raise unknown("table of PtE", table, TABLES)
    return published_table(f"pte_{table}", folder)
