"""Where every number comes from: the manifest of a run, and the record inside and beside each figure and table.

`save` writes an artefact with its record, `read` takes the record out of a file alone, `why` prints the whole chain and
`index` lists all artefacts. Files hold no dates, so saving twice gives the same bytes.
"""

import contextlib
import json
import os
import platform
import re
import shlex
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from lib.code import code_digest, sources
from lib.files import ROOT, UserError, atomic_path, digest, sha256, write_json, write_text
from lib.plots import theme
from lib.tables import to_latex, to_markdown

PACKAGES = ("torch", "dgl", "numpy", "scipy", "pandas", "scikit-learn", "umap-learn", "matplotlib")
PACKAGES += ("sentence-transformers", "transformers")
MARK = "reprec: "  # what precedes the record inside PNG, PDF, TeX and Markdown
CODE = ("lib", "notebooks", "params", "requirements.lock")  # what makes a checkout dirty; results do not


# Runs


def manifest(settings: dict, inputs: dict[str, str], seconds: float, peak_memory: int) -> dict:
    """What made a run: settings, input digests, git state, versions, machine, wall seconds, peak memory in bytes."""
    import torch  # here because this module is otherwise light

    return {
        "settings": settings,
        "inputs": inputs,
        "git": git_state(),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cpu": _cpu_model(),
            "cpus": os.cpu_count(),
            "threads": torch.get_num_threads(),  # sums are split among them, so numbers may differ in the last bits
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "seconds": round(seconds, 3),
        "peak_memory": peak_memory,
    }


def git_state(root: Path = ROOT) -> dict:
    """Commit and whether code or parameters differ from it; commit None outside a git checkout."""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain", "--", *CODE))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _code_behind(notebook: str) -> str:
    """Digest of a notebook (path from the repository root) and the library files that it imports."""
    path = ROOT / notebook
    return code_digest([path, *sources(path)]) if path.is_file() else ""


# Figures and tables


def save(
    artefact: Figure | pd.DataFrame,
    stem: Path,
    *,
    claim: str,
    notebook: str,
    command: str,
    runs=(),
    inputs: dict[str, str] | None = None,
    published: str = "",
    ours: str = "",
    layout: pd.DataFrame | None = None,
) -> Path:
    """Write a figure (png, pdf) or a tidy table (csv, and md, tex from `layout`) beside its record (json).

    claim: what it shows; notebook: its path from the repository root; command: what makes it again; runs: runs or their
    manifests; inputs: digests of other inputs by name; published, ours: the paper's value and ours, for the index.
    Returns the path of the json, which holds the whole record; a shorter one is inside every other file but the csv.
    """
    stem = Path(stem)
    distinct = {_run_digest(made): made for made in (getattr(run, "manifest", run) for run in runs)}
    manifests = sorted(distinct.values(), key=lambda run: (_run_name(run), _run_digest(run)))
    record = {
        "claim": claim,
        "command": command,
        "notebook": notebook,
        "code": _code_behind(notebook),
        "runs": [_run_digest(run) for run in manifests],
        "inputs": inputs or {},
    }
    if isinstance(artefact, Figure):
        files = _save_figure(artefact, stem, record)
    else:
        files = _save_table(artefact, stem, record, layout)
    sidecar = record | {"runs": [_run_record(run) for run in manifests], "published": published, "ours": ours}
    write_json(_beside(stem, ".json"), sidecar | {"files": {path.name: sha256(path) for path in files}})
    return _beside(stem, ".json")


def command(notebook: str, **parameters) -> str:
    """The papermill command that executes notebooks/<notebook>.ipynb with these parameters, lists as yaml."""
    words = []
    for name, value in parameters.items():
        plain = isinstance(value, str | int | float)
        words += ["-p", name, str(value)] if plain else ["-y", f"{name}: {json.dumps(value)}"]
    return shlex.join(["papermill", f"notebooks/{notebook}.ipynb", "out.ipynb", *words])


def _beside(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)  # a stem may hold a dot


def _run_digest(run: dict) -> str:
    return run.get("key") or digest(run["settings"], run["inputs"])


def _run_record(run: dict) -> dict:
    """What the chain shows of a run; its time and memory would change a sidecar that nothing else changed."""
    kept = ("settings", "inputs", "git", "versions", "machine", "device", "engine", "rechecked")
    return {"digest": _run_digest(run)} | {name: run[name] for name in kept if name in run}


def _compact(record: dict) -> str:
    """The record as one line of ASCII that can stand in a comment of any of the formats."""
    return MARK + json.dumps(record, sort_keys=True).replace(">", "\\u003e")


def _save_figure(figure: Figure, stem: Path, record: dict) -> list[Path]:
    metadata = {
        ".png": {"Software": "RepRec", "Description": _compact(record)},
        ".pdf": {"Creator": "RepRec", "Producer": None, "CreationDate": None, "Subject": _compact(record)},
    }
    for suffix, entries in metadata.items():
        # the theme also for figures that were not made by lib.plots: it embeds fonts as text
        with theme(), atomic_path(_beside(stem, suffix)) as temporary:
            figure.savefig(temporary, metadata=entries)
    return [_beside(stem, suffix) for suffix in metadata]


def _save_table(table: pd.DataFrame, stem: Path, record: dict, layout: pd.DataFrame | None) -> list[Path]:
    table = table.sort_values(list(table.columns), ignore_index=True, kind="stable")
    layout = table if layout is None else layout
    texts = {
        ".csv": table.to_csv(index=False, float_format="%.6g", lineterminator="\n"),
        ".md": f"<!-- {_compact(record)} -->\n\n{to_markdown(layout)}",
        ".tex": f"% {_compact(record)}\n{to_latex(layout)}",
    }
    for suffix, text in texts.items():
        write_text(_beside(stem, suffix), text)
    return [_beside(stem, suffix) for suffix in texts]


# Reading it back


def read(path: Path) -> dict:
    """The record inside a PNG, PDF, TeX or Markdown file; raises UserError when there is none."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no file {path}: give a figure or table such as figures/<dataset>/overlap.png")
    _, _, text = path.read_bytes().decode("latin-1").partition(MARK)  # all four keep it as plain text
    if path.suffix == ".pdf":
        text = re.sub(r"\\(.)", r"\1", text)
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except ValueError:
        raise UserError(f"{path} carries no provenance: save it with lib.provenance.save to give it one") from None


def why(path: Path) -> str:
    """The chain behind an artefact as text: notebook and command, code, runs, versions, data hashes; raises UserError.

    The record inside the file is enough; with the sidecar beside it the runs are shown in full.
    """
    path = Path(path)
    record = _sidecar(path) or read(path)
    current = "as in this checkout" if record["code"] == _code_behind(record["notebook"]) else "not as in this checkout"
    lines = [
        str(path),
        *_field("file", _intact(path, record.get("files", {}))),
        *_field("claim", record["claim"]),
        *_field("paper", record.get("published")),
        *_field("ours", record.get("ours")),
        *_field("command", record["command"]),
        *_field("notebook", record["notebook"]),
        *_field("code", f"{record['code']} ({current})"),
        *_field("inputs", _pairs(record["inputs"])),
    ]
    for run in record["runs"]:
        lines += _run_lines({"digest": run} if isinstance(run, str) else run)
    return "\n".join(lines) + "\n"


def _sidecar(path: Path) -> dict | None:
    """The record beside a file, or None."""
    with contextlib.suppress(OSError, ValueError):
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return record if path.is_file() and "claim" in record else None


def _field(name: str, value, indent: int = 2) -> list[str]:
    return [f"{' ' * indent}{name:<10}{value}"] if value else []


def _pairs(content: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in content.items() if value is not None)


def _intact(path: Path, files: dict) -> str:
    if path.name not in files:
        return ""
    return "as it was saved" if files[path.name] == sha256(path) else "changed since it was saved"


def _run_name(run: dict) -> str:
    settings = run.get("settings", {})
    keys = ("dataset", "encoder", "backbone", "alignment", "seed")
    return " ".join(str(settings[key]) for key in keys if key in settings)


def _run_lines(run: dict) -> list[str]:
    git, machine = run.get("git", {}), run.get("machine", {})
    commit = git.get("commit") and git["commit"] + (" with local changes" if git["dirty"] else "")
    return [
        f"  run {_run_name(run)} ({run['digest']})".replace("  (", " ("),
        *_field("settings", json.dumps(run["settings"], sort_keys=True) if "settings" in run else "", 4),
        *_field("git", commit, 4),
        *_field("rechecked", _pairs(run.get("rechecked", {})), 4),
        *_field("versions", _pairs(run.get("versions", {})), 4),
        *_field("engine", run.get("engine"), 4),
        *_field("machine", _pairs(machine), 4),
        *_field("data", _pairs(run.get("inputs", {})), 4),
    ]


def index(figures: Path) -> Path:
    """Write figures/INDEX.md from the sidecars below a folder: one row per artefact; returns its path."""
    figures = Path(figures)
    rows = []
    for path in sorted(figures.rglob("*.json")):
        record = _sidecar(path)
        if record is None:
            continue
        folder = path.parent.relative_to(figures)
        links = [f"[{Path(name).suffix[1:]}]({(folder / name).as_posix()})" for name in sorted(record["files"])]
        rows.append(
            {
                "artefact": f"{(folder / path.stem).as_posix()} ({', '.join(links)})",
                "claim": record["claim"],
                "command": f"`{record['command']}`",
                "runs": f"[{len(record['runs'])}]({path.relative_to(figures).as_posix()})",
                "paper": record["published"],
                "ours": record["ours"],
            }
        )
    table = to_markdown(pd.DataFrame(rows, columns=["artefact", "claim", "command", "runs", "paper", "ours"]))
    intro = (
        "Written by `python -m lib index`; `python -m lib why <file>` prints the whole chain behind a file. Commands\n"
    )
    intro += "need the environment (`source .venv/bin/activate`). The paper's value stands where it has one.\n"
    write_text(figures / "INDEX.md", f"# Results\n\n{intro}\n{table}")
    return figures / "INDEX.md"
