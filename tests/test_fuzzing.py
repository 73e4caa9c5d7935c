"""Generated and damaged files of a user: a right result or one sentence; never another error, never a stray file.

HYPOTHESIS_PROFILE=long tries many times more (tests/conftest.py).
"""

import csv
import io
import math
import pickle
import string
from collections import Counter
from itertools import zip_longest
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import event, given, settings
from hypothesis import strategies as st
from rlmrec_folder import dump
from safetensors.numpy import save
from scipy import sparse

from lib.core import names
from lib.core.errors import UserError
from lib.core.files import read_yaml
from lib.data import datasets, row_order
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import SPLITS
from lib.data.readers import rlmrec, unpickle
from lib.language import ready_made

TOY = DatasetSettings(name="toy", title="Toy")
FEWER = settings(max_examples=settings.default.max_examples // 2)  # of what takes long
KEEP = TOY.model_copy(update={"duplicates": "last"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An empty folder for one try after the other; nothing may ever appear beside it."""
    outside = tmp_path_factory.mktemp("fuzzing")
    (outside / "data").mkdir()
    yield outside / "data"
    assert [path.name for path in outside.iterdir()] == ["data"]


def fill(folder, files: dict[str, bytes]):
    """`folder` with these files and no other."""
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def outcome(read, *arguments):
    """What `read` returns, or None where it raises the one sentence that a user may see."""
    try:
        return read(*arguments)
    except UserError as error:
        assert str(error) and str(error).isprintable() and len(str(error)) < 1500
        return None


@st.composite
def damaged(draw, contents):
    """One of `contents` after some of what happens to files: bytes changed, added, cut off, put elsewhere."""
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content)))
        some = draw(
            st.binary(max_size=9) | st.sampled_from([b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b'"', b"9" * 30, b"nan"])
        )
        kind = draw(st.sampled_from(["replace", "insert", "cut", "remove", "move"]))
        if kind == "replace":
            content[place : place + len(some)] = some
        elif kind == "insert":
            content[place:place] = some
        elif kind == "cut":
            del content[place:]
        elif kind == "remove":
            del content[place : place + draw(st.integers(1, 40))]
        else:
            content = content[place:] + content[:place]
    return bytes(content)


# Tables


IDS = st.sampled_from(
    ["1", "2", "3", "10", "1.0", "007", "-4", "u1", "NA", "nan", "null", " 1", "é", "🎬", "٣", "1e3", "0x1", '"']
    + ["a,b", "x\ty", "True", "9" * 18, "9" * 19, "-0", "0", "0.0", "2.50", "9007199254740993", "9007199254740992"]
    + ["a\nb", "-", "=1+1", "\u200b"]
)  # fmt: skip
VALUES = st.sampled_from(
    ["1", "5", "4.5", "-3", "0", "1e3", "1e39", "1e400", "nan", "inf", "", "x", "٣", "1_0", " 2 ", "1700000000"]
)
VALUES |= st.integers(-(10**12), 10**12).map(str)
COLUMNS = st.sampled_from(["rating", "timestamp", "title", "user", "id", "", "Item", "rating "])
LINES = st.lists(st.tuples(IDS, IDS, VALUES, VALUES), min_size=0, max_size=8)


@st.composite
def tables(draw):
    """Rows with a header, as a csv of the usual form or nearly so."""
    more = draw(st.lists(COLUMNS, max_size=2, unique=draw(st.booleans())))
    rows = [["user", "item", *more], *([*row[: 2 + len(more)]] for row in draw(LINES))]
    if draw(st.integers(0, 3)) == 0:  # columns or rows that are not in order
        rows = draw(st.permutations(rows)) if draw(st.booleans()) else [row[::-1] for row in rows]
    return rows


def written(rows, separator=",", end="\n", mark="") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=end).writerows(rows)
    return (mark + text.getvalue()).encode()


def by_hand(content: bytes) -> dict | None:
    """{(user, item): (rating, timestamp)} of a csv as the data page says it, read line by line; None for a mistake."""
    rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")) if any(row)]
    if not rows:
        return None
    header = [name.strip() for name in rows[0]]
    if len(set(header)) < len(header) or not {"user", "item"} <= {*header} or not rows[1:]:
        return None
    if max(map(len, rows)) > len(header):
        return None
    # what a short row lacks is empty
    records = [dict(zip_longest(header, row, fillvalue="")) for row in rows[1:]]
    sides = [plain([record[side] for record in records]) for side in ("user", "item")]
    found = {}
    for record, user, item in zip(records, *sides, strict=True):
        values = [number(record.get(name, "none")) for name in ("rating", "timestamp")]
        if not (record["user"] and record["item"]) or None in values:
            return None
        if abs(values[0]) > 3.5e38 or abs(values[1]) >= 1e11:  # nan is not
            return None
        found[user, item] = values
    return found


def plain(ids: list[str]) -> list:
    """Ids as numbers when each is a whole number of 64 bits in its usual form, which .0 may follow."""

    def whole(text: str) -> bool:
        head, _, tail = text.partition(".")
        digits = head.removeprefix("-")
        usual = head == "0" or (
            digits != "" and {*digits} <= {*string.digits} and digits[0] != "0" and len(digits) <= 18
        )
        return usual and (text == head or (tail != "" and {*tail} == {"0"}))

    return [int(text.partition(".")[0]) for text in ids] if all(map(whole, ids)) else ids


def number(text: str) -> float | None:
    """NaN for no column, None for no number."""
    if text == "none":
        return math.nan
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


@given(tables(), st.sampled_from([(",", "\n", ""), (",", "\r\n", "\ufeff"), ("\t", "\n", "")]))
def test_a_generated_table_is_read_as_it_stands_or_refused(folder, rows, form):
    """As many interactions as there are different pairs, each with its ids, its rating and its time."""
    name = "interactions.tsv" if form[0] == "\t" else "interactions.csv"
    data = outcome(datasets.read, fill(folder, {name: written(rows, *form)}), KEEP)
    expected = by_hand(written(rows))
    event(f"read: {data is not None}")
    assert (data is None) == (expected is None)
    if data is not None:
        same_as(data, expected)


def same_as(data, expected: dict) -> None:
    whole = sum(getattr(data, split) for split in SPLITS)
    users, items = data.users.id.tolist(), data.items.id.tolist()
    pairs = {(users[row], items[column]) for row, column in zip(*whole.nonzero(), strict=True)}
    assert pairs == {*expected} and whole.max() == 1 and whole.nnz == len(expected)
    for row in data.events.itertuples():
        rating, timestamp = expected[users[row.user], items[row.item]]
        np.testing.assert_equal(np.float32(row.rating), np.float32(rating))
        np.testing.assert_equal(float(row.timestamp), float(timestamp))


GOOD = written([["user", "item", "rating", "timestamp"], *([f"u{n % 4}", n % 7, n % 5, 10**9 + n] for n in range(20))])


@given(damaged([GOOD, GOOD.replace(b"\n", b"\r\n"), b"\xff\xfe" + GOOD.decode().encode("utf-16-le")]))
def test_a_damaged_table_is_read_as_it_stands_or_refused(folder, content):
    data = outcome(datasets.read, fill(folder, {"interactions.csv": content}), KEEP)
    if data is not None:
        assert b"\0" not in content
        same_as(data, by_hand(content))


@given(LINES, st.lists(st.tuples(IDS, VALUES), min_size=1, max_size=20, unique_by=lambda row: row[0]))
def test_descriptions_stand_beside_the_item_with_that_id(folder, rows, titles):
    events = written([["user", "item"], *([row[0], row[1]] for row in rows)])
    beside = written([["item", "title"], *titles])
    data = outcome(datasets.read, fill(folder, {"interactions.csv": events, "items.csv": beside}), KEEP)
    event(f"read: {data is not None}")
    if data is None:
        return
    assert len(data.items) == data.n_items  # none is lost, none comes twice
    for own, title in zip(data.items.id, data.items.title, strict=True):
        texts = [text for name, text in titles if name == own or (isinstance(own, int) and plain([name]) == [own])]
        assert [title] == texts or (pd.isna(title) and not [text for text in texts if text])


COLUMN = st.sampled_from(
    [
        [1, 2, 3], [1.0, 2.0, 2.0], [1.5, 2, np.nan], ["a", "b", None], [b"a", b"b", b"c"], [True, False, True],
        pd.to_datetime(["2020-01-01", "1960-01-01", "2262-01-01"]), pd.to_datetime(["2020-01-01"] * 3, utc=True),
        pd.to_timedelta([1, 2, 3], unit="s"), pd.Categorical(["x", "y", "x"]), pd.Categorical([3, 4, 3]),
        pd.array([1, None, 3], dtype="Int64"), pd.array([1, 2, 3], dtype="Int64"), [[1], [2], []], [{"a": 1}] * 3,
        [2**63, 1, 2], [1e300, 1, 2], [1e-320, 0, -1], pd.period_range("2020", periods=3),
        [np.datetime64("9999-01-01", "s")] * 3,
        pd.array([1.5, 2, 3], dtype="float32"), ["1", "2", "x"], ["1", "2", "3"],
    ]
)  # fmt: skip


@FEWER
@given(st.fixed_dictionaries({"user": COLUMN, "item": COLUMN}, optional={"rating": COLUMN, "timestamp": COLUMN}))
def test_a_parquet_file_of_any_types_is_read_or_refused(folder, columns):
    frame = pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})
    fill(folder, {})
    frame.to_parquet(folder / "interactions.parquet")
    data = outcome(datasets.read, folder, KEEP)
    event(f"read: {data is not None}")
    if data is not None:
        assert data.events[["user", "item"]].drop_duplicates().shape[0] == len(data.events)
        assert data.n_users == frame.user.astype(str).nunique() and data.n_items == frame.item.astype(str).nunique()
        for name in {*columns} & {"rating", "timestamp"}:
            assert np.isfinite(data.events[name]).all()


# Binary files: each damaged file is read to a checked result or refused


def archive(frame: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.to_parquet(file)
    return file.getvalue()


def npz(matrix) -> bytes:
    file = io.BytesIO()
    sparse.save_npz(file, matrix)
    return file.getvalue()


def arrays(**parts) -> bytes:
    file = io.BytesIO()
    np.savez(file, **parts)
    return file.getvalue()


CELLS = sparse.csr_matrix(np.eye(4, 5, dtype=np.float32))
EMPTY = sparse.csr_matrix((4, 5), dtype=np.float32)
MATRICES = [npz(form(CELLS)) for form in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix)]
NUMBERS = st.sampled_from([-1, 0, 1, 4, 5, 2**31, 2**40, 2**63 - 1, -(2**63)])
PARQUET = archive(pd.DataFrame({"user": [1, 2, 3], "item": ["a", "b", "c"], "rating": [1.0, 2, 3]}))


@given(damaged([PARQUET]))
def test_a_damaged_parquet_file_is_read_or_refused(folder, content):
    data = outcome(datasets.read, fill(folder, {"interactions.parquet": content}), KEEP)
    assert data is None or (data.n_users and data.n_items)


@given(damaged(MATRICES) | st.sampled_from(MATRICES))
def test_a_damaged_split_is_read_or_refused(folder, content):
    data = outcome(
        datasets.read, fill(folder, dict(zip(SPLIT_FILES, (content, npz(EMPTY), npz(EMPTY)), strict=True))), TOY
    )
    if data is not None:
        assert data.train.toarray().tolist() == CELLS.toarray().tolist()


SPLIT_FILES = [f"{split}.npz" for split in SPLITS]


@given(
    st.sampled_from([b"csr", b"csc", b"coo", b"bsr", b"dia", b"lil", "csr", b"", 3]),
    st.lists(NUMBERS, max_size=3), st.lists(NUMBERS, max_size=6), st.lists(NUMBERS, max_size=3),
    st.lists(NUMBERS, min_size=1, max_size=3), st.sampled_from(["f4", "i8", "U2", "c8", "?", "S1"]),
)  # fmt: skip
def test_a_matrix_of_any_parts_is_read_or_refused(folder, form, indices, indptr, row, shape, kind):
    values = np.ones(len(indices)).astype(kind)
    parts = dict(format=np.array(form), indices=indices, indptr=indptr, row=row, col=indices, shape=shape, data=values)
    content = arrays(
        **{name: np.array(part) if name in ("format", "data") else np.array(part, "i8") for name, part in parts.items()}
    )
    data = outcome(datasets.read, fill(folder, dict.fromkeys(SPLIT_FILES, content)), TOY)
    assert data is None or data.train.shape == tuple(shape)


TENSORS = {"users": np.arange(6, dtype=np.float32).reshape(3, 2), "items": np.arange(4, dtype=np.float32).reshape(2, 2)}
VECTORS = np.concatenate([TENSORS["users"], TENSORS["items"]])


def npy(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


SIDES = pd.DataFrame({"side": ["user"] * 3 + ["item"] * 2, "index": [0, 1, 2, 0, 1], "vector": VECTORS.tolist()})
OWNERS = SimpleNamespace(name="toy", users=None, items=None, n_users=3, n_items=2)
FILES = {".safetensors": save(TENSORS), ".npy": npy(VECTORS), ".parquet": archive(SIDES)}


@given(
    st.sampled_from(sorted(FILES)).flatmap(
        lambda kind: st.tuples(st.just(kind), damaged([FILES[kind]]) | st.just(FILES[kind]))
    )
)
def test_damaged_text_vectors_are_read_or_refused(folder, file):
    suffix, content = file
    files = {f"vectors{suffix}": content, "vectors.order.csv": row_order.table(OWNERS).to_csv(index=False).encode()}
    path = fill(folder, files) / f"vectors{suffix}"
    found = outcome(ready_made.read, path, OWNERS)
    if content == FILES[suffix]:
        assert [part.tolist() for part in found] == [part.tolist() for part in TENSORS.values()]


# Pickles


STATES = [
    pickle.dumps(content, protocol)
    for protocol in (2, 4, 5)
    for content in (CELLS, sparse.coo_matrix(CELLS), np.arange(4.0), {0: {"profile": "text"}}, (1, [2.5, {"a"}]))
]
NAMES = ["numpy ndarray", "numpy dtype", "numpy.core.multiarray _reconstruct", "numpy.core.multiarray scalar"]
NAMES += ["scipy.sparse._csr csr_matrix", "scipy.sparse coo_matrix", "_codecs encode", "builtins set", "os system"]
CODES = [
    b")",
    b"]",
    b"}",
    b"N",
    b"(",
    b"0",
    b"2",
    b"t",
    b"l",
    b"d",
    b"R",
    b"\x81",
    b"b",
    b"s",
    b"u",
    b"a",
    b"e",
    b"\x85",
    b"\x86",
]
CODES += [
    b"\x87",
    b"q\0",
    b"h\0",
    b"K\x05",
    b"J\xff\xff\xff\x7f",
    b"X\x02\0\0\0f8",
    b"X\x06\0\0\0_shape",
    b"\x93",
    b"\x8f",
    b"\x90",
    b"\x91",
]
CODES += [f"c{name.replace(' ', chr(10))}\n".encode() for name in NAMES]
GENERATED = st.lists(st.sampled_from(CODES), max_size=40).map(lambda codes: b"\x80\x04" + b"".join(codes) + b".")


@given(damaged(STATES) | GENERATED)
def test_a_damaged_or_generated_pickle_is_read_or_refused_and_changes_nothing(folder, content):
    path = fill(folder, {"x.pkl": content}) / "x.pkl"
    for read in (unpickle.load, rlmrec._vectors, rlmrec._matrix, lambda path: rlmrec._profiles(path, 1)):
        outcome(read, path)
    assert (unpickle.load(dump(path, CELLS)) != CELLS).nnz == 0


# Settings and names


KEYS = st.sampled_from(
    ["name", "title", "core", "split", "ratios", "seed", "minimum_rating", "sources", "grid", "hyperparameters", "base"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["toy", "Toy", "base"])
)
CONTENT = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | SCALARS.filter(lambda key: key == key), inner, max_size=4)
    ),
    max_leaves=12,
)
DATASET = (
    b"name: toy\ntitle: Toy\ncore: 5\nminimum_rating: 3\nduplicates: last\nsplit: {ratios: [3, 1, 1], seed: 2023}\n"
)
BACKBONE = (
    b"dataset: toy\nbackbone: lightgcn\nhyperparameters:\n"
    b"  base:\n    layers: 2\n    reg_weight: 1.0e-6\n    keep_rate: 0.8\n"
)
EXPERIMENTS = (
    b"mine:\n  toy:\n    grid: {scale: quick, encoder: none, backbones: [lightgcn], alignments: [base], seeds: [1]}\n"
)
SIGNS = ["a: ", "b: ", "- ", "[", "]", "{", "}", "&x ", "*x", "!!int ", "!!python/name:os ", "? ", "<<: ", "\n", " "]
SIGNS += ["2024-02-30", "0x", "1:2", "|", "'", '"', "\0", "%", "@", "\t", "é", "\ufeff"]
LOOSE = st.lists(st.sampled_from(SIGNS), max_size=25).map("".join)


@given(
    LOOSE.map(str.encode)
    | damaged([DATASET, BACKBONE, EXPERIMENTS])
    | CONTENT.map(lambda content: yaml.safe_dump(content).encode())
)
def test_any_yaml_means_what_it_means_elsewhere_or_is_refused(folder, content):
    found = outcome(read_yaml, fill(folder, {"a.yaml": content}) / "a.yaml")
    if found is not None:
        assert repr(found) == repr(yaml.safe_load(content.decode("utf-8-sig")))


SETTINGS = {"dataset.yaml": DATASET, "lightgcn.yaml": BACKBONE, "experiments.yaml": EXPERIMENTS}


@pytest.fixture(scope="module")
def params(tmp_path_factory):
    place = tmp_path_factory.mktemp("params")
    (place / "toy").mkdir()
    paper = dict(
        embedding_size=8, batch_size=64, learning_rate=0.01, epochs=9, evaluate_every=3, patience=5, ks=[5, 20]
    )
    (place / "protocol.yaml").write_text(yaml.safe_dump(dict(paper=paper)))
    return place


@FEWER
@given(st.sampled_from(sorted(SETTINGS)), st.data())
def test_any_settings_are_taken_or_refused(params, name, data):
    """And taken only with numbers that a training can use."""
    from lib.training.run_settings import resolve
    from lib.workflow import experiments

    whole = yaml.safe_load(SETTINGS[name])
    changed = CONTENT.map(
        lambda content: yaml.safe_dump(replaced(whole, data.draw(st.integers(0, 9)), content)).encode()
    )
    content = data.draw(damaged([SETTINGS[name]]) | changed)
    for own, usual in SETTINGS.items():
        place = params if own == "experiments.yaml" else params / "toy"
        (place / own).write_bytes(content if own == name else usual)
    if settings := outcome(datasets.settings, "toy", params):
        assert settings.core >= 1 and all(0 < ratio < math.inf for ratio in settings.split.ratios)
    if run := outcome(lambda: resolve("toy", "lightgcn", params=params, scale="paper")):
        assert 1 <= run.backbone_settings["layers"] <= 100 and 0 <= run.backbone_settings["reg_weight"] < math.inf
    if known := outcome(experiments.load, params):
        for own in known.values():
            for cell in own.grid.named(own.dataset):
                outcome(lambda cell=cell: cell.folder)


def replaced(content, place: int, value):
    """`content` with `value` in place of one of the values in it."""
    if isinstance(content, dict) and content:
        key = sorted(content)[place % len(content)]
        inside = place >= len(content) and isinstance(content[key], dict)
        return content | {key: replaced(content[key], place // len(content), value) if inside else value}
    return value


ANY = st.text(max_size=12) | st.sampled_from(
    ["..", "../..", "/etc", "a/../../b", "minilm+shuffled", "base", "kar+x=1", "base@kar", "a\\b", "toy+noise=0.1"]
)


@given(ANY, ANY, ANY, ANY)
def test_no_name_leaves_the_folder_of_runs(folder, dataset, encoder, backbone, alignment):
    name = outcome(names.run_folder, dataset, encoder, backbone, alignment, 7)
    if name is not None:
        place = (folder / name).resolve()
        assert place.is_relative_to(folder.resolve()) and len(place.relative_to(folder.resolve()).parts) == 5


WORDS = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
CHANGES = st.dictionaries(
    WORDS, st.floats(1e-9, 1e9).map(lambda x: float(f"{x:.12g}")) | st.integers(0, 10**6), max_size=3
)


@given(WORDS, st.none() | WORDS, CHANGES)
def test_names_of_alignments_are_read_as_they_are_written(kind, settings_of, changes):
    plain_name = kind if settings_of is None else f"{kind}@{settings_of}"
    written_name = names.with_settings(plain_name, **changes) if changes else plain_name
    read = names.read_alignment(written_name)
    assert (
        read[:2] == (kind, settings_of or kind)
        and {key: float(value) for key, value in read.changes.items()} == changes
    )


@given(ANY)
def test_any_name_of_an_alignment_is_read_or_refused(name):
    for read in (names.read_alignment, names.shortest, names.reads_text, names.is_matched):
        outcome(read, name)
    assert names.read_dataset(name).name and names.read_encoder(name).name or not name
    assert Counter(names.read_dataset(name).name) <= Counter(name)
