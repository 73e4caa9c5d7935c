"""How far a result moves with the seed, and which differences are larger than that (spec rlmrec 11.5)."""

import numpy as np
import pandas as pd
from scipy import stats

from lib.experiments import reads_text
from lib.statistics import conclusion, holm
from lib.tables import LEVEL, MODEL

COMPARISON = [*MODEL, "against", "metric"]


def pairs(models) -> list[tuple[tuple, tuple]]:
    """Each aligned model with each base of its backbone, own and matched (base@<alignment>), where both are there.

    A model is (dataset, encoder, backbone, alignment); base models may stand under another encoder.
    """
    bases = {(dataset, backbone, kind): model for model in models for dataset, _, backbone, kind in [model]}
    wanted = [(model, (model[0], model[2], base)) for model in models for base in ("base", f"base@{model[3]}")]
    return [(model, bases[base]) for model, base in wanted if reads_text(model[3]) and base in bases]


def compare(ranking: pd.DataFrame) -> pd.DataFrame:
    """Aligned models against base over seeds, from the frame of `tables.ranking`: one row per pair and metric.

    Columns of COMPARISON, seeds, base_seeds, base (its mean), base_sd, difference of means, ci_low, ci_high (95%) and p
    of Welch's t test, and p_holm over all rows with the same kind of base. A spread that one seed cannot show is NaN.
    """
    rows = []
    for model, base, metric, ours, theirs in _paired(ranking):
        row = dict(zip(COMPARISON, (*model, base[3], metric), strict=True))
        row |= {"seeds": len(ours), "base_seeds": len(theirs), "base": theirs.mean(), "base_sd": theirs.std()}
        rows.append(row | {"difference": ours.mean() - theirs.mean(), **_welch(ours, theirs)})
    columns = [*COMPARISON, "seeds", "base_seeds", "base", "base_sd", "difference", "ci_low", "ci_high", "p"]
    table = pd.DataFrame(rows, columns=columns)
    tested = table[table["p"].notna()]
    matched = tested["against"] != "base"
    table["p_holm"] = tested.groupby(["dataset", matched])["p"].transform(holm).reindex(table.index)
    return table


def _paired(ranking: pd.DataFrame):
    """(aligned model, base model, metric, values by seed, base values by seed) for every pair and metric."""
    names = ranking["metric"] + "@" + ranking["k"].astype(str)
    series = {key: part.set_index("seed")["value"] for key, part in ranking.groupby([*MODEL, names])}
    metrics = names.unique()
    for model, base in pairs(list(dict.fromkeys(key[:4] for key in series))):
        for metric in metrics:
            yield model, base, metric, series[*model, metric], series[*base, metric]


def _welch(ours: pd.Series, theirs: pd.Series) -> dict[str, float]:
    # not paired by seed: runs of one seed share their initial values and little else
    test = stats.ttest_ind(ours, theirs, equal_var=False)
    interval = test.confidence_interval()
    return {"ci_low": interval.low, "ci_high": interval.high, "p": test.pvalue}


def by_seed(ranking: pd.DataFrame) -> pd.DataFrame:
    """The same differences one seed at a time, for seeds that both models have: COMPARISON, seed, difference."""
    parts = []
    for model, base, metric, ours, theirs in _paired(ranking):
        both = (ours - theirs).dropna().rename("difference").reset_index()
        parts.append(both.assign(**dict(zip(COMPARISON, (*model, base[3], metric), strict=True))))
    columns = [*COMPARISON, "seed", "difference"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def published_spread(single: pd.DataFrame, means: pd.DataFrame, metric: str = "recall", k: int = 20) -> float:
    """Relative standard deviation between seeds that published base cells imply, since no paper prints one.

    single: cells of one seed; means: the same cells as means of five (columns dataset, backbone, alignment, metric, k,
    value). Their differences also hold whatever else differs between the two sources; of a few cells, so an estimate.
    """
    cell = ["dataset", "backbone", "alignment", "metric", "k"]
    both = single.merge(means, on=cell, suffixes=("", "_mean")).query("alignment == 'base' and metric == @metric")
    relative = both.loc[both["k"] == k, "value"] / both.loc[both["k"] == k, "value_mean"] - 1
    return float(np.sqrt((relative**2).mean() / (1 + 1 / 5)))


def judged(tests: pd.DataFrame, seeds: pd.DataFrame) -> pd.DataFrame:
    """What users and seeds together say, one row per comparison that both frames hold.

    tests: `tables.significance`; seeds: `compare`. Columns of COMPARISON, difference, ci_low, ci_high (over users),
    p_users, p_seeds (both Holm-corrected), seeds, base_seeds, base, base_sd and verdict: better or worse, with 'over
    users only' where a single seed leaves the other question open, or not told apart.
    """
    own = ["p_seeds", "seeds", "base_seeds", "base", "base_sd"]
    seeds = seeds.rename(columns={"p_holm": "p_seeds"})[[*COMPARISON, *own]]
    table = tests.rename(columns={"p_holm": "p_users"}).merge(seeds, on=COMPARISON)
    direction = np.where(table["difference"] > 0, "better", "worse")
    over_users, untested = table["p_users"] < LEVEL, table["p_seeds"].isna()
    both = over_users & (table["p_seeds"] < LEVEL)
    single = np.char.add(direction, " over users only")
    table["verdict"] = np.select([both, over_users & untested], [direction, single], "not told apart")
    return table[[*COMPARISON, "difference", "ci_low", "ci_high", "p_users", *own, "verdict"]]


def times_noise(table: pd.DataFrame, published: float = np.nan) -> pd.Series:
    """Each difference of `judged` in units of what the seeds alone would do to it (its standard error over seeds).

    The seed's spread is that of base where base has several seeds, otherwise `published`, a relative one.
    """
    spread = table["base_sd"].fillna(published * table["base"])
    return table["difference"] / (spread * np.sqrt(1 / table["seeds"] + 1 / table["base_seeds"]))


def beyond_noise(times_noise: pd.Series, seeds: pd.Series, published_cells: int = 18) -> pd.Series:
    """Whether differences in units of the seeds' noise are larger than chance explains (5%, two-sided).

    A spread estimated from few seeds is itself uncertain: Student's quantile with seeds - 1 degrees of freedom, 12.7
    for two seeds; with one seed the spread is that of `published_cells`.
    """
    freedom = np.where(seeds > 1, seeds - 1, published_cells - 1)
    return times_noise.abs() > stats.t.ppf(0.975, freedom)


def claim(verdicts) -> str:
    """One sentence on the claim that alignment ranks better, from the verdicts of its comparisons.

    By `statistics.conclusion`, where what holds over users only neither supports the claim nor lets it fail.
    """
    count, n = pd.Series(verdicts).value_counts().get, len(verdicts)
    better, worse = count("better", 0), count("worse", 0)
    result = f"{conclusion(better, worse, n)}: better in {better} of {n}, worse in {worse}"
    users = {name: count(f"{name} over users only", 0) for name in ("better", "worse")}
    if any(users.values()):
        result += f" (over users only: better in {users['better']} more, worse in {users['worse']} more)"
    return result
