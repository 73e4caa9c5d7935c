"""Readers of rated data: the raw formats, their encodings and their malformed rows; settings and real sets at hand."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from planted_ratings import LAYOUTS, made, planted

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.data import datasets
from lib.data.dataset_settings import DatasetSettings
from lib.data.rated import amazon, bookcrossing, click_split, movielens
from lib.data.rated.book_readers import age_bands, countries
from lib.data.rated.edges import graph_edges

BENCHMARK_DATA = ROOT.parent / "shared" / "data"
ABOUT = DatasetSettings(name="toy", title="Toy")


@pytest.mark.parametrize("layout", ["movielens-100k", "ml1m"])
def test_movielens_is_read_to_what_was_written(tmp_path, layout):
    samples = planted(tmp_path, layout=layout, n_users=30, n_items=40)
    events, items, users = made(n_users=30, n_items=40)
    written = events.assign(user=events.user - 1).sort_values(["user", "time", "item"])
    read = samples.events.assign(item=samples.items.id[samples.events.item].to_numpy())
    assert read[["user", "item", "rating", "time"]].to_numpy().tolist() == written.to_numpy().tolist()
    titles = items.set_index("key").title + " (1995)"
    assert samples.items.title.tolist() == titles[samples.items.id.astype(str)].tolist()  # with accents
    assert set(samples.users.gender) == {"male", "female"} and "|" not in "".join(samples.items.genre)
    bands = dict(zip([1, 18, 25, 35, 45, 50, 56], movielens.AGES.values(), strict=True))
    assert samples.users.age.tolist() == [bands[age] for age in users.age]
    if layout == "ml1m":
        assert samples.users.zip[0] == "00001" and samples.users.occupation[1] == "artist"


def test_both_layouts_give_the_same_samples(tmp_path):
    one, other = (planted(tmp_path, layout=layout) for layout in ("movielens-100k", "ml1m"))
    assert one.fingerprint == other.fingerprint


def test_ages_of_movielens_100k_fall_into_the_bands_of_1m(tmp_path):
    samples = planted(tmp_path, layout="movielens-100k", n_users=20, n_items=30)
    people = tmp_path / "movielens-100k" / "u.user"
    ages = [7, 17, 18, 24, 25, 34, 35, 44, 45, 49, 50, 55, 56, 73, 1, 99, 30, 30, 30, 30]
    people.write_text("".join(f"{n}|{age}|F|none|1\n" for n, age in enumerate(ages, 1)))
    bands = datasets.load_samples("movielens-100k", data=tmp_path).users.age
    assert (
        bands.tolist()[:14] == [band for band in movielens.AGES.values() for _ in (0, 1)] and len(samples.users) == 20
    )


@pytest.mark.parametrize(
    "name, line, sentence",
    [
        ("ratings.dat", "1::2::5", "ratings.dat: line 901 does not have 4 columns separated by '::'"),
        ("ratings.dat", "1::2::five::9", "ratings.dat: line 901: the rating 'five' is no whole number: mend or remove"),
        ("ratings.dat", "1:2:5:9", "ratings.dat: line 901 does not have 4 columns"),
        ("ratings.dat", "1::2::5::9::8", "ratings.dat cannot be read .*line 901"),
        ("ratings.dat", "1::2::9::956700000", "the rating 9 is outside the scale from 1 to 5"),
        ("users.dat", "99::X::25::1::0", "users.dat: line 31: gender X, age 25 or occupation 1 is no code"),
        ("users.dat", "99::F::26::1::0", "users.dat: line 31: gender F, age 26"),
        ("users.dat", "99::F::25::21::0", "users.dat: line 31: .*occupation 21 is no code"),
        ("movies.dat", "99:Title:Drama", "movies.dat: line 41 is not 'id::title::genres'"),
    ],
)
def test_a_malformed_row_of_movielens_is_told_with_its_line(tmp_path, name, line, sentence):
    planted(tmp_path, n_users=30, n_items=40)
    path = tmp_path / "ml1m" / name
    lines = path.read_text(encoding="latin-1").splitlines()
    path.write_text("\n".join([*lines[:900], line, *lines[900:]]) + "\n", encoding="latin-1")
    with pytest.raises(UserError, match=sentence) as caught:
        datasets.load_samples("ml1m", data=tmp_path)
    assert "\n" not in str(caught.value)


def test_titles_with_colons_and_a_missing_file(tmp_path):
    planted(tmp_path, n_users=30, n_items=40)
    films = tmp_path / "ml1m" / "movies.dat"
    films.write_bytes(films.read_bytes().replace(b"1::The ", b"1::Star Wars:: The ", 1))
    assert datasets.load_samples("ml1m", data=tmp_path).items.title[0].startswith("Star Wars:: The ")
    films.unlink()
    with pytest.raises(UserError, match="no file .*movies.dat: put it there, or fetch"):
        datasets.load_samples("ml1m", data=tmp_path)


def write_amazon(folder, reviews, items):
    folder.mkdir(exist_ok=True)
    for name, lines in (("Movies_and_TV", reviews), ("meta_Movies_and_TV", items)):
        with gzip.open(folder / f"{name}.json.gz", "wt", encoding="utf-8") as file:
            file.write("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return folder


REVIEW = {"overall": 4.0, "reviewTime": "02 3, 2014", "reviewerID": "A1", "asin": "X", "image": ["a"], "vote": "1,000"}
ITEM = {"asin": "X", "title": "Caf\u00e9 &amp; more", "category": ["Movies &amp; TV", "Genre", "Drama"], "price": "$1"}


def test_amazon_days_categories_and_titles(tmp_path):
    reviews = [REVIEW, REVIEW | {"asin": "Y"}, REVIEW | {"asin": "Z", "vote": 3}, REVIEW | {"asin": "W"}]
    items = [ITEM, ITEM | {"asin": "Y", "category": ["a", "b"]}, ITEM | {"asin": "X", "title": "again"}]
    items.append({"asin": "W", "category": ["a", "b", "S &amp; F"], "description": ["One.", "Two.", ""], "price": 3})
    read = amazon.read(write_amazon(tmp_path, reviews, items), ABOUT)
    assert read.events.values.tolist() == [["A1", "X", 4, 1391385600], ["A1", "W", 4, 1391385600]]
    assert read.items.loc["X"].tolist() == ["Café & more", "Drama", ""]
    assert read.items.loc["W"].tolist() == ["unknown", "S & F", "One. Two."] and len(read.items) == 2


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("{'overall': 4}", "Movies_and_TV.json.gz: line 3 is no json object"),
        (REVIEW | {"overall": "many"}, "line 3: overall is 'many'"),
        (REVIEW | {"reviewTime": "2014-02-03"}, "line 3 lacks reviewerID, overall or a reviewTime like '02 3, 2014'"),
        ({"asin": "X", "reviewTime": "02 3, 2014", "overall": 3.0}, "line 3 lacks reviewerID"),
    ],
)
def test_a_malformed_review_is_told_with_its_line(tmp_path, line, sentence):
    folder = write_amazon(tmp_path, [REVIEW, REVIEW | {"asin": "none"}, line], [ITEM])
    with pytest.raises(UserError, match=sentence):
        amazon.read(folder, ABOUT)


def test_a_cut_archive_of_amazon_is_one_sentence(tmp_path):
    path = write_amazon(tmp_path, [REVIEW] * 50, [ITEM]) / "Movies_and_TV.json.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="Movies_and_TV.json.gz: .*mend it or get the file again"):
        amazon.read(tmp_path, ABOUT)


def write_books(folder, ratings, books, users):
    heads = {"BX-Book-Ratings.csv": "User-ID;ISBN;Rating", "BX_Books.csv": "I;T;A;Y;P;S;M;L", "BX-Users.csv": "U;L;A"}
    (folder / "Book reviews").mkdir(parents=True)
    for (name, head), lines in zip(heads.items(), (ratings, books, users), strict=True):
        (folder / "Book reviews" / name).write_bytes("\n".join([head, *lines, ""]).encode("cp1252"))
    return folder


def test_books_with_quotes_semicolons_and_cp1252(tmp_path):
    books = [
        '"01X";"The \\"J. P.\\"; a life &amp; more";"Ren\u00e9 \u0160";"1999";"\u20ac";"s";"m";"l"',
        '"02";"Two";"n/a";"0";"N/A";"s";"m";"l"',
        '"0-3";"Three";"A";"2000";"P";"s";"m";"l"',
    ]
    ratings = ['"7";"01X";"0"', '"7";"02";"10"', '"8";"0-3";"5"']
    users = ['"7";"n, y, USA";"24"', '"8";"l, england";NULL', '"9";"x, usa";NULL', '"10";"x, Scotland";"8"']
    read = bookcrossing.read(write_books(tmp_path, ratings, books, users), ABOUT)
    assert read.items.loc["01X"].tolist() == ['The "J. P."; a life & more', "René Š", "1999", "€"]
    assert read.items.loc["02"].tolist() == ["Two", "unknown", "unknown", "unknown"] and "0-3" not in read.items.index
    assert read.events[["user", "item", "rating"]].values.tolist() == [[7, "01X", 0], [7, "02", 10], [8, "0-3", 5]]
    assert read.users.loc[7].tolist() == ["Usa", "18-24"] and read.users.loc[8].tolist() == [
        "United Kingdom",
        "unknown",
    ]
    assert read.notes == [] and read.events.time.isna().all()


@pytest.mark.parametrize(
    "line, sentence",
    [
        ('"7";"01X";"many"', "BX-Book-Ratings.csv: line 3: the rating 'many' is no whole number"),
        ('"7"', "BX-Book-Ratings.csv: line 3: the rating is missing"),
        ('"7";"";"3"', "BX-Book-Ratings.csv: line 3 has no ISBN"),
        ('"7";"01X";"3";"4"', "BX-Book-Ratings.csv cannot be read .*line 3"),
    ],
)
def test_a_malformed_rating_of_a_book_is_told_with_its_line(tmp_path, line, sentence):
    folder = write_books(tmp_path, ['"7";"01X";"0"', line], ['"01X";"T";"A";"1999";"P";"s";"m";"l"'], ['"7";"x";"2"'])
    with pytest.raises(UserError, match=sentence):
        bookcrossing.read(folder, ABOUT)


def test_a_missing_file_of_books_is_named(tmp_path):
    folder = write_books(tmp_path, ['"7";"01X";"0"'], [], ['"7";"x";"2"'])
    next(folder.rglob("BX_Books.csv")).unlink()
    with pytest.raises(UserError, match="has no file BX-Books.csv: put it there"):
        bookcrossing.read(folder, ABOUT)


def test_countries_and_ages_of_readers():
    places = [
        "a, b, usa",
        "c, U.S.A.",
        "x, England",
        "wales",
        "narnia",
        "far away...",
        "far away",
        ",",
        None,
        "n/a",
        "n/a",
    ]
    named = ["Usa", "Usa", "United Kingdom", "United Kingdom", *["unknown"] * 7]
    assert countries(pd.Series(places)).tolist() == named
    ages = ["4", "5", '17"', "18", "24", "25", "59", "60", "100", "101", "x", None]
    bands = ["unknown", *["under 18"] * 2, *["18-24"] * 2, "25-29", "55-59", *["60 or older"] * 2, *["unknown"] * 3]
    assert age_bands(pd.Series(ages)).tolist() == bands


def write_split(folder, **change):
    folder.mkdir(parents=True, exist_ok=True)
    rows = {
        "user": [1, 1, 2, 1], "item": [9, 3, 3, 4], "label": [1, 0, 1, 1], "timestamp": [5, 5, 6, 7],
        "title": ["B\u00e9 (1990)", "A (1991)", "A (1991)", "C (1992)"], "split": ["train", "train", "valid", "test"],
    }  # fmt: skip
    pd.DataFrame(rows | change).to_parquet(folder / "samples.parquet")
    films = {
        "item_id": [70, 71],
        "title": ["B\ufffd (1990)", "A (1991)"],
        "genres": ["War|Drama", "Comedy"],
        "plot": "p",
    }
    pd.DataFrame(films).to_parquet(folder / "items.parquet")
    return folder


def test_samples_with_a_split_of_their_own(tmp_path):
    write_split(tmp_path / "ml1m-ctr")
    pd.DataFrame({"user_id": ["1"]}).to_parquet(tmp_path / "ml1m-ctr" / "users.parquet")
    samples = datasets.load_samples("ml1m-ctr", data=tmp_path)
    assert samples.rows.split.tolist() == ["train", "train", "validation", "test"]
    assert samples.rows.label.tolist() == [1, 0, 1, 1] and samples.events.rating.isna().all()
    assert samples.history(3).item.map(samples.items.id).tolist() == [9, 3]
    assert samples.items.values.tolist() == [
        [3, "A (1991)", "Comedy", "Comedy", "p"], [4, "C (1992)", "unknown", "unknown", "unknown"],
        [9, "Bé (1990)", "War", "War|Drama", "p"],
    ]  # fmt: skip
    assert "cannot be joined" in samples.notes[1] and list(samples.users) == ["id"]


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"split": ["train", "dev", "valid", "test"]}, "samples.parquet: row 2: the split 'dev' is not known"),
        ({"label": [1, 0, 5, 1]}, "samples.parquet: row 3: the label '5' is not known"),
        ({"timestamp": [1, None, 2, 3]}, "samples.parquet: row 2: the timestamp 'nan' is not known"),
    ],
)
def test_a_wrong_sample_is_told_with_its_row(tmp_path, change, sentence):
    with pytest.raises(UserError, match=sentence):
        click_split.read(write_split(tmp_path, **change), ABOUT)


def own(folder, text, about="samples: {min_history: 1}"):
    for place, name, content in (("data", "interactions.csv", text), ("params", "dataset.yaml", about)):
        (folder / place / "mine").mkdir(parents=True, exist_ok=True)
        (folder / place / "mine" / name).write_text(
            content if place == "data" else f"name: mine\ntitle: M\n{content}\n"
        )
    return {"params": folder / "params", "data": folder / "data"}


HALVES = "samples: {min_history: 1, ratios: [1, 0, 1]}"
ROWS = "".join(
    f"u{user},{item},{(user * item) % 5 + 1},{100 * item + user}\n" for user in range(9) for item in range(4)
)


def test_a_users_own_table_becomes_samples(tmp_path):
    places = own(tmp_path, "user,item,rating,timestamp\n" + ROWS)
    (tmp_path / "data/mine/items.csv").write_text("item,title\n1,One\n3,\n")
    samples = datasets.load_samples("mine", **places)
    assert len(samples.rows) == 27 and samples.items.title.tolist() == ["0", "One", "2", "3"] and samples.timed
    assert samples.rows.time.is_monotonic_increasing and samples.rows.split.value_counts().tolist() == [21, 4, 2]
    undated = datasets.load_samples("mine", **own(tmp_path, "user,item,rating\na,1,2\na,2,4\nb,1,4\nb,2,1\n", HALVES))
    assert not undated.timed and undated.rows.user.nunique() == len(undated.rows) == 2


def test_mistakes_in_a_table_of_ones_own(tmp_path):
    for text, sentence in {
        "user,item\na,1\n": "have no column 'rating'",
        "user,item,rating,timestamp\na,1,x,3\n": "rating 'x' in line 2",
        "user,item,rating,timestamp\na,1,7,3\na,2,1,4\n": "mine: events, row 0: the rating 7 is outside the scale",
    }.items():
        with pytest.raises(UserError, match=sentence):
            datasets.load_samples("mine", **own(tmp_path, text))
    with pytest.raises(UserError, match="dataset.yaml has no block 'samples': add 'samples: "):
        datasets.load_samples("mine", **own(tmp_path, "user,item,rating\na,1,2\n", ""))
    with pytest.raises(UserError, match="unknown fidelity 'papr': did you mean 'paper'"):
        datasets.load_samples("mine", "papr", **own(tmp_path, "user,item,rating\na,1,2\n"))


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("{likd_above: 3}", "samples: unknown key 'likd_above': did you mean 'liked_above'"),
        ("{liked_above: 5}", "samples: liked_above must be at least the lowest rating and below the highest"),
        ("{ratios: [1, 1, 0]}", "samples: ratios must leave something for train and for test"),
        ("{filter: 6core}", "samples.filter"),
        ("{code: {user_ratings: [0, 5]}}", "samples.code.user_ratings.0"),
        ("{min_history: -1}", "samples.min_history"),
    ],
)
def test_wrong_settings_of_samples_are_one_sentence(tmp_path, line, sentence):
    with pytest.raises(UserError, match=f"dataset.yaml.*{sentence}"):
        datasets.load_samples("mine", **own(tmp_path, "user,item,rating\na,1,2\n", f"samples: {line}"))


def test_samples_only_data_are_fetched_and_refused_as_interactions(tmp_path):
    write_split(tmp_path / "local" / "ml1m-ctr")
    with pytest.raises(UserError, match="not there yet, run: python -m lib fetch ml1m-ctr --from FOLDER"):
        datasets.load_samples("ml1m-ctr", data=tmp_path / "data")
    datasets.fetch("ml1m-ctr", tmp_path / "local", data=tmp_path / "data")
    assert len(datasets.load_samples("ml1m-ctr", data=tmp_path / "data").rows) == 4
    with pytest.raises(UserError, match="holds rated samples for click prediction: read it with datasets.load_samples"):
        datasets.load("ml1m-ctr", data=tmp_path / "data")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fidelity", ["paper", "legacy"])
def test_planted_data_pass_through_every_reader(tmp_path, layout, fidelity):
    samples = planted(tmp_path, 3, layout, fidelity)
    held = samples.rows[samples.rows.split != "train"]
    known = set(zip(*(side.tolist() for side in graph_edges(samples, fidelity)), strict=True))
    leaked = np.mean([pair in known for pair in zip(held.user, held.item, strict=True)])
    assert leaked == 0 if fidelity == "paper" else leaked > 0.5
    assert 0.3 < samples.rows.label.mean() < 0.8
    carved = fidelity == "paper" or layout != "books"
    assert set(samples.rows.split) == {"train", "test", *(["validation"] * carved)}
    again = planted(tmp_path / "again", 3, layout, fidelity)
    assert again.fingerprint == samples.fingerprint


def test_planted_titles_tell_most_genres_and_lie_about_some():
    items = made(5, n_items=2000)[1]
    assert abs((items.told == items.genre).mean() - 0.70) < 0.03
    assert abs(((items.told != items.genre) & (items.told >= 0)).mean() - 0.15) < 0.03


def test_planted_taste_drifts():
    """What a user rated last tells more of the next rating of that genre than what came first."""
    events, items, _ = made(1, n_users=400)
    events["genre"] = items.genre.to_numpy()[events.item - 1]
    of = events[events.groupby(["user", "genre"]).rating.transform("size") >= 5]
    of = of.groupby(["user", "genre"]).rating
    first, before, last = (of.agg(lambda ratings, at=at: ratings.iloc[at]) for at in (0, -2, -1))
    assert np.corrcoef(before, last)[0, 1] > np.corrcoef(first, last)[0, 1] + 0.05


needs = pytest.mark.benchmark_data


@needs
def test_the_published_click_split_is_read_whole():
    if not (BENCHMARK_DATA / "ml1m-ctr").is_dir():
        pytest.skip("ml1m-ctr is not in ../shared/data")
    samples = datasets.load_samples("ml1m-ctr", data=BENCHMARK_DATA)
    assert samples.rows.split.value_counts().tolist() == [33_891, 10_401, 7_331]
    assert (len(samples.users), len(samples.items)) == (838, 3_255)
    assert (samples.items["plot"] != "unknown").sum() >= 3_250  # films with accents are found too
    published = pd.read_parquet(BENCHMARK_DATA / "ml1m-ctr" / "samples.parquet").set_index(["user", "item"]).history
    ids, people = samples.items.id.to_numpy(), samples.users.id.to_numpy()
    for row in range(0, len(samples.rows), 97):  # the liked ones of a history are the published history
        past, sample = samples.history(row), samples.rows.iloc[row]
        wanted = published[people[sample.user], ids[sample["item"]]]
        assert [0, *ids[past.item[past.label == 1]]] == list(wanted)


@needs
def test_explicit_book_ratings_say_that_table_2_does_not_apply():
    if not (BENCHMARK_DATA / "bookcrossing").is_dir():
        pytest.skip("bookcrossing is not in ../shared/data")
    samples = datasets.load_samples("bookcrossing", data=BENCHMARK_DATA)
    assert (len(samples.rows), len(samples.events), len(samples.items)) == (2_927, 36_864, 1_118)
    assert "Table 2 do not apply, and 96% of the ratings here are likes." in samples.notes[0] and not samples.timed
    assert samples.rows.split.value_counts()[["train", "validation", "test"]].tolist() == [2_371, 263, 293]


@pytest.mark.skipif(not (ROOT / "data/movielens-100k").is_dir(), reason="python -m lib fetch movielens-100k")
def test_movielens_100k_has_its_counts():
    samples = datasets.load_samples("movielens-100k")
    sizes = samples.rows.split.value_counts()[["train", "validation", "test"]].tolist()
    assert (len(samples.rows), sizes) == (100_000 - 5 * 943, [76_228, 9_528, 9_529])
    assert len(samples.events) == 100_000 and len(graph_edges(samples)[0]) < 81_000
