"""Finished runs with made-up results, for what reads runs and does not care how they came about."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from lib.core.names import reads_text
from lib.training.run_folder import Metrics

METRICS = [f"{metric}@{k}" for metric in ("recall", "ndcg") for k in (5, 10, 20)]


def settings(
    backbone="lightgcn", alignment="base", seed=2023, dataset="amazon", encoder="minilm", scale="paper"
) -> SimpleNamespace:
    """What frames read of a run's settings; a base model reads no text, so its encoder is none."""
    encoder = encoder if reads_text(alignment) else "none"
    known = dict(dataset=dataset, encoder=encoder, backbone=backbone, alignment=alignment, seed=seed, scale=scale)
    return SimpleNamespace(**known, model=(dataset, encoder, backbone, alignment))


def run(backbone="lightgcn", alignment="base", seed=2023, shift=0.0, **named) -> SimpleNamespace:
    """A finished run with random per-user metrics around 0.1 + shift."""
    values = 0.1 + shift + 0.05 * np.random.default_rng(seed).normal(size=(200, len(METRICS)))
    per_user = pd.DataFrame(values, columns=METRICS).assign(user=np.arange(200))
    return SimpleNamespace(
        settings=settings(backbone, alignment, seed, **named), per_user=per_user, metrics=metrics_of(per_user)
    )


def metrics_of(per_user: pd.DataFrame) -> Metrics:
    """Metrics whose test values are the means of a per-user frame."""
    means = per_user.drop(columns="user").mean().to_dict()
    return Metrics(test=means, validation=means, best_epoch=2, epochs=3)
