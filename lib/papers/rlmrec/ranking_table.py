"""RLMRec's ranking table: Recall and NDCG of every backbone and alignment, ours beside the paper's rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.core.names import MODEL, metric_and_k
from lib.results.layout import arranged, in_order_of_metrics, metric_column
from lib.results.writers import signed
from lib.training.run_folder import Run
from lib.training.run_settings import RunSettings


def ranking_table(
    runs: Sequence[Run], published: pd.DataFrame, third_party: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Test metrics of runs beside the paper's cells, tidy: one row per run, metric and k.

    published, third_party: columns dataset, backbone, alignment, metric, k, value, the paper's and others'. Columns of
    MODEL, seed, metric, k, value, published (NaN where the paper has no such cell), comparable (same data, protocol and
    text vectors as the paper), third_party (a run of others, likewise).
    """
    rows = [
        (*run.settings.model, run.settings.seed, *metric_and_k(name), value, follows_paper(run.settings))
        for run in runs
        for name, value in run.metrics.test.items()
    ]
    table = pd.DataFrame(rows, columns=[*MODEL, "seed", "metric", "k", "value", "comparable"])
    cell = ["dataset", "backbone", "alignment", "metric", "k"]
    table = table.merge(published.rename(columns={"value": "published"}), on=cell, how="left")
    other = pd.DataFrame(columns=[*cell, "value"]) if third_party is None else third_party[[*cell, "value"]]
    table = table.merge(other.rename(columns={"value": "third_party"}), on=cell, how="left")
    table["comparable"] &= table["published"].notna()
    table = table[[*MODEL, "seed", "metric", "k", "value", "published", "comparable", "third_party"]]
    return table.sort_values([*MODEL, "seed", "metric", "k"], ignore_index=True)


def follows_paper(settings: RunSettings) -> bool:
    """Whether a run has the paper's protocol and its text vectors, text-embedding-ada-002; base models read no text."""
    return settings.scale == "paper" and (settings.alignment == "base" or settings.encoder == "published")


def ranking_layout(table: pd.DataFrame, tests: pd.DataFrame, bold: set[tuple]) -> pd.DataFrame:
    """The ranking table of a paper: rows backbone x alignment, columns R@5 ... N@20, from `ranking_table`.

    Our value is the mean over seeds (± standard deviation if there are several), bold where `bold` (of `best_models`)
    has it, with \\* where `comparisons.against_base` tells it from base. The paper's value follows in a row of its
    own with the relative difference where the two are comparable, and the single run of others.
    """
    ours = table.groupby([*MODEL, "metric", "k"], sort=False)["value"].agg(["mean", "std"])
    paper = table.groupby([*MODEL, "metric", "k"], sort=False)[["published", "comparable", "third_party"]].first()
    cells = ours.join(paper).reset_index()
    cells["column"] = [metric_column(*name) for name in zip(cells["metric"], cells["k"], strict=True)]
    names = [(*row[:4], f"{row[4]}@{row[5]}") for row in cells.itertuples(index=False)]
    # where there is one model only, to call it the best would say nothing
    several = cells.groupby(["dataset", "backbone", "column"])["mean"].transform("size") > 1
    cells["best"] = several & np.array([name in bold for name in names])
    stars = _stars(tests)
    cells["star"] = [name in stars for name in names]
    rows = [row for model, part in cells.groupby(MODEL) for row in _ranking_rows(model, part)]
    return arranged(pd.DataFrame(rows), in_order_of_metrics(cells["column"]))


def _stars(tests: pd.DataFrame) -> set[tuple]:
    """(dataset, encoder, backbone, alignment, metric) of the comparisons with base that show a difference."""
    if not len(tests):
        return set()
    found = tests[tests["verdict"].isin(["better", "worse"]) & (tests["against"] == "base")]
    return set(found[[*MODEL, "metric"]].itertuples(index=False, name=None))


def _ranking_rows(model: tuple, cells: pd.DataFrame) -> list[dict]:
    """Our row of a model, then where they exist the paper's row, the difference, and the run of others."""
    cells = cells.set_index("column")
    rows = [("ours", {name: _ours(cell) for name, cell in cells.iterrows()})]
    known = cells[cells["published"].notna()]
    if len(known):
        source = "paper" if known["comparable"].all() else "paper, other setting"
        rows.append((source, {name: f"{value:.4f}" for name, value in known["published"].items()}))
    if known["comparable"].any():
        difference = known["mean"] / known["published"] - 1
        rows.append(("difference", {name: signed(f"{value:+.1%}") for name, value in difference.items()}))
    others = cells[cells["third_party"].notna()]
    if len(others):
        rows.append(("third party, one seed", {name: f"{value:.4f}" for name, value in others["third_party"].items()}))
    return [dict(zip(MODEL, model, strict=True)) | {"source": source} | values for source, values in rows]


def _ours(cell: pd.Series) -> str:
    """Our cell as text: the mean, its spread over seeds where there is one, and the marks."""
    text = f"{cell['mean']:.4f}" + (f" ± {cell['std']:.4f}" if pd.notna(cell["std"]) else "")
    return (f"**{text}**" if cell["best"] else text) + (r"\*" if cell["star"] else "")
