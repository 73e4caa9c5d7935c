"""Recordings, profiles that come with data, settings files, and the local writer without and with its real weights."""

import difflib
import json
from dataclasses import replace

import pandas as pd
import pytest
from fake_llm import SMOLLM2, Echo
from film_data import interactions

from lib.core.errors import UserError
from lib.core.files import ROOT, sha256
from lib.data import datasets
from lib.data.dataset_settings import DatasetSettings
from lib.language import profile_answers, profiles, prompts
from lib.language.llm import asking, language_models, recorded
from lib.language.llm.local import LocalWriter
from lib.language.llm.request_and_answer import Answer
from lib.language.profile_answers import ProfileParser

RECORDED = profiles.folder("movielens-100k", "smollm2")
MOVIELENS = ROOT / "data" / "movielens-100k"
needs_data = pytest.mark.skipif(not MOVIELENS.is_dir(), reason="no data: python -m lib fetch movielens-100k")
needs_weights = pytest.mark.skipif(
    not (ROOT / SMOLLM2.model).is_dir(), reason="no weights: python -m lib fetch smollm2"
)


@pytest.fixture
def dataset():
    return DatasetSettings(name="toy-films", title="Toy", language_model="smollm2", wording="films")


def test_recording_and_replaying(dataset, tmp_path):
    data, writer = interactions(), Echo()
    about = profiles.recording(data, dataset, SMOLLM2, tmp_path).write(writer=writer)
    frame = profiles.load(data, dataset, tmp_path)
    assert frame.columns.tolist() == ["side", "index", "text", "writer", "model", "prompt_hash", "status"]
    assert frame.side.tolist() == ["user"] * data.n_users + ["item"] * data.n_items
    assert frame["index"].tolist() == [*range(data.n_users), *range(data.n_items)]
    assert frame.text.tolist() == [f"Echo of {p.fallback}" for p in prompts.requests(data, "films")]
    assert {*frame.writer} == {"recorded"} and {*frame.model} == {"smollm2"}
    assert about["answers"]["user"] == {"ok": data.n_users}
    assert about["prompts"]["version"] == prompts.VERSION and about["settings"]["name"] == "smollm2"


def test_an_interrupted_recording_goes_on(dataset, tmp_path):
    data = interactions()
    with pytest.raises(KeyboardInterrupt):
        profiles.recording(data, dataset, SMOLLM2, tmp_path).write(writer=Echo(limit=5))
    rest = Echo()
    todo = profiles.recording(data, dataset, SMOLLM2, tmp_path).pending()
    profiles.recording(data, dataset, SMOLLM2, tmp_path).write(writer=rest)
    assert rest.asked == todo and len(todo) == data.n_users + data.n_items - 5


def test_changed_data_asks_only_for_changed_prompts(dataset, tmp_path):
    data = interactions()
    profiles.recording(data, dataset, SMOLLM2, tmp_path).write(writer=Echo())
    data.items.loc[2, "year"] = 1950
    with pytest.raises(UserError, match="1 of 13 profiles of toy-films.*python -m lib profiles toy-films"):
        profiles.load(data, dataset, tmp_path)
    again = Echo()
    profiles.recording(data, dataset, SMOLLM2, tmp_path).write(writer=again)
    assert [(p.side, p.index) for p in again.asked] == [("item", 2)]
    assert len(profiles.load(data, dataset, tmp_path)) == 13


def test_a_recording_that_does_not_exist(dataset, tmp_path):
    with pytest.raises(UserError, match="13 of 13 profiles"):
        profiles.load(interactions(), dataset, tmp_path)


def test_a_half_written_line_does_not_count(tmp_path):
    answer = Answer("item", 3, "abc", "A text, déjà vu.", "ok")
    recorded.store(tmp_path, [answer])
    with open(tmp_path / "items.jsonl", "ab") as file:
        file.write('{"index": 4, "text": "dé'.encode()[:-1])
    assert recorded.read(tmp_path) == {"abc": answer}
    with recorded.appending(tmp_path) as append:
        append(replace(answer, index=1, key="def"))
    assert [*recorded.read(tmp_path)] == ["abc", "def"]
    assert len((tmp_path / "items.jsonl").read_text().splitlines()) == 2


def test_profiles_that_come_with_the_data(dataset):
    data = interactions()
    data.users["profile"] = [f"u{i}" for i in range(data.n_users)]
    own = dataset.model_copy(update={"language_model": None})
    with pytest.raises(UserError, match="no item profiles: give the items a text each in a column profile"):
        profiles.load(data, own)
    data.items["profile"] = [f"i{i}" for i in range(data.n_items)]
    frame = profiles.load(data, own)
    assert frame.text.tolist() == [*data.users["profile"], *data.items["profile"]]
    assert {*frame.writer} == {"dataset"} and {*frame.status} == {"ok"}
    data.items.loc[1, "profile"] = " "
    with pytest.raises(UserError, match="1 of 6 items of toy-films have no profile, i.*: give each a row"):
        profiles.load(data, own)


def of_their_items(**change):
    """Items with a text each, users with none of their own."""
    data = interactions(**change)
    data.items["profile"] = [f"i{i} " + " ".join(f"word{n}" for n in range(i, 50)) + "." for i in range(data.n_items)]
    return data


def test_users_without_texts_are_described_by_their_best_latest_train_items(dataset):
    data = of_their_items()
    frame = profiles.load(data, dataset.model_copy(update={"language_model": None}))
    assert frame.groupby("side").writer.unique().map(list).to_dict() == {"item": ["dataset"], "user": ["train items"]}
    assert frame[frame.side == "item"].text.tolist() == data.items.profile.tolist()
    for user, text in enumerate(frame[frame.side == "user"].text):
        own = data.events[(data.events.user == user) & (data.events.split == "train")]
        ranked = sorted(own.itertuples(), key=lambda row: (-row.rating, -row.timestamp, row.item))
        wanted = [" ".join(data.items.profile[row.item].split()[:15]) for row in ranked][:6]
        assert text == (" ".join(wanted) or "unknown")


def test_texts_of_users_know_nothing_but_train(dataset):
    own = dataset.model_copy(update={"language_model": None})
    data = of_their_items()
    train = data.events[data.events.split == "train"]
    blind = replace(data, validation=data.validation * 0, test=data.test * 0, events=train)
    without_dates = replace(data, events=None)
    assert profiles.load(blind, own).equals(profiles.load(data, own))
    users = profiles.load(without_dates, own).query("side == 'user'").text
    for user, text in enumerate(users):
        named = {int(word[1:]) for word in text.split() if word[0] == "i"}
        assert named <= {*data.train[user].indices}


@pytest.mark.parametrize("name", ["smollm2", "gpt-4o-mini"])
def test_settings_files(name):
    assert language_models.load(name).name == name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: x\nwriter: remote\n", "writer must be local or endpoint"),
        ("name: x\nwriter: local\nmodell: y\n", "modell.*did you mean 'model'"),
        ("name: x\nwriter: endpoint\nbase_url: y\nmodel: z\nconcurrency: 0\n", "concurrency"),
    ],
)
def test_wrong_settings(tmp_path, content, message):
    (tmp_path / "language_models").mkdir()
    (tmp_path / "language_models" / "x.yaml").write_text(content)
    with pytest.raises(UserError, match=message):
        language_models.load("x", tmp_path)


def test_an_unknown_language_model_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'smollm2'"):
        language_models.load("smolm2")


@pytest.mark.parametrize(
    ("continuation", "text", "cut"),
    [
        (' love."} and more', "It is a story of love.", False),
        (" love and", "", True),
        (" love. It ends", "It is a story of love.", True),
        (' love, called "X"', "", True),
        (' love. He said "X"', "It is a story of love.", True),
        ("", "", True),
    ],
)
def test_where_a_local_answer_ends(continuation, text, cut):
    answer, was_cut = ProfileParser().completed("It is a story of", continuation)
    assert (json.loads(answer)["profile"], was_cut) == (text, cut)


def test_a_local_writer_tries_unusable_texts_once_more():
    class Scripted(LocalWriter):
        """Writes well at once, after the second try, or never, by index."""

        def __init__(self):
            self.settings, self.calls = SMOLLM2, []

        def continuations(self, asked, parser, again=False):
            self.calls.append((again, [prompt.index for prompt in asked]))
            well = [p.index < 2 or (p.index < 4 and again) for p in asked]
            return [' one long and quiet summer by the sea."}' if good else " la la" for good in well]

    asked = prompts.item_requests(interactions(), "films")
    writer = Scripted()
    found = {answer.index: answer for answer in writer.write(asked, ProfileParser())}
    assert [found[index].status for index in range(6)] == ["ok"] * 2 + ["repaired"] * 2 + ["fallback"] * 2
    assert found[2].text == f"{asked[2].opening} one long and quiet summer by the sea."
    assert found[5].text == asked[5].fallback
    (first, all_of_them), (second, failed) = writer.calls
    assert (first, second) == (False, True) and sorted(failed) == [2, 3, 4, 5]
    lengths = [len(asked[index].text) + len(asked[index].opening) for index in all_of_them]
    assert lengths == sorted(lengths)


@needs_data
def test_the_recording_of_movielens_is_complete_and_clean():
    data, settings = datasets.load("movielens-100k"), datasets.settings("movielens-100k")
    frame = profiles.load(data, settings)
    assert len(frame) == 943 + 1682
    assert (frame.status != "fallback").mean() > 0.99
    for text in frame.text[frame.status != "fallback"]:
        assert profile_answers.check(text) == text
    titles = prompts.Facts(data, "films").names
    films = frame[frame.side == "item"].text
    assert all(title in text for title, text in zip(titles, films, strict=True))
    assert frame.text.nunique() > 0.99 * len(frame)


def test_the_recording_says_how_it_was_made():
    about = recorded.description(RECORDED)
    assert language_models.LocalModel.model_validate(about["settings"]) == SMOLLM2
    assert about["prompts"]["version"] == prompts.VERSION
    found = pd.Series([a.status for a in recorded.read(RECORDED).values()]).value_counts().to_dict()
    told = pd.DataFrame(about["answers"]).sum(axis=1).astype(int).to_dict()
    assert found == told
    assert all(path.stat().st_size < 2**20 for path in RECORDED.iterdir())


@needs_weights
def test_the_recording_was_made_by_these_weights():
    weights = recorded.description(RECORDED)["weights"]
    assert weights == {SMOLLM2.gguf_file: sha256(ROOT / SMOLLM2.model / SMOLLM2.gguf_file)}


@pytest.mark.live
@needs_data
@needs_weights
def test_the_model_writes_today_what_is_recorded():
    data = datasets.load("movielens-100k")
    asked = [*prompts.item_requests(data, "films")[::700], *prompts.user_requests(data, "films")[::500]]
    known = recorded.read(RECORDED)
    alike = []
    for answer in asking.open_writer(SMOLLM2).write(asked, ProfileParser()):
        before = known[answer.key].text
        alike.append(difflib.SequenceMatcher(None, before, answer.text, autojunk=False).ratio())
    assert len(alike) == len(asked) and sorted(alike)[1] >= 0.9, alike  # rounding may turn one of them


def test_missing_profiles_are_told_with_the_ids_of_the_user(dataset):
    data = interactions()
    data.users["profile"], data.items["profile"] = "u", None
    data.items["id"] = [f"film {i}" for i in range(data.n_items)]
    own = dataset.model_copy(update={"language_model": None})
    with pytest.raises(
        UserError, match="6 of 6 items .* no profile, ids film 0, .*, film 4 and 1 more: give each a row"
    ):
        profiles.load(data, own)
