"""Click models on the samples that a language model is tuned with, and on all."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.files import ROOT
from lib.core.names import runs_of
from lib.data.samples import Samples
from lib.evaluation import click_metrics
from lib.papers.rallrec import augmentation
from lib.papers.rallrec.settings import RallrecSettings
from lib.training.click_run import ClickRun
from lib.training.click_settings import resolve
from lib.workflow import click_cells


def few_shot(samples: Samples, settings: RallrecSettings) -> click_cells.FewShot:
    """The train and validation samples of a language model's tuning."""
    sizes = {"train": settings.augmentation.n_index, "validation": settings.augmentation.validation_rows}
    drawn = (augmentation.sampled_rows(samples, split, size, settings.seed) for split, size in sizes.items())
    return click_cells.FewShot(*(rows.tolist() for rows in drawn))


def click_runs(
    samples: Samples, settings: RallrecSettings, models: Sequence[str], scopes: Sequence[str], searched: Sequence[str],
    seeds: Sequence[int], scale: str, root: Path = ROOT,
) -> dict[tuple[str, str, int], ClickRun]:  # fmt: skip
    """A training, or its result, of each model, scope (full, fewshot) and seed; `searched` scopes search settings."""
    few, found = few_shot(samples, settings), {}
    for model, scope, seed in product(models, scopes, seeds):
        chosen = resolve(samples.name, model, scope, seed, search=scope in searched)
        of_scope = few if scope == "fewshot" else None
        found[model, scope, seed] = click_cells.ensure(chosen, samples, of_scope, runs=root / runs_of(scale))
    return found


def click_table(
    runs: dict[tuple[str, str, int], ClickRun], rng: np.random.Generator, rows: np.ndarray | None = None
) -> pd.DataFrame:
    """Metrics with intervals of all test samples, or of those in `rows` (numbers of samples) only."""
    tables = []
    for (model, scope, seed), run in runs.items():
        said = run.predictions if rows is None else run.predictions[run.predictions.row.isin(rows)]
        found = click_metrics.with_intervals(said.y, said.p, rng)
        tables.append(found.assign(model=model, scope=scope, seed=seed, rows=len(said)))
    if not tables:
        numbers = dict.fromkeys(["value", "ci_low", "ci_high", "seed", "rows"], float)
        return pd.DataFrame(columns=["metric", "model", "scope", *numbers]).astype(numbers)
    return pd.concat(tables, ignore_index=True)
