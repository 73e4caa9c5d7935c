"""Unpack or copy into a folder, all or nothing, and remember where its files came from."""

import json
import re
import shutil
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from lib.datasets.schema import Source
from lib.datasets.transfer import SourceError
from lib.files import write_json

MARK = "source.json"  # in the destination: the source, its sha256, the sources that failed, the files and their sizes


def origin(folder: Path) -> dict:
    """What `source.json` says of `folder`; empty when it was filled by hand."""
    mark = folder / MARK
    return json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() else {}


def present(folder: Path) -> bool:
    """Whether all files of an earlier fetch are there; a folder that was filled by hand counts as complete."""
    if mark := origin(folder):
        files = ((folder / name, size) for name, size in mark["files"].items())
        return all(path.is_file() and path.stat().st_size == size for path, size in files)
    return filled(folder)


def filled(folder: Path) -> bool:
    """Whether `folder` holds anything."""
    return folder.is_dir() and any(folder.iterdir())


def unpack(archive: Path, source: Source, destination: Path, failed: list[str]) -> dict:
    """Extract the members that `source` names into `destination`; raises SourceError for an unsuitable archive."""
    try:
        with zipfile.ZipFile(archive) as content, _staging(destination) as stage:
            for name, target in wanted(content.namelist(), source.members).items():
                (stage / target).parent.mkdir(parents=True, exist_ok=True)
                with content.open(name) as packed, open(stage / target, "wb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
            return _install(stage, destination, {"source": str(source), "sha256": source.sha256, "failed": failed})
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise SourceError(f"{archive.name} is not a complete zip archive ({error})") from None


def wanted(names: list[str], patterns: list[str]) -> dict[str, str]:
    """Where each member that matches a pattern goes: its path below the pattern's folders without wildcards.

    Raises SourceError when a pattern matches nothing or a path leads out of the destination.
    """
    targets = {}
    for pattern in patterns:
        prefix = re.match(r"([^*?\[]*/)?", pattern)[0]
        found = {name: name.removeprefix(prefix) for name in names if fnmatchcase(name, pattern) and name[-1] != "/"}
        if not found:
            raise SourceError(f"no member {pattern} in the archive")
        targets |= found
    for name, target in targets.items():
        path = PurePosixPath(target)
        if path.is_absolute() or ".." in path.parts or set(target) & set("\\:"):
            raise SourceError(f"its member {name} would be written outside the destination")
    return targets


def copy(folder: Path, destination: Path) -> dict:
    """Copy a local folder to `destination`."""
    with _staging(destination) as stage:
        shutil.copytree(folder, stage, dirs_exist_ok=True, copy_function=shutil.copyfile)  # not its permissions
        return _install(stage, destination, {"source": str(folder), "sha256": None, "failed": []})


@contextmanager
def _staging(destination: Path):
    """A folder beside `destination` that is gone afterwards, as is whatever a killed run left of it."""
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
    stage.chmod(0o755)  # mkdtemp makes it private
    paths = [path for path in sorted(stage.rglob("*")) if path.is_file() and path.name != MARK]
    files = {path.relative_to(stage).as_posix(): path.stat().st_size for path in paths}
    write_json(stage / MARK, about | {"files": files})
    if not filled(destination):
        stage.replace(destination)
    else:  # files of an earlier fetch were lost or cut: mend these and keep what else is there
        for name in [*files, MARK]:
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            (stage / name).replace(destination / name)
    return origin(destination)
