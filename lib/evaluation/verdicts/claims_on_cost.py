"""Does alignment cost moderately more in training, and nothing in scoring?"""

import pandas as pd

MODERATE = 3  # times base's seconds per epoch
PAPER_MACHINE = "an RTX 3090"  # of params/published/rlmrec_epoch_seconds.csv
SAME_METRIC = 1e-6  # to which metrics from stored vectors must equal those of the run


def training_verdict(ratios: pd.DataFrame, machine: str, threads: int) -> str:
    """Whether every aligned model trains in a moderate multiple of its base's seconds per epoch, and where.

    ratios: columns ours and paper, times base's epoch, as of `cost.against_base`; machine, threads: of ours.
    """
    result = "supported" if ratios["ours"].max() <= MODERATE else "not supported"
    where = f"{machine} with {threads} {'thread' if threads == 1 else 'threads'}"
    return f"{result}: {_range(ratios['ours'])} times base's epoch on {where}, {paper_ratios(ratios)}"


def paper_ratios(ratios: pd.DataFrame) -> str:
    """The range of the paper's own code on its machine: a ratio within that machine, whose seconds are not ours."""
    if ratios["paper"].isna().all():
        return "the paper's own code: not known"
    return f"the paper's own code: {_range(ratios['paper'])} times on {PAPER_MACHINE}"


def threads_sentences(table: pd.DataFrame) -> list[str]:
    """How much the ratio to base hangs on the number of threads; table: as of `cost.by_threads`, base first."""
    base, said = table["alignment"].iloc[0], []
    for (backbone, alignment), rows in table[table["alignment"] != base].groupby(["backbone", "alignment"], sort=False):
        rows = rows.sort_values("threads")
        found = [f"{row.times_base:.1f} times base with {row.threads}" for row in rows.itertuples()]
        said.append(f"{backbone} {alignment}, threads: {', '.join(found)}{_gains(table, rows, base)}")
    return said


def _gains(table: pd.DataFrame, rows: pd.DataFrame, base: str) -> str:
    """How much faster an aligned model and its base get from the fewest to the most threads."""
    if len(rows) == 1:
        return " (no other number compared)"
    plain = table[table["alignment"] == base].sort_values("threads")
    faster = [part["seconds_per_epoch"].iloc[0] / part["seconds_per_epoch"].iloc[-1] for part in (rows, plain)]
    few, many = rows["threads"].iloc[[0, -1]]
    return f"; from {few} to {many} it gets {faster[0]:.1f} and base {faster[1]:.1f} times as fast"


def _range(values: pd.Series) -> str:
    return f"{values.min():.1f} to {values.max():.1f}"


def scoring_verdict(same_shape: bool, only_vectors: bool, deviation: float) -> str:
    """Whether alignment leaves nothing that scoring would have to pay for.

    same_shape: final vectors are as wide as base's; only_vectors: a run stores no vectors beside its ego and
    final ones; deviation: the largest difference between a metric from stored vectors alone and the run's own.
    """
    return "supported" if same_shape and only_vectors and deviation < SAME_METRIC else "not supported"
