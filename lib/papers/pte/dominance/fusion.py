"""What ID vectors add to text vectors: D(n) = risk(text) - risk([text; ID]), by the number n of training pairs.

With both tables side by side no information is lost, so with the best of all predictors D >= 0, and D = 0 exactly if
the label and the IDs are independent given the texts. For a probe fitted on n pairs D can be above 0 for another
reason: what the texts say, too, is easier to learn from the IDs. Then D shrinks to 0 as n grows. What only IDs say
stays.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from lib.core.errors import unknown
from lib.core.progress import Progress
from lib.evaluation.significance import with_errors
from lib.evaluation.verdicts.against_base import CLAIM
from lib.evaluation.verdicts.rules import decided
from lib.papers.pte.dominance.bayes_risk import probed, rules, user_error
from lib.papers.pte.dominance.labelled_pairs import Pairs, Split
from lib.papers.pte.dominance.pair_vectors import Vectors, centred, for_cold
from lib.papers.pte.dominance.probes import CAPACITIES, losses

SHARES = (0.125, 0.25, 0.5, 1.0)  # of the training pairs
REPEATS = 3  # draws of the training pairs
CELL = ["cold", "probe"]


def increments(
    tables: Mapping[str, Vectors],
    split: Split,
    observed: csr_matrix,
    text: str,
    ids: str,
    probes: Sequence[str] = CAPACITIES,
    shares: Sequence[float] = SHARES,
    repeats: int = REPEATS,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """D(n) in bits with its 95% interval, and the verdict on the claim that fusion only eases optimisation.

    increments: cold (the rule for cold ID vectors), probe, pairs (n), difference (D), error, freedom, ci_low, ci_high,
    p and those of `rules.decided`, whose verdict (better, worse, inconclusive) is on D > 0. Chance are the test's users
    and the draws of n training pairs. verdicts: as of `claim_verdicts`. Raises UserError for an unknown
    table.
    """
    for name in (text, ids):
        if name not in tables:
            raise unknown("table", name, tables)
    texts, id_vectors = (centred(name, tables[name], observed) for name in (text, ids))
    gains = {}
    with Progress(len(rules(split, True)) * len(probes) * len(shares) * repeats, "fusion", "fit") as progress:
        for cold in rules(split, True):
            parts = [texts, for_cold(id_vectors, split, observed, cold)]
            for probe in probes:
                for share in sorted(shares):
                    drawn = []
                    for repeat in range(repeats):
                        drawn.append(_gain(parts, _part(split, share, [seed, repeat]), probe, seed + repeat))
                        progress.update()
                    gains[cold, probe, _size(split, share)] = np.array(drawn)
    table = _judged(gains, split.test.users)
    return table, claim_verdicts(table, gains, split.test.users)


def _size(split: Split, share: float) -> int:
    return 2 * round(share * len(split.train.labels) / 2)


def _part(split: Split, share: float, seed: list[int]) -> Split:
    """The split with a share of its positives and their negatives to train on; smaller parts lie in larger ones."""
    half = len(split.train.labels) // 2
    chosen = np.random.default_rng(seed).permutation(half)[: _size(split, share) // 2]
    rows = np.concatenate([chosen, half + chosen])
    return split._replace(train=Pairs(*(column[rows] for column in split.train)))


def _gain(parts: Sequence[Vectors], split: Split, probe: str, seed: int) -> np.ndarray:
    """How many bits less each test pair costs with the IDs: [n]."""
    alone, fused = (losses(split.test.labels, probed(some, split, probe, seed)) for some in (parts[:1], parts))
    return alone - fused


def _judged(gains: dict, users: np.ndarray) -> pd.DataFrame:
    """Gains [repeats, n] by key (cold, probe, pairs) as a family of effects."""
    keys = pd.DataFrame(list(gains), columns=[*CELL, "pairs"])
    return keys.join(decided(_effects(list(gains.values()), users)))


def _effects(gains: Sequence[np.ndarray], users: np.ndarray) -> pd.DataFrame:
    """Means of gains [repeats, n] each, with errors over users and over draws of the training pairs."""
    of_users = [user_error(gain.mean(0), users) for gain in gains]
    # with one draw nothing is known of how draws differ, so nothing is told apart
    of_draws = [gain.mean(1).var(ddof=1) / len(gain) if len(gain) > 1 else np.nan for gain in gains]
    variances = [[error**2 for error, _ in of_users], of_draws]
    freedoms = [[freedom for _, freedom in of_users], [max(len(gain) - 1, 1) for gain in gains]]
    return with_errors([gain.mean() for gain in gains], variances, freedoms)


def claim_verdicts(table: pd.DataFrame, gains: dict, users: np.ndarray) -> pd.DataFrame:
    """Is the gain from fusion one of optimisation only? One row per rule for cold vectors and probe.

    Columns cold, probe, verdict, pairs (the smallest n at which D > 0 is shown), fall (D there less D at the largest
    n), ci_low, ci_high. supported: D > 0 is shown at some n, and the fall, and D > 0 no longer at the largest n. not
    supported: D > 0 is still shown at the largest n, and no fall. inconclusive: anything else, as where no D is shown,
    or D falls but is not gone. All falls are one family.
    """
    rows, falls = [], []
    for key, part in table.groupby(CELL, sort=False):
        part = part.sort_values("pairs")
        shown = part.loc[part["verdict"] == "better", "pairs"]
        first, last = (shown.min() if len(shown) else np.nan), part["pairs"].max()
        rows.append({**dict(zip(CELL, key, strict=True)), "pairs": first, "last": last in set(shown)})
        if len(shown) and first < last:
            falls.append((len(rows) - 1, gains[*key, first] - gains[*key, last]))
    found = pd.DataFrame(rows)
    effects = _effects([fall for _, fall in falls], users).set_axis([place for place, _ in falls])
    found = found.join(decided(effects).rename(columns={"difference": "fall", "verdict": "falls"}))
    falls_surely = found["falls"] == "better"
    choices = [~found["last"] & falls_surely, found["last"] & ~falls_surely]
    found["verdict"] = np.select(choices, CLAIM[:2], CLAIM[2])
    return found[[*CELL, "verdict", "pairs", "fall", "ci_low", "ci_high"]]
