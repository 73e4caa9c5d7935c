"""Whitening: text vectors in coordinates without correlation and of variance near 1, the strongest direction first."""

from dataclasses import dataclass

import numpy as np

from lib.core.errors import UserError

EPSILON = 1e-3  # of the mean variance: directions in which nothing varies are not blown up


@dataclass(frozen=True, eq=False)
class Whitening:
    """(x - mean) @ matrix, with the statistics of the vectors that it was fitted on."""

    mean: np.ndarray  # [T]
    matrix: np.ndarray  # [T, d]
    variance: np.ndarray  # [d], of the coordinates before they are divided by its root

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors [n, T] as float32 [n, d]; those that were not fitted on are welcome."""
        return ((vectors.astype(np.float64) - self.mean) @ self.matrix).astype(np.float32)


def fitted(vectors: np.ndarray, d: int | None = None) -> Whitening:
    """Whitening to the d strongest of T directions, or all, by the covariance of vectors [n, T] = U diag(S) U^T:

        (x - mean) U[:, :d] diag(S[:d] + e)^(-1/2),   e = 1e-3 tr(S) / T

    Where e is small beside S the result has covariance 1. It does not change with the scale of all vectors. Raises
    UserError for a d above T, and where all vectors are equal.
    """
    x = vectors.astype(np.float64)
    mean, width = x.mean(0), x.shape[1]
    if d is not None and d > width:
        raise UserError(f"text vectors of {width} dimensions have no {d} directions: lower d or take a wider encoder")
    variance, directions = np.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    if not variance[-1] > 0:
        raise UserError("all text vectors are equal, so they say nothing of items: give texts that differ")
    order = np.argsort(-variance, kind="stable")[:d]
    variance, directions = variance[order].clip(0), directions[:, order]
    # an eigenvector's sign is the library's choice: the largest entry is made positive
    directions = directions * np.sign(directions[np.abs(directions).argmax(0), np.arange(directions.shape[1])])
    total = ((x - mean) ** 2).mean(0).sum()  # the trace
    return Whitening(mean, directions / np.sqrt(variance + EPSILON * total / width), variance)
