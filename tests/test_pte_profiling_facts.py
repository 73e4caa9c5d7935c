"""PtE's profiling: what prompts may know, who is similar to whom, and how replies become profiles."""

import json
import re

import numpy as np
import pytest
import yaml
from scipy.sparse import csr_matrix

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.data.sequences.cold_start import cold_start
from lib.data.sequences.leave_one_out import leave_one_out
from lib.language.wording import wording_named
from lib.papers.pte.profiling import audiences, contract, histories, monitors, neighbours, perturbation, probes
from lib.papers.pte.profiling import settings as profiling
from lib.papers.pte.profiling.titles import Titles
from lib.papers.pte.profiling.wording import begun
from tests.support.drawn_sequences import drawn, lists


@pytest.fixture
def parser():
    """Replies about a user in the words of films."""
    return contract.ProfileLines("user", begun("user", wording_named("films")))


def random_matrix(seed, n=40, items=25, share=0.15):
    """Ones where a user has an item; users 3 and 8 have none."""
    chosen = np.random.default_rng(seed).random((n, items)) < share
    chosen[[3, 8]] = False
    return csr_matrix(chosen.astype(float))


def unit(seed, n, d=6):
    """Random vectors of length 1."""
    vectors = np.random.default_rng(seed).normal(size=(n, d))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
def test_neighbours_are_those_of_a_loop_over_all_pairs(seed, monkeypatch):
    monkeypatch.setattr(neighbours, "CHUNK", 7)
    own = random_matrix(seed)
    train = np.random.default_rng(seed).random(40) < 0.6
    pool = csr_matrix(own.toarray() * train[:, None])
    members = np.flatnonzero(pool.toarray().any(1))
    dense, counts = own.toarray(), pool.toarray().sum(0)
    weighted = dense * (np.log((1 + len(members)) / (1 + counts)) + 1)
    found = neighbours.neighbours(own, pool, 4)
    for user in range(40):
        scores = {}
        for other in members:
            if other != user and (dot := weighted[user] @ weighted[other]) > 0:
                scores[other] = round(dot / np.linalg.norm(weighted[user]) / np.linalg.norm(weighted[other]), 9)
        expected = sorted(scores, key=lambda other: (-scores[other], other))[:4]
        assert found[user].tolist() == expected + [-1] * (4 - len(expected))


def test_a_user_whom_the_pool_does_not_know_has_neighbours_too():
    pool = csr_matrix(np.array([[0, 1, 1, 0], [0, 0, 0, 1.0]]))
    own = csr_matrix(np.array([[0, 0, 1, 0], [1.0, 0, 0, 0]]))
    assert neighbours.neighbours(own, pool, 2, np.array([-1, -1])).tolist() == [[0, -1], [-1, -1]]


@pytest.mark.parametrize("seed", range(3))
def test_audiences_are_those_of_a_loop(seed):
    pool, vectors, m = random_matrix(seed, share=0.3), unit(seed, 40), 5
    for item, found in enumerate(audiences.audiences(pool, vectors, m)):
        users = np.flatnonzero(pool[:, [item]].toarray().ravel()).tolist()
        if len(users) <= m:
            assert found.tolist() == users
            continue
        cosine = {(a, b): round(float(vectors[a] @ vectors[b]), 4) for a in users for b in users}
        medoid = max(users, key=lambda user: (np.mean([vectors[user] @ vectors[other] for other in users]), -user))
        chosen = [medoid]
        while len(chosen) < m:
            left = [user for user in users if user not in chosen]
            chosen.append(min(left, key=lambda user: (max(cosine[user, one] for one in chosen), user)))
        assert found.tolist() == chosen


def test_alike_users_are_not_chosen_twice():
    pool = csr_matrix(np.ones((6, 1)))
    assert sorted(audiences.audiences(pool, np.ones((6, 1)), 4)[0]) == [0, 1, 2, 3]


def test_cold_start_shows_histories_and_train_users_alone():
    sequences = drawn()
    split = cold_start(sequences, last=6)
    shown = histories.of_cold_start(sequences, split)
    for name in ("train", "validation", "test"):
        for user in getattr(split, name).user:
            assert shown.of(user).tolist() == lists(sequences)[user][:-1][-5:]
            assert shown.train[user] == (name == "train")
    assert set(np.flatnonzero(np.diff(shown.pool.indptr))) == set(split.train.user)


def test_all_prefixes_show_the_longest_history_once():
    sequences = drawn()
    one, all_of = (cold_start(sequences, last=6, per_user=how) for how in ("one", "all_prefixes"))
    a, b = (histories.of_cold_start(sequences, split) for split in (one, all_of))
    assert a.stop.tolist() == b.stop.tolist() and a.train.tolist() == b.train.tolist()


def test_leave_one_out_hides_the_last_two_or_three():
    sequences = drawn()
    rows = leave_one_out(sequences)
    two, three = (histories.of_leave_one_out(sequences, held_out) for held_out in (2, 3))
    for user, whole in enumerate(lists(sequences)):
        assert two.of(user).tolist() == whole[:-2] and three.of(user).tolist() == whole[:-3]
    for user, target in zip(rows.train.user, rows.train.target, strict=True):
        assert lists(sequences)[user][len(three.of(user))] == target


def test_a_limited_study_keeps_the_share_of_train_users():
    sequences = drawn()
    whole = histories.of_cold_start(sequences, cold_start(sequences))
    some = histories.limited(whole, 20, 1)
    assert len(some.users) == 20 and some.train.sum() == 16 and set(some.users) <= set(whole.users)
    assert histories.limited(whole, None, 1) is whole and some.fingerprint != whole.fingerprint


def test_probes_are_train_interactions_of_those_who_keep_some():
    sequences = drawn(longest=12)
    shown = histories.of_cold_start(sequences, cold_start(sequences))
    settings = profiling.load("paper").model_copy(update={"probed_items": 20})
    found = probes.probes(shown, np.arange(1, sequences.n_items + 1), settings)
    able = [user for user in shown.users if shown.train[user] and len(set(shown.of(user))) >= 4]
    assert sorted(found.users) == able and len(able) > 10 and len(found.items) == 20
    for user, hidden in found.users.items():
        history = shown.of(user)
        latest_first = list(dict.fromkeys(history[::-1].tolist()))
        assert shown.train[user] and len(latest_first) >= 4
        assert set(hidden) == set(latest_first[: 2 if len(latest_first) >= 8 else 1])
    for item, hidden in found.items.items():
        users = np.flatnonzero(shown.pool[:, [item]].toarray())
        assert set(hidden) < set(users) and len(hidden) == max(1, int(0.2 * len(users)))
    left = probes.without(shown.matrix, found.of_items(shown.matrix.shape)).toarray()
    expected = shown.matrix.toarray()
    for item, hidden in found.items.items():
        expected[hidden, item] = 0
    assert (left == expected).all()


def test_names_count_in_any_case_but_single_words_only_as_they_are_spelt():
    titles = Titles(["Heat", "Toy Story", "The Usual Suspects"])
    assert (
        titles.inside("films like toy story") and titles.inside("The Usual Suspects, again") and titles.inside("Heat")
    )
    assert not titles.inside("the heat of summer") and not titles.inside("a story of a toy") and not titles.inside("")
    # docs/methods/pte-profiles.md 4 says so: a part of a name is none
    assert not titles.inside("the usual story") and not titles.inside("Usual Suspects")


GOOD = "Summary: This viewer enjoys dark stories of crime and of friendship.\nInterests: crime, friendship"


@pytest.mark.parametrize(
    "reply, interests",
    [
        (GOOD, ["crime", "friendship"]),
        (GOOD.replace("Interests:", "**Interests**:").replace(", ", "; "), ["crime", "friendship"]),
        (GOOD + "\nInterests: again", ["crime", "friendship"]),
        (GOOD + ", a long story that was sto ...", ["crime", "friendship"]),
        (GOOD + ", Crime, none, N/A", ["crime", "friendship"]),
        (GOOD.replace("crime, friendship", "1. crime\n2. friendship"), ["crime", "friendship"]),
        (GOOD.replace("crime, friendship", "stories about crime and friendship"), ["crime", "friendship"]),
        (GOOD.replace("crime, friendship", "a, b, c, d, e, f, g"), ["b", "c", "d", "e", "f"]),
        (GOOD.replace("crime, friendship", "one two three four five six seven"), ["one two three four five six"]),
        (GOOD.removeprefix("Summary: "), ["crime", "friendship"]),
    ],
)
def test_lines_become_profiles(parser, reply, interests):
    profile = json.loads(parser.parse(reply))
    assert profile["interests"] == interests and profile["avoids"] == []
    assert profile["summary"] == "This viewer enjoys dark stories of crime and of friendship."


def test_json_is_read_as_well(parser):
    whole = {
        "summary": "They like slow films about people who talk much.",
        "interests": ["talk"],
        "identities": ["critic"],
    }
    assert json.loads(parser.parse(f"Sure! {json.dumps(whole)} Done.")) == whole | {"avoids": []}
    assert json.loads(parser.parse(json.dumps(whole | {"interests": "talk, rain"})))["interests"] == ["talk", "rain"]


@pytest.mark.parametrize(
    "reply, said",
    [
        (None, "0 words"), ("", "0 words"), ("{" * 9999, "words"), ('{"summary": 3}', "words"),
        (GOOD.replace("crime, friendship", ""), "Interests"), (GOOD.replace("crime, friendship", "none"), "Interests"),
        ("Summary: I love films that are slow and dark and sad.\nInterests: x", "first person"),
        ("Summary: " + "very good films " * 9 + "\nInterests: x", "repeats"),
    ],
)  # fmt: skip
def test_what_is_no_profile(parser, reply, said):
    with pytest.raises(ValueError, match=said):
        parser.parse(reply)
    assert said in parser.rejected[-1]


def test_long_summaries_keep_whole_sentences_or_so_many_words(parser):
    words = " ".join(f"word{number}" for number in range(60))
    two = f"Summary: They like films about many things at once. {words}.\nInterests: x"
    assert json.loads(parser.parse(two))["summary"] == "They like films about many things at once."
    assert len(json.loads(parser.parse(f"Summary: {words}\nInterests: x"))["summary"].split()) == 40


def test_what_is_embedded_has_a_fixed_order_and_nothing_of_what_is_avoided():
    user = {"avoids": ["war"], "identities": ["parents"], "interests": ["love", "sea"], "summary": "Gentle."}
    assert contract.serialised(contract.written(user, "user"), "user") == "Gentle. love, sea. parents."
    item = {"summary": "Calm.", "appeal": ["sea"], "audience": [], "not_for": ["critics"]}
    assert contract.serialised(contract.written(item, "item"), "item") == "Calm. sea."
    assert contract.serialised("", "user") == ""


def test_a_candidate_keeps_the_latest_and_does_not_depend_on_others():
    settings = profiling.load("paper")
    first, *others = perturbation.candidates(settings, "user", 7, False)
    assert first.some(range(10), latest=True) == [*range(10)] and first.temperature == 0.3
    assert [one.temperature for one in others] == [0.7, 0.9, 1.0]
    for one in others:
        kept = one.some(range(10), latest=True)
        assert len(kept) == 8 and kept[-1] == 9 and kept == sorted(kept) and len(one.some(range(5))) == 4
    again = perturbation.candidates(settings, "user", 7, False)[1]
    same, other = (perturbation.candidates(settings, "user", user, False)[1] for user in (7, 8))
    assert again.some(range(30)) == same.some(range(30)) != other.some(range(30))


def test_monitors_against_their_definitions():
    vectors = unit(0, 9)
    pairs = [vectors[a] @ vectors[b] for a in range(9) for b in range(9) if a != b]
    assert monitors.mean_cosine(vectors) == pytest.approx(np.mean(pairs))
    variance = np.linalg.eigvalsh(np.cov(vectors.T))
    share = variance / variance.sum()
    assert monitors.effective_rank(vectors) == pytest.approx(np.exp(-(share * np.log(share)).sum()))
    assert monitors.effective_rank(np.ones((4, 3))) == 1
    assert monitors.effective_rank(np.concatenate([np.eye(4), -np.eye(4)])) == pytest.approx(4)
    assert monitors.duplicate_rate(["a", "a", "b", "a"]) == 0.5
    assert monitors.distinct(["a b c", "A b"], 2) == 2 / 3
    assert monitors.drift(vectors, vectors) == pytest.approx(0) and monitors.drift(vectors, -vectors) == pytest.approx(
        2
    )


@pytest.mark.parametrize(
    "edit, said",
    [
        (lambda one: one["quick"].update(candidate=3), "candidates"),
        (lambda one: one["paper"].update(candidates=1), "candidates"),
        (lambda one: one.update(quik={}), "quick"),
        (lambda one: one.update(quick=3), "block"),
    ],
)
def test_a_mistake_in_the_settings_is_told(tmp_path, edit, said):
    content = yaml.safe_load((ROOT / "params" / profiling.FILE).read_text())
    edit(content["profiling"])
    (tmp_path / "papers").mkdir()
    (tmp_path / profiling.FILE).write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=said):
        profiling.load("quick", tmp_path)


def test_scales():
    paper, quick, tiny = (profiling.load(scale) for scale in ("paper", "quick", "tiny"))
    assert (paper.rounds, paper.candidates, paper.neighbours, paper.audience) == (2, 4, 5, 8)
    assert (quick.rounds, quick.candidates) == (2, 4) and tiny.users <= 20
    assert re.fullmatch("(?i)unknown scale.*", str(pytest.raises(UserError, profiling.load, "large").value))
