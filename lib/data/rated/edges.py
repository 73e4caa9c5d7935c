"""The pairs of user and item that a collaborative graph is built of."""

import numpy as np

from lib.core.errors import unknown
from lib.data.samples import Samples

FIDELITIES = ("paper", "legacy")


def graph_edges(samples: Samples, fidelity: str = "paper") -> tuple[np.ndarray, np.ndarray]:
    """Users [n] and items [n] of the graph's edges, each pair once, sorted.

    "paper": ratings of the train period, which for data without dates are all but the targets of validation and test.
    "legacy": all ratings but the last of each user, as the paper's code has them, most test targets among them; without
    dates the last is an arbitrary one, here that with the largest item id. Raises UserError for another `fidelity`.
    """
    if fidelity not in FIDELITIES:
        raise unknown("fidelity", fidelity, FIDELITIES)
    user = samples.events.user.to_numpy()
    if fidelity == "paper":
        known = (samples.events.split == "train").to_numpy()
    else:
        order = np.arange(len(user)) if samples.timed else np.lexsort((samples.events.item.to_numpy(), user))
        last = order[np.append(user[1:] != user[:-1], True)]
        known = np.bincount(user)[user] == 1  # users with a single rating keep it
        known |= ~np.isin(np.arange(len(user)), last)
    pairs = np.unique(samples.events[["user", "item"]].to_numpy()[known], axis=0)
    return pairs[:, 0], pairs[:, 1]
