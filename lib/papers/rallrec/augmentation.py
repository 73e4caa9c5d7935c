"""Which prompts the language model is tuned on: each sampled history in several orders (section 3.3 of the paper)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.data.samples import Samples
from lib.papers.rallrec.prompts import Renderer, answers


class Mix(NamedTuple):
    """The orders in which one tuning shows each sampled history, and the vectors by which items are similar in it."""

    modes: tuple[str, ...]
    similar_by: str = "text"


# by the name of a tuning: all three orders, without recent histories, without augmentation, without retrieval, and the
# two orders of ReLLa, which retrieves by title
MIXES = {
    "mixed": Mix(("sim", "sim_chrono", "recent")),
    "rag": Mix(("sim", "sim_chrono")),
    "sim": Mix(("sim",)),
    "recent": Mix(("recent",)),
    "rella": Mix(("recent", "sim_chrono"), similar_by="title"),
}


def sampled_rows(samples: Samples, split: str, count: int, seed: int) -> np.ndarray:
    """Numbers of `count` samples of a split, drawn without repetition in a random order; all where there are fewer.

    A smaller count gives the first ones of a larger: few-shot baselines and larger presets share samples. Raises
    UserError for a split without samples.
    """
    rows = np.flatnonzero(samples.rows.split == split)
    if not len(rows):
        raise UserError(f"{samples.name} has no {split} samples: use more data or other split ratios")
    return np.random.default_rng(seed).permutation(rows)[:count]


def test_rows(samples: Samples, count: int | None, order: str = "head", seed: int = 42) -> np.ndarray:
    """Numbers of `count` test samples in the order of the samples, which is that of time; None: all.

    order: head for the first in time, random for a sample drawn by `seed`.
    """
    if order == "random" and count is not None:
        return np.sort(sampled_rows(samples, "test", count, seed))
    return np.flatnonzero(samples.rows.split == "test")[:count]


def examples(
    renderer: Renderer,
    rows: np.ndarray,
    similar: np.ndarray,
    recent: np.ndarray,
    modes: Sequence[str],
    limit: int,
    count_tokens,
) -> pd.DataFrame:
    """The prompts of `rows` in every mode, one sample after the other: columns row, mode, prompt, answer, label, items.

    `similar` and `recent` [len(rows), K] are positions of the most similar and the newest items. `limit` and
    `count_tokens` are those of Renderer.fitting; items is how many a prompt shows at most.
    """
    labels = renderer.samples.rows.label.to_numpy()[rows]
    parts = []
    for mode in modes:
        positions = recent if mode == "recent" else similar
        texts, shown = renderer.fitting(rows, positions, mode, limit, count_tokens)
        told = {"row": rows, "mode": mode, "prompt": texts, "answer": answers(labels), "label": labels, "items": shown}
        parts.append(pd.DataFrame(told))
    # a stable sort by the sample's place: all modes of the first, all of the second, ...
    place = np.concatenate([np.arange(len(rows))] * len(parts))
    return pd.concat(parts, ignore_index=True).iloc[np.argsort(place, kind="stable")].reset_index(drop=True)
