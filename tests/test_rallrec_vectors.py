"""Collaborative, aligned and joint item vectors of RALLRec."""

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from planted_samples import planted
from toys import dense_normalised

from lib.core.errors import UserError
from lib.papers.rallrec import collaborative, mixture, settings, text_alignment
from lib.training.sampler import Sampler
from lib.training.step import take

TINY, PAPER = settings.load("tiny"), settings.load("paper")
LIGHTGCN = TINY.collaborative.model_copy(update=dict(embedding_size=8, batch_size=256, epochs=6, learning_rate=0.01))


def train_edges(samples):
    return samples.events[samples.events.split == "train"][["user", "item"]]


def pairs(edges):
    return edges.user.to_numpy(), edges.item.to_numpy()


# Collaborative vectors


def test_training_is_lightgcn_as_its_paper_defines_it():
    """Three steps of a dense model: the mean of layers, BPR, and the squared lengths of the batch's rows over B."""
    samples, _ = planted(n_users=20, n_items=15, per_user=6)
    data = collaborative.split_edges(pairs(train_edges(samples)), 20, 15, 3, seed=1)
    chosen = LIGHTGCN.model_copy(update={"reg_weight": 0.1})
    model = collaborative.untrained(data, chosen, seed=1, device="cpu")
    table = torch.nn.Parameter(model.backbone.ego.detach().clone())
    adjacency = torch.from_numpy(dense_normalised(data.train)).float()
    ours, theirs = (torch.optim.Adam(p, 0.01) for p in (model.parameters(), [table]))
    batches = list(Sampler(data.train, 16).epoch(torch.Generator().manual_seed(0)))[:3]
    for batch in batches:
        take(model, ours, batch)
        layers = [table]
        for _ in range(chosen.layers):
            layers.append(adjacency @ layers[-1])
        final = torch.stack(layers).mean(0)
        nodes = [batch.users, 20 + batch.positives, 20 + batch.negatives]
        user, positive, negative = (final[node] for node in nodes)
        bpr = -F.logsigmoid((user * positive).sum(1) - (user * negative).sum(1)).mean()
        penalty = 0.1 / len(batch.users) * sum((table[node] ** 2).sum() for node in nodes)
        theirs.zero_grad()
        (bpr + penalty).backward()
        theirs.step()
    torch.testing.assert_close(model.final(), final_of(adjacency, table, chosen.layers), atol=2e-5, rtol=1e-4)


def final_of(adjacency, table, layers):
    with torch.no_grad():
        powers = [torch.linalg.matrix_power(adjacency, power) for power in range(layers + 1)]
        return sum(powers) @ table / (layers + 1)


def test_one_edge_of_each_active_user_is_held_out_and_no_item_loses_its_last():
    samples, _ = planted(n_users=40, n_items=30, per_user=8)
    edges = train_edges(samples)
    edges = pd.concat([edges, edges.iloc[:50]])  # rated again: the same edge
    data = collaborative.split_edges(pairs(edges), 40, 30, 7, seed=0)
    train, held_out = data.train.toarray(), data.validation.toarray()
    whole = np.zeros((40, 30))
    whole[edges.user, edges.item] = 1
    assert ((train + held_out) == whole).all() and data.test.nnz == 0
    assert held_out.sum(1).max() == 1
    assert (held_out.sum(1)[whole.sum(1) < 7] == 0).all() and held_out.sum() > 15
    assert ((train.sum(0) > 0) == (whole.sum(0) > 0)).all()
    again = collaborative.split_edges(pairs(edges.sample(frac=1, random_state=1)), 40, 30, 7, seed=0)
    assert (again.validation != data.validation).nnz == 0, "the order of the edges decides nothing"


def test_no_item_loses_its_last_edge_where_most_have_few():
    samples, _ = planted(n_users=40, n_items=200, per_user=8)
    edges = train_edges(samples)
    data = collaborative.split_edges(pairs(edges), 40, 200, 3, seed=0)
    assert edges.item.nunique() == np.count_nonzero(data.train.sum(0)) and data.validation.nnz > 30


def test_items_without_edges_have_no_vector():
    samples, _ = planted(n_users=60, n_items=40, per_user=10)
    edges = train_edges(samples)
    edges = edges[edges.item != 5]
    found = collaborative.collaborative_vectors(pairs(edges), 60, 45, LIGHTGCN, seed=0, device="cpu")
    assert found.vectors.shape == (45, 8) and found.vectors.dtype == np.float32
    assert not found.known[5] and not found.known[40:].any()
    assert (found.known == np.isin(np.arange(45), edges.item)).all()
    assert (found.vectors.any(axis=1) == found.known).all()
    same = collaborative.collaborative_vectors(pairs(edges), 60, 45, LIGHTGCN, seed=0, device="cpu")
    assert (same.vectors == found.vectors).all() and "recall@20" in found.history


def test_too_few_ratings_for_early_stopping():
    edges = pd.DataFrame({"user": [0, 1], "item": [0, 1]})
    with pytest.raises(UserError, match="films: none of 2 users has 5 rated items"):
        collaborative.collaborative_vectors(pairs(edges), 2, 2, LIGHTGCN, 0, "films", "cpu")


# Aligned vectors


def related(n=300, seed=0):
    """Collaborative vectors, and text from which they follow but for noise."""
    rng = np.random.default_rng(seed)
    colla = rng.normal(size=(n, 8))
    text = 5 + np.hstack([colla, rng.normal(size=(n, 8))]) @ rng.normal(size=(16, 30)) + 0.1 * rng.normal(size=(n, 30))
    return text.astype(np.float32), colla.astype(np.float32)


ALIGNMENT = TINY.alignment.model_copy(update={"epochs": 60, "learning_rate": 0.01})


def test_alignment_finds_the_collaborative_vectors_of_held_out_items():
    text, colla = related()
    found = text_alignment.aligned_vectors(text, colla, ALIGNMENT, seed=0)
    assert found.vectors.shape == colla.shape and len(found.held_out) == 30
    after = text_alignment.recall_curve(found.vectors, colla, found.held_out, (1, 10, 300))
    before = text_alignment.recall_curve(found.untrained, colla, found.held_out, (10,))
    assert after.recall[1] > 0.8 > 0.3 > before.recall[0]
    assert after.recall[2] == 1 and after.chance.tolist() == pytest.approx([1 / 300, 10 / 300, 1])
    first, best = found.history.iloc[0], found.history["recall@10"].max()
    assert first.epoch == 0 and np.isnan(first.loss) and first["recall@10"] == before.recall[0]
    assert best == after.recall[1], "the best epoch's weights were kept"
    assert found.history.alignment.iloc[-1] < first.alignment


def test_the_best_epoch_is_kept_where_later_ones_are_worse():
    text, colla = related()
    text += np.random.default_rng(1).normal(0, 6, text.shape)
    found = text_alignment.aligned_vectors(text, colla, ALIGNMENT.model_copy(update={"patience": 60}), seed=0)
    recall = found.history["recall@10"]
    kept = text_alignment.recall_curve(found.vectors, colla, found.held_out, (10,)).recall[0]
    assert recall.iloc[-1] < recall.max() == kept and len(recall) == ALIGNMENT.epochs + 1


def test_held_out_items_do_not_train():
    """Whatever their collaborative vectors are: what is learnt is the same until they pick the epoch."""
    text, colla = related()
    held_out = text_alignment.aligned_vectors(text, colla, ALIGNMENT, seed=0).held_out
    other = colla.copy()
    other[held_out] = np.random.default_rng(5).normal(size=(len(held_out), 8))
    losses = [text_alignment.aligned_vectors(text, c, ALIGNMENT, seed=0).history.loss[1:10] for c in (colla, other)]
    assert losses[0].tolist() == losses[1].tolist()


def test_items_without_ratings_get_an_aligned_vector_and_items_without_text_none():
    text, colla = related()
    colla[:20], text[20:25] = 0, 0
    found = text_alignment.aligned_vectors(text, colla, ALIGNMENT, seed=0)
    assert found.vectors[:20].any(axis=1).all() and not found.vectors[20:25].any()
    assert not np.isin(found.held_out, np.arange(25)).any()


def test_nothing_to_hold_out():
    text, colla = related(4)
    with pytest.raises(UserError, match="only 4 items have both"):
        text_alignment.aligned_vectors(text, colla, ALIGNMENT, seed=0)


def test_standardised_dimensions():
    text, _ = related(50)
    text[:, 3], text[7] = 2.5, 0
    known = text.any(axis=1)
    scaled = text_alignment.standardised(text, known)
    np.testing.assert_allclose(scaled[known].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(np.delete(scaled[known].std(0), 3), 1, atol=1e-4)
    assert not scaled[:, 3].any() and not scaled[7].any()


def test_alignment_and_uniformity_are_those_of_wang_and_isola():
    x, y = (torch.randn(6, 3, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    a, b = (part.numpy() / np.linalg.norm(part.numpy(), axis=1, keepdims=True) for part in (x, y))
    assert text_alignment.alignment(x, y) == pytest.approx(np.mean(((a - b) ** 2).sum(1)), rel=1e-5)
    close = [np.exp(-2 * ((a[i] - a[j]) ** 2).sum()) for i in range(6) for j in range(i)]
    assert text_alignment.uniformity(x) == pytest.approx(np.log(np.mean(close)), rel=1e-4)


# Joint vectors


def parts(n=40, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "title": 4 + rng.normal(size=(n, 20)),
        "text": 4 + rng.normal(size=(n, 30)),
        "colla": rng.normal(size=(n, 6)),
        "ssl": rng.normal(size=(n, 6)),
    }


def cosines(x):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return unit @ unit.T


def test_the_similarity_of_joint_vectors_is_the_sum_of_cosines():
    known = parts()
    joint = mixture.mixture("mix3", known, PAPER.mixture)
    centred = known["text"] - known["text"].mean(0)  # all 30 dimensions are kept, so that PCA only turns them
    expected = cosines(centred) + cosines(known["colla"]) + cosines(known["ssl"])
    np.testing.assert_allclose(joint @ joint.T, expected, atol=1e-5)


def test_text_is_reduced_to_its_principal_components():
    from sklearn.decomposition import PCA

    known = parts()
    joint = mixture.mixture("text", known, PAPER.mixture.model_copy(update={"text_pca": 5}))
    expected = PCA(5, svd_solver="full").fit_transform(known["text"])
    assert joint.shape == (40, 5)
    np.testing.assert_allclose(joint @ joint.T, cosines(expected), atol=1e-5)


def test_without_pca_text_stays_as_it_is():
    known = parts()
    joint = mixture.mixture("title", known, PAPER.mixture.model_copy(update={"text_pca": None}))
    np.testing.assert_allclose(joint @ joint.T, cosines(known["title"]), atol=1e-5)


def test_the_public_codes_scale_and_cosine():
    known = parts()
    plain = PAPER.mixture.model_copy(update={"text_pca": None, "norm": "max"})
    joint = mixture.mixture("mix", known, plain)
    scaled = [known[name] / np.linalg.norm(known[name], axis=1).max() for name in ("text", "colla")]
    np.testing.assert_allclose(joint, np.hstack(scaled), atol=1e-6)
    cosine = mixture.mixture("mix", known, plain.model_copy(update={"similarity": "cosine"}))
    np.testing.assert_allclose(cosine @ cosine.T, cosines(np.hstack(scaled)), atol=1e-5)


def test_missing_parts_stay_zero_and_change_nothing_for_others():
    known = parts()
    gap = {name: part.copy() for name, part in known.items()}
    gap["text"][3], gap["colla"][4] = 0, 0
    joint = mixture.mixture("mix3", gap, PAPER.mixture)
    text, colla = np.split(joint, [30], axis=1)[0], joint[:, 30:36]
    assert not text[3].any() and not colla[4].any() and joint[3].any() and joint[4].any()
    others = np.delete(gap["text"], 3, axis=0)
    centred = others - others.mean(0)
    np.testing.assert_allclose(np.delete(text @ text.T, 3, 0)[:, np.arange(40) != 3], cosines(centred), atol=1e-5)


def test_title_and_description_count_the_same():
    title, description = np.array([[3.0, 4], [0, 0]]), np.array([[0.0, 10], [5, 0]])
    assert mixture.text_part(title, description).tolist() == [[0.6, 0.8, 0, 1], [0, 0, 1, 0]]


def test_mistakes_in_parts_are_told():
    known = parts()
    with pytest.raises(UserError, match="unknown kind of item vectors 'mix4': did you mean 'mix'"):
        mixture.mixture("mix4", known, PAPER.mixture)
    with pytest.raises(UserError, match="no vectors of the part ssl"):
        mixture.mixture("mix3", {name: known[name] for name in ("text", "colla")}, PAPER.mixture)
    with pytest.raises(UserError, match="different numbers of items"):
        mixture.mixture("mix", known | {"colla": known["colla"][:5]}, PAPER.mixture)
    with pytest.raises(UserError, match="the part colla has vectors with NaN"):
        mixture.mixture("mix", known | {"colla": np.full((40, 6), np.nan)}, PAPER.mixture)
