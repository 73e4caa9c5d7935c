"""One cell under changed conditions: what a study's runs came to, and what each condition changes.

Studies follow docs/methods/rlmrec.md 12. A condition is a dict of labels, such as noise=0.1 and alignment=base.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.analysis.comparisons import mean_over_seeds
from lib.core.names import read_alignment
from lib.evaluation import significance
from lib.training.run_folder import Ranked
from lib.training.run_settings import RunSettings, resolve

Labels = tuple[tuple[str, object], ...]  # (label, value) pairs: a condition as a key


def cells(
    dataset: str, backbone: str, scale: str, seeds: Sequence[int], conditions: list[dict], **common
) -> list[tuple[dict, RunSettings]]:
    """The runs of a study as (labels, settings): every condition for every seed.

    A condition's `alignment`, `dataset` and `encoder` decide the run and may name variants; what else it holds are
    labels. The label `alignment` is the plain name, so that conditions of one alignment form a line.
    """
    made = []
    for condition in conditions:
        # the condition stands last, since it may replace what the others have in common
        chosen = {"dataset": dataset, **common, **condition}
        wanted = {name: chosen[name] for name in ("dataset", "alignment", "encoder") if name in chosen}
        labels = {"alignment": read_alignment(condition["alignment"]).kind}
        labels |= {key: value for key, value in condition.items() if key not in ("dataset", "alignment")}
        made += [(labels, resolve(backbone=backbone, scale=scale, seed=seed, **wanted)) for seed in seeds]
    return made


def user_means(runs: Sequence[tuple[dict, Ranked]]) -> dict[Labels, pd.DataFrame]:
    """Per-user metrics of each condition, averaged over its seeds: {labels: frame}."""
    return mean_over_seeds((tuple(labels.items()), run) for labels, run in runs)


def means(runs: Sequence[tuple[dict, Ranked]], rng: np.random.Generator) -> pd.DataFrame:
    """Each condition's mean metrics with 95% intervals over users: its labels, metric, mean, ci_low, ci_high."""
    found = {key: significance.means_with_intervals(frame, rng) for key, frame in user_means(runs).items()}
    return pd.concat([_labelled(frame, key) for key, frame in found.items()], ignore_index=True)


def differences(
    runs: Sequence[tuple[dict, Ranked]],
    rng: np.random.Generator,
    base: dict | None = None,
    shared: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Each condition compared with its base over the same users.

    The base of a condition has the labels `base` (alignment=base unless given) and equals it in the labels `shared`.
    Columns: labels, metric, difference, ci_low, ci_high, p, p_wilcoxon and p_holm over all comparisons of one metric.
    """
    base = base or {"alignment": "base"}
    frames = user_means(runs)
    # a base for each value of the shared labels, such as one for every share of noise; labels that it has beside those
    # of `base` do not matter
    bases = {_values(key, shared): frame for key, frame in frames.items() if base.items() <= dict(key).items()}
    compared = [
        _labelled(significance.compare(bases[_values(key, shared)], frame, rng), key)
        for key, frame in frames.items()
        if not base.items() <= dict(key).items()
    ]
    table = pd.concat(compared, ignore_index=True)
    table["p_holm"] = table.groupby("metric")["p"].transform(significance.holm)
    return table


def _values(key: Labels, shared: tuple[str, ...]) -> tuple:
    return tuple(dict(key)[label] for label in shared)


def _labelled(frame: pd.DataFrame, key: Labels) -> pd.DataFrame:
    labels = dict(key)
    return frame.assign(**labels)[[*labels, *frame.columns]]
