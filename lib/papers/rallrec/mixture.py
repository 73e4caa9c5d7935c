"""Joint item vectors: text, collaborative and aligned parts side by side (Eq. 2 and 7).

A part is a matrix [n_items, d] in which an item without that part is zero, and stays so. With every part at length 1
the dot product of two joint vectors is the sum of the cosines of their parts. Vectors of language models all point in
nearly the same direction, so that the cosines of a text part would hardly differ: it is centred first.
"""

import numpy as np

from lib.core.errors import UserError, unknown
from lib.papers.rallrec.settings import MixtureSettings

# parts of each kind of joint vectors; title and text are both the text part
VARIANTS = {
    "title": ("title",),
    "text": ("text",),
    "colla": ("colla",),
    "mix": ("text", "colla"),
    "mix3": ("text", "colla", "ssl"),
}
OF_TEXT = {"title", "text"}


def text_part(title: np.ndarray, description: np.ndarray) -> np.ndarray:
    """e_text = [e_title || e_desc], each at length 1: [n_items, T] and [n_items, U] -> [n_items, T + U] (Eq. 3)."""
    return np.hstack([unit_rows(title), unit_rows(description)])


def mixture(variant: str, parts: dict[str, np.ndarray], settings: MixtureSettings) -> np.ndarray:
    """Vectors [n_items, D] float32 whose dot product is the similarity of two items.

    `parts` are matrices by the names in VARIANTS. Raises UserError for an unknown variant and for parts that are
    missing, of different numbers of items or not finite.
    """
    if variant not in VARIANTS:
        raise unknown("kind of item vectors", variant, VARIANTS)
    chosen = {name: _checked(name, parts) for name in VARIANTS[variant]}
    if len({len(part) for part in chosen.values()}) > 1:
        rows = {name: len(part) for name, part in chosen.items()}
        raise UserError(f"the parts of {variant} are vectors of different numbers of items {rows}: make them anew")
    if settings.text_pca:
        chosen = {n: principal(part, settings.text_pca) if n in OF_TEXT else part for n, part in chosen.items()}
    scale = {"row": unit_rows, "max": by_longest}[settings.norm]
    joint = np.hstack([scale(part) for part in chosen.values()])
    return (unit_rows(joint) if settings.similarity == "cosine" else joint).astype(np.float32)


def _checked(name: str, parts: dict[str, np.ndarray]) -> np.ndarray:
    if name not in parts:
        raise UserError(f"no vectors of the part {name}: make them first (there are {', '.join(parts) or 'none'})")
    if not np.isfinite(parts[name]).all():
        raise UserError(f"the part {name} has vectors with NaN or infinity: make them anew")
    return np.asarray(parts[name], dtype=np.float64)


def principal(part: np.ndarray, components: int) -> np.ndarray:
    """The largest principal components of the rows that are not zero: [n, d] -> [n, min(components, d)]; zeros stay.

    The axes' signs and order do not matter here, since only dot products of rows are used.
    """
    known = part.any(axis=1)
    if not known.any():
        return part[:, :components]
    centred = np.where(known[:, None], part - part[known].mean(axis=0), 0)
    # eigh gives the smallest first
    _, axes = np.linalg.eigh(centred.T @ centred)
    return centred @ axes[:, ::-1][:, :components]


def unit_rows(part: np.ndarray) -> np.ndarray:
    """Rows at length 1; rows of zeros, and what rounding left of them, are zero."""
    length = np.linalg.norm(part, axis=1, keepdims=True)
    known = length > 1e-9 * max(length.max(initial=0), 1e-300)
    return np.where(known, part / np.where(known, length, 1), 0)


def by_longest(part: np.ndarray) -> np.ndarray:
    """All rows divided by the length of the longest, as in the public code."""
    return part / max(np.linalg.norm(part, axis=1).max(initial=0), 1e-300)
