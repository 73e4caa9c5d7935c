"""Random sequences, and the plain lists that tests compare with; small datasets in the folders that readers know."""

import numpy as np
import pandas as pd

from lib.data.sequences.user_sequences import Sequences, starts


def drawn(seed=0, n_users=60, n_items=40, shortest=3, longest=30, timed=True, **more) -> Sequences:
    """Users with `shortest` to `longest` events, items that come again, times that stand still now and then."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(shortest, longest + 1, n_users)
    lengths[n_users // 2] = shortest  # there is always one
    item = rng.integers(1, n_items + 1, lengths.sum()).astype(np.int32)
    time = np.concatenate([np.sort(rng.integers(0, 500, length)) for length in lengths]).astype(float)
    users, items = (pd.DataFrame({"id": np.arange(count) * 3 + 7}) for count in (n_users, n_items))
    return Sequences("drawn", users, items, starts(lengths), item, time if timed else None, **more)


def lists(sequences: Sequences) -> list[list[int]]:
    """One list of items per user."""
    return [sequences.of(user).tolist() for user in range(sequences.n_users)]


def padded(items: list[int], length: int) -> list[int]:
    """The last so many items, with zeros before them where there are fewer."""
    return [0] * max(0, length - len(items)) + items[max(0, len(items) - length) :]


def write(folder, content: dict):
    """Files by name below `folder`, parquet for frames and dictionaries; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in content.items():
        if isinstance(value, str):
            (folder / name).write_text(value, encoding="utf-8")
        else:
            pd.DataFrame(value).to_parquet(folder / name)
    return folder
