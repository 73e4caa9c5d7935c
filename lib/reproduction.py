"""How near our runs come to published ones: one value, the rows of a table, learning curves (spec rlmrec 11)."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from lib.files import ROOT
from lib.plots import signed
from lib.tables import MODEL, by_k, follows_paper, metric_and_k

REFERENCES = (  # file below params/published, what it is, relative deviation that is still agreement
    ("rlmrec_table1", "the paper, mean of five seeds", 0.02),
    ("own_runs", "our own run", 0.05),
)
PAPER_SEEDS = 5
CURVE_BAND = 0.005  # of validation Recall@20, absolute


def band(metric: str, k: int) -> float:
    """The relative deviation from a published value that still counts as reproduced."""
    return 0.02 if (metric, k) == ("recall", 20) else 0.03


def verdict(run, metric: str, published: Path = ROOT / "params" / "published") -> str:
    """One sentence on a run's test metric ('recall@20'): is it where it should be?

    Expected is the paper's cell where the setting is the paper's, and our own earlier run (own_runs.csv) at other
    scales. A sentence without digits of its own stays the same on another machine.
    """
    value, settings = run.metrics["test"][metric], run.settings
    for name, source, tolerance in REFERENCES:
        table = pd.read_csv(Path(published) / f"{name}.csv")
        cell = dict(zip(("metric", "k"), metric_and_k(metric), strict=True))
        cell |= {key: getattr(settings, key) for key in ("dataset", "backbone", "alignment")}
        if name == "own_runs":
            cell |= {"scale": settings.scale, "seed": settings.seed, "encoder": settings.encoder}
        elif not follows_paper(settings):
            continue
        found = table.loc[(table[list(cell)] == pd.Series(cell)).all(axis=1), "value"]
        if len(found):
            near = "within" if abs(value / found.iloc[0] - 1) <= tolerance else "NOT within"
            return f"{metric} is {near} {tolerance:.0%} of {found.iloc[0]:.4f} ({source})"
    return f"{metric}: there is no reference for this setting"


def own_runs(runs) -> pd.DataFrame:
    """What `verdict` expects at scales other than the paper's: recall@20 and ndcg@20 of runs, for own_runs.csv."""
    rows = [
        {name: getattr(run.settings, name) for name in ("dataset", "scale", "encoder", "backbone", "alignment", "seed")}
        | {"metric": metric, "k": 20, "value": round(run.metrics["test"][f"{metric}@20"], 4)}
        for run in runs
        for metric in ("recall", "ndcg")
    ]
    return pd.DataFrame(rows)


# Tables


def rows(ranking: pd.DataFrame) -> pd.DataFrame:
    """Our means over seeds beside the nearer of the paper's value and the public single run, where settings are equal.

    From the frame of `tables.ranking`. Columns of MODEL, metric, k, seeds, value, sd, published, third_party, reference
    (which of the two), deviation (relative to it), from_paper (relative to the paper), band, times_noise (deviation in
    standard errors over our seeds and the reference's) and verdict.
    """
    cell = [*MODEL, "metric", "k"]
    table = ranking[ranking["comparable"]].groupby(cell, as_index=False).agg(
        seeds=("seed", "nunique"), value=("value", "mean"), sd=("value", "std"),
        published=("published", "first"), third_party=("third_party", "first"),
    )  # fmt: skip
    public = table["third_party"].astype(float)
    nearer = (public - table["value"]).abs() < (table["published"] - table["value"]).abs()
    reference, runs = public.where(nearer, table["published"]), np.where(nearer, 1, PAPER_SEEDS)
    table["reference"] = np.where(nearer, "public run", "the paper")
    table["deviation"] = table["value"] / reference - 1
    table["from_paper"] = table["value"] / table["published"] - 1
    table["band"] = [band(*name) for name in zip(table["metric"], table["k"], strict=True)]
    table["times_noise"] = (table["value"] - reference) / (table["sd"] * np.sqrt(1 / table["seeds"] + 1 / runs))
    few = stats.t.ppf(0.975, (table["seeds"] - 1).clip(lower=1))  # a spread of few seeds is itself uncertain
    within, noise = table["deviation"].abs() <= table["band"], table["times_noise"].abs() < few
    return table.assign(verdict=np.select([within, noise], ["within", "outside, no more than seeds do"], "outside"))


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """The deviations of `rows`, one line per model, (run) where from the public run, \\* where outside the band."""
    marks = np.where(table["verdict"] == "within", "", r"\*")
    whose = np.where(table["reference"] == "the paper", "", " (run)")
    texts = [signed(f"{value:+.1%}{name}") for value, name in zip(table["deviation"], whose, strict=True)]
    columns = [f"{metric[0].upper()}@{k}" for metric, k in zip(table["metric"], table["k"], strict=True)]
    named = table.assign(text=np.char.add(texts, marks) if len(table) else texts, column=columns)
    wide = named.pivot(index=["dataset", "backbone", "alignment", "seeds"], columns="column", values="text")
    return wide[by_k(wide.columns)].reset_index().rename_axis(columns=None)


def sentences(table: pd.DataFrame) -> list[str]:
    """What `rows` come to, for Recall@20 and for the other metrics."""
    if not len(table):
        return ["no cell has the paper's data, protocol and texts: there is nothing to reproduce"]
    target = (table["metric"] == "recall") & (table["k"] == 20)
    return [_sentence("recall@20", table[target]), _sentence("the other metrics", table[~target])]


def _sentence(what: str, table: pd.DataFrame) -> str:
    counts = table["verdict"].value_counts()
    reached, limit = counts.get("within", 0), table["band"].max()
    found = f"{what}: {reached} of {len(table)} within {limit:.0%} of the paper or the public run"
    found += f" ({(table['from_paper'].abs() <= table['band']).sum()} of the paper itself)"
    outside = {name: count for name, count in counts.items() if name != "within"}
    return ", ".join([found, *(f"{count} {name}" for name, count in outside.items())])


def ended_in_a_dip(history: pd.DataFrame, metric: str = "recall@20", depth: float = 0.1) -> bool:
    """Whether patience ended a run that was recovering.

    That is, its validation metric had fallen by more than `depth` of its best, and by the last evaluation it had
    climbed back more than half of that.
    """
    values = history[metric].dropna()
    after = values.loc[values.idxmax() :]
    fallen = after.max() - after.min()
    return bool(fallen > depth * after.max() and after.iloc[-1] - after.min() > fallen / 2)


def without_dips(table: pd.DataFrame, runs) -> tuple[pd.DataFrame, str]:
    """The rows (columns backbone, alignment) of models none of whose runs `ended_in_a_dip`, and a note on the others.

    Such a run tells of its stopping rule and not of its alignment, so a verdict on alignment does not count it.
    """
    stopped = {(run.settings.backbone, run.settings.alignment) for run in runs if ended_in_a_dip(run.history)}
    models = list(zip(table["backbone"], table["alignment"], strict=True))
    names = ", ".join(" ".join(model) for model in dict.fromkeys(models) if model in stopped)
    kept = table[[model not in stopped for model in models]]
    return kept, f"; not counted: {names}, stopped in a dip" if names else ""


def above_base(published: pd.DataFrame, dataset: str) -> str:
    """In how many backbones aligned rows are above base at Recall@20: of this dataset, or else of all (the paper's)."""
    table = published.query("metric == 'recall' and k == 20 and backbone != 'semantic_only'")
    own = table[table["dataset"] == dataset]
    wide = (own if len(own) else table).pivot(index=["dataset", "backbone"], columns="alignment", values="value")
    above = {name: (wide[name] > wide["base"]).sum() for name in wide.columns.drop("base")}
    where = "" if len(own) else " on its three datasets"
    return "; ".join(f"{name}: above base in {count} of {len(wide)}{where}" for name, count in above.items())


# Learning curves


def curves(runs, public: pd.DataFrame) -> pd.DataFrame:
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


def curve_sentence(table: pd.DataFrame) -> str:
    """The largest difference of `curves`, and how many are small."""
    if not len(table):
        return "no public log has this setting"
    worst = table.loc[table["difference"].abs().idxmax()]
    near = (table["difference"].abs() <= CURVE_BAND).sum()
    return (
        f"{near} of {len(table)} points of public curves are met within {CURVE_BAND}; the farthest is "
        f"{worst['backbone']} at epoch {worst['epoch']}: {worst['ours']:.4f}, public {worst['public']:.4f}"
    )
