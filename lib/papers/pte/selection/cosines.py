"""Cosines along the entries of a sparse matrix, as dot products of unit vectors, without a loop over rows.

Matrices are scipy CSR [n, n_partners] with sorted indices; entries are numbered as they are stored.
"""

import numpy as np
from scipy.sparse import csr_matrix

AT_ONCE = 2**24  # numbers of gathered vectors held at once (64 MiB)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [..., d] at length 1, float32; those of zeros stay, so their cosine to anything is 0."""
    vectors = np.asarray(vectors, dtype=np.float32)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def slices(n: int, numbers_each: int) -> list[slice]:
    """Slices that cut n rows of so many numbers into parts which fit into memory."""
    step = max(1, AT_ONCE // max(numbers_each, 1))
    return [slice(start, start + step) for start in range(0, n, step)]


def rows_of(matrix: csr_matrix) -> np.ndarray:
    """The row of each entry [nnz]."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def entry_cosines(vectors: np.ndarray, matrix: csr_matrix, partners: np.ndarray) -> np.ndarray:
    """Cosines of the candidates of an entry's row with the partner of its column: [nnz, G].

    Unit vectors [n, G, d] and [n_partners, d].
    """
    row, result = rows_of(matrix), np.empty((matrix.nnz, vectors.shape[1]), np.float32)
    for part in slices(matrix.nnz, (vectors.shape[1] + 1) * vectors.shape[2]):
        partner = partners[matrix.indices[part]]
        result[part] = np.matmul(vectors[row[part]], partner[:, :, None])[..., 0]
    return result


def reduced(ufunc: np.ufunc, values: np.ndarray, matrix: csr_matrix, empty: float) -> np.ndarray:
    """`ufunc` (np.add, np.maximum, ...) over the entries [nnz, G] of each row: [n, G], `empty` where there are none."""
    result = np.full((matrix.shape[0], values.shape[1]), empty)
    some = np.diff(matrix.indptr) > 0
    if some.any():
        result[some] = ufunc.reduceat(values.astype(float), matrix.indptr[:-1][some])
    return result


def row_means(matrix: csr_matrix, values: np.ndarray) -> np.ndarray:
    """Mean of the partners' values [n_partners, ...] over the entries of each row [n, ...], 0 where there are none."""
    count = np.diff(matrix.indptr).reshape(-1, *[1] * (values.ndim - 1))
    return matrix.astype(values.dtype) @ values / np.maximum(count, 1)


def gathered_cosines(vectors: np.ndarray, partners: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Cosines of candidates with the partners at index [n, k] of their row: [n, G, k]; unit vectors as above."""
    result = np.empty((len(vectors), vectors.shape[1], index.shape[1]), np.float32)
    for part in slices(len(vectors), index.shape[1] * vectors.shape[2]):
        result[part] = np.matmul(vectors[part], partners[index[part]].transpose(0, 2, 1))
    return result
