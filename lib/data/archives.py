"""Unpack an archive, or copy a folder, into data/: all of it or nothing, with a note of where the files came from."""

import errno
import json
import lzma
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from lib.core.errors import UserError, short
from lib.core.files import write_json
from lib.data.dataset_settings import Source
from lib.data.transfer import SourceError

NOTE = "source.json"  # in the destination: the source, its sha256, the sources that failed, the files and their sizes


def origin(folder: Path) -> dict:
    """What `source.json` says of `folder`; empty when it was filled by hand."""
    note = folder / NOTE
    if not note.is_file():
        return {}
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
        return content | {"files": dict(content["files"])}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UserError(
            f"{note} is damaged: delete it to keep the files beside it as your own, or their folder"
        ) from None


def present(folder: Path) -> bool:
    """Whether all files of an earlier fetch are there; a folder that was filled by hand counts as complete."""
    note = origin(folder)
    if not note:
        return filled(folder)
    files = ((folder / name, size) for name, size in note["files"].items())
    return all(path.is_file() and path.stat().st_size == size for path, size in files)


def filled(folder: Path) -> bool:
    """Whether `folder` holds anything."""
    return folder.is_dir() and any(folder.iterdir())


def unpack(archive: Path, source: Source, destination: Path, failed: list[str]) -> dict:
    """Extract the members that `source` names into `destination` and return its source.json.

    `failed` are the reasons why earlier sources were not taken. Raises SourceError when the archive is damaged or lacks
    a member.
    """
    try:
        with zipfile.ZipFile(archive) as content, _staging(destination) as stage:
            members = wanted(content.namelist(), source.members)
            _fits(sum(content.getinfo(name).file_size for name in members), stage)
            for name, target in members.items():
                (stage / target).parent.mkdir(parents=True, exist_ok=True)
                with content.open(name) as packed, open(stage / target, "wb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
            return _install(stage, destination, {"source": str(source), "sha256": source.sha256, "failed": failed})
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error, ValueError, MemoryError) as error:
        raise SourceError(f"{archive.name} is not a complete zip archive ({short(error)})") from None
    # NotImplementedError, which is one too: a way of packing that Python does not know
    except RuntimeError as error:
        raise SourceError(f"{archive.name} is encrypted or packed in an unknown way ({short(error)})") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise SourceError(f"{archive.name} has a file and a folder of one name ({short(error.strerror)})") from None
    except OSError as error:
        if error.errno is None:  # so bz2 tells of damaged content
            raise SourceError(f"{archive.name} is not a complete zip archive ({short(error)})") from None
        if error.errno not in (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ):  # such as a full disk
            raise
        raise SourceError(f"{archive.name} has a member that cannot be a file here ({error.strerror})") from None


def wanted(names: list[str], patterns: list[str]) -> dict[str, str]:
    """The path below the destination of each member that matches a pattern, by the member's name in the archive.

    The folders that a pattern names without wildcards are left out: of 'amazon/*' only what is below amazon/ remains.
    Raises SourceError when a pattern matches nothing or a path leads out of the destination.
    """
    targets = {}
    for pattern in patterns:
        fixed_folders = re.match(r"([^*?\[]*/)?", pattern)[0]  # up to the last slash before the first wildcard
        found = [name for name in names if fnmatchcase(name, pattern) and not name.endswith("/")]
        if not found:
            raise SourceError(f"no member {pattern} in the archive")
        targets |= {name: name.removeprefix(fixed_folders) for name in found}
    for name, target in targets.items():
        path = PurePosixPath(target)
        # a backslash or a colon makes another path of it on Windows
        if path.is_absolute() or ".." in path.parts or "\\" in target or ":" in target:
            raise SourceError(f"its member {short(name)} would be written outside the destination")
    if len(set(targets.values())) < len(targets):
        raise SourceError("two of its members would be written into one file")
    return targets


def _fits(size: int, folder: Path) -> None:
    """Raise SourceError when `size` bytes, which an archive says that it unpacks to, are more than the disk has."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise SourceError(f"it would unpack to {size / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free")


def copy(folder: Path, destination: Path) -> dict:
    """Copy a local folder to `destination` and return its source.json."""
    with _staging(destination) as stage:
        # copyfile leaves permissions behind: a copy of a read-only folder can be deleted
        shutil.copytree(folder, stage, dirs_exist_ok=True, copy_function=shutil.copyfile)
        return _install(stage, destination, {"source": str(folder), "sha256": None, "failed": []})


@contextmanager
def _staging(destination: Path):
    """An empty folder beside `destination` to fill first; afterwards it is gone, like what a killed run left of it."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{destination.name}.unpacking-"
    for stale in destination.parent.glob(prefix + "*"):
        shutil.rmtree(stale, ignore_errors=True)
    stage = Path(tempfile.mkdtemp(prefix=prefix, dir=destination.parent))
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _install(stage: Path, destination: Path, about: dict) -> dict:
    """Move the filled folder `stage` to `destination` and return its source.json, which says `about` and the files."""
    stage.chmod(0o755)  # mkdtemp lets nobody else read it
    paths = [path for path in sorted(stage.rglob("*")) if path.is_file() and path.name != NOTE]
    files = {path.relative_to(stage).as_posix(): path.stat().st_size for path in paths}
    write_json(stage / NOTE, about | {"files": files})
    if not filled(destination):
        stage.replace(destination)
    else:
        # files of an earlier fetch were lost or cut: replace all of them and keep what else lies there
        for name in [*files, NOTE]:
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            (stage / name).replace(destination / name)
    return origin(destination)
