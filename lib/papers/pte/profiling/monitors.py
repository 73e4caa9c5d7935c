"""Whether profiles collapse into one: duplicates, likeness, the rank that their vectors use, variety of words."""

import re

import numpy as np

WORD = re.compile(r"\w+")


def monitors(texts: list[str], vectors: np.ndarray) -> dict[str, float]:
    """All monitors of one side's profiles, of which `vectors` [n, d] have unit length."""
    return {
        "duplicates": duplicate_rate(texts),
        "mean_cosine": mean_cosine(vectors),
        "effective_rank": effective_rank(vectors),
        "distinct_2": distinct(texts, 2),
    }


def duplicate_rate(texts: list[str]) -> float:
    """The share of texts that another one before them equals."""
    return 1 - len(set(texts)) / len(texts) if texts else np.nan


def mean_cosine(vectors: np.ndarray) -> float:
    """The mean cosine of two different rows of `vectors` [n, d], which have unit length; NaN for fewer than two."""
    n = len(vectors)
    vectors = vectors.astype(np.float64)
    total = np.square(vectors.sum(0)).sum() - np.square(vectors).sum()
    return float(total / (n * (n - 1))) if n > 1 else np.nan


def effective_rank(vectors: np.ndarray) -> float:
    """exp of the entropy of the shares of variance along the principal axes of `vectors` [n, d]; 1 if all are alike."""
    variance = np.square(np.linalg.svd(vectors - vectors.mean(0, dtype=np.float64), compute_uv=False))
    if not variance.sum() > 1e-12:
        return 1.0
    share = variance / variance.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def distinct(texts: list[str], n: int) -> float:
    """Different runs of n words by all of them, over all texts; NaN where there are none."""
    words = [WORD.findall(text.lower()) for text in texts]
    runs = [run for one in words for run in zip(*(one[at:] for at in range(n)), strict=False)]
    return len(set(runs)) / len(runs) if runs else np.nan


def drift(before: np.ndarray, after: np.ndarray) -> float:
    """1 - mean cosine of each profile with the one before it; both [n, d] with rows of unit length."""
    return float(1 - np.einsum("nd,nd->n", before, after, dtype=np.float64).mean())
