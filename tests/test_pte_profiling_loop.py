"""PtE's profiling from end to end on a writer that needs no model: leakage, rounds, resuming, and the real sampling."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.feature_extraction.text import HashingVectorizer

from lib.core.errors import UserError
from lib.data.sequences.cold_start import cold_start
from lib.language.wording import wording_named
from lib.papers.pte.profiling import candidates, recording, sampling
from lib.papers.pte.profiling import settings as profiling
from lib.papers.pte.profiling import wording as asked
from lib.papers.pte.profiling.contract import CUT, ProfileLines
from lib.papers.pte.profiling.recording import Record
from lib.papers.pte.profiling.rendering import Draw
from tests.support.drawn_sequences import drawn
from tests.support.mock_profiles import MockWriter

GENRES = ["war", "love", "crime", "music", "space", "horror"]
SETTINGS = profiling.load("paper").model_copy(update={"probed_users": 10, "probed_items": 8, "candidates": 3})
IDENTITY = {"prompts": "these", "model": "mock"}


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Answers need not outlive a crash of the machine, for which a disk takes milliseconds each."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


def encode(texts):
    """Unit vectors of words."""
    return HashingVectorizer(n_features=64, alternate_sign=False).transform(texts).toarray().astype(np.float32)


def films(seed=0, **more):
    """Sequences of films with long names, each of which holds its number; users take films of their favourite genre."""
    sequences = drawn(seed, n_users=30, n_items=20, longest=12, **more)
    number = np.arange(1, 21)
    favourite = np.repeat(np.arange(30) % 6, sequences.lengths)
    own = np.random.default_rng(seed).random(len(favourite)) < 0.8
    sequences.item[own] = (favourite + 6 * (sequences.item % 3) + 1)[own]
    titles = [f"Night {GENRES[one % 6].title()} Number{one}" for one in number]
    sequences.items["title"], sequences.items["genres"] = titles, [GENRES[(one - 1) % 6] for one in number]
    return sequences


def study(seed=0, **changes):
    """The cold-start study of these films."""
    return candidates.Study(films(seed), wording_named("films"), SETTINGS.model_copy(update=changes))


def run(folder, about, writer):
    """Everything recorded by `writer`; returns the record, what each side's answers were, and the frame."""
    record = Record(folder, writer.settings, IDENTITY)
    said = [*candidates.write(about, record, writer, 0, encode)]
    return record, said, recording.load(folder, "these", "record")


class Chatty(MockWriter):
    """Names titles in its lists, of what it was told and of the whole catalogue."""

    def reply(self, request, parser, rng):
        name = f"night {GENRES[rng.integers(6)]} number{rng.integers(1, 21)}"
        reply = super().reply(request, parser, rng)
        return reply.replace(": ", f": {name}, ").replace("among all", f"like {name} among all")


@pytest.mark.parametrize("kind", [MockWriter, Chatty])
def test_no_prompt_names_what_its_user_must_be_asked_for(tmp_path, kind):
    about, writer = study(), kind()
    record, _, frame = run(tmp_path, about, writer)
    shown, names = about.histories, about.renderer.names
    sequences = films()
    split = cold_start(sequences)
    targets = {user: item for part in (split.train, split.validation, split.test)
               for user, item in zip(part.user, part.target, strict=True)}  # fmt: skip
    prompts = {request.key: request for request in writer.asked}
    loop = about.loop(record.answers, encode).run()
    pairs = [(row, prompts[row.key]) for row in frame.itertuples() if row.status != "cold"]
    assert len(pairs) > 200 and frame.probed.sum() > 40
    for row, request in pairs:
        text = request.user.lower()
        told = {item for item, name in enumerate(names, start=1) if re.search(rf"\b{re.escape(name.lower())}\b", text)}
        if row.side == "user":
            visible = set(shown.of(row.index).tolist())
            visible -= set(loop.probes.users[row.index].tolist()) if row.probed else set()
            assert told <= visible and (targets[row.index] not in told or targets[row.index] in visible)
        else:
            assert told == {row.index}


def test_only_train_users_are_told_to_others():
    about, told = study(), []
    renderer = about.renderer

    class Watching:
        """Says who wrote what, so that prompts tell whom they have read."""

        def __getattr__(self, name):
            return getattr(renderer, name)

        def user(self, index, history, of_items, neighbours, earlier, how):
            told.append(("user", index, neighbours, history))
            return renderer.user(index, history, of_items, neighbours, earlier, how)

        def item(self, index, audience, earlier, how):
            told.append(("item", index, audience, None))
            return renderer.item(index, audience, earlier, how)

    about.renderer = Watching()
    signed = lambda requests: [  # noqa: E731
        request.answered(f'{{"summary": "{request.side} {request.index}", "interests": ["x"], "appeal": ["x"]}}', "ok")
        for request in requests
    ]
    loop = about.loop(signed, encode).run()
    shown, hidden_users = about.histories, loop.probes.items
    for side, index, profiles, _ in told:
        users = [int(one.partition("user ")[2].partition('"')[0]) for one in profiles]
        assert all(shown.train[user] for user in users) and len(set(users)) == len(users)
        assert index not in users if side == "user" else all(index in shown.of(user) for user in users)
    probed = [(index, profiles) for side, index, profiles, _ in told[-len(hidden_users) * SETTINGS.candidates :]]
    for index, profiles in probed:
        assert not {f'"user {user}"' for user in hidden_users[index]} & set(re.findall('"user [0-9]+"', str(profiles)))


def test_the_calls_are_counted_before_anything_is_asked(tmp_path):
    about, writer = study(), MockWriter()
    pending = about.pending(Record(tmp_path, writer.settings, IDENTITY))
    run(tmp_path, about, writer)
    refined = (np.diff(about.histories.pool.tocsc().indptr) > 0).sum()
    usual = 30 * (2 + 3) + refined * (1 + 3) + 10 * (1 + 3) + 8 * 3
    assert len(pending) <= usual and len(pending) == pytest.approx(len(writer.asked), rel=0.1)


def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path):
    about = study(most_fallbacks=1.0)
    run(tmp_path / "whole", about, MockWriter(broken=3))
    killed = MockWriter(limit=150, broken=3)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", about, killed)
    assert not (tmp_path / "killed/profiles.parquet").exists()
    again = MockWriter(broken=3)
    run(tmp_path / "killed", about, again)
    assert not {one.key for one in killed.asked} & {one.key for one in again.asked}
    for name in ("profiles.parquet", "rounds.csv", "writer.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        "profiles.parquet",
        "rounds.csv",
        "writer.json",
    ]
    silent = MockWriter(limit=0)
    run(tmp_path / "killed", about, silent)
    assert not silent.asked and not about.pending(Record(tmp_path / "killed", silent.settings, IDENTITY))


def test_profiles_settle_and_are_watched(tmp_path):
    _, said, frame = run(tmp_path, study(rounds=4, least_drift=0.0), MockWriter())
    rounds = pd.read_csv(tmp_path / "rounds.csv").pivot(index="round", columns="side")
    assert rounds.index.tolist() == [1, 2, 3, 4]
    assert (rounds["drift"].iloc[-1] < rounds["drift"].iloc[0]).all()
    assert rounds["duplicates"].max().max() <= 1 and (rounds["effective_rank"] >= 1).all().all()
    last = frame[~frame.probed & (frame["round"] == 4) & (frame.status != "cold")]
    assert (last.groupby(["side", "index"]).candidate.nunique() == 3).all() and len(said) == 2
    assert (frame[frame["round"].between(1, 3)].candidate == 0).all()


def test_little_drift_makes_the_next_round_the_last(tmp_path):
    _, _, frame = run(tmp_path, study(rounds=4, least_drift=0.999), MockWriter())
    assert frame["round"].max() == 2 and frame[frame["round"] == 2].candidate.max() == 2


def test_a_cold_item_keeps_its_metadata(tmp_path):
    about = study(least_audience=5)
    _, _, frame = run(tmp_path, about, MockWriter())
    cold = frame[frame.status == "cold"]
    few = np.flatnonzero(np.diff(about.histories.pool.tocsc().indptr)[1:] < 5) + 1
    assert sorted(cold["index"]) == few.tolist() and len(few)
    assert all(about.renderer.names[row.index - 1] in row.text for row in cold.itertuples())


def test_the_same_key_for_the_same_question_and_another_for_other_words(monkeypatch):
    def keys():
        loop = study().loop(lambda requests: [one.answered("{}", "ok") for one in requests], encode).run()
        return [row["key"] for row in loop.rows if row["key"]]

    before = keys()
    assert before == keys()
    monkeypatch.setitem(asked.FORM, "user", asked.FORM["user"] + " Be brief.")
    users = 30 * 2
    assert not set(before[:users]) & set(keys()[:users])
    one = Draw("user", 1, "s", "u", "o", "f", 1, 0.5, 3)
    others = [Draw("user", 1, "s", "u", "o", "f", 1, *how) for how in ((0.6, 3), (0.5, 4))]
    assert (
        len({one.key, *(other.key for other in others)}) == 3
        and Draw("user", 2, "s", "u", "o", "g", 1, 0.5, 3).key == one.key
    )


def test_too_many_unusable_answers_stop_with_examples(tmp_path):
    with pytest.raises(UserError, match="users are unusable, more than 5% .*no idea"):
        run(tmp_path, study(), MockWriter(broken=40))
    with pytest.raises(UserError, match="of an earlier run"):
        run(tmp_path, study(), MockWriter(broken=40))


def test_a_fallback_keeps_the_profile_before_it(tmp_path):
    _, _, frame = run(tmp_path, study(most_fallbacks=1.0), MockWriter(broken=30))
    first = frame[(frame["round"] == 0) & ~frame.probed & (frame.side == "user")].set_index("index").text
    kept = frame[(frame["round"] == 1) & (frame.side == "user") & (frame.status == "fallback")]
    assert len(kept) and (kept.text.to_numpy() == first[kept["index"]].to_numpy()).all()


def test_a_recording_of_other_prompts_or_of_another_model_is_not_used(tmp_path):
    about = study()
    run(tmp_path, about, MockWriter())
    with pytest.raises(UserError, match="recording of other prompts.*record it"):
        recording.load(tmp_path, "those", "record it")
    with pytest.raises(UserError, match="no profiles are recorded.*record it"):
        recording.load(tmp_path / "empty", "those", "record it")
    settings = MockWriter.settings
    assert Record(tmp_path, settings, IDENTITY).known and not Record(tmp_path, settings, IDENTITY, live=True).known
    assert not Record(tmp_path, settings, IDENTITY | {"model": "another"}).known
    assert study(seed=1).prompts != about.prompts == study().prompts != study(phrases=1).prompts


def test_the_nucleus_draws_by_the_probabilities_that_it_keeps():
    scores = torch.tensor([[2.0, 1.0, 0.5, -3.0]]).repeat(20000, 1)
    draws = np.random.default_rng(0).random((20000, 1))
    left = sampling.Nucleus([0.7] * 20000, draws, 0.9, 5)(torch.zeros(20000, 5, dtype=torch.long), scores)
    assert (left.isfinite().sum(1) == 1).all()
    p = torch.softmax(scores[0] / 0.7, 0)  # 0.74, 0.18, 0.09, ...: two tokens reach 0.9
    found = torch.bincount(left.argmax(1), minlength=4) / 20000
    assert torch.allclose(found, p * (p > 0.1) / p[:2].sum(), atol=0.01)
    coldest = sampling.Nucleus([0.01], np.array([[0.999]]), 0.9, 5)(torch.zeros(1, 5, dtype=torch.long), scores[:1])
    assert coldest.argmax(1).tolist() == [0]


class Words:
    """A tokenizer whose words are single signs and a few longer ones."""

    eos_token_id = 0

    def __init__(self, texts):
        self.tokens = ["<end>", *texts]

    def encode(self, text, **_):
        pieces = re.findall("|".join(map(re.escape, sorted(self.tokens, key=len, reverse=True))), text)
        assert "".join(pieces) == text
        return [self.tokens.index(piece) for piece in pieces]


def test_answers_of_a_model_that_likes_everything_keep_to_the_form():
    parser = ProfileLines("user", asked.begun("user", wording_named("films")))
    words = Words([CUT, "\n", ",", ".", *(f" {word}" for word in ("a", "bb", "ccc")), *(parser.lines)])
    words.breaks = torch.tensor([words.tokens.index("\n")])
    words.tokenizer = words
    rng, answers = np.random.default_rng(0), []
    lines = sampling.Lines(words, parser, 8)
    ids = torch.full((8, 3), 4)
    for _ in range(lines.longest):
        scores = lines(ids, torch.from_numpy(rng.normal(size=(8, len(words.tokens))).astype(np.float32)))
        ids = torch.cat([ids, scores.argmax(1, keepdim=True)], 1)
    for row in ids[:, 3:].tolist():
        assert 0 in row, "every answer ends"
        text = "".join(words.tokens[token] for token in row[: row.index(0)])
        parts = text.rstrip("\n").split("\n")
        assert [part.startswith(line) for part, line in zip(parts[1:], parser.lines[1:], strict=True)] == [True] * 3
        assert parts[0] and not set(parts) & set(parser.lines), "no line ends as it begins"
        answers.append(text)
    assert len(set(answers)) == 8
