"""Does alignment cost moderately more in training, and nothing in scoring?"""

import pandas as pd

MODERATE = 3  # times base's seconds per epoch
SAME_METRIC = 1e-6  # to which metrics from stored vectors must equal those of the run


def training_verdict(times_base: pd.Series, machine: str) -> str:
    """Whether every aligned model trains in a moderate multiple of its base's seconds per epoch, on which machine."""
    result = "supported" if times_base.max() <= MODERATE else "not supported"
    return f"{result}: {times_base.min():.1f} to {times_base.max():.1f} times base's epoch on {machine}"


def scoring_verdict(same_shape: bool, only_vectors: bool, deviation: float) -> str:
    """Whether alignment leaves nothing that scoring would have to pay for.

    same_shape: final vectors are as wide as base's; only_vectors: a run stores no vectors beside its ego and
    final ones; deviation: the largest difference between a metric from stored vectors alone and the run's own.
    """
    return "supported" if same_shape and only_vectors and deviation < SAME_METRIC else "not supported"
