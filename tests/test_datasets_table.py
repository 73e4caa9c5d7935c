"""Anybody's own table: what is read, and what each mistake says."""

import numpy as np
import pandas as pd
import pytest

from lib.core.errors import UserError
from lib.data import datasets
from lib.data.dataset_settings import DatasetSettings
from lib.data.readers import table

TOY = DatasetSettings(name="toy", title="Toy")
ROWS = "u1,007,4,10\nu1,12,2.5,20\nu2,12,5,30\n"


def write(folder, text, name="interactions.csv"):
    (folder / name).write_bytes(text.encode())
    return folder


def test_csv_tsv_and_parquet_agree(tmp_path):
    csv = "user,item,rating,timestamp\n" + ROWS
    for name in ("csv", "tsv", "parquet"):
        (tmp_path / name).mkdir()
    write(tmp_path / "csv", "\ufeff" + csv.replace("\n", "\r\n") + "\n\n")
    write(tmp_path / "tsv", csv.replace(",", "\t"), "interactions.tsv")
    frame = pd.DataFrame({"user": ["u1", "u1", "u2"], "item": ["007", "12", "12"], "rating": [4, 2.5, 5]})
    frame["timestamp"] = pd.to_datetime([10, 20, 30], unit="s", utc=True)
    frame.to_parquet(tmp_path / "parquet/interactions.parquet")
    data = [datasets.read(tmp_path / name, TOY) for name in ("csv", "tsv", "parquet")]
    assert len({one.fingerprint for one in data}) == 1
    for one in data:
        assert one.users.id.tolist() == ["u1", "u2"] and one.items.id.tolist() == ["007", "12"]
        assert one.events[["user", "item", "rating", "timestamp"]].values.tolist() == [
            [0, 0, 4, 10], [0, 1, 2.5, 20], [1, 1, 5, 30]
        ]  # fmt: skip


def test_whole_numbers_are_ordered_as_numbers(tmp_path):
    data = datasets.read(write(tmp_path, "item,user\n10,3\n9,3\n9,20\n"), TOY)
    assert data.users.id.tolist() == [3, 20] and data.items.id.tolist() == [9, 10]
    assert data.events.rating.isna().all() and data.events.timestamp.isna().all()


def test_ids_that_look_like_missing_values_are_ids(tmp_path):
    data = datasets.read(write(tmp_path, "user,item\nNA,null\nNone,nan\n"), TOY)
    assert data.users.id.tolist() == ["NA", "None"] and data.items.id.tolist() == ["nan", "null"]


@pytest.mark.parametrize("kind", ["int", "uuid", "float", "bytes"])
def test_any_type_of_id(tmp_path, kind):
    ids = {"int": [-5, 3, 2**40], "uuid": ["b-1", "a-2", "c"], "float": [1.5, 0.5, 2.5], "bytes": [b"b", b"a", b"c"]}[
        kind
    ]
    pd.DataFrame({"user": ids, "item": ids}).to_parquet(tmp_path / "interactions.parquet")
    assert datasets.read(tmp_path, TOY).n_users == 3


def test_titles_beside_the_table_are_joined(tmp_path):
    write(tmp_path, "user,item\n1,30\n2,4\n")
    write(tmp_path, "item,title\n4,Four\n5,Five\n30,Thirty\n", "items.csv")
    data = datasets.read(tmp_path, TOY)
    assert data.items.title.tolist() == ["Four", "Thirty"] and list(data.users) == ["id"]
    write(tmp_path, "item,title\n4,Four\n4,Five\n", "items.csv")
    with pytest.raises(UserError, match="items.csv describes a item twice, again in line 3"):
        datasets.read(tmp_path, TOY)


def test_descriptions_of_ids_that_do_not_occur_are_left_out(tmp_path):
    write(tmp_path, "user,item\n1,30\n2,4\n")
    write(tmp_path, "item,title\nx,X\n4,Four\ny,Y\n5,Five\n30,Thirty\n", "items.csv")
    assert datasets.read(tmp_path, TOY).items.title.tolist() == ["Four", "Thirty"]


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "is empty: it needs a header with user, item"),
        ("user,item\n", "has no rows below its header"),
        ("user,items\n1,2\n", "has no column 'item': rename 'items'"),
        ("userId,item\n1,2\n", "has no column 'user': rename 'userId'"),
        ("a,b\n1,2\n", "has no column 'user': rename one of a, b"),
        ("user;item\n1;2\n", "has no column 'user': its only column is 'user;item', so separate columns by ','"),
        ("user,item,rating\n1,2,3\n1,3,good\n", "rating 'good' in line 3 is not a number: mend or remove"),
        ("user,item,rating\n1,2,3\n\n1,3,inf\n", "rating 'inf' in line 4 is not a number"),
        ("user,item,timestamp\n1,2,2020-01-01\n", "timestamp '2020-01-01' in line 2 is not a number of seconds"),
        (
            "user,item\n1,2\n1,3\n1,2\n1,3\n",
            "2 rows repeat a user and item, first in line 4: remove them, or write 'duplicates",
        ),
        ("user,item\n1,2\n,3\n4,\n", "column 'user' is empty in 1 rows, first in line 3: fill or remove"),
        ("user,item,rating\n1,2,\n", "column 'rating' is empty in 1 rows, first in line 2"),
        ('user,item\n1,"2\n', "cannot be read"),
        ("user,item,user\n1,2,3\n", "has 2 columns 'user': remove or rename all but one"),
        ("user,item\n1,2\n1,3,5\n", "cannot be read"),  # pandas would drop the 5
        ("user,item\na\0b,2\n", "it holds NUL bytes"),  # pandas would read 'a'
        ("user,id,title\n1,2,Heat\n", "has no column 'item': rename 'id'"),
        ("user,title\n1,Heat\n", "has no column 'item': rename one of user, title"),
        (
            "user,item,timestamp\n1,2,5\n1,3,1700000000000\n",
            "timestamp 1700000000000 in line 3, as a number of seconds, is too large: it looks like milliseconds, so "
            "divide the column by 1,000",
        ),
        ("user,item,timestamp\n1,2,1700000000000000000\n", "nanoseconds, so divide the column by 1,000,000,000"),
        ("user,item,rating\n1,2,1e39\n", "rating 1e+39 in line 2 is too large: mend or remove that row"),
    ],
)
def test_each_mistake_is_one_sentence(tmp_path, text, sentence):
    with pytest.raises(UserError) as caught:
        datasets.read(write(tmp_path, text), TOY)
    assert sentence in str(caught.value) and "interactions.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_other_encodings_and_broken_parquet_are_one_sentence(tmp_path):
    (tmp_path / "interactions.csv").write_bytes("user,item\nJosé,1\n".encode("latin-1"))
    with pytest.raises(UserError, match="interactions.csv cannot be read .*utf-8"):
        datasets.read(tmp_path, TOY)
    (tmp_path / "interactions.csv").unlink()
    (tmp_path / "interactions.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="interactions.parquet cannot be read"):
        datasets.read(tmp_path, TOY)


def test_rows_of_parquet_count_from_one(tmp_path):
    frame = pd.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [1.0, np.nan]}, index=[7, 7])
    frame.to_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(UserError, match="column 'rating' is empty in 1 rows, first in row 2"):
        datasets.read(tmp_path, TOY)


def test_the_last_duplicate_can_be_kept(tmp_path):
    keep = DatasetSettings(name="toy", title="Toy", duplicates="last")
    data = datasets.read(write(tmp_path, "user,item,rating\n1,2,3\n1,3,1\n1,2,5\n"), keep)
    assert data.events.rating.tolist() == [5, 1]


def test_a_core_that_removes_everything(tmp_path):
    strict = DatasetSettings(name="toy", title="Toy", core=9)
    with pytest.raises(UserError, match="the 9-core of toy is empty: .* lower core in dataset.yaml"):
        datasets.read(write(tmp_path, "user,item,rating,timestamp\n" + ROWS), strict)


def test_numbers_with_a_leading_zero_stay_text():
    assert table.ids(pd.Series(["1", "-2", "0"])).tolist() == [1, -2, 0]
    assert table.ids(pd.Series(["1", "02"])).tolist() == ["1", "02"]
    assert table.ids(pd.Series(["1", "9" * 30])).tolist() == ["1", "9" * 30]


def test_whole_numbers_may_be_written_as_floats(tmp_path):
    """What programs write where a column once had gaps; the titles are found whichever way ids are written there."""
    write(tmp_path, "user,item\n1.0,10.0\n2,9.00\n")
    write(tmp_path, "item,title\n9.0,Nine\n10,Ten\n", "items.csv")
    data = datasets.read(tmp_path, TOY)
    assert data.users.id.tolist() == [1, 2] and data.items.id.tolist() == [9, 10]
    assert data.items.title.tolist() == ["Nine", "Ten"]
    large = pd.Series([1e15, 1e16 / 2**3, 2.0])
    assert table.ids(large).tolist() == large.astype(int).tolist()
    assert table.ids(pd.Series(["1.0", "1.5"])).tolist() == ["1.0", "1.5"]


def test_ids_beside_the_table_are_compared_as_they_are_written(tmp_path):
    """As floats, 007 would be 7 and two large ids one."""
    write(tmp_path, "user,item\n1,7\n2,9007199254740993\n")
    write(tmp_path, "item,title\n007,Bond\n7,Seven\n9007199254740992,Other\n9007199254740993,Large\n", "items.csv")
    assert datasets.read(tmp_path, TOY).items.title.tolist() == ["Seven", "Large"]


def test_digits_of_other_scripts_are_text():
    assert table.ids(pd.Series(["1", "١"])).tolist() == ["1", "١"]


@pytest.mark.parametrize(
    "name, text, sentence",
    [
        ("items.csv", "item,id,title\n4,5,Four\n", "items.csv has a column 'id' beside 'item'"),
        ("users.csv", "user,id\n1,5\n", "users.csv has a column 'id' beside 'user'"),
        ("items.csv", "id,title\n4,Four\n", "items.csv has no column 'item': rename 'id'"),
        ("items.csv", "item,title\ni4,Four\n", "items.csv describes none of the items .* as '30', .* as 'i4'"),
        ("users.csv", "user,age\n77,3\n", "users.csv describes none of the users"),
        ("items.csv", "item,title,title\n4,a,b\n", "items.csv has 2 columns 'title'"),
        ("items.csv", "item,title\n4,Heat, The\n", "items.csv cannot be read .*line 2"),
    ],
)
def test_mistakes_beside_the_table_are_one_sentence(tmp_path, name, text, sentence):
    write(tmp_path, "user,item\n1,30\n2,4\n")
    with pytest.raises(UserError, match=sentence):
        datasets.read(write(tmp_path, text, name), TOY)


@pytest.mark.parametrize("stem, text", [("interactions", "user,item\n1,2\n"), ("items", "item\n2\n")])
def test_two_tables_of_one_name_are_refused(tmp_path, stem, text):
    write(tmp_path, "user,item\n1,2\n")
    write(tmp_path, text, f"{stem}.csv")
    pd.DataFrame({"user": [1], "item": [2]}).to_parquet(tmp_path / f"{stem}.parquet")
    with pytest.raises(UserError, match=f"has {stem}.csv and {stem}.parquet: keep the one"):
        datasets.read(tmp_path, TOY)


def test_a_folder_in_place_of_the_table_is_one_sentence(tmp_path):
    (tmp_path / "interactions.csv").mkdir()
    with pytest.raises(UserError, match="interactions.csv is a folder: put a file"):
        datasets.read(tmp_path, TOY)


def test_dates_are_timestamps_and_no_ratings(tmp_path):
    frame = pd.DataFrame({"user": [1], "item": [2], "rating": pd.to_datetime(["2020-01-01"])})
    frame.to_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(UserError, match="rating .*2020.* in row 1 is not a number"):
        datasets.read(tmp_path, TOY)


def test_the_card_says_what_threshold_and_core_dropped(tmp_path):
    rows = [(user, item, 5) for user in range(3) for item in range(3)] + [(9, 0, 5), (0, 9, 1), (8, 8, 1)]
    write(tmp_path, "user,item,rating\n" + "".join(f"{u},{i},{r}\n" for u, i, r in rows))
    settings = DatasetSettings(name="toy", title="Toy", minimum_rating=3, core=2)
    card = datasets.card(datasets.read(tmp_path, settings), settings)
    assert card["in the file"] == "5 users, 5 items, 12 interactions"
    assert card["rated 3 or better"] == "4 users, 3 items, 10 interactions"
    assert card["in the 2-core"] == "3 users, 3 items, 9 interactions"
    assert (card["users"], card["items"], card["interactions"]) == (3, 3, 9)
    everything = DatasetSettings(name="toy", title="Toy")
    assert "in the file" not in datasets.card(datasets.read(tmp_path, everything), everything)
