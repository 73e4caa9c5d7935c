"""Leave-one-out: of each user's sequence S, S[:-2] trains, S[-2] validates and S[-1] tests."""

from lib.data.sequences.long_tail import item_counts
from lib.data.sequences.rows import SplitRows, repeats, rows
from lib.data.sequences.user_sequences import FEWEST, Sequences, long_enough

LENGTH = 200


def leave_one_out(sequences: Sequences, length: int = LENGTH) -> SplitRows:
    """Rows with histories [n, length] and targets [n]; those of validation and test are by user, all of them.

    The rows of train end in S[-3]: their `whole` is the end of S[:-2], the history that of S[:-3]. They have none of
    users with three events, whose S[:-2] holds nothing to predict from. A test history contains S[-2]. Targets that
    are in their own history stay and are counted. Raises UserError for users with fewer than 3 events.
    """
    long_enough(sequences, "one event each to train, validate and test")
    end = sequences.start[1:]
    parts = {
        "train": rows(sequences, end[sequences.lengths > FEWEST] - 3, length),
        "validation": rows(sequences, end - 2, length),
        "test": rows(sequences, end - 1, length),
    }
    unknown = item_counts(sequences, "train")[parts["test"].target] == 0
    counts = {
        **{split: len(part) for split, part in parts.items()},
        "events": len(sequences.item),
        "test targets unknown to train": int(unknown.sum()),
        **repeats([parts["validation"], parts["test"]]),
    }
    return SplitRows(**parts, counts=counts)
