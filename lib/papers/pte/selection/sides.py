"""Candidate profiles, and all that is known of the users or the items that they describe."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix

from lib.core.errors import UserError
from lib.papers.pte.selection.probes import Probes

NONE = -1  # in the place of a neighbour: there is none


@dataclass(frozen=True, eq=False)
class Candidates:
    """G profiles of each of n entities, and of what they were written.

    entity [n] are rows of the side's tables. vectors [n, G, d] are those of the texts, `shown` bool [n, n_partners] is
    what the prompt could know, `measures` [n, G, 3] are features.text_measures. template [n, G] int and
    temperature [n, G] say how each was asked for. Candidate 0 is the one that would be taken without selection. Raises
    UserError where shapes differ.
    """

    entity: np.ndarray
    vectors: np.ndarray
    shown: csr_matrix
    measures: np.ndarray
    template: np.ndarray
    temperature: np.ndarray

    def __post_init__(self):
        n, groups = self.vectors.shape[:2]
        parts = {"measures": self.measures, "template": self.template, "temperature": self.temperature}
        wrong = [name for name, part in parts.items() if part.shape[:2] != (n, groups)]
        wrong += [name for name in ("entity", "shown") if getattr(self, name).shape[0] != n]
        if wrong:
            raise UserError(f"candidates: {wrong[0]} is not of {n} entities with {groups} candidates: mend its shape")

    def __len__(self) -> int:
        return len(self.entity)

    def of(self, rows: np.ndarray) -> "Candidates":
        """Those of some rows."""
        names = ("entity", "vectors", "shown", "measures", "template", "temperature")
        return Candidates(**{name: getattr(self, name)[rows] for name in names})

    def picked(self, picks: np.ndarray) -> np.ndarray:
        """The vectors [n, d] of candidates picks [n]."""
        return self.vectors[np.arange(len(self)), picks]


@dataclass(frozen=True, eq=False)
class Side:
    """Users or items: candidates with a reward, candidates to choose from, and whom they describe.

    `rewarded` are written without `probes`, which has the same rows; `well_formed` [n, G] is their R_fmt. `final` has
    all N entities in order, from all that is visible of them. content [N, d] is the mean metadata vector of a user's
    history and an item's own, neighbours [N, k] are the nearest by interactions, nearest first, NONE where there are
    fewer. popularity [n_partners] is how many train rows have seen each partner.
    """

    name: str
    rewarded: Candidates
    probes: Probes
    well_formed: np.ndarray
    final: Candidates
    content: np.ndarray
    neighbours: np.ndarray
    popularity: np.ndarray

    def __post_init__(self):
        if not np.array_equal(self.final.entity, np.arange(len(self.content))):
            raise UserError(f"{self.name}s: final candidates must be those of all {len(self.content)}, in order")
        if len(self.probes.negatives) != len(self.rewarded) or len(self.well_formed) != len(self.rewarded):
            raise UserError(f"{self.name}s: probes and well_formed must have the rows of rewarded candidates")

    def of(self, rows: np.ndarray) -> "Side":
        """The same with some of the rewarded candidates only."""
        return replace(
            self,
            rewarded=self.rewarded.of(rows), probes=self.probes.of(rows), well_formed=self.well_formed[rows],
        )  # fmt: skip
