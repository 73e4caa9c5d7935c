"""Sequences of dated interactions and of files: order, ids, texts, and one sentence for what cannot be read."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_sequences import drawn, lists, write
from hypothesis import given
from hypothesis import strategies as st

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.data import datasets
from lib.data.rated import movielens as rated_movielens
from lib.data.sequences import from_dated, sequence_files
from lib.data.sequences.cold_start import cold_start
from lib.workflow.input_files import is_data

BENCHMARK_DATA = ROOT.parent / "shared" / "data"
FETCHED = ROOT / "data" / "movielens-100k"
COUNTS = {"toys": (19_412, 11_924, 167_597, 138_444), "sports": (35_598, 18_357, 296_337, 256_598)}
SPLIT = {"toys": [15_529, 1_941, 1_942], "sports": [28_478, 3_559, 3_561]}
TABLE = {"user": [9, 2, 9, 9, 2, 2], "item": [5, 30, 4, 5, 4, 30], "position": [1, 0, 0, 2, 2, 1]}
ITEMS = {"item": [4, 30, 5, 6], "raw_id": ["x", "y", "z", "w"], "text_id": ["four", "", "five", "six"]}
READ = [[2, 30, 30, 4], [9, 4, 5, 5]]  # id of the user, then those of the items


def mine(folder, files, settings=""):
    """Where datasets.load_sequences finds a dataset `mine` of these files."""
    write(folder / "data/mine", files)
    write(folder / "params/mine", {"dataset.yaml": f"name: mine\ntitle: Mine\n{settings}\n"})
    return {"params": folder / "params", "data": folder / "data"}


def with_ids(sequences) -> list[list]:
    ids = sequences.items.id.to_numpy()
    pairs = zip(sequences.users.id, lists(sequences), strict=True)
    return [[user, *ids[np.array(items) - 1].tolist()] for user, items in pairs]


def random_events(seed=0):
    rng = np.random.default_rng(seed)
    pairs = rng.permutation([(user, item) for user in range(20) for item in range(30)])[:300]
    return [(f"u{user}", int(item) * 7, int(rng.integers(0, 40))) for user, item in pairs]


def test_dated_interactions_are_sorted_by_time_then_by_item_id(tmp_path):
    events = random_events()
    table = "user,item,timestamp\n" + "".join(f"{user},{item},{time}\n" for user, item, time in events)
    places = mine(tmp_path, {"interactions.csv": table, "items.csv": "item,title,genres\n7,Seven,a|b\n14,,c\n"})
    sequences = datasets.load_sequences("mine", **places)
    expected = {}
    for user, item, _ in sorted(events, key=lambda event: (event[2], event[1])):
        expected.setdefault(user, [user]).append(item)
    assert with_ids(sequences) == [expected[user] for user in sorted(expected)]
    times = [[time for user, _, time in events if user == name] for name in sorted(expected)]
    assert sequences.time.tolist() == [time for own in times for time in sorted(own)]
    assert sequences.texts[1] == "Seven; a, b" and sequences.texts[2] == "c" and sequences.texts[0] == ""
    interactions = datasets.load("mine", **places)
    pd.testing.assert_frame_equal(sequences.items, interactions.items)  # item i is index i - 1 there
    pd.testing.assert_frame_equal(sequences.users, interactions.users)


def test_threshold_core_and_fractions_of_a_second_count(tmp_path):
    events = [("a", 1, 5, 2.75), ("a", 2, 5, 2.5), ("a", 3, 1, 0), ("b", 1, 4, 0.5), ("b", 2, 4, 0.25), ("c", 1, 5, 9)]
    table = "user,item,rating,timestamp\n" + "".join(",".join(map(str, event)) + "\n" for event in events)
    places = mine(tmp_path, {"interactions.csv": table}, "minimum_rating: 2\ncore: 2")
    assert with_ids(datasets.load_sequences("mine", **places)) == [["a", 2, 1], ["b", 2, 1]]


def test_rated_data_without_another_use_keep_repeats(tmp_path):
    write(
        tmp_path / "ml1m",
        {
            "ratings.dat": "1::10::5::30\n1::20::3::10\n1::10::4::20\n2::20::2::7\n2::30::2::7\n2::10::2::7\n",
            "users.dat": "1::F::25::4::55455\n2::M::56::16::70072\n",
            "movies.dat": "10::Ten (1990)::Drama\n20::Twenty (1991)::War\n",
        },
    )
    sequences = datasets.load_sequences("ml1m", data=tmp_path)
    assert with_ids(sequences) == [[1, 20, 10, 10], [2, 10, 20]]  # 30 is no film that is known
    about = datasets.settings("ml1m").model_copy(update={"minimum_rating": 3, "core": 2})
    ratings = rated_movielens.read(tmp_path / "ml1m", about)
    assert with_ids(from_dated.of_ratings(ratings, about)) == [[1, 10, 10]]


def test_files_with_sequences_give_the_same_data_in_every_form(tmp_path):
    forms = {
        "table": {"sequences.parquet": TABLE},
        "s3rec": {"sequences.txt": "9 4 5 5\n\n2 30 30 4\n"},
        "pairs": {"inter.txt": "9 4\n2 30\n9 5\n9 5\n2 30\n2 4\n"},
    }
    read = [datasets.load_sequences("mine", **mine(tmp_path / name, files)) for name, files in forms.items()]
    assert [with_ids(sequences) for sequences in read] == [READ] * 3
    assert len({sequences.fingerprint for sequences in read}) == 1 and read[0].texts is None
    assert read[0].item.tolist() == [3, 3, 1, 1, 2, 2] and read[0].time is None


def test_items_and_published_split_beside_the_sequences(tmp_path):
    split = {"user": [9, 2], "split": ["valid", "train"], "rank": [1, 0]}
    files = {"sequences.parquet": TABLE, "items.parquet": ITEMS, "split.parquet": split}
    sequences = datasets.load_sequences("mine", **mine(tmp_path, files, "sequences: {min_events: 3, tail: [4, 2]}"))
    assert sequences.texts.tolist() == ["four", "five", ""] and sequences.items.asin.tolist() == ["x", "z", "y"]
    assert sequences.published.values.tolist() == [["train", 0], ["validation", 1]] and sequences.tail == (4, 2)


def test_users_with_few_events_leave_the_published_split_too(tmp_path):
    split = {"user": [9, 1, 2], "split": ["valid", "test", "train"], "rank": [1, 2, 0]}
    files = {"sequences.txt": "1 4\n2 30 30 4\n9 4 5 5\n", "split.parquet": split}
    sequences = datasets.load_sequences("mine", **mine(tmp_path, files, "sequences: {min_events: 2}"))
    assert with_ids(sequences) == READ and sequences.published.split.tolist() == ["train", "validation"]


@pytest.mark.parametrize(
    "files, sentence",
    [
        ({"sequences.txt": ""}, "sequences.txt is empty: it needs a line 'user item item"),
        ({"sequences.txt": "1 2 3\n\n4 x 5\n"}, "sequences.txt: line 3: '4 x 5' is not 'user item item"),
        ({"sequences.txt": "1 2 3\n4\n"}, "sequences.txt: line 2: '4' is not"),
        ({"sequences.txt": "1,2,3\n"}, "sequences.txt: line 1: '1,2,3' is not"),
        ({"sequences.txt": "1 2 3\n1 4\n"}, "sequences.txt: line 2: user 1 has a line already"),
        ({"sequences.parquet": "none"}, "sequences.parquet cannot be read"),
        ({"sequences.parquet": {"user": [1], "item": [2]}}, "sequences.parquet has no column 'position'"),
        ({"sequences.parquet": {name: [] for name in TABLE}}, "sequences.parquet has no rows"),
        ({"sequences.parquet": TABLE | {"item": [1, None, 2, 3, 4, 5]}}, "sequences.parquet: row 2 has no item"),
        ({"sequences.parquet": TABLE | {"position": [0] * 6}}, "row 3: user 9 has a second event at position 0"),
        ({"sequences.parquet": TABLE | {"position": list("abcdef")}}, "the column position holds no numbers"),
        ({"items.parquet": {"item": [70]}}, "items.parquet describes none of the items in the sequences"),
        ({"items.parquet": {"item": [4, 4]}}, "items.parquet describes an item twice, again in row 2"),
        ({"split.parquet": {"user": [9], "split": ["train"], "rank": [0]}}, "no row for 1 users .*, ids 2: add"),
        ({"split.parquet": {"user": [2, 9], "split": ["train", "dev"], "rank": [0, 1]}}, "row 2: the split 'dev' is"),
        ({"split.parquet": {"user": [2, 9], "split": ["train"] * 2, "rank": [1, 1]}}, "every rank once"),
        (
            {"split.parquet": {"user": [2, 9], "split": ["train"] * 2, "rank": ["1", "2"]}},
            "column rank holds no numbers",
        ),
        ({"interactions.csv": "user,item\na,1\nb,1\n", "sequences.parquet": None}, "the events of mine have no date"),
        ({"BX.csv": "x", "sequences.parquet": None}, "no data in .* sequences.parquet"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(tmp_path, files, sentence):
    whole = ({} if "sequences.txt" in files else {"sequences.parquet": TABLE}) | files
    places = mine(tmp_path, {name: content for name, content in whole.items() if content is not None})
    with pytest.raises(UserError, match=sentence) as caught:
        datasets.load_sequences("mine", **places)
    assert "\n" not in str(caught.value)


def test_ids_may_be_texts_or_of_another_type_in_every_file(tmp_path):
    items = {"item": ["4", "30", "5", "other"], "title": ["four", "thirty", None, "no"]}
    split = {"user": [9.0, 2.0], "split": ["test", "train"], "rank": [1.0, 0.0]}
    as_text = TABLE | {"user": list(map(str, TABLE["user"]))}
    files = {"sequences.parquet": as_text, "items.parquet": items, "split.parquet": split}
    sequences = datasets.load_sequences("mine", **mine(tmp_path, files))
    assert with_ids(sequences) == READ and sequences.texts.tolist() == ["four", "", "thirty"]
    assert sequences.published.split.tolist() == ["train", "test"]
    named = TABLE | {"user": ["zoë" if user == 9 else "ann" for user in TABLE["user"]]}
    sequences = datasets.load_sequences("mine", **mine(tmp_path / "named", {"sequences.parquet": named}))
    assert sequences.users.id.tolist() == ["ann", "zoë"]


LINES = st.lists(st.lists(st.sampled_from(["1", "2", "30", "007", "x", "1.5", "-3", "٣", "", "9" * 19]), max_size=4))


@given(LINES)
def test_any_text_is_read_as_it_stands_or_refused(tmp_path_factory, lines):
    folder = write(tmp_path_factory.mktemp("text"), {"sequences.txt": "\n".join(map(" ".join, lines))})
    expected, filled = {}, [" ".join(line).split() for line in lines]
    filled = [line for line in filled if line]
    for user, *items in filled:
        expected.setdefault(int(user) if user.isascii() and user.isdigit() else user, []).extend(items)
    whole = all(len(line) > 1 and all(n.isascii() and n.isdigit() and len(n) < 19 for n in line) for line in filled)
    pairs = all(len(line) == 2 for line in filled) or len(expected) == len(filled)
    if whole and pairs and filled:
        read = with_ids(sequence_files.read(folder, datasets.settings("toys")))
        assert read == [[user, *map(int, expected[user])] for user in sorted(expected)]
    else:
        with pytest.raises(UserError, match="sequences.txt"):
            sequence_files.read(folder, datasets.settings("toys"))


COLUMNS = [[1, 2, 2], [1.0, 2.5, 2.0], ["a", "b", "2"], [True, False, True], [None, 1, 2], [[1], [2], [2]], [b"x"] * 3]


@pytest.mark.parametrize("name", [*TABLE, "items", "split", "rank"])
@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_a_column_of_any_type_is_read_or_refused(tmp_path, name, column):
    sequences = {"user": [1, 2, 2], "item": [5, 6, 5], "position": [0, 0, 1]}
    files = {
        "sequences.parquet": sequences,
        "items.parquet": {"item": [5, 6, 7], "title": ["five", "six", "seven"]},
        "split.parquet": {"user": [1, 2, 3], "split": ["train"] * 3, "rank": [0, 1, 2]},
    }
    file = {"items": "items.parquet", "split": "split.parquet", "rank": "split.parquet"}.get(name, "sequences.parquet")
    files[file] = files[file] | {{"items": "item"}.get(name, name): column}
    with contextlib.suppress(UserError):
        assert datasets.load_sequences("mine", **mine(tmp_path, files)).n_users


def test_sequences_that_contradict_themselves_are_refused():
    whole = drawn()
    for change, sentence in {
        "no events": ({"item": whole.item[:0], "start": np.array([0])}, "drawn has no events"),
        "empty user": ({"start": np.r_[0, 0, whole.start[2:]]}, "start must cut the events"),
        "cut": ({"start": whole.start + 1}, "start must cut"),
        "pad": ({"item": whole.item - 1}, "items must be numbers from 1 to 40"),
        "item": ({"item": whole.item + 1}, "items must be numbers from 1 to 40"),
        "time": ({"time": whole.time[:-1]}, "time must have one number for each event"),
        "order": ({"time": whole.time[::-1].copy()}, r"event \d+ is earlier than the one before it of the same user"),
        "users": ({"users": whole.users[::-1]}, "users must have one row for each, in order"),
        "split": ({"published": pd.DataFrame({"split": ["train"], "rank": [0]})}, "one row for each user"),
        "word": ({"published": pd.DataFrame({"split": ["x"] * 60, "rank": range(60)})}, "published splits must be"),
    }.values():
        with pytest.raises(UserError, match=sentence):
            replace(whole, **change)


def test_the_fingerprint_follows_events_times_and_split():
    whole = drawn()
    split = pd.DataFrame({"split": ["train"] * 60, "rank": range(60)})
    changed = [
        replace(whole, item=whole.item[::-1]),
        replace(whole, time=None),
        replace(whole, time=whole.time + 0.5),
        replace(whole, items=pd.DataFrame({"id": range(41)})),
        replace(whole, published=split),
        replace(whole, published=split.assign(rank=range(60, 0, -1))),
    ]
    assert len({one.fingerprint for one in [whole, *changed]}) == 7
    assert replace(whole, name="other", items=whole.items.assign(title="x")).fingerprint == whole.fingerprint


def test_shipped_sequences_are_fetched_from_a_folder_and_refused_as_interactions(tmp_path):
    for name in COUNTS:
        about = datasets.settings(name)
        assert about.licence != "unknown" and about.citation and about.url
        with pytest.raises(UserError, match=f"not there yet, run: python -m lib fetch {name} --from FOLDER"):
            datasets.load_sequences(name, data=tmp_path / "data")
    write(tmp_path / "local/toys", {"sequences.parquet": TABLE})
    datasets.fetch("toys", tmp_path / "local", data=tmp_path / "data")
    assert with_ids(datasets.load_sequences("toys", data=tmp_path / "data")) == READ
    # what `fetch` notes with its hash, so that an edit starts what follows from it
    assert all(is_data(Path(name)) for name in ("sequences.parquet", "split.parquet", "items.parquet", "inter.txt"))
    with pytest.raises(UserError, match="holds sequences without dates or splits: read it with datasets.load_sequen"):
        datasets.load("toys", data=tmp_path / "data")


@pytest.mark.benchmark_data
@pytest.mark.parametrize("name", COUNTS)
def test_published_counts(name):
    if not (BENCHMARK_DATA / name).is_dir():
        pytest.skip(f"{name} is not in ../shared/data")
    sequences = datasets.load_sequences(name, data=BENCHMARK_DATA)
    split = cold_start(sequences)
    users, items, events, last_eleven = COUNTS[name]
    assert (sequences.n_users, sequences.n_items, len(sequences.item)) == (users, items, events)
    assert [len(part) for part in (split.train, split.validation, split.test)] == SPLIT[name]
    assert split.counts["events"] == last_eleven and sequences.lengths.min() == 5
    table = pd.read_parquet(BENCHMARK_DATA / name / "sequences.parquet")
    assert table.groupby("user").size().clip(upper=11).sum() == last_eleven
    by_user = table.groupby("user").item.agg(list)
    published = pd.read_parquet(BENCHMARK_DATA / name / "split.parquet").sort_values("rank")
    for part, word in ((split.train, "train"), (split.validation, "valid"), (split.test, "test")):
        assert sequences.users.id[part.user].tolist() == published.user[published.split == word].tolist()
        for row in range(0, len(part), 37):
            known = by_user[sequences.users.id[part.user[row]]]
            assert sequences.items.id[part.target[row] - 1] == known[-1]
            assert sequences.items.id[part.history[row][part.history[row] > 0] - 1].tolist() == known[-11:-1]


@pytest.mark.skipif(not FETCHED.is_dir(), reason="python -m lib fetch movielens-100k")
def test_movielens_100k_is_read_whole():
    sequences = datasets.load_sequences("movielens-100k")
    assert (sequences.n_users, sequences.n_items, len(sequences.item)) == (943, 1_682, 100_000)
    assert sequences.texts[0] == "Toy Story; 1995; Animation, Children's, Comedy"
    assert [len(cold_start(sequences).train), len(cold_start(sequences).test)] == [754, 95]
