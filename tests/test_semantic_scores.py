"""Slopes and cluster scores against base: a paired jackknife by hand, and a planted slope."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import silhouette_score

from lib.analysis.item_maps import clusters
from lib.analysis.semantic_scores import semantic_scores
from lib.analysis.trend import sampled_items


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def cosines(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return (unit @ unit.T)[np.triu_indices(len(unit), 1)]


@pytest.fixture(scope="module")
def case():
    text = normal(0, 120, 8)
    base = normal(1, 120, 6) + text[:, :6]
    spaces = {("gccf", "base"): base, ("gccf", "contrastive"): base + 0.2 * normal(2, 120, 6) + 0.5 * text[:, :6]}
    return text, spaces, semantic_scores(text, spaces).set_index(["alignment", "measure"])


def by_hand(text, spaces, score):
    """The jackknife of score(contrastive) - score(base): value and error, leaving the same items out of both."""
    sample, found = sampled_items(len(text)), []
    for block in range(-1, 50):
        kept = sample[[place % 50 != block for place in range(len(sample))]]
        base, ours = (score(spaces["gccf", name], kept, np.isin(sample, kept)) for name in ("base", "contrastive"))
        found.append(ours - base)
    return found[0], np.sqrt(49 / 50 * np.sum((found[1:] - np.mean(found[1:])) ** 2))


def test_a_difference_of_slopes_is_a_paired_jackknife(case):
    text, spaces, scores = case
    row = scores.loc[("contrastive", "slope")]
    wanted = by_hand(
        text, spaces, lambda space, kept, _: stats.linregress(cosines(text[kept]), cosines(space[kept]))[0]
    )
    assert [row["difference"], row["difference_error"]] == pytest.approx(wanted, rel=1e-3)
    # two intervals side by side would miss what both spaces share
    apart = np.hypot(row["error"], scores.loc[("base", "slope"), "error"])
    assert row["difference_error"] < 0.7 * apart and row["freedom"] == 49


def test_a_difference_of_silhouettes_is_a_paired_jackknife(case):
    text, spaces, scores = case
    labels = clusters(text[sampled_items(len(text))])
    row = scores.loc[("contrastive", "silhouette")]
    wanted = by_hand(
        text, spaces, lambda space, kept, mask: silhouette_score(space[kept], labels[mask], metric="cosine")
    )
    assert [row["difference"], row["difference_error"]] == pytest.approx(wanted, rel=1e-3)


def test_planted_meaning_is_found_in_every_measure():
    text = normal(0, 5, 16)[np.arange(400) % 5] + 0.7 * normal(1, 400, 16)
    spaces = {("x", "base"): normal(2, 400, 16), ("x", "generative"): text + normal(3, 400, 16)}
    rows = semantic_scores(text, spaces).query("alignment == 'generative'").set_index("measure")
    assert (rows["difference"] > 4 * rows["difference_error"]).all() and len(rows) == 4
    assert np.isnan(semantic_scores(text, spaces).query("alignment == 'base'")["difference"]).all()


def test_unrelated_spaces_differ_from_each_other_as_rarely_as_the_error_says():
    text, hits = normal(0, 100, 8), 0
    for seed in range(40):
        spaces = {("x", "base"): normal(seed + 1, 100, 6), ("x", "contrastive"): normal(seed + 500, 100, 6)}
        rows = semantic_scores(text, spaces).query("alignment == 'contrastive' and measure == 'slope'")
        hits += abs(rows["difference"].item()) > stats.t.ppf(0.975, 49) * rows["difference_error"].item()
    assert hits <= 6  # 2 expected
