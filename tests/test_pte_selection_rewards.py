"""Probes, rewards and features of candidate profiles against loops over users, scikit-learn and worlds made for it."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import roc_auc_score

from lib.core.errors import UserError
from lib.data.sequences.cold_start import cold_start
from lib.data.sequences.user_sequences import Sequences, starts
from lib.papers.pte.profiling import histories
from lib.papers.pte.profiling import probes as profiling_probes
from lib.papers.pte.profiling import settings as profiling_settings
from lib.papers.pte.selection import candidate_selectors, probes, rewards
from lib.papers.pte.selection import settings as selection_settings
from lib.papers.pte.selection.features import NAMES, WITHIN, features, text_measures, within_groups
from lib.papers.pte.selection.probes import Probes
from lib.papers.pte.selection.sides import NONE, Candidates, Side

SETTINGS = selection_settings.load()
PROBES = SETTINGS.probes.model_copy(update={"negatives": 20, "window": 15})
PROFILING = profiling_settings.load("paper").model_copy(update={"probed_users": 10**6, "probed_items": 10**6})
PROTOCOLS = "cold start", "leave one out"


def made_sequences(seed=0, n_users=80, n_items=40):
    """Users with 3 to 14 events, some of them of an item that they have had before."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 15, n_users)
    start = starts(lengths)
    item = (rng.zipf(1.3, lengths.sum()) * 7 % n_items + 1).astype(np.int32)
    time = np.concatenate([np.sort(rng.random(length)) + user for user, length in enumerate(lengths)])
    ids = (pd.DataFrame({"id": np.arange(n)}) for n in (n_users, n_items))
    return Sequences("made", *ids, start, item, time)


def visible(sequences, protocol):
    """What training may know: histories of cold start's train users, or of everybody without the last three events."""
    if protocol == "cold start":
        return histories.of_cold_start(sequences, cold_start(sequences))
    return histories.of_leave_one_out(sequences, 3)


def found_probes(sequences, protocol, seed=0):
    """Probes of users and of items of a protocol, and what is visible."""
    shown, users = visible(sequences, protocol), np.arange(sequences.n_users)
    items = np.arange(1, sequences.n_items + 1)
    found = profiling_probes.probes(shown, items, PROFILING)
    seen = probes.part(shown.pool, users, items)
    of_users = probes.part(found.of_users(shown.pool.shape), users, items)
    of_items = probes.part(found.of_items(shown.pool.shape).T, items, users)
    rng = np.random.default_rng(seed)
    return (
        shown, seen, probes.with_negatives(of_users, seen, PROBES, rng),
        probes.with_negatives(of_items, seen.T.tocsr(), PROBES, rng),
    )  # fmt: skip


# Probes


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_probe_and_no_negative_knows_what_lies_outside_of_the_train_region(protocol):
    """Targets, validation and test events and whole users who only validate or test are replaced: nothing changes."""
    sequences = made_sequences()
    shown, seen, users, items = found_probes(sequences, protocol)
    train = np.flatnonzero(shown.train)
    inside = np.zeros(len(sequences.item), bool)
    for user in train:
        inside[shown.start[user] : shown.stop[user]] = True
    other = np.random.default_rng(9).integers(1, sequences.n_items + 1, len(inside)).astype(np.int32)
    changed = replace(sequences, item=np.where(inside, sequences.item, other))
    assert (changed.item[~inside] != sequences.item[~inside]).mean() > 0.9 and (~inside).sum() > 100
    _, seen_again, users_again, items_again = found_probes(changed, protocol)
    for first, again in ((users, users_again), (items, items_again)):
        assert (first.hidden != again.hidden).nnz == 0 and np.array_equal(first.negatives, again.negatives)
    assert (seen != seen_again).nnz == 0
    # and hidden, in words: a visible event of a train row, never its target
    assert not (users.hidden > seen).nnz and not (items.hidden > seen.T).nnz
    target = sequences.item[shown.stop[train]] - 1
    fresh = ~np.asarray(seen[train, target]).ravel()
    assert fresh.any() and not np.asarray(users.hidden[train[fresh], target[fresh]]).any()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_negatives_are_unseen_known_and_about_as_popular(protocol):
    sequences = made_sequences()
    _, seen, users, items = found_probes(sequences, protocol)
    for found, visible in ((users, seen.toarray()), (items, seen.toarray().T)):
        popularity, hidden = visible.sum(0), found.hidden.toarray()
        assert found.defined.any()
        for row in np.flatnonzero(found.defined):
            probe = np.flatnonzero(hidden[row])
            for turn, negative in enumerate(found.negatives[row]):
                own, its = popularity[probe[turn % len(probe)]], popularity[negative]
                assert not visible[row, negative] and its > 0
                assert np.sum((popularity > min(own, its)) & (popularity < max(own, its))) < PROBES.window


def test_negatives_are_uniform_in_their_window_and_a_row_that_has_seen_it_all_loses_its_probe():
    seen = np.zeros((30, 8), bool)
    seen[0, [1, 4]], seen[1], seen[2:, :] = True, True, np.random.default_rng(0).random((28, 8)) < 0.5
    hidden = np.zeros((30, 8), bool)
    hidden[0, 4] = hidden[1, 0] = True
    settings = PROBES.model_copy(update={"negatives": 6000, "window": 8})
    found = probes.with_negatives(csr_matrix(hidden), csr_matrix(seen), settings, np.random.default_rng(0))
    assert found.defined.tolist() == [True] + [False] * 29 and found.hidden.nnz == 1
    assert np.bincount(found.negatives[0], minlength=8) / 1000 == pytest.approx([1, 0, 1, 1, 0, 1, 1, 1], abs=0.1)


def test_prompts_show_the_rest():
    _, seen, users, items = found_probes(made_sequences(), "leave one out")
    hidden = users.hidden.toarray()
    assert hidden.any() and (probes.shown(seen, users.hidden).toarray() == (seen.toarray() & ~hidden)).all()
    assert probes.shown(seen.T.tocsr(), items.hidden).multiply(items.hidden).nnz == 0


# Rewards


def made_side(seed=0, n=30, n_partners=25, groups=4, width=8):
    rng = np.random.default_rng(seed)
    seen = rng.random((n, n_partners)) < 0.4
    seen[0] = False
    hidden = seen & (rng.random(seen.shape) < 0.3)
    negatives = rng.integers(n_partners, size=(n, 12)).astype(np.int32)
    neighbours = np.array([rng.permutation(np.delete(np.arange(n), row))[:9] for row in range(n)])
    neighbours[1], neighbours[2, 4:] = NONE, NONE
    vectors = rng.normal(size=(n, groups, width)).astype(np.float32)
    shape = n, groups
    candidates = Candidates(
        np.arange(n), vectors, csr_matrix(seen & ~hidden), rng.random((*shape, 3)),
        np.broadcast_to(np.arange(groups), shape), rng.random(shape),
    )  # fmt: skip
    content, popularity = rng.normal(size=(n, width)), seen.sum(0)
    known = Probes(csr_matrix(hidden), negatives)
    side = Side("user", candidates, known, np.ones(shape), candidates, content, neighbours, popularity)
    return side, rng.normal(size=(n_partners, width)).astype(np.float32)


def cosine(x, y):
    return float(np.dot(x, y) / np.linalg.norm(x) / np.linalg.norm(y))


def test_the_collaborative_reward_is_scikit_learns_auc():
    side, references = made_side()
    found = rewards.collaborative(side.rewarded.vectors, references, side.probes)
    for row, probe in enumerate(side.probes.hidden.toarray()):
        for candidate in range(4):
            vector = side.rewarded.vectors[row, candidate]
            positive, negative = np.flatnonzero(probe), side.probes.negatives[row]
            if not len(positive):
                assert np.isnan(found[row, candidate])
                continue
            scores = [cosine(vector, references[partner]) for partner in (*positive, *negative)]
            labels = [1] * len(positive) + [0] * len(negative)
            # cosines of one partner on both sides are equal but for rounding
            expected = roc_auc_score(labels, np.round(scores, 5))
            assert found[row, candidate] == pytest.approx(expected, abs=1e-6)


def test_a_profile_like_nobodys_or_no_profile_is_worth_chance():
    side, references = made_side()
    nothing = np.zeros_like(side.rewarded.vectors)
    found = rewards.collaborative(nothing, references, side.probes)
    assert set(np.unique(found[side.probes.defined])) == {0.5}


def test_distinctiveness_is_the_softmax_over_the_owner_and_its_neighbours():
    side, _ = made_side()
    found = rewards.distinctiveness(side.rewarded.vectors, np.arange(30), side.content, side.neighbours, 0.1)
    for row in range(30):
        among = [row, *(y for y in side.neighbours[row] if y != NONE)]
        for candidate in range(4):
            scores = [np.exp(cosine(side.rewarded.vectors[row, candidate], side.content[y]) / 0.1) for y in among]
            expected = scores[0] / sum(scores) if len(among) > 1 else np.nan
            assert found[row, candidate] == pytest.approx(expected, rel=1e-4, nan_ok=True)


@pytest.mark.parametrize("seed", range(3))
def test_nonsense_never_beats_what_is_about_its_owner(seed):
    """Nonsense has nothing to do with anybody: it is at chance, 1/10, although it is the most unlike the others."""
    rng = np.random.default_rng(seed)
    content = np.concatenate([rng.normal(size=(100, 16)), np.zeros((100, 16))], axis=1)
    nonsense = np.concatenate([np.zeros((100, 16)), rng.normal(size=(100, 16))], axis=1)
    on_topic = content / np.linalg.norm(content, axis=1, keepdims=True) + nonsense / 10
    cosines = np.corrcoef(content[:, :16])
    neighbours = np.argsort(-cosines, axis=1)[:, 1:10]
    vectors = np.stack([on_topic, nonsense], axis=1)
    found = rewards.distinctiveness(vectors, np.arange(100), content, neighbours, 0.1)
    assert found[:, 1] == pytest.approx(0.1) and (found[:, 0] > 0.1).all()


TEXTS = [
    ("Enjoys long novels about the sea and old ships", 1.0),
    ("Enjoys novels", 0.0),  # too short
    ("Enjoys long novels about MOBY-DICK and old ships", 0.0),  # a hidden title
    ("Enjoys long novels about Moby and old Dick Turpin", 1.0),
    ("User 4812 enjoys long novels about the sea", 0.0),
    ("Enjoys long novels such as B000FA64PK and ships", 0.0),
    ("Enjoys long novels of 1851 and EVERYTHING about ships", 1.0),
    ("word " * 200, 0.0),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_a_well_formed_text_is_neither_too_short_nor_too_long_and_names_no_probe(text, expected):
    hidden = csr_matrix(np.array([[False, True, True]]))
    texts, titles = np.array([[text]], dtype=object), ["sea", "Moby Dick", None]
    words = SETTINGS.reward.words
    assert rewards.well_formed(texts, np.array([[True]]), words, hidden, titles).tolist() == [[expected]]
    assert rewards.well_formed(texts, np.array([[False]]), words, hidden, titles).tolist() == [[0.0]]


def test_a_title_counts_where_it_is_hidden_only():
    hidden = csr_matrix(np.array([[True, False], [False, True], [False, False]]))
    texts = np.array([["They like Alien and many other old films", "They like Emma and many other old films"]] * 3)
    parsed = np.ones((3, 2), bool)
    found = rewards.well_formed(texts, parsed, (3, 50), hidden, ["Alien", "Emma"])
    assert found.tolist() == [[0, 1], [1, 0], [1, 1]]
    assert rewards.well_formed(texts, parsed, (3, 50), hidden).tolist() == [[1, 1]] * 3


def test_weights_of_parts_that_are_missing_go_to_the_others():
    settings = SETTINGS.reward
    parts = {"r_col": np.array([[0.8], [np.nan], [np.nan]]), "r_dis": np.array([[0.4], [0.4], [np.nan]])}
    parts["r_fmt"] = np.array([[1.0], [1.0], [0.0]])
    expected = [0.8 + 0.5 * 0.4 + 0.2, (0.5 * 0.4 + 0.2) * 1.7 / 0.7, 0.0]
    assert rewards.combined(parts, settings)[:, 0] == pytest.approx(expected)
    only = settings.model_copy(update={"distinctiveness": 0.0, "format": 0.0})
    assert rewards.combined(parts, only)[:, 0] == pytest.approx([0.8, np.nan, np.nan], nan_ok=True)
    without = settings.model_copy(update={"collaborative": 0.0})
    assert rewards.combined(parts, without)[0, 0] == pytest.approx(0.5 * 0.4 + 0.2)


# Features


def test_features_are_those_of_loops_over_candidates():
    side, _ = made_side()
    rng = np.random.default_rng(1)
    partners, references = rng.normal(size=(25, 8)), rng.normal(size=(30, 8))
    settings = SETTINGS.features
    found = features(side, side.rewarded, partners, references, settings)
    assert found.shape == (30, 4, len(NAMES)) and np.isfinite(found).all()
    shown, unit = side.rewarded.shown.toarray(), references / np.linalg.norm(references, axis=1, keepdims=True)
    lengths = np.linalg.norm(partners, axis=1, keepdims=True)
    for row in (2, 3, 17):
        raw = []
        for vector in side.rewarded.vectors[row]:
            history = [cosine(vector, partner) for partner in partners[shown[row]]]
            centroid = (partners / lengths)[shown[row]].mean(0)
            near = [cosine(vector, references[y]) for y in side.neighbours[row][:5] if y != NONE]
            mates = [cosine(vector, other) for other in side.rewarded.vectors[row] if other is not vector]
            mates.remove(max(mates))  # its own
            others = sorted((cosine(vector, y) for i, y in enumerate(references) if i != row), reverse=True)
            away = np.linalg.norm(vector / np.linalg.norm(vector) - unit.mean(0))
            raw.append([
                cosine(vector, centroid), max(history), min(history), np.mean(near), np.mean(mates), away,
                np.mean(others[:10]),
            ])  # fmt: skip
        raw = np.concatenate([raw, side.rewarded.measures[row]], axis=1)
        expected = (raw - raw.mean(0)) / raw.std(0)
        assert found[row, :, : len(WITHIN)] == pytest.approx(expected, abs=2e-4)
        sizes = np.log1p([shown[row].sum(), side.popularity[shown[row]].mean()])
        assert found[row, 0, len(WITHIN) : len(WITHIN) + 2] == pytest.approx(sizes, rel=1e-5)
    assert (found[:, :, NAMES.index("template 0") :][..., :4] == np.eye(4)).all()


def test_features_need_no_label():
    """Other probes, negatives and rewards, and other targets with them, leave every feature as it is."""
    side, references = made_side()
    hidden, negatives = side.probes.hidden, side.probes.negatives
    blind = replace(
        side, probes=Probes(csr_matrix(hidden.shape, dtype=bool), 0 * negatives), well_formed=0 * side.well_formed
    )
    own = np.random.default_rng(1).normal(size=(30, 8))
    first, again = (features(one, one.rewarded, references, own, SETTINGS.features) for one in (side, blind))
    assert first.tobytes() == again.tobytes()


def test_features_follow_their_candidates():
    side, references = made_side()
    own, order = np.random.default_rng(1).normal(size=(30, 8)), [2, 0, 3, 1]
    mixed = replace(
        side.rewarded,
        **{name: getattr(side.rewarded, name)[:, order] for name in ("vectors", "measures", "template", "temperature")},
    )
    first = features(side, side.rewarded, references, own, SETTINGS.features)
    assert features(side, mixed, references, own, SETTINGS.features) == pytest.approx(first[:, order], abs=2e-4)


def test_equal_candidates_do_not_differ():
    values = np.full((3, 4), 0.1)
    values[2] = [1, 2, 3, 4]
    found = within_groups(values)
    assert not found[:2].any() and found[2].mean() == pytest.approx(0) and found[2].std() == pytest.approx(1)


def test_measures_of_texts_are_counted():
    texts = np.array([["The cat sat on the mat", "the cat the cat the cat"], ["", "dogs"]], dtype=object)
    found, flat = text_measures(texts).reshape(-1, 3), texts.ravel()
    words = [re.findall(r"\w+", text.lower()) for text in flat]
    rows_with = Counter(word for said in words for word in set(said))
    for said, row in zip(words, found, strict=True):
        pairs = list(zip(said, said[1:], strict=False))
        idf = [np.log((1 + len(flat)) / (1 + rows_with[word])) for word in said]
        assert row[0] == pytest.approx(np.mean(idf) if said else 0)
        assert row[1] == len(said) and row[2] == pytest.approx(len(set(pairs)) / len(pairs) if pairs else 0)


# Selectors


def test_the_medoid_is_nearest_to_the_others_and_the_oracle_best_rewarded():
    vectors = np.random.default_rng(0).normal(size=(40, 5, 6))
    found = candidate_selectors.medoid(vectors)
    for group, pick in zip(vectors, found, strict=True):
        means = [np.mean([cosine(x, y) for y in group if y is not x]) for x in group]
        similar = [sum(cosine(x, y) for y in group) for x in group]
        assert pick == np.argmax(similar) and len(means) == 5
    assert candidate_selectors.oracle(np.array([[0, 3, 1.0], [np.nan, 1, 2], [np.nan] * 3])).tolist() == [1, 2, 0]


def test_soft_selection_between_two_is_between_them():
    vectors = np.array([[[2.0, 0], [0, 5]]])
    assert candidate_selectors.soft(np.array([[0.5, 0.5]]), vectors)[0] == pytest.approx([np.sqrt(0.5)] * 2)
    assert candidate_selectors.soft(np.array([[1.0, 0.0]]), vectors)[0] == pytest.approx([1, 0])


def test_shapes_that_do_not_belong_together_are_told():
    side, _ = made_side()
    with pytest.raises(UserError, match="temperature is not of 30 entities with 4 candidates"):
        replace(side.rewarded, temperature=np.zeros((30, 3)))
    with pytest.raises(UserError, match="final candidates must be those of all 30"):
        replace(side, final=side.final.of(np.arange(5)))
    with pytest.raises(UserError, match="must have the rows of rewarded"):
        replace(side, well_formed=np.ones((3, 4)))
