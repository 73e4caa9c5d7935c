"""Models against each other: their means over users, every aligned one against its bases, the best of each backbone.

A model is (dataset, encoder, backbone, alignment), as `RunSettings.model` gives it; its runs differ by the seed.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from itertools import permutations

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.core.names import COMPARISON, MODEL, is_plain, matched_base, reads_text
from lib.evaluation.seed_spread import seed_spread
from lib.evaluation.significance import means_with_intervals, with_errors
from lib.evaluation.verdicts.claims_on_ranking import kind_of_base
from lib.evaluation.verdicts.rules import PRIMARY, decided
from lib.training.run_folder import Ranked

Model = tuple[str, str, str, str]
Samples = Mapping[Hashable, Sequence[pd.DataFrame]]  # per-user metrics of each model, one frame for each of its seeds
JUDGED = ["p_holm", "detectable", "verdict"]  # what rules.decided adds
POOLED = ["dataset", "encoder", "alignment", "against"]  # what names an effect over all backbones


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


# Over users and seeds


def samples(runs: Iterable[Ranked]) -> dict[Model, list[pd.DataFrame]]:
    """Per-user metrics of each model, one frame (user and its metrics) for each of its runs."""
    return collected((run.settings.model, run) for run in runs)


def collected(runs: Iterable[tuple[Hashable, Ranked]]) -> dict[Hashable, list[pd.DataFrame]]:
    """Per-user metrics of all runs with the same key: {key: frames}."""
    frames = {}
    for key, run in runs:
        frames.setdefault(key, []).append(run.per_user)
    return frames


def mean_over_seeds(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Per-user metrics averaged over runs: intervals draw users, and one user's seeds are not independent."""
    return pd.concat(frames).groupby("user", as_index=False).mean()


def user_means(runs: Iterable[Ranked]) -> dict[Model, pd.DataFrame]:
    """Per-user metrics of each model, averaged over its seeds: {model: frame}."""
    return {model: mean_over_seeds(frames) for model, frames in samples(runs).items()}


def ranking_summary(runs: Sequence[Ranked], rng: np.random.Generator) -> pd.DataFrame:
    """Mean of each metric over users with its 95% interval: columns of MODEL, metric, mean, ci_low, ci_high."""
    return _stacked({model: means_with_intervals(frame, rng) for model, frame in user_means(runs).items()})


def differences(
    models: Samples,
    pairs: Sequence[tuple[Hashable, Hashable]],
    others: Samples | None = None,
    untrained: Collection[Hashable] = (),
) -> pd.DataFrame:
    """Each pair's second model subtracted from its first: one row per pair, in their order, and metric.

    Chance has two sources. Users: the variance of the mean of paired differences, each averaged over seeds. Seeds: each
    model's variance between runs, pooled over all models (`seed_spread`), divided by its number of runs. `others` are
    further models that tell of this spread; those of `untrained` have none. A user's own share of a seed's effect is in
    both, so errors are rather too large than too small. Columns pair (position in `pairs`), metric, seeds, base_seeds,
    mean, base, relative (difference / base), user_error, seed_error (NaN without two further seeds) and those of
    `significance.with_errors`. Raises UserError when two models were tested on different users.
    """
    metrics = list(next(iter(models.values()))[0].columns.drop("user")) if models else []
    values = {  # of each model [seeds, metrics]
        key: np.array([frame[metrics].mean() for frame in frames])
        for key, frames in {**(others or {}), **models}.items()
    }
    spreads = [seed_spread({key: own[:, column] for key, own in values.items()}) for column in range(len(metrics))]
    means = {key: mean_over_seeds(models[key]).set_index("user")[metrics] for key in dict.fromkeys(sum(pairs, ()))}
    rows, variances, freedoms = [], [], []
    for number, pair in enumerate(pairs):
        change = _paired(*(means[key] for key in pair))
        for column, metric in enumerate(metrics):
            own = [values[key][:, column] for key in pair]
            # relative variances of one run, and their freedom
            known = [(0.0, 1) if key in untrained else spreads[column].of(key) for key in pair]
            of_seeds = [x.mean() ** 2 * variance / len(x) for x, (variance, _) in zip(own, known, strict=True)]
            rows.append((number, metric, *map(len, own), *(x.mean() for x in own)))
            variances.append((change[metric].var() / len(change), *of_seeds))
            freedoms.append((len(change) - 1, *(freedom for _, freedom in known)))
    table = pd.DataFrame(rows, columns=["pair", "metric", "seeds", "base_seeds", "mean", "base"])
    variances, freedoms = (np.array(found, dtype=float).reshape(-1, 3).T for found in (variances, freedoms))
    difference = table["mean"] - table["base"]
    table["relative"] = difference / table["base"].where(table["base"] > 0)
    table["user_error"], table["seed_error"] = np.sqrt(variances[0]), np.sqrt(variances[1:].sum(0))
    return pd.concat([table, with_errors(difference, variances, freedoms)], axis=1)


def _paired(ours: pd.DataFrame, base: pd.DataFrame) -> pd.DataFrame:
    if not ours.index.equals(base.index):
        raise UserError(
            f"the two runs were tested on different users ({len(base)} and {len(ours)}): compare runs of one dataset"
        )
    return ours - base


def against_base(runs: Sequence[Ranked]) -> pd.DataFrame:
    """Every aligned model against each base of its backbone: COMPARISON, then `differences`' columns and JUDGED.

    `against` is base, and also base@<alignment>, base with the backbone settings of the aligned model, where it was
    run: the first is the paper's comparison, the second one of alignment alone. Verdicts are on the PRIMARY metric and
    plain alignments (`names.is_plain`), one family for each dataset; other rows stand beside them without one.
    """
    models = samples(runs)
    pairs = base_partners(models)
    table = differences(models, pairs)
    names = pd.DataFrame([comparison(*pairs[row.pair], row.metric) for row in table.itertuples()], columns=COMPARISON)
    return judged(pd.concat([names, table.drop(columns=["pair", "metric"])], axis=1))


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the primary metric and plain alignments decided as one family for each dataset."""
    counted = table[(table["metric"] == PRIMARY) & table["alignment"].map(is_plain).astype(bool)]
    families = [decided(family)[JUDGED] for _, family in counted.groupby("dataset", sort=False)]
    return table.join(pd.concat(families)) if families else table.reindex(columns=[*table.columns, *JUDGED])


def pooled(table: pd.DataFrame) -> pd.DataFrame:
    """The effect of each alignment over the backbones, from rows of `against_base` with a verdict.

    Backbones are the sample: the mean of their relative differences, and Student's interval of it, in which the chance
    of users and seeds is contained. Columns of POOLED (against is 'base' or 'matched base'), backbones, those of
    `significance.with_errors` and of `rules.decided`, for which these few rows are a family.
    """
    counted = table[table["verdict"].notna()]
    effects = [pd.DataFrame(columns=[*POOLED, "backbones", "difference", "error", "freedom", "ci_low", "ci_high", "p"])]
    for name, part in counted.groupby([*POOLED[:3], kind_of_base(counted["against"])], sort=False):
        variance = part["relative"].var() / len(part)  # NaN for a single backbone
        effect = with_errors([part["relative"].mean()], [[variance]], [[len(part) - 1]])
        effects.append(effect.assign(**dict(zip(POOLED, name, strict=True)), backbones=len(part)))
    return decided(pd.concat(effects, ignore_index=True))


def _stacked(frames: dict[Model, pd.DataFrame]) -> pd.DataFrame:
    """Frames under each other, their model in the first columns."""
    if not frames:
        return pd.DataFrame(columns=[*MODEL, "metric"])
    return pd.concat(frames, names=MODEL).reset_index(level=MODEL).reset_index(drop=True)


def best_models(runs: Sequence[Ranked]) -> set[tuple]:
    """(dataset, encoder, backbone, alignment, metric) of each backbone's best model, and of those not told apart.

    A model is told apart from the best over users and seeds, as everywhere; the rivals of a backbone are a family.
    """
    models, found = samples(runs), set()
    backbone_of = {model: (model[0], model[2]) for model in models}
    # an encoder does not divide rivals: base models have none, and one of them may be the best
    pairs = [(one, other) for one, other in permutations(models, 2) if backbone_of[one] == backbone_of[other]]
    table = differences(models, pairs)
    for metric, part in table.groupby("metric"):
        means = {model: np.mean([frame[metric].mean() for frame in frames]) for model, frames in models.items()}
        for backbone in set(backbone_of.values()):
            top = max((model for model in models if backbone_of[model] == backbone), key=means.get)
            rivals = decided(part[[pairs[number][1] == top for number in part["pair"]]])
            found.add((*top, metric))
            found |= {(*pairs[row.pair][0], metric) for row in rivals.itertuples() if row.verdict != "worse"}
    return found
