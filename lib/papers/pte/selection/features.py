"""What the policy reads of a candidate: nothing of it needs a hidden interaction, so it exists for everybody.

Features of rewarded candidates are computed from what their prompt showed, so that they relate to their text as those
of final candidates do to theirs.
"""

import numpy as np

from lib.papers.pte.selection.cosines import entry_cosines, gathered_cosines, reduced, row_means, slices, unit
from lib.papers.pte.selection.settings import FeatureSettings
from lib.papers.pte.selection.sides import NONE, Candidates, Side

TEMPLATES = 4  # candidate g is asked for by template g mod 4
# standardised within each group of candidates: only what tells one from another counts
WITHIN = (
    "cosine to the history's centroid", "largest cosine to the history", "smallest cosine to the history",
    "mean cosine to neighbours' profiles", "mean cosine to the other candidates", "distance from the mean profile",
    "density among other profiles", "mean IDF of words", "words", "distinct pairs of words",
)  # fmt: skip
# taken as they are: the first two are the same for all candidates of a group
AS_IS = ("log history length", "log popularity of the history", *(f"template {i}" for i in range(TEMPLATES)))
NAMES = (*WITHIN, *AS_IS, "temperature")
CONSTANT = 1e-6  # a group whose deviation is below it does not differ


def features(
    side: Side, candidates: Candidates, partners: np.ndarray, references: np.ndarray, settings: FeatureSettings
) -> np.ndarray:
    """phi [n, G, len(NAMES)] float32 of some of a side's candidates.

    partners [n_partners, d] is the content of the other side, references [N, d] are the profiles chosen on this one.
    """
    vectors, references = unit(candidates.vectors), unit(references)
    within = [
        *_of_history(vectors, candidates, unit(partners)),
        _smoothing(vectors, side.neighbours[candidates.entity, : settings.neighbours], references),
        medoid_score(vectors),
        np.linalg.norm(vectors - references.mean(axis=0), axis=2),
        _density(vectors, candidates.entity, references, settings.density),
        *np.moveaxis(np.asarray(candidates.measures, dtype=float), 2, 0),
    ]
    templates = candidates.template[:, :, None] == np.arange(TEMPLATES)
    as_is = [_sizes(candidates, side.popularity), templates, candidates.temperature[:, :, None]]
    return np.concatenate([within_groups(np.stack(within, axis=2)), *as_is], axis=2).astype(np.float32)


def within_groups(values: np.ndarray) -> np.ndarray:
    """Mean 0 and deviation 1 over the candidates of each group [n, G, ...]; 0 where they do not differ."""
    centred = values - values.mean(axis=1, keepdims=True)
    deviation = values.std(axis=1, keepdims=True)
    differ = deviation > CONSTANT
    return np.where(differ, centred / np.where(differ, deviation, 1), 0)


def text_measures(texts: np.ndarray) -> np.ndarray:
    """Mean IDF of words, number of words, and distinct share of neighbouring pairs of words: [n, G, 3] of [n, G].

    IDF is log((1 + N) / (1 + texts with the word)) over these N texts. A text without words, or pairs, has 0.
    """
    from sklearn.feature_extraction.text import HashingVectorizer  # takes a second to import

    flat = np.asarray(texts, dtype=object).ravel()
    options = {"alternate_sign": False, "norm": None, "token_pattern": r"(?u)\b\w+\b"}
    words = HashingVectorizer(**options).transform(flat).tocsr()
    pairs = HashingVectorizer(**options, ngram_range=(2, 2)).transform(flat).tocsr()
    idf = np.log((1 + len(flat)) / (1 + np.bincount(words.indices, minlength=words.shape[1])))
    length, n_pairs = (np.asarray(counts.sum(axis=1)).ravel() for counts in (words, pairs))
    distinct = np.diff(pairs.indptr) / np.maximum(n_pairs, 1)
    return np.stack([words @ idf / np.maximum(length, 1), length, distinct], axis=1).reshape(*np.shape(texts), 3)


def _of_history(vectors: np.ndarray, candidates: Candidates, partners: np.ndarray) -> list[np.ndarray]:
    """Cosine to the centroid of what was shown, largest and smallest cosine to any of it; 0 where nothing was."""
    shown = candidates.shown
    centroid = unit(shown.astype(np.float32) @ partners)
    cosines = entry_cosines(vectors, shown, partners)
    to_centroid = np.matmul(vectors, centroid[:, :, None])[..., 0]
    return [to_centroid, reduced(np.maximum, cosines, shown, 0.0), reduced(np.minimum, cosines, shown, 0.0)]


def _smoothing(vectors: np.ndarray, neighbours: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Mean cosine to the neighbours' profiles; 0 without a neighbour."""
    there = (neighbours != NONE)[:, None, :]
    cosines = gathered_cosines(vectors, references, neighbours)
    return np.where(there, cosines, 0).sum(axis=2) / np.maximum(there.sum(axis=2), 1)


def medoid_score(vectors: np.ndarray) -> np.ndarray:
    """Mean cosine to the other candidates of the group [n, G], from unit vectors [n, G, d]; 0 for a single one."""
    total = np.matmul(vectors, vectors.sum(axis=1)[:, :, None])[..., 0]
    return (total - np.square(vectors).sum(axis=2)) / max(vectors.shape[1] - 1, 1)


def _density(vectors: np.ndarray, entity: np.ndarray, references: np.ndarray, nearest: int) -> np.ndarray:
    """Mean cosine to the nearest profiles of others."""
    n, groups, width = vectors.shape
    nearest = min(nearest, len(references) - 1)
    result = np.zeros((n, groups))
    for part in slices(n if nearest else 0, groups * len(references)):
        cosines = (vectors[part].reshape(-1, width) @ references.T).reshape(-1, groups, len(references))
        cosines[np.arange(len(cosines)), :, entity[part]] = -np.inf  # its own
        result[part] = np.partition(cosines, -nearest, axis=2)[..., -nearest:].mean(axis=2)
    return result


def _sizes(candidates: Candidates, popularity: np.ndarray) -> np.ndarray:
    """log(1 + partners shown) and log(1 + their mean popularity) of each candidate [n, G, 2]."""
    length = np.diff(candidates.shown.indptr)
    sizes = np.log1p(np.stack([length, row_means(candidates.shown, popularity)], axis=1))
    return np.broadcast_to(sizes[:, None, :], (*candidates.vectors.shape[:2], 2))
