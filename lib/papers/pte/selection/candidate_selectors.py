"""Ways to choose one candidate, and how they compare on entities whose rewards no policy has seen.

grpo        argmax of the policy                     medoid      the most central of the group
soft        mean vector by the policy's weights      random      any
regression  argmax of the predicted reward           candidate0  what is taken without selection
oracle      argmax of the reward itself, which only rewarded entities have: what could be gained at most
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.evaluation.significance import bootstrap_mean
from lib.papers.pte.selection.cosines import unit
from lib.papers.pte.selection.features import features, medoid_score
from lib.papers.pte.selection.policy import SelectionPolicy
from lib.papers.pte.selection.rewards import collaborative, combined, distinctiveness, parts
from lib.papers.pte.selection.settings import SelectionSettings
from lib.papers.pte.selection.sides import Side

POLICIES = ("grpo", "soft", "regression", "medoid", "random", "candidate0", "oracle")


def soft(probabilities: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Mean of candidates' vectors [n, G, d] by their probabilities [n, G], at length 1: [n, d]."""
    return unit(np.einsum("ng,ngd->nd", probabilities, unit(vectors)))


def medoid(vectors: np.ndarray) -> np.ndarray:
    """The candidate that is nearest to the others of its group, by mean cosine: [n] of [n, G, d]."""
    return medoid_score(unit(vectors)).argmax(axis=1)


def oracle(rewards: np.ndarray) -> np.ndarray:
    """The candidate with the largest reward: [n] of [n, G]; candidate 0 where none is known."""
    return np.where(np.isnan(rewards), -np.inf, rewards).argmax(axis=1)


def chosen(
    side: Side, other: Side, before: np.ndarray, references: np.ndarray, policy: SelectionPolicy,
    regression: SelectionPolicy, settings: SelectionSettings, seed: int,
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, np.ndarray]]]:  # fmt: skip
    """What every policy picks of a side's rewarded candidates [n], and what that is worth by metric [n].

    Picks of all but `soft`, which mixes candidates and has no R_fmt. `before` and references are those of
    sweeps.fit_side; the rows of `side` should be those that no policy was trained on. Metrics: r_col, r_dis, r_fmt and
    `reward`, NaN where an entity has none.
    """
    candidates = side.rewarded
    phi = features(side, candidates, other.content, before, settings.features)
    known = parts(side, references, settings.reward)
    known["reward"] = combined(known, settings.reward)
    probabilities = policy.probabilities(phi)
    n, groups = probabilities.shape
    picks = {
        "grpo": probabilities.argmax(axis=1),
        "regression": regression.probabilities(phi).argmax(axis=1),
        "medoid": medoid(candidates.vectors),
        "random": np.random.default_rng(seed).integers(groups, size=n),
        "candidate0": np.zeros(n, dtype=int),
        "oracle": oracle(known["reward"]),
    }
    worth = {policy: of_picks(known, pick) for policy, pick in picks.items()}
    mixed = soft(probabilities, candidates.vectors)[:, None, :]
    near = side.neighbours[:, : settings.reward.neighbours]
    worth["soft"] = {
        "r_col": collaborative(mixed, references, side.probes)[:, 0],
        "r_dis": distinctiveness(mixed, candidates.entity, side.content, near, settings.reward.temperature)[:, 0],
    }
    return picks, worth


def of_picks(values: Mapping[str, np.ndarray], picks: np.ndarray) -> dict[str, np.ndarray]:
    """Values [n] of the picked candidates [n], from those of all candidates [n, G]."""
    return {name: value[np.arange(len(picks)), picks] for name, value in values.items()}


def table(
    worth: Mapping[str, Mapping[str, np.ndarray]], dataset: str, side: str, seed: int, rng: np.random.Generator
) -> pd.DataFrame:
    """selection.csv: dataset, side, policy, seed, metric, value, ci_low, ci_high, from worth[policy][metric] [n].

    `value` is the mean over entities that have the metric, with a 95% bootstrap interval over them.
    """
    lines = []
    for policy in (name for name in POLICIES if name in worth):
        for metric, values in worth[policy].items():
            values = values[~np.isnan(values)]
            if len(values):
                low, high = bootstrap_mean(values, rng)
                lines.append((dataset, side, policy, seed, metric, values.mean(), low, high))
    return pd.DataFrame(lines, columns=["dataset", "side", "policy", "seed", "metric", "value", "ci_low", "ci_high"])
