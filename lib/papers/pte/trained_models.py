"""Sequential recommenders that are compared: their trainings, the ranks behind them, and differences of their means.

Ranks are of test targets, `Ranks[model][seed]` [n], over the same rows for all models.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.analysis.comparisons import differences
from lib.core.files import ROOT
from lib.core.names import metric_and_k, runs_of
from lib.data.sequences.rows import SplitRows
from lib.data.sequences.user_sequences import Sequences
from lib.evaluation.target_rank import KS, metrics_of_ranks
from lib.training.sequence_run import SequenceRun
from lib.training.sequence_settings import SequenceSettings
from lib.workflow import sequence_cells

BASE = "identity"


class Model(NamedTuple):
    """What tells a recommender apart, but for the seed."""

    backbone: str
    method: str
    loss: str
    encoder: str

    @property
    def base(self) -> "Model":
        """Base of the same backbone, trained with the same loss."""
        return Model(self.backbone, BASE, self.loss, sequence_cells.NONE)


Ranks = Mapping[Model, Mapping[int, np.ndarray]]


def trained(
    settings: Iterable[SequenceSettings],
    sequences: Sequences,
    rows: SplitRows,
    negatives: np.ndarray | None = None,
    root: Path = ROOT,
) -> list[SequenceRun]:
    """The run of each, trained unless it is finished or recorded; negatives [n, m] are those of the test rows."""
    texts = {}
    for own in settings:
        if own.text_encoder not in (*texts, sequence_cells.NONE):
            texts[own.text_encoder] = sequence_cells.item_texts(sequences, own.text_encoder)
    return [
        sequence_cells.ensure(
            own, sequences, rows, texts.get(own.text_encoder), negatives, runs=Path(root) / runs_of(own.scale)
        )
        for own in settings
    ]


def ranks_of(runs: Iterable[SequenceRun], kind: str = "rank") -> dict[Model, dict[int, np.ndarray]]:
    """The ranks behind runs, of one kind (`SequenceRun.ranks`)."""
    found = {}
    for run in runs:
        own = run.settings
        model = Model(own.backbone, own.method, own.loss, own.text_encoder)
        found.setdefault(model, {})[own.seed] = run.ranks[kind].to_numpy()
    return found


def means(ranks: Ranks, ks=KS) -> pd.DataFrame:
    """Every metric of every model and seed: *Model, seed, metric, k, value."""
    rows = [
        (*model, seed, *metric_and_k(name), values.mean())
        for model, by_seed in ranks.items()
        for seed, own in by_seed.items()
        for name, values in metrics_of_ranks(own, ks).items()
    ]
    return pd.DataFrame(rows, columns=[*Model._fields, "seed", "metric", "k", "value"])


def with_base(ranks: Ranks) -> list[tuple[Model, Model]]:
    """Each model but Base, with Base of its backbone and loss, where there is one."""
    return [(model, model.base) for model in ranks if model.method != BASE and model.base in ranks]


def compared(ranks: Ranks, pairs: list[tuple[Model, Model]], metrics: Iterable[str]) -> pd.DataFrame:
    """`comparisons.differences` of pairs, named by the first model: *Model, metric, k and its columns but `pair`."""
    models = {model: [_frame(own, metrics) for own in by_seed.values()] for model, by_seed in ranks.items()}
    columns = [*Model._fields, "metric", "k"]
    if not pairs:
        numbers = ("seeds", "base_seeds", "mean", "base", "relative", "difference", "error", "freedom")
        return pd.DataFrame(columns=[*columns, *numbers, "ci_low", "ci_high", "p"])
    found = differences(models, pairs)
    names = pd.DataFrame([(*pairs[row.pair][0], *metric_and_k(row.metric)) for row in found.itertuples()])
    names.columns = columns
    return pd.concat([names, found.drop(columns=["pair", "metric"])], axis=1)


def _frame(ranks: np.ndarray, metrics: Iterable[str]) -> pd.DataFrame:
    """Metrics of each test row, which is a user."""
    values = metrics_of_ranks(ranks)
    return pd.DataFrame({"user": np.arange(len(ranks))} | {name: values[name] for name in metrics})
