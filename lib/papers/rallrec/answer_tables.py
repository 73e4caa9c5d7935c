"""How good a language model's answers are: metrics with intervals, paired tests, what softmax twice does to them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.evaluation import click_metrics
from lib.language.yes_no.scorer import Scores
from lib.papers.rallrec.answers import Study
from lib.papers.rallrec.questions import Question
from lib.papers.rallrec.recording import checked


def measured(
    study: Study, questions: dict, rng: np.random.Generator, names: Sequence[str] = ("model",), every_seed: bool = False
) -> pd.DataFrame:
    """A row per question, seed and metric: the key's parts under `names`, seed, rows, metric, value, ci_low, ci_high.

    every_seed: of all tunings in the settings, else of the first. The model as it is has no tuning, so one row.
    """
    first, *others = study.settings.questions.seeds
    tables = []
    for key, question in questions.items():
        parts = dict(zip(names, key if isinstance(key, tuple) else (key,), strict=True))
        for seed in [first, *(others if every_seed and question.adapter else [])]:
            found = with_legacy(study.labels(), study.answers(question, seed), rng)
            tables.append(found.assign(**parts, seed=seed, rows=len(study.labels())))
    return pd.concat(tables, ignore_index=True)


def with_legacy(labels: np.ndarray, said: Scores, rng: np.random.Generator) -> pd.DataFrame:
    """metric, value, ci_low, ci_high of auc, log_loss, acc, and of log_loss_legacy, from the public code's p."""
    found = click_metrics.with_intervals(labels, said.p, rng)
    legacy = click_metrics.with_intervals(labels, said.p_legacy.astype(float), rng)
    legacy = legacy[legacy.metric == "log_loss"].assign(metric="log_loss_legacy")
    return pd.concat([found, legacy], ignore_index=True)


def compared(study: Study, base: Question, others: dict[str, Question], rng: np.random.Generator) -> pd.DataFrame:
    """What each of `others` has more than `base` on the same samples: model, metric, difference, ci_low, ci_high, p.

    p is that of a paired bootstrap over samples; `p_delong`, of the AUC alone, that of DeLong's test.
    """
    labels, of_base, tables = study.labels(), study.answers(base).p, []
    for name, question in others.items():
        said = study.answers(question).p
        found = click_metrics.difference(labels, of_base, said, rng).assign(model=name)
        exact = click_metrics.delong(labels, of_base, said)["p"]
        tables.append(found.assign(p_delong=np.where(found.metric == "auc", exact, np.nan)))
    return pd.concat(tables, ignore_index=True)


def compared_over_seeds(table: pd.DataFrame, base: str, other: str) -> pd.DataFrame:
    """The same of two models of `measured` over the seeds of their tunings, by a paired t-test; NaN for one seed."""
    values = table.pivot_table(index=["metric", "seed"], columns="model", values="value")
    parts = [
        {"metric": metric} | click_metrics.difference_over_seeds(rows[base], rows[other])
        for metric, rows in values.dropna(subset=[base, other]).groupby("metric", sort=False)
    ]
    return pd.DataFrame(parts).assign(model=other)


def best(table: pd.DataFrame, leave_out: Sequence[str] = ()) -> str:
    """The model with the highest mean AUC over seeds, without those in `leave_out`."""
    of_auc = table[(table.metric == "auc") & ~table.model.isin(leave_out)]
    return of_auc.groupby("model").value.mean().idxmax()


def beside_click_models(table: pd.DataFrame, clicks: pd.DataFrame, model: str) -> str:
    """How far the best click model of each scope is above or below a model's AUC, in words; empty without any."""
    own = table[(table.model == model) & (table.metric == "auc")].value.mean()
    of_auc, said = clicks[clicks.metric == "auc"], ""
    for scope, values in of_auc.groupby(["scope", "model"]).value.mean().groupby("scope"):
        gain, name = values.max() - own, values.idxmax()[1]
        said += f"; the best click model ({name}, {scope}) is {abs(gain):.3f} {'above' if gain > 0 else 'below'} it"
    return said


def apart(table: pd.DataFrame, low: str, high: str, metric: str = "auc") -> bool:
    """Whether the interval of `high` lies wholly above that of `low`."""
    rows = table[table.metric == metric].drop_duplicates("model").set_index("model")
    return bool(rows.ci_low[high] > rows.ci_high[low])


def above_chance(table: pd.DataFrame) -> str:
    """How many rows of `measured` have an AUC whose interval lies wholly above one half, in words."""
    of_auc = table[table.metric == "auc"]
    above = (of_auc.ci_low > 0.5).sum()
    return f"the AUC of {above or 'none'} of {len(of_auc)} rows is clearly above one half"


def intervals_meet(table: pd.DataFrame) -> str:
    """Whether the intervals of all AUCs of `measured` share a value, in words."""
    of_auc = table[table.metric == "auc"]
    shared = of_auc.ci_low.max() <= of_auc.ci_high.min()
    return "the intervals of all rows overlap" if shared else "the intervals of some rows are apart"


def agreement(study: Study, names: list[str], count: int, seed: int = 0) -> pd.DataFrame:
    """`count` prompts of each adapter in `names`, or of the model as it is, asked now: how far recorded p(yes) is off.

    Columns answers_by, prompts, largest, mean, tolerance, agrees. Raises UserError for an unknown name.
    """
    rows = []
    for who, asked in study.asked_of(checked(names)).items():
        record = study.record_of(*who)
        missing = set(record.missing(asked))
        known = [prompt for prompt in asked if prompt not in missing]
        found = record.verify(known, study.scorer(record), count, seed)
        told = dict(prompts=found.prompts, largest=found.largest, mean=found.mean, tolerance=found.tolerance)
        rows.append({"answers_by": record.path.stem, **told, "agrees": found.agrees})
    return pd.DataFrame(rows)
