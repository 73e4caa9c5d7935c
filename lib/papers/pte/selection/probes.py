"""Interactions hidden from the prompts of rewarded candidates, and partners without one to compare them with.

Everything here is read off the train rows of a protocol: their visible events, and never a target. So a probe is known
to training anyway, and what is hidden is hidden from one entity's own prompt only. Matrices have users in the order of
the data and items in that of their frame: index i is item number i + 1.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from lib.core.errors import UserError
from lib.data.sequences.rows import PAD, Rows, inside
from lib.data.sequences.user_sequences import Sequences
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


def seen_items(sequences: Sequences, rows: Rows) -> csr_matrix:
    """What is visible of the user of each row, bool [n_users, n_items]: events before the target, and the target never.

    Users without a row have seen nothing. Raises UserError where a user has several rows, since a profile describes a
    user and not a moment.
    """
    if len(np.unique(rows.user)) != len(rows):
        raise UserError(f"{sequences.name}: probes need one row per user, and some users have several: take rows 'one'")
    row, place = inside(rows.start, rows.stop)
    return _matrix(rows.user[row], sequences.item[place] - 1, (sequences.n_users, sequences.n_items))


def user_probes(sequences: Sequences, rows: Rows, settings: ProbeSettings) -> csr_matrix:
    """The last visible item of the user of each row, and the one before it where there are many: as seen_items.

    Of an item that was taken twice the last time counts, and as a column is an item, all of its events are hidden.
    """
    row, place = inside(rows.start, rows.stop)
    item = sequences.item[place] - 1
    # reversed, so that unique finds the last event of an item, and not its first
    pair = row.astype(np.int64) * sequences.n_items + item
    _, found = np.unique(pair[::-1], return_index=True)
    latest = np.sort(len(pair) - 1 - found)
    row, item = row[latest], item[latest]
    count = np.bincount(row, minlength=len(rows))
    from_end = np.cumsum(count)[row] - 1 - np.arange(len(row))
    wanted = (count >= settings.fewest_history) * (1 + (count >= settings.second_from))
    last = from_end < wanted[row]
    return _matrix(rows.user[row[last]], item[last], (sequences.n_users, sequences.n_items))


def item_probes(seen: csr_matrix, settings: ProbeSettings, rng: np.random.Generator) -> csr_matrix:
    """Some of the users who have seen each item, drawn at random: bool [n_items, n_users], from seen_items."""
    readers = seen.T.tocsr()
    count = np.diff(readers.indptr)
    row = rows_of(readers)
    order = np.lexsort((rng.random(readers.nnz), row))
    drawn = np.empty(readers.nnz, dtype=np.int64)
    drawn[order] = np.arange(readers.nnz) - readers.indptr[row]  # the place of an entry in its row's random order
    share = np.maximum(np.floor(settings.item_share * count), 1)
    wanted = np.where(count >= settings.fewest_users, share, 0)
    some = drawn < wanted[row]
    return _matrix(row[some], readers.indices[some], readers.shape)


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


def shown_history(history: np.ndarray, hidden: csr_matrix) -> np.ndarray:
    """Left-padded histories of item numbers [n, length] without the hidden items, still in order and left-padded.

    hidden [n, n_items] has the rows of the histories.
    """
    row, column = np.nonzero(history != PAD)
    kept = history.copy()
    kept[row, column] *= ~np.asarray(hidden[row, history[row, column] - 1], dtype=bool).ravel()
    return np.take_along_axis(kept, np.argsort(kept != PAD, axis=1, kind="stable"), axis=1)


def _matrix(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    """A boolean matrix with sorted indices, true at these places."""
    return csr_matrix((np.ones(len(row), bool), (row, column)), shape)
