"""One cell under changed conditions: what a study's runs came to, and what each condition changes.

Studies follow docs/methods/rlmrec.md 12. A condition is a dict of labels, such as noise=0.1 and alignment=base.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.analysis import comparisons
from lib.evaluation.significance import means_with_intervals
from lib.evaluation.verdicts.rules import PRIMARY, decided
from lib.training.run_folder import Ranked

Labels = tuple[tuple[str, object], ...]  # (label, value) pairs: a condition as a key


def samples(runs: Sequence[tuple[dict, Ranked]]) -> dict[Labels, list[pd.DataFrame]]:
    """Per-user metrics of each condition, one frame for each of its runs: {labels: frames}."""
    return comparisons.collected((tuple(labels.items()), run) for labels, run in runs)


def means(runs: Sequence[tuple[dict, Ranked]], rng: np.random.Generator) -> pd.DataFrame:
    """Each condition's mean metrics with 95% intervals over users: its labels, metric, mean, ci_low, ci_high."""
    found = {key: comparisons.mean_over_seeds(frames) for key, frames in samples(runs).items()}
    frames = [means_with_intervals(frame, rng).assign(**dict(key)) for key, frame in found.items()]
    table = pd.concat(frames, ignore_index=True)
    return table[[*dict(next(iter(found))), "metric", "mean", "ci_low", "ci_high"]]


def differences(
    runs: Sequence[tuple[dict, Ranked]],
    base: dict | None = None,
    shared: tuple[str, ...] = (),
    others: Sequence[Ranked] = (),
) -> pd.DataFrame:
    """Each condition compared with its base, over users and seeds.

    The base of a condition has the labels `base` (alignment=base unless given) and equals it in the labels `shared`.
    `others` are further runs, such as the base models of the grid, that tell how far seeds spread. Columns: labels,
    then those of `comparisons.differences` and `rules.decided`, for which all comparisons on the primary metric are one
    family; other metrics have no verdict.
    """
    base = base or {"alignment": "base"}
    frames = samples(runs)
    # a base for each value of the shared labels, such as one for every share of noise; labels that it has beside those
    # of `base` do not matter
    bases = {_values(key, shared): key for key in frames if base.items() <= dict(key).items()}
    pairs = [(key, bases[_values(key, shared)]) for key in frames if not base.items() <= dict(key).items()]
    table = comparisons.differences(frames, pairs, comparisons.samples(others))
    named = [dict(pairs[number][0]) for number in table["pair"]]
    labels = pd.DataFrame(named, index=table.index, columns=[*dict(next(iter(frames)))])
    judged = decided(table[table["metric"] == PRIMARY])[comparisons.JUDGED]
    return pd.concat([labels, table.drop(columns="pair")], axis=1).join(judged)


def _values(key: Labels, shared: tuple[str, ...]) -> tuple:
    return tuple(dict(key)[label] for label in shared)
