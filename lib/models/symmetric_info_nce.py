"""InfoNCE in both directions between two kinds of vectors of the same things (RALLRec, Eq. 5)."""

from torch import Tensor

from lib.models.losses import info_nce


def symmetric_info_nce(x: Tensor, y: Tensor, temperature: float = 1.0) -> Tensor:
    """Mean over rows of finding y_i among all of y from x_i, and x_i among all of x from y_i; both [n, d], result [].

    With s the cosine, in plain form the two-way cross-entropy on the matrix S = s(x_i, y_v) / temperature:

        - 1/n * sum_i [ log softmax(S[i, :])_i + log softmax(S[:, i])_i ]

    A temperature of 1 is the equation as printed.
    """
    return (info_nce(x, y, y, temperature) + info_nce(y, x, x, temperature)) / len(x)
