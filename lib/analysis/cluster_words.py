"""Words that tell clusters of texts apart, so that a cluster has a name."""

from collections.abc import Sequence

import numpy as np


def cluster_words(texts: Sequence[str], labels: np.ndarray, n: int = 3) -> list[str]:
    """The n words of each cluster's texts that stand out most from all others, joined by commas.

    texts, labels [n_texts]: a text and the number of its cluster. A word stands out by the mean of its TF-IDF in the
    cluster less that in the other texts; words of fewer than three letters, and in more than half of the texts, do not.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(stop_words="english", max_df=0.5, token_pattern=r"[^\W\d_]{3,}", sublinear_tf=True)
    weights = words.fit_transform(texts)
    known, named = words.get_feature_names_out(), []
    for cluster in range(labels.max() + 1):
        inside = labels == cluster
        apart = weights[inside].mean(0) - weights[~inside].mean(0)
        named.append(", ".join(known[np.argsort(-np.asarray(apart).ravel(), kind="stable")[:n]]))
    return named
