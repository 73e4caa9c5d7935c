"""Models against each other: their means over users, every aligned one against its bases, the best of each backbone.

A model is (dataset, encoder, backbone, alignment), as `RunSettings.model` gives it; its runs differ by the seed.
"""

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import pandas as pd

from lib.core.names import COMPARISON, MODEL, matched_base, reads_text
from lib.evaluation.significance import compare, holm, means_with_intervals, paired_tests
from lib.evaluation.verdicts.rules import ended_in_a_dip, told_apart
from lib.training.run_folder import Ranked, Run

Model = tuple[str, str, str, str]


def base_partners(models: Iterable[Model]) -> list[tuple[Model, Model]]:
    """Each aligned model with each base of its backbone, own and matched (base@<alignment>), where both are there.

    Base models may stand under another encoder than the aligned ones, since they read no text.
    """
    models = list(models)
    bases = {(model[0], model[2], model[3]): model for model in models}
    pairs = []
    for model in models:
        dataset, _, backbone, alignment = model
        for name in ("base", matched_base(alignment)):
            if reads_text(alignment) and (dataset, backbone, name) in bases:
                pairs.append((model, bases[dataset, backbone, name]))
    return pairs


def comparison(model: Model, base: Model, metric: str) -> dict[str, str]:
    """The columns of COMPARISON for an aligned model, the base it is compared with, and a metric."""
    return dict(zip(COMPARISON, (*model, base[3], metric), strict=True))


# Over users


def user_means(runs: Sequence[Ranked]) -> dict[Model, pd.DataFrame]:
    """Per-user metrics of each model, averaged over its seeds: {model: frame}."""
    return mean_over_seeds((run.settings.model, run) for run in runs)


def mean_over_seeds(runs: Iterable[tuple[Hashable, Ranked]]) -> dict[Hashable, pd.DataFrame]:
    """Per-user metrics averaged over all runs with the same key: {key: frame}."""
    frames = {}
    for key, run in runs:
        frames.setdefault(key, []).append(run.per_user)
    # over seeds first: tests and intervals draw users, and one user's seeds are not independent of each other
    return {key: pd.concat(parts).groupby("user", as_index=False).mean() for key, parts in frames.items()}


def ranking_summary(runs: Sequence[Ranked], rng: np.random.Generator) -> pd.DataFrame:
    """Mean of each metric over users with its 95% interval: columns of MODEL, metric, mean, ci_low, ci_high."""
    return _stacked({model: means_with_intervals(frame, rng) for model, frame in user_means(runs).items()})


def over_users(runs: Sequence[Ranked], rng: np.random.Generator) -> pd.DataFrame:
    """Paired comparison of every aligned model with a base of its backbone: model, against, then `compare`'s columns.

    `against` is base, and also base@<alignment>, base with the backbone settings of the aligned model, where it was
    run: the first is the paper's comparison, the second one of alignment alone. Holm's correction runs over all
    comparisons of a dataset with the same kind of base, since they stand in one table.
    """
    means, tables = user_means(runs), []
    pairs = base_partners(means)
    own = [(model, base) for model, base in pairs if base[3] == "base"]
    matched = [(model, base) for model, base in pairs if base[3] != "base"]
    for partners in (own, matched):  # one kind after the other: intervals follow from the order of random draws
        compared = {model: compare(means[base], means[model], rng).assign(against=base[3]) for model, base in partners}
        if compared:
            tables.append(_stacked(compared))
    if not tables:
        return _stacked({})
    table = pd.concat(tables, ignore_index=True)
    # in place of the correction by `compare`, which is over the metrics of one comparison only
    table["p_holm"] = corrected(table)
    return table


def _stacked(frames: dict[Model, pd.DataFrame]) -> pd.DataFrame:
    """Frames under each other, their model in the first columns."""
    if not frames:
        return pd.DataFrame(columns=[*MODEL, "metric", "p_holm"])
    return pd.concat(frames, names=MODEL).reset_index(level=MODEL).reset_index(drop=True)


def best_models(runs: Sequence[Ranked]) -> set[tuple]:
    """(dataset, encoder, backbone, alignment, metric) of each backbone's best model, and of those not told apart.

    A model is told apart from the best by the paired t test over users, Holm-corrected over the backbone's models.
    """
    means, found = user_means(runs), set()
    for dataset, backbone in dict.fromkeys((model[0], model[2]) for model in means):
        # an encoder does not divide rivals: base models have none, and one of them may be the best
        rivals = {model: frame for model, frame in means.items() if (model[0], model[2]) == (dataset, backbone)}
        for metric in next(iter(rivals.values())).columns.drop("user"):
            values = pd.DataFrame({model: frame.set_index("user")[metric] for model, frame in rivals.items()})
            top = values.mean().idxmax()
            others = [model for model in rivals if model != top]
            p = holm([paired_tests(values[top], values[model])[0] for model in others])
            found.add((*top, metric))
            found |= {(*model, metric) for model, own in zip(others, p, strict=True) if not told_apart(own)}
    return found


# Over seeds


def over_seeds(ranking: pd.DataFrame) -> pd.DataFrame:
    """Aligned models against base over seeds: one row per pair of models and metric.

    ranking: columns of MODEL, seed, metric, k, value. Columns of COMPARISON, seeds, base_seeds, base (its mean),
    base_sd, difference of means, ci_low, ci_high (95%) and p of Welch's t test, and p_holm over all rows with the same
    kind of base. A spread that one seed cannot show is NaN.
    """
    rows = []
    for model, base, metric, ours, theirs in _values_by_seed(ranking):
        row = comparison(model, base, metric) | {"seeds": len(ours), "base_seeds": len(theirs)}
        row |= {"base": theirs.mean(), "base_sd": theirs.std(), "difference": ours.mean() - theirs.mean()}
        rows.append(row | _welch(ours, theirs))
    columns = [*COMPARISON, "seeds", "base_seeds", "base", "base_sd", "difference", "ci_low", "ci_high", "p"]
    table = pd.DataFrame(rows, columns=columns)
    # rows without a p are taken out, since each would make Holm's correction of the others stricter
    table["p_holm"] = corrected(table[table["p"].notna()]).reindex(table.index)
    return table


def differences_by_seed(ranking: pd.DataFrame) -> pd.DataFrame:
    """The same differences one seed at a time, for seeds that both models have: COMPARISON, seed, difference."""
    parts = []
    for model, base, metric, ours, theirs in _values_by_seed(ranking):
        # subtracted by seed: one that only one of the models has comes out as NaN
        both = (ours - theirs).dropna().rename("difference").reset_index()
        parts.append(both.assign(**comparison(model, base, metric)))
    columns = [*COMPARISON, "seed", "difference"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _values_by_seed(ranking: pd.DataFrame):
    """(aligned model, base model, metric, values by seed, base values by seed) for every pair and metric."""
    names = ranking["metric"] + "@" + ranking["k"].astype(str)
    series = {key: part.set_index("seed")["value"] for key, part in ranking.groupby([*MODEL, names])}
    metrics = names.unique()
    for model, base in base_partners(dict.fromkeys(key[:4] for key in series)):
        for metric in metrics:
            yield model, base, metric, series[*model, metric], series[*base, metric]


def _welch(ours: pd.Series, theirs: pd.Series) -> dict[str, float]:
    from scipy import stats

    # not paired by seed: runs of one seed share their initial values and little else
    test = stats.ttest_ind(ours, theirs, equal_var=False)
    interval = test.confidence_interval()
    return {"ci_low": interval.low, "ci_high": interval.high, "p": test.pvalue}


def corrected(table: pd.DataFrame) -> pd.Series:
    """Holm's correction of p over the comparisons of a dataset with the same kind of base, own or matched."""
    matched = table["against"] != "base"
    return table.groupby(["dataset", matched])["p"].transform(holm)


# Runs that do not count


def stopped_in_a_dip(runs: Sequence[Run]) -> set[tuple[str, str]]:
    """(backbone, alignment) of models with a run that its stopping rule ended in a dip, for `rules.without_dips`."""
    return {(run.settings.backbone, run.settings.alignment) for run in runs if ended_in_a_dip(run.history)}
