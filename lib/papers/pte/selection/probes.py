"""Interactions hidden from the prompts of rewarded candidates, and partners without one to compare them with.

Which are hidden is drawn where the prompts are written (lib.papers.pte.profiling.probes): visible events of train
users, and never a target. So a probe is known to training anyway, and is hidden from one entity's own prompt only.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from lib.papers.pte.selection.cosines import rows_of
from lib.papers.pte.selection.settings import ProbeSettings


@dataclass(frozen=True, eq=False)
class Probes:
    """What is `hidden`, bool [n, n_partners], and for each row `negatives` [n, M], partners about as popular.

    Rows without a probe have an empty row and negatives that mean nothing.
    """

    hidden: csr_matrix
    negatives: np.ndarray

    @property
    def defined(self) -> np.ndarray:
        """Which rows have a probe [n]."""
        return np.diff(self.hidden.indptr) > 0

    def of(self, rows: np.ndarray) -> "Probes":
        """Those of some rows."""
        return Probes(self.hidden[rows], self.negatives[rows])


def with_negatives(hidden: csr_matrix, seen: csr_matrix, settings: ProbeSettings, rng: np.random.Generator) -> Probes:
    """Probes with negatives that the row has not seen, each drawn from those about as popular as one of its probes.

    `seen` [n, n_partners] is what the row has in the train region, probes included; popularity is how many rows have
    seen a partner. Negatives come with replacement from a window around the probe in the order of popularity, for each
    probe in turn; those that nobody has seen are none. Rows whose window holds nothing unseen lose their probes.
    """
    n, width = seen.shape
    count = np.diff(hidden.indptr)
    popularity = np.bincount(seen.indices, minlength=width)
    by_popularity = np.lexsort((rng.random(width), popularity))  # equally popular ones in a random order
    rank = np.argsort(by_popularity)
    row = np.flatnonzero(count)
    turn = np.arange(settings.negatives) % count[row, None]
    probe = rank[hidden.indices[hidden.indptr[row, None] + turn]]
    nobody = np.count_nonzero(popularity == 0)  # they stand first and are outside of the train region
    window = min(settings.window, width - nobody)
    low = np.clip(probe - window // 2, nobody, width - window)
    unseen = _Unseen(seen, rank, row)
    first, last = unseen.before(low), unseen.before(low + window)
    drawn = first + np.floor(rng.random(first.shape) * (last - first)).astype(np.int64)
    some = (last > first).all(axis=1)
    negatives = np.zeros((n, settings.negatives), np.int32)
    negatives[row[some]] = by_popularity[unseen.numbered(drawn)[some]]
    kept = np.isin(rows_of(hidden), row[some])
    return Probes(_matrix(rows_of(hidden)[kept], hidden.indices[kept], hidden.shape), negatives)


class _Unseen:
    """Partners that some rows have not seen, counted in the order of popularity."""

    def __init__(self, seen: csr_matrix, rank: np.ndarray, rows: np.ndarray):
        part = seen[rows]
        self.width, self.indptr = seen.shape[1], part.indptr[:-1, None]
        row = rows_of(part)
        keys = np.sort(row.astype(np.int64) * self.width + rank[part.indices])
        self.keys = keys
        # how many unseen partners come before a seen one, as one sorted list of all rows
        self.smaller = keys - (np.arange(part.nnz) - part.indptr[row])
        self.offset = np.arange(len(rows), dtype=np.int64)[:, None] * self.width

    def before(self, place: np.ndarray) -> np.ndarray:
        """How many unseen partners stand before these places of their row [n, M]."""
        seen = np.searchsorted(self.keys, self.offset + place, side="left") - self.indptr
        return place - seen

    def numbered(self, number: np.ndarray) -> np.ndarray:
        """The place of the unseen partner with this number, from 0, in its row [n, M]; beyond all, the last."""
        skipped = np.searchsorted(self.smaller, self.offset + number, side="right") - self.indptr
        return np.minimum(number + skipped, self.width - 1)


def shown(seen: csr_matrix, hidden: csr_matrix) -> csr_matrix:
    """What is left of `seen` for the prompt: bool [n, n_partners]."""
    return (seen > hidden).tocsr()


def part(matrix: csr_matrix, rows: np.ndarray, columns: np.ndarray) -> csr_matrix:
    """Those rows and columns, bool with sorted indices."""
    some = matrix.tocsr()[rows][:, columns].astype(bool).tocsr()
    some.sort_indices()
    return some


def _matrix(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    """A boolean matrix with sorted indices, true at these places."""
    return csr_matrix((np.ones(len(row), bool), (row, column)), shape)
