"""What the ratings in a prompt tell by themselves, beside what a language model makes of the whole prompt."""

import numpy as np
import pandas as pd

from lib.evaluation import click_metrics
from lib.papers.rallrec.answers import Study
from lib.papers.rallrec.questions import Question
from lib.papers.rallrec.retrieval import NONE


def mean_ratings(study: Study, question: Question) -> np.ndarray:
    """The mean rating of the items that the prompt about each test sample shows, between 0 and 1: [n].

    0 is the lowest mean, 1 the highest. Where data have no ratings, likes take their place; a prompt without either
    counts as the average one.
    """
    events = study.samples.events
    ratings = events.rating if events.rating.notna().any() else events.label
    alpha = study.alpha if question.items == "rerank" else None
    positions = study.positions("test", question.k, alpha)[question.items]
    shown = np.where(positions == NONE, np.nan, ratings.to_numpy(float)[positions])
    means = pd.DataFrame(shown).mean(axis=1)
    means = means.fillna(means.mean()) - means.min()
    return (means / max(means.max(), 1e-9)).to_numpy()


def beside(study: Study, questions: dict[str, Question], rng: np.random.Generator) -> pd.DataFrame:
    """A row per question: how well the model's answers rank the test samples, and how well those mean ratings do.

    Columns model, metric (auc), value and of_shown_ratings, the difference of these two with its interval and p
    (lib/evaluation/click_metrics.py), and rank_correlation of the two predictions (Spearman).
    """
    labels, rows = study.labels(), []
    for name, question in questions.items():
        said, means = study.answers(question).p, mean_ratings(study, question)
        found = click_metrics.difference(labels, means, said, rng).set_index("metric").loc["auc"]
        own = {"value": click_metrics.scores(labels, said)["auc"]}
        own["of_shown_ratings"] = own["value"] - found.difference
        alike = pd.Series(said).corr(pd.Series(means), method="spearman")
        rows.append({"model": name, "metric": "auc"} | own | found.to_dict() | {"rank_correlation": alike})
    return pd.DataFrame(rows)


def in_words(table: pd.DataFrame, model: str) -> str:
    """What a row of `beside` says."""
    row = table.set_index("model").loc[model]
    sure = "clearly" if row.ci_low > 0 or row.ci_high < 0 else "not clearly"
    said = f"the mean of the ratings in the prompts of {model} has an AUC of {row.of_shown_ratings:.3f}, the answers to"
    said += f" these prompts have {row.value:.3f}, {sure} {'more' if row.difference > 0 else 'less'}"
    return f"{said}; the rank correlation of the two is {row.rank_correlation:.2f}"
