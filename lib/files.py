"""Paths, atomic writes, hashes, and the one exception that users are meant to read."""

import contextlib
import difflib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]  # the repository: lib is installed in editable mode


class UserError(Exception):
    """A mistake the user can mend: one sentence that says what, where and how; shown without a traceback."""

    def _render_traceback_(self):  # IPython prints this instead of the stack
        return [f"{type(self).__name__}: {self}"]


def unknown(kind: str, name: str, known) -> UserError:
    """The error for a misspelt name, with the nearest valid one first."""
    known = sorted(map(str, known))
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return UserError(f"unknown {kind} '{name}': {hint}known: {', '.join(known) or 'none'}")


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary path beside `path`; move it into place on success, leave `path` untouched on any failure.

    Raises UserError when the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
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
    """Read a YAML mapping; raises UserError when it is missing or broken."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no file {path}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
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
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()[:16]


def validated(model, values: dict, where: str):
    """An instance of the pydantic `model`; raises UserError with one sentence that names key and place."""
    extra = sorted(set(values) - set(model.model_fields))
    if extra and model.model_config.get("extra") == "forbid":
        error = unknown("key", extra[0], model.model_fields)
        raise UserError(f"{where}: {error}")
    try:
        return model.model_validate(values)
    except ValueError as error:  # pydantic.ValidationError; lib.files itself needs no pydantic
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "value"
        got = "" if first["type"] == "missing" else f", got {first['input']!r}"
        raise UserError(f"{where}: {key}: {first['msg'].lower()}{got}") from None
