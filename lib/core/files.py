"""The repository's root, atomic writes, YAML, and content hashes."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from lib.core import strict_yaml
from lib.core.errors import UserError

ROOT = Path(__file__).resolve().parents[2]  # the repository: lib is installed in editable mode


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary path beside `path`; move it into place on success, leave `path` untouched on any failure.

    Raises UserError when the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # in the same folder, since a rename is atomic within one file system only, and with the same suffix, since numpy
    # and matplotlib read the format off it or add their own
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # or a crash of the machine could leave the new name on a file whose content was never written
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes files that nobody else may read
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except Exception as error:
        # safetensors and arrow wrap the OSError, so the text is looked at too
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in str(error):
            free = shutil.disk_usage(path.parent).free // 2**20
            raise UserError(
                f"disk full while writing {path} ({free} MiB free): free some space and run the same command again; "
                "the last complete version of the file is intact"
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path, text: str) -> None:
    """Write `text` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, content) -> None:
    """Write `content` as indented JSON with sorted keys, atomically."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n")


def read_yaml(path) -> dict:
    """Read a YAML mapping; raises UserError when it is missing or broken or names a key twice."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"no file {path}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path} is no UTF-8 text, first in line {line}: save it with the encoding UTF-8") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): put a file in its place") from None
    content = strict_yaml.parse(text, str(path))
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold a mapping of names to values")
    return content


def sha256(path) -> str:
    """Hex sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(*parts) -> str:
    """Short content hash (16 hex digits) of JSON-able values, bytes and files (as Path)."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            part = sha256(part)
        if not isinstance(part, bytes):
            part = json.dumps(part, sort_keys=True, default=str).encode()
        # each part by a hash of its own: joined as they are, ('ab', 'c') and ('a', 'bc') would be the same
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()[:16]
