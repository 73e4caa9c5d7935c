"""The report's Table 1 with our numbers: neighbour overlap with the text by backbone and alignment."""

from collections.abc import Iterable

import pandas as pd

from lib.core.names import ALIGNMENTS, MODEL
from lib.evaluation.verdicts.against_base import is_again
from lib.results.layout import arranged
from lib.results.writers import signed
from lib.training.run_settings import RunSettings


def overlap_table(measured: Iterable[tuple[RunSettings, pd.DataFrame]], encoder: str) -> pd.DataFrame:
    """Neighbour overlap with the text of an encoder, tidy, one run per model.

    measured: (settings of a run, frame of `text_overlap.mean_overlap`) pairs. Columns of MODEL, vectors, items,
    neighbours, mean_jaccard, ci_low, ci_high, chance, gain_pct (over base, in percent).
    """
    frames = [
        frame.assign(dataset=run.dataset, encoder=encoder, backbone=run.backbone, alignment=run.alignment)
        for run, frame in measured
    ]
    key = [*MODEL, "vectors", "items", "neighbours"]
    table = pd.concat(frames)[[*key, "mean_jaccard", "ci_low", "ci_high", "chance"]].sort_values(key, ignore_index=True)
    cell = [name for name in key if name != "alignment"]
    base = table.loc[table["alignment"] == "base", [*cell, "mean_jaccard"]].rename(columns={"mean_jaccard": "base"})
    # validated, since a second base run of one setting would double rows without a word
    table = table.merge(base, on=cell, how="left", validate="many_to_one")
    table["gain_pct"] = (100 * (table["mean_jaccard"] / table.pop("base") - 1)).where(table["alignment"] != "base")
    return table


def overlap_layout(table: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The report's Table 1 for every setting measured: one row per backbone, one column per alignment.

    Cells hold the mean overlap, its 95% interval and the gain over base; the report's row stands below ours where the
    setting is the report's: ego vectors, first 3000 items, K = 100. published: columns dataset, encoder, backbone,
    alignment, mean_jaccard, as in params/published/report_table1_overlap.csv.
    """
    table = table.rename(columns={"neighbours": "K"})
    table = table.assign(source="ours", text=[_overlap_cell(row) for row in table.itertuples()])
    report = published.merge(table[["dataset", "encoder", "backbone"]].drop_duplicates())
    base = report[report["alignment"] == "base"].set_index(["dataset", "encoder", "backbone"])["mean_jaccard"]
    gains = report["mean_jaccard"] / base.reindex(pd.MultiIndex.from_frame(report[base.index.names])).values - 1
    report["text"] = [
        f"{value:.3f}{_gain_text(100 * gain)}" for value, gain in zip(report["mean_jaccard"], gains, strict=True)
    ]
    report = report.assign(source="report", vectors="ego", items="first3000", K=100)
    key = [*MODEL[:2], "vectors", "items", "K", "backbone", "source"]
    chance = table.groupby(["dataset", "items", "K"])["chance"].first()
    rows = pd.concat([table, report]).pivot(index=key, columns="alignment", values="text").reset_index()
    rows["chance"] = [
        f"{chance[key]:.3f}" for key in rows[["dataset", "items", "K"]].itertuples(index=False, name=None)
    ]
    others = set(table.loc[~is_again(table["alignment"]), "alignment"]) - set(ALIGNMENTS)
    columns = [name for name in (*ALIGNMENTS, *sorted(others)) if name in rows]
    return arranged(rows, [*columns, "chance"], ("vectors", "items", "K"))


def _overlap_cell(row) -> str:
    """One of our cells as text: the mean overlap, its interval, its gain over base."""
    return f"{row.mean_jaccard:.3f} [{row.ci_low:.3f}, {row.ci_high:.3f}]{_gain_text(row.gain_pct)}"


def _gain_text(percent: float) -> str:
    """A gain in percent; nothing for base, which has none."""
    return "" if pd.isna(percent) or percent == 0 else signed(f" {percent:+.1f}%")
