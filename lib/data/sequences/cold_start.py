"""Cold-start users: nobody whose target validates or tests has been seen in training.

Each user's last eleven events are one row: the last of them is the target, the others are its history. Users are put
in order by the time of their target and cut 8 : 1 : 1, so that the newest test; data that bring a split of users keep
it.
"""

import numpy as np

from lib.core.errors import UserError, unknown
from lib.data.interactions import SPLITS
from lib.data.sequences.rows import Rows, SplitRows, inside, repeats, rows
from lib.data.sequences.user_sequences import Sequences, long_enough

LAST, RATIOS = 11, (8, 1, 1)
ROWS = ("one", "all_prefixes")  # the published numbers are of one row per user


def cold_start(
    sequences: Sequences, last: int = LAST, ratios=RATIOS, per_user: str = "one", seed: int | None = None
) -> SplitRows:
    """Rows with histories [n, last - 1] and targets [n], in the order of time within each split.

    `per_user` "all_prefixes" makes a target of every event of a user, of the first one too, whose history is padding
    alone. With a `seed` users are split at random instead, which tells what their order is worth. Targets that are in
    their own history, or are unknown to training, stay and are counted. Raises UserError for users with fewer than 3
    events, and where nothing tells which user came first.
    """
    if per_user not in ROWS:
        raise unknown("number of rows per user", per_user, ROWS)
    long_enough(sequences, "a history and a target")
    parts = {}
    for split, users in zip(SPLITS, _split(sequences, ratios, seed), strict=True):
        stop = sequences.start[users + 1]
        place = stop - 1 if per_user == "one" else inside(sequences.start[users], stop)[1]
        parts[split] = rows(sequences, place, last - 1, only=True)
    return SplitRows(**parts, counts=_counts(parts, per_user))


def _split(sequences: Sequences, ratios, seed: int | None) -> list[np.ndarray]:
    """The users of train, validation and test, each in the order of time or as drawn; the last part takes the rest."""
    published = sequences.published
    if published is not None and seed is None:
        order = np.argsort(published["rank"].to_numpy(), kind="stable")
        return [order[published.split.to_numpy()[order] == split] for split in SPLITS]
    if sequences.time is None and seed is None:
        raise UserError(
            f"{sequences.name} has the order of each user's events but no dates, so nothing tells which users came "
            "first: put split.parquet with user, split, rank beside the sequences, or split users by a seed"
        )
    if seed is None:
        order = np.argsort(sequences.time[sequences.start[1:] - 1], kind="stable")
    else:
        order = np.random.default_rng(seed).permutation(sequences.n_users)
    train, validation = (len(order) * share // sum(ratios) for share in ratios[:2])
    if not train or not validation or train + validation == len(order):
        cut = ":".join(map(str, ratios))
        raise UserError(f"{sequences.name} has {len(order)} users, too few to cut {cut}: leave one out instead")
    return np.split(order, [train, train + validation])


def _counts(parts: dict[str, Rows], per_user: str) -> dict[str, int]:
    """Rows by split, events in all of them, and the targets of which a reader must know."""
    events = [len(part) if per_user == "all_prefixes" else int((part.lengths + 1).sum()) for part in parts.values()]
    return {
        **{split: len(part) for split, part in parts.items()},
        "events": sum(events),
        "test targets unknown to train": int((~np.isin(parts["test"].target, parts["train"].whole)).sum()),
        **repeats(parts.values()),
    }
