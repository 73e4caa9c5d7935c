"""How near our runs come to RLMRec's and public ones: one value, the cells of its table, its learning curves.

What counts as near is decided in lib/evaluation/verdicts/rules.py, where the numbers come from in
docs/methods/rlmrec.md 11.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lib.analysis.published import FOLDER, SEEDS_OF_MEANS, published_table
from lib.core.names import MODEL, metric_and_k
from lib.evaluation.verdicts.rules import (
    BAND_OF_A_RUN,
    BAND_OF_OWN_RUNS,
    CURVE_BAND,
    band,
    in_standard_errors,
    reproduction_verdicts,
    within,
)
from lib.papers.rlmrec.ranking_table import follows_paper
from lib.results.layout import in_order_of_metrics, metric_column
from lib.results.writers import signed
from lib.training.run_folder import Run

REFERENCES = (  # file below params/published, what it is, relative deviation that is still agreement
    ("rlmrec_table1", "the paper, mean of five seeds", BAND_OF_A_RUN),
    ("own_runs", "our own run", BAND_OF_OWN_RUNS),
)


# One value


def run_verdict(run: Run, metric: str, folder: Path = FOLDER) -> str:
    """One sentence on a run's test metric ('recall@20'): is it where it should be?

    Expected is the paper's cell where the setting is the paper's, and our own earlier run (own_runs.csv) at other
    scales, from tables in `folder`. A sentence without digits of its own stays the same on another machine.
    """
    value, settings = run.metrics.test[metric], run.settings
    # in this order: our own run is asked only where the paper has no such cell
    for name, source, tolerance in REFERENCES:
        table = published_table(name, folder)
        cell = dict(zip(("metric", "k"), metric_and_k(metric), strict=True))
        cell |= {key: getattr(settings, key) for key in ("dataset", "backbone", "alignment")}
        if name == "own_runs":
            cell |= {"scale": settings.scale, "seed": settings.seed, "encoder": settings.encoder}
        elif not follows_paper(settings):
            continue
        found = table.loc[(table[list(cell)] == pd.Series(cell)).all(axis=1), "value"]
        if len(found):
            near = "within" if within(value / found.iloc[0] - 1, tolerance) else "NOT within"
            return f"{metric} is {near} {tolerance:.0%} of {found.iloc[0]:.4f} ({source})"
    return f"{metric}: there is no reference for this setting"


def own_runs(runs: Sequence[Run]) -> pd.DataFrame:
    """What `run_verdict` expects at scales other than the paper's: recall@20 and ndcg@20 of runs, for own_runs.csv."""
    rows = [
        {name: getattr(run.settings, name) for name in ("dataset", "scale", "encoder", "backbone", "alignment", "seed")}
        | {"metric": metric, "k": 20, "value": round(run.metrics.test[f"{metric}@20"], 4)}
        for run in runs
        for metric in ("recall", "ndcg")
    ]
    return pd.DataFrame(rows)


# Tables


def reproduction_table(ranking: pd.DataFrame) -> pd.DataFrame:
    """Our means over seeds beside the nearer of the paper's value and the public single run, where settings are equal.

    ranking: the frame of `ranking_table`. Columns of MODEL, metric, k, seeds, value, sd, published, third_party,
    reference (which of the two), deviation (relative to it), from_paper (relative to the paper), band, times_noise
    (deviation in standard errors over our seeds and the reference's) and verdict.
    """
    cell = [*MODEL, "metric", "k"]
    table = ranking[ranking["comparable"]].groupby(cell, as_index=False).agg(
        seeds=("seed", "nunique"), value=("value", "mean"), sd=("value", "std"),
        published=("published", "first"), third_party=("third_party", "first"),
    )  # fmt: skip
    public = table["third_party"].astype(float)
    # false where there is no public run (NaN), so the paper is the reference there
    nearer = (public - table["value"]).abs() < (table["published"] - table["value"]).abs()
    reference, seeds = public.where(nearer, table["published"]), np.where(nearer, 1, SEEDS_OF_MEANS)
    table["reference"] = np.where(nearer, "public run", "the paper")
    table["deviation"] = table["value"] / reference - 1
    table["from_paper"] = table["value"] / table["published"] - 1
    table["band"] = [band(*name) for name in zip(table["metric"], table["k"], strict=True)]
    table["times_noise"] = in_standard_errors(table["value"] - reference, table["sd"], table["seeds"], seeds)
    return table.assign(verdict=reproduction_verdicts(table))


def reproduction_layout(table: pd.DataFrame) -> pd.DataFrame:
    """The deviations of `reproduction_table`, one line per model.

    (run) stands where a deviation is from the public run, \\* where it is outside the band.
    """
    marks = np.where(table["verdict"] == "within", "", r"\*")
    whose = np.where(table["reference"] == "the paper", "", " (run)")
    texts = [signed(f"{value:+.1%}{name}") for value, name in zip(table["deviation"], whose, strict=True)]
    columns = [metric_column(*name) for name in zip(table["metric"], table["k"], strict=True)]
    # np.char.add does not take an empty list, which numpy reads as numbers
    named = table.assign(text=np.char.add(texts, marks) if len(table) else texts, column=columns)
    wide = named.pivot(index=["dataset", "backbone", "alignment", "seeds"], columns="column", values="text")
    return wide[in_order_of_metrics(wide.columns)].reset_index().rename_axis(columns=None)


def reproduction_sentences(table: pd.DataFrame) -> list[str]:
    """What the rows of `reproduction_table` come to, for Recall@20 and for the other metrics."""
    if not len(table):
        return ["no cell has the paper's data, protocol and texts: there is nothing to reproduce"]
    target = (table["metric"] == "recall") & (table["k"] == 20)
    return [_sentence("recall@20", table[target]), _sentence("the other metrics", table[~target])]


def _sentence(what: str, table: pd.DataFrame) -> str:
    counts = table["verdict"].value_counts()
    reached, limit = counts.get("within", 0), table["band"].max()
    found = f"{what}: {reached} of {len(table)} within {limit:.0%} of the paper or the public run"
    found += f" ({within(table['from_paper'], table['band']).sum()} of the paper itself)"
    outside = {name: count for name, count in counts.items() if name != "within"}
    return ", ".join([found, *(f"{count} {name}" for name, count in outside.items())])


def rows_above_base(cells: pd.DataFrame, dataset: str) -> str:
    """In how many backbones aligned rows are above base at Recall@20; empty where `cells` have none of this dataset.

    cells: columns dataset, backbone, alignment, metric, k, value, of the paper or our own.
    """
    table = cells.query("metric == 'recall' and k == 20 and backbone != 'semantic_only'")
    own = table[table["dataset"] == dataset]
    wide = own.pivot(index="backbone", columns="alignment", values="value")
    above = {name: (wide[name] > wide["base"]).sum() for name in wide.columns.drop("base", errors="ignore")}
    return "; ".join(f"{name}: above base in {count} of {len(wide)}" for name, count in above.items())


# Learning curves


def curve_points(runs: Sequence[Run], public: pd.DataFrame) -> pd.DataFrame:
    """Validation Recall@20 of runs with the paper's setting, mean over seeds, beside points of public logs.

    public: columns dataset, backbone, alignment, epoch (number, or 'best'), validation_recall20. Columns dataset,
    backbone, alignment, epoch, ours, public, difference.
    """
    at = ["dataset", "backbone", "alignment", "epoch"]
    public = public[public["epoch"] != "best"].astype({"epoch": int}).rename(columns={"validation_recall20": "public"})
    frames = [run.history.assign(dataset=run.settings.dataset) for run in runs if follows_paper(run.settings)]
    if not frames:
        return pd.DataFrame(columns=[*at, "ours", "public", "difference"])
    own = pd.concat(frames).dropna(subset="recall@20")
    ours = own.groupby(at, as_index=False)["recall@20"].mean().rename(columns={"recall@20": "ours"})
    table = ours.merge(public, on=at)
    return table.assign(difference=table["ours"] - table["public"])


def curve_table(histories: pd.DataFrame, points: pd.DataFrame, metric: str = "recall@20") -> pd.DataFrame:
    """What the figure of learning curves draws: backbone, alignment, run, epoch, `metric`, weights_used.

    histories: columns backbone, alignment, seed, epoch and `metric`, NaN in epochs without evaluation; points: of
    `curve_points`. run is `seed <n>` or `public`; weights_used marks the best epoch of each seed.
    """
    own = histories.dropna(subset=[metric], ignore_index=True)
    best = own.groupby(["backbone", "alignment", "seed"])[metric].idxmax()
    own = own.assign(run="seed " + own["seed"].astype(str), weights_used=own.index.isin(best))
    public = points.rename(columns={"public": metric}).assign(run="public", weights_used=False)
    columns = ["backbone", "alignment", "run", "epoch", metric, "weights_used"]
    return pd.concat([own[columns], public[columns]]) if len(public) else own[columns]


def curve_sentence(table: pd.DataFrame) -> str:
    """The largest difference of `curve_points`, and how many are small."""
    if not len(table):
        return "no public log has this setting"
    worst = table.loc[table["difference"].abs().idxmax()]
    near = within(table["difference"], CURVE_BAND).sum()
    return (
        f"{near} of {len(table)} points of public curves are met within {CURVE_BAND}; the farthest is "
        f"{worst['backbone']} at epoch {worst['epoch']}: {worst['ours']:.4f}, public {worst['public']:.4f}"
    )
