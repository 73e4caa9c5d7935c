"""In which order rows and columns of a table for people stand.

Cells of such a table are text with two marks, **bold** and \\*, which the writers understand (lib/results/writers.py).
"""

from collections.abc import Iterable

import pandas as pd

from lib.core.names import ALIGNMENTS, BACKBONES, matched_base, metric_and_k

BASES = ("base", *(matched_base(name) for name in ALIGNMENTS[1:]))
ORDER = (*BACKBONES, *BASES, *ALIGNMENTS[1:], "ego", "final", "first3000", "all", 100, 20)  # the report's setting first


def arranged(rows: pd.DataFrame, columns: list[str], extra: tuple[str, ...] = ()) -> pd.DataFrame:
    """Rows in the order of ORDER; dataset, encoder and source are shown only where they tell rows apart.

    columns: those of values, which follow the ones that name a row; extra: further columns that name and order rows.
    """
    order = [name for name in ("dataset", *extra, "backbone", "alignment", "encoder") if name in rows]
    rank = {name: place for place, name in enumerate(ORDER)}
    # stable, so that the paper's row stays below ours
    rows = rows.sort_values(order, kind="stable", key=lambda names: [(rank.get(x, len(rank)), str(x)) for x in names])
    # 'none' is the encoder of base models and sets no rows apart
    quiet = {name for name in ("dataset", "encoder", "source") if len(set(rows[name]) - {"none"}) <= 1}
    leading = [name for name in ("dataset", *extra, "backbone", "alignment", "encoder", "source") if name in rows]
    return rows[[name for name in leading if name not in quiet] + columns].fillna("").reset_index(drop=True)


def metric_column(metric: str, k: int) -> str:
    """'R@20' for recall at 20: the head of a narrow column."""
    return f"{metric[0].upper()}@{k}"


def in_order_of_metrics(columns: Iterable[str]) -> list[str]:
    """R@5, R@10, R@20, N@5, N@10, N@20."""
    parts = {name: metric_and_k(name) for name in columns}
    return sorted(parts, key=lambda name: (parts[name][0] != "R", *parts[name]))
