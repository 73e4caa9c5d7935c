"""One cell under changed conditions: what a study's runs came to, and whether alignment still pays (spec rlmrec 12)."""

import numpy as np
import pandas as pd

from lib import statistics
from lib.experiments import parts
from lib.params import resolve
from lib.statistics import holm
from lib.tables import LEVEL


def cells(
    dataset: str, backbone: str, scale: str, seeds, conditions: list[dict], **common
) -> list[tuple[dict, object]]:
    """The runs of a study as (labels, settings): every condition for every seed.

    A condition's `alignment`, `dataset` and `encoder` decide the run and may name variants; what else it holds are
    labels. The label `alignment` is the plain name, so that conditions of one alignment form a line.
    """
    made = []
    for condition in conditions:
        chosen = {"dataset": dataset, **common, **condition}
        wanted = {name: chosen[name] for name in ("dataset", "alignment", "encoder") if name in chosen}
        labels = {"alignment": parts(condition["alignment"])[0]}
        labels |= {key: value for key, value in condition.items() if key not in ("dataset", "alignment")}
        made += [(labels, resolve(backbone=backbone, scale=scale, seed=seed, **wanted)) for seed in seeds]
    return made


def by_condition(runs: list[tuple[dict, object]]) -> dict[tuple, pd.DataFrame]:
    """Per-user metrics of each condition, averaged over its seeds: {(label, value) pairs: frame}."""
    frames = {}
    for labels, run in runs:
        frames.setdefault(tuple(labels.items()), []).append(run.per_user)
    return {key: pd.concat(parts).groupby("user", as_index=False).mean() for key, parts in frames.items()}


def summary(runs, rng: np.random.Generator) -> pd.DataFrame:
    """Each condition's mean metrics with 95% intervals over users: its labels, metric, mean, ci_low, ci_high."""
    frames = by_condition(runs)
    return pd.concat(
        [_labelled(statistics.summary(frame, rng), key) for key, frame in frames.items()], ignore_index=True
    )


def gains(runs, rng: np.random.Generator, base: dict | None = None, shared: tuple[str, ...] = ()) -> pd.DataFrame:
    """Each condition against the one with the labels `base` (alignment: base) and its own `shared` ones, users paired.

    Columns: labels, metric, difference, ci_low, ci_high, p, p_wilcoxon and p_holm over all comparisons of one metric.
    """
    base = base or {"alignment": "base"}
    frames = by_condition(runs)
    bases = {_values(key, shared): frame for key, frame in frames.items() if base.items() <= dict(key).items()}
    compared = [
        _labelled(statistics.compare(bases[_values(key, shared)], frame, rng), key)
        for key, frame in frames.items()
        if not base.items() <= dict(key).items()
    ]
    table = pd.concat(compared, ignore_index=True)
    table["p_holm"] = table.groupby("metric")["p"].transform(holm)
    return table


def _values(key: tuple, shared) -> tuple:
    return tuple(dict(key)[label] for label in shared)


def _labelled(frame: pd.DataFrame, key: tuple) -> pd.DataFrame:
    labels = dict(key)
    return frame.assign(**labels)[[*labels, *frame.columns]]


def verdict(row) -> str:
    """'better', 'worse' or 'not told apart': the corrected paired test over users of one row of `gains`."""
    if row.p_holm >= LEVEL:
        return "not told apart"
    return "better" if row.difference > 0 else "worse"


def claim(table: pd.DataFrame, metric: str = "recall@20", seeds: int = 1) -> str:
    """What the rows of `gains` say of a claim on all of them (`statistics.conclusion`), with the counts.

    One seed settles nothing: what users show of one trained model, another seed may not.
    """
    verdicts = [verdict(row) for row in table[table["metric"] == metric].itertuples()]
    better, worse, n = verdicts.count("better"), verdicts.count("worse"), len(verdicts)
    result = statistics.conclusion(better, worse, n)
    counts = f"over users better in {better} of {n}, worse in {worse}"
    if seeds == 1:
        return f"inconclusive ({counts}; one seed)"
    return f"{result} ({counts}; {seeds} seeds)"


def sentences(table: pd.DataFrame, metric: str = "recall@20") -> list[str]:
    """One sentence per comparison of `gains`: labels, difference, interval, verdict."""
    rows = table[table["metric"] == metric]
    measured = ["metric", "difference", "ci_low", "ci_high", "p", "p_wilcoxon", "p_holm"]
    labels = [name for name in table.columns if name not in measured]
    return [
        f"{' '.join(str(getattr(row, name)) for name in labels)}: {row.difference:+.4f} "
        f"[{row.ci_low:+.4f}, {row.ci_high:+.4f}], {verdict(row)}"
        for row in rows.itertuples()
    ]
