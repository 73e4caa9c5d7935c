"""Users are selected by the items' profiles, then items by the users' new ones, and so on.

Within a sweep the other side's choice is frozen: it is the reference of R_col. Every policy is trained from the start.
"""

from typing import NamedTuple

import numpy as np

from lib.papers.pte.selection.features import features
from lib.papers.pte.selection.rewards import combined, parts
from lib.papers.pte.selection.settings import SelectionSettings
from lib.papers.pte.selection.sides import Side
from lib.papers.pte.selection.training import Fitted, fit


class Selected(NamedTuple):
    """What the last sweep chose of a side.

    picks [N] are candidates of `final`, references [N, d] their vectors, and `before` [N, d] those that were chosen
    when the policy's features were computed; probabilities [N, G] are the policy's.
    """

    fitted: Fitted
    probabilities: np.ndarray
    picks: np.ndarray
    references: np.ndarray
    before: np.ndarray


def select(users: Side, items: Side, settings: SelectionSettings, seed: int) -> dict[str, Selected]:
    """What is chosen of both sides, by their names. At first candidate 0 of everybody is."""
    references = {side.name: side.final.vectors[:, 0] for side in (users, items)}
    selected = {}
    for sweep in range(settings.sweeps):
        for side, other in ((users, items), (items, users)):
            before = references[side.name]
            label = f"{side.name}s, sweep {sweep + 1}"
            fitted = fit_side(side, other, before, references[other.name], settings, seed, label=label)
            phi = features(side, side.final, other.content, before, settings.features)
            probabilities = fitted.policy.probabilities(phi)
            picks = probabilities.argmax(axis=1)
            references[side.name] = side.final.picked(picks)
            selected[side.name] = Selected(fitted, probabilities, picks, references[side.name], before)
    return selected


def fit_side(
    side: Side, other: Side, before: np.ndarray, references: np.ndarray, settings: SelectionSettings, seed: int,
    regression: bool = False, label: str = "selection",
) -> Fitted:  # fmt: skip
    """Fit a policy, or a regression, to a side's rewarded candidates.

    `before` [N, d] are the profiles chosen on this side so far, references [n_partners, d] those on the other.
    """
    phi = features(side, side.rewarded, other.content, before, settings.features)
    rewards = combined(parts(side, references, settings.reward), settings.reward)
    return fit(phi, rewards, settings.training, seed, regression, label)
