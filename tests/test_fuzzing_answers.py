"""Generated and damaged replies, recordings and archives: a right result or a reason, no other error."""

import io
import json
import stat
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.data import archives
from lib.data.dataset_settings import Source
from lib.data.transfer import SourceError
from lib.language.llm import endpoint, recorded
from lib.language.llm.request_and_answer import Answer
from lib.language.profile_answers import KEY, ProfileParser

GOOD = "This viewer enjoys slow dramas and war films from the seventies. Comedies are seen less often."
PIECES = [
    '{"profile": "',
    '"}',
    "{",
    "}",
    "[",
    "]",
    '"',
    "\\",
    "\\ud800",
    "\\u0000",
    ":",
    ",",
    "NaN",
    "9" * 5000,
    "profile",
]
PIECES += [GOOD, "\n", "\0", "é", "null", "[" * 2000, '{"a":' * 500]
REPLIES = st.lists(st.sampled_from(PIECES), max_size=10).map("".join) | st.text(max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9) | st.just(GOOD),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([KEY, "choices", "message", "content"]), inner)
    ),
    max_leaves=8,
)


@given(
    REPLIES | JSON.map(json.dumps) | st.text(max_size=5).map(lambda more: json.dumps({KEY: GOOD + more})) | st.none()
)
def test_a_reply_is_a_profile_that_can_be_stored_or_has_a_reason(reply):
    parser = ProfileParser()
    try:
        text = parser.parse(reply)
    except ValueError as reason:
        assert parser.complaint(reason)
        return
    assert "\n" not in text and parser.parse(json.dumps({KEY: text})) == text
    line = recorded._line(Answer("user", 0, "key", text, "ok"))
    assert recorded._answer("user", line.encode().decode()).text == text


@given(st.text(max_size=20), REPLIES)
def test_what_a_local_model_goes_on_with_ends_in_a_whole_sentence_or_is_empty(opening, continuation):
    reply, _ = ProfileParser().completed(opening, continuation)
    text = json.loads(reply)[KEY]
    assert text == "" or (text.startswith(opening) and text[-1] in ".!?")


@given(
    REPLIES
    | JSON.map(json.dumps)
    | JSON.map(lambda content: json.dumps({"choices": [{"message": {"content": content}}]}))
)
def test_the_body_of_an_endpoint_is_a_text_or_nothing(body):
    content, _ = endpoint._read(body)
    assert isinstance(content, str | None)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzzing")


LINE = recorded._line(Answer("user", 3, "key", GOOD, "ok"))


@given(st.lists(st.just(LINE) | REPLIES | JSON.map(json.dumps), max_size=4), st.binary(max_size=5))
def test_a_damaged_recording_has_the_answers_that_are_whole(place, lines, end):
    (place / "users.jsonl").write_bytes("\n".join([LINE.strip(), *lines]).encode("utf-8", "replace") + b"\n" + end)
    found = recorded.read(place)
    assert found["key"].text == GOOD
    recorded.store(place, found.values())
    assert recorded.read(place) == found


# Archives


MEMBERS = st.sampled_from(
    ["pack/a", "pack/a/b", "pack/", "pack/deep/c", "pack/../../evil", "pack//etc/evil", "/etc/evil", "pack/..\\evil"]
    + ["pack/C:evil"]
    + ["pack/.", "pack/./a", "pack/..", "pack/" + "x" * 300, "pack/\0", "pack/source.json", "pack/é", "other"]
    + ["pack/a//b", "pack/ ", "pack/a/."]
)  # fmt: skip
PACKING = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
WHOLE = st.lists(st.tuples(MEMBERS, st.binary(max_size=20), PACKING, st.booleans()), min_size=1, max_size=4)


@st.composite
def zips(draw) -> bytes:
    """An archive with odd members, of which some are links, and sometimes with changed bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content, packing, link in draw(WHOLE):
            member = zipfile.ZipInfo(name)
            member.external_attr = ((stat.S_IFLNK if link else stat.S_IFREG) | 0o644) << 16
            archive.writestr(member, b"../../evil" if link else content, compress_type=packing)
    content = bytearray(file.getvalue())
    for at, value in draw(
        st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=draw(st.sampled_from([0, 3])))
    ):
        content[at % len(content)] = value
    return bytes(content)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@given(zips(), st.sampled_from(["pack/*", "*", "pack/a", "pack/deep/*"]))
def test_an_archive_is_unpacked_below_its_destination_or_refused(place, content, pattern):
    archive, destination = place / "a.zip", place / "data" / "toy"
    archive.write_bytes(content)
    source = Source(url="u", sha256="0" * 64, members=[pattern])
    before = {*place.rglob("*")} - {*destination.rglob("*")} - {destination, place / "data"}
    try:
        noted = archives.unpack(archive, source, destination, [])
    except SourceError as error:
        assert str(error) and "\n" not in str(error)
        noted = None
    after = {*place.rglob("*")} - {*destination.rglob("*")} - {destination, place / "data"}
    assert after == before and not any(path.is_symlink() for path in destination.rglob("*"))
    if noted:
        assert all((destination / name).stat().st_size == size for name, size in noted["files"].items())
    for path in sorted(destination.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    if destination.exists():
        destination.rmdir()
