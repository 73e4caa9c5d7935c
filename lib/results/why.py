"""The chain behind one figure or table, from the claim down to the hashes of the data, as text."""

import json
from pathlib import Path

from lib.core.files import sha256
from lib.results.records import artefact_folder, code_behind, read, run_name, sidecar


def why(path: Path) -> str:
    """The chain behind an artefact: notebook and command, code, runs, versions, data hashes; raises UserError.

    The record inside the file is enough; with the sidecar the runs are shown in full.
    """
    path = Path(path)
    record = sidecar(path) or read(path)
    current = "as in this checkout" if record["code"] == code_behind(record["notebook"]) else "not as in this checkout"
    lines = [
        str(path),
        *_field("file", _intact(path, record.get("files", {}))),
        *_field("claim", record["claim"]),
        *_field("paper", record.get("paper")),
        *_field("ours", record.get("ours")),
        *_field("tables", ", ".join(f"{name}.csv" for name in record.get("tables", []))),
        *_field("command", record["command"]),
        *_field("notebook", record["notebook"]),
        *_field("code", f"{record['code']} ({current})"),
        *_field("inputs", _pairs(record["inputs"])),
    ]
    for run in record["runs"]:
        # the record inside a file knows only the digests of runs
        lines += _run_lines({"digest": run} if isinstance(run, str) else run)
    return "\n".join(lines) + "\n"


def _field(name: str, value, indent: int = 2) -> list[str]:
    return [f"{' ' * indent}{name:<10}{value}"] if value else []


def _pairs(content: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in content.items() if value is not None)


def _intact(path: Path, files: dict) -> str:
    """Whether a file has the bytes that were saved; nothing for one whose bytes no record holds."""
    name = path.relative_to(artefact_folder(path)).as_posix()
    if name not in files:
        return ""
    return "as it was saved" if files[name] == sha256(path) else "changed since it was saved"


def _origin(run: dict) -> str:
    """Whether a run was taken from data/recorded; commit and machine are those of its training in either case."""
    recorded = run.get("recorded")
    return f"{recorded['file']}, trained on {recorded['date']}" if recorded else "trained for this, not from a record"


def _run_lines(run: dict) -> list[str]:
    git, machine = run.get("git", {}), run.get("machine", {})
    commit = git.get("commit") and git["commit"] + (" with local changes" if git["dirty"] else "")
    return [
        # a run that is known by its digest only has no name, which would leave two spaces
        f"  run {run_name(run)} ({run['digest']})".replace("  (", " ("),
        *_field("settings", json.dumps(run["settings"], sort_keys=True) if "settings" in run else "", 4),
        *_field("origin", _origin(run) if "settings" in run else "", 4),
        *_field("git", commit, 4),
        *_field("rechecked", _pairs(run.get("rechecked", {})), 4),
        *_field("versions", _pairs(run.get("versions", {})), 4),
        *_field("engine", run.get("engine"), 4),
        *_field("machine", _pairs(machine), 4),
        *_field("data", _pairs(run.get("inputs", {})), 4),
    ]
