"""Texts to vectors by TF-IDF and its largest singular directions: the same numbers on every machine.

Sums of floats come out differently by about 1e-16 where a processor adds in another order, and an iterative solver
makes more of that: the vectors of two machines would differ in their last bits, and so would every model trained on
them. So the decomposition runs in float64 until it has converged, from a fixed start; signs, which a decomposition
leaves open, follow a rule; and what is kept is rounded so coarsely that differences of the usual size vanish.

Rounding cannot promise it: a value may lie within such a difference of the middle between two decimals. With errors
near 1e-14 against steps of 1e-5 that is to be expected for one in several hundred million values.
"""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from lib.core.errors import UserError

DECIMALS = 5
TIE = 1e-6  # weights of words that are so close count as equally large
NOTHING = 1e-6  # a shorter row holds no direction, only what the solver left of zero


def term_vectors(texts: list[str], dimensions: int, normalise: bool = True) -> np.ndarray:
    """Vectors float32 [N, dimensions]: words weighted by rarity, projected on the largest singular directions.

    A text without any known word gets zeros. Raises UserError when there are fewer words than dimensions.
    """
    terms = term_weights(texts)
    if dimensions >= min(terms.shape):
        raise UserError(f"TF-IDF: {dimensions} dimensions of {terms.shape[1]} words: lower dimensions")
    return rounded(terms @ directions(terms, dimensions), normalise)


def term_weights(texts: list[str]) -> csr_matrix:
    """TF-IDF float64 [N, words], rows of length 1; words in alphabetical order."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    # min_df=2: a word of a single text says nothing about its likeness to others
    return TfidfVectorizer(stop_words="english", min_df=2, sublinear_tf=True).fit_transform(texts)


def directions(terms: csr_matrix, dimensions: int) -> np.ndarray:
    """The right singular vectors [words, dimensions] of the largest singular values, largest first, signs by rule."""
    start = np.random.default_rng(0).uniform(-1, 1, min(terms.shape))  # else ARPACK draws its own
    _, _, found = svds(terms, dimensions, v0=start, tol=0)  # tol=0: to the precision of the machine
    return signed_by_rule(found[::-1].T)


def signed_by_rule(vectors: np.ndarray) -> np.ndarray:
    """Columns with the sign that makes their largest entry positive; of several about as large, the first one."""
    size = np.abs(vectors)
    # the first, since of two equally large ones the last bits would decide which is the largest
    largest = (size >= (1 - TIE) * size.max(axis=0)).argmax(axis=0)
    return vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])


def rounded(vectors: np.ndarray, normalise: bool) -> np.ndarray:
    """Rows float32 with DECIMALS decimals, scaled to length 1 before if wished; rows that are next to nothing are 0."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled = vectors / np.maximum(length, NOTHING) if normalise else vectors
    kept = np.where(length > NOTHING, scaled, 0.0)
    # + 0.0 turns -0.0 into 0.0, which have different bytes
    return (np.round(kept, DECIMALS) + 0.0).astype(np.float32)
