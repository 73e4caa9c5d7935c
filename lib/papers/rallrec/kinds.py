"""Every kind of retrieval side by side, for the same samples."""

from typing import NamedTuple

import numpy as np

from lib.data.samples import Samples
from lib.papers.rallrec.mixture import VARIANTS, mixture
from lib.papers.rallrec.rerank import rerank
from lib.papers.rallrec.retrieval import HybridScore, Recency, Similarity, hybrid_quota, retrieve
from lib.papers.rallrec.settings import RallrecSettings

ORDER = ("recent", *VARIANTS, "hybrid", "hybrid_quota", "rerank")


class Kinds(NamedTuple):
    """Positions of events [n, K] and, where there are some, item vectors [n_items, D], each by kind of retrieval."""

    positions: dict[str, np.ndarray]
    vectors: dict[str, np.ndarray]


def retrieved(samples: Samples, parts: dict[str, np.ndarray], settings: RallrecSettings, rows: np.ndarray) -> Kinds:
    """The K history items of each sample in `rows` by every kind in ORDER.

    recent: the newest. title, text, colla, mix, mix3: the most similar by these vectors. hybrid: by the mean of two
    softmaxes. hybrid_quota: half by text, half by collaboration. rerank: mix3 and recent merged (Eq. 8).
    """
    vectors = {kind: mixture(kind, parts, settings.mixture) for kind in VARIANTS}
    scores = {"recent": Recency()} | {kind: Similarity(of_kind) for kind, of_kind in vectors.items()}
    chosen, k = settings.retrieval, settings.retrieval.k
    how = (chosen.hybrid_weight, chosen.hybrid_temperature, chosen.hybrid_over)
    scores["hybrid"] = HybridScore(vectors["text"], vectors["colla"], *how)
    found = {kind: retrieve(samples, score, k, rows, label=f"retrieval by {kind}") for kind, score in scores.items()}
    positions = {kind: one.positions for kind, one in found.items()}
    positions["hybrid_quota"] = hybrid_quota(positions["text"], positions["colla"], k)
    positions["rerank"] = rerank(found["mix3"], found["recent"], settings.rerank)
    return Kinds({kind: positions[kind] for kind in ORDER}, vectors)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """The mean share of the items [n, K] of one kind that another shows too, over samples that have some."""
    shared = (one[:, :, None] == other[:, None, :]) & (one >= 0)[:, :, None]
    counts = (one >= 0).sum(1)
    return float((shared.any(2).sum(1)[counts > 0] / counts[counts > 0]).mean())
