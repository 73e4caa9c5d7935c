"""Where every number comes from: the record inside and beside each figure and table.

`save` writes an artefact with its record, `read` takes the record out of a file alone and `sidecar` finds the one
beside it; `lib.results.why` prints the whole chain behind a file and `lib.results.index` lists all artefacts. Files
hold no dates, so saving twice gives the same bytes.

What people open lies on top of an artefact's folder (png, csv, md), the rest in its `files/`: pdf, tex, and the json
that holds the whole record, here called the sidecar.
"""

import contextlib
import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lib.core.errors import UserError
from lib.core.files import ROOT, atomic_path, digest, sha256, write_json, write_text
from lib.core.fingerprints import code_digest, imported_files
from lib.core.names import results_folder
from lib.results.writers import to_latex, to_page

MARK = "reprec: "  # what precedes the record inside PNG, PDF, TeX and Markdown
BELOW = "files"
ON_TOP = (".png", ".csv", ".md")
TRIAL = "Trial at tiny scale, no result: "  # what precedes the claim of an artefact that shows such runs


def folder(paper: str, dataset: str, scale: str) -> Path:
    """Where a paper's figures and tables of a dataset go; tiny trials have a tree of their own, away from results.

    paper: a package of lib.papers, or `shared` for what all papers share (data card, profiles, text vectors).
    """
    return ROOT / results_folder(paper, dataset, scale)


def command(notebook: str, **parameters) -> str:
    """The papermill command that executes notebooks/<notebook>.ipynb with these parameters, lists as yaml."""
    words = []
    for name, value in parameters.items():
        plain = isinstance(value, str | int | float)
        words += ["-p", name, str(value)] if plain else ["-y", f"{name}: {json.dumps(value)}"]
    return shlex.join(["papermill", f"notebooks/{notebook}.ipynb", "out.ipynb", *words])


# Saving


def save(
    artefact,
    stem: Path,
    *,
    claim: str,
    notebook: str,
    command: str,
    runs=(),
    inputs: dict[str, str] | None = None,
    paper: str = "",
    ours: str = "",
    layout: pd.DataFrame | None = None,
    table: str | Sequence[str] = (),
) -> Path:
    """Write a matplotlib figure (png, pdf) or a tidy DataFrame (csv, and md, tex from `layout`) with its record (json).

    stem: folder and name of the artefact without suffix; claim: what it shows; notebook: its path from the repository
    root; command: what makes it again; runs: runs or their manifests; inputs: digests of other inputs by name; paper,
    ours: the paper's value and ours, for the index; table: of a figure, the names of the tables in its folder that hold
    what it draws, which have to be saved before it.
    Returns the path of the json, which holds the whole record; a shorter one is inside every other file but the csv.
    """
    stem = Path(stem)
    tables = _tables(stem, table)
    runs = list(runs)
    claim = TRIAL + claim if _is_trial(stem, runs) else claim
    # notebooks give runs twice and in any order, which must not show in a file
    distinct = {_run_digest(made): made for made in (getattr(run, "manifest", run) for run in runs)}
    manifests = sorted(distinct.values(), key=lambda run: (run_name(run), _run_digest(run)))
    record = {
        "claim": claim,
        "command": command,
        "notebook": notebook,
        "code": code_behind(notebook),
        # only digests, since this record goes into every file; the json gets the runs in full
        "runs": [_run_digest(run) for run in manifests],
        "inputs": inputs or {},
    }
    record |= {"tables": tables} if tables else {}
    if isinstance(artefact, pd.DataFrame):
        files = _save_table(artefact, stem, record, layout)
    else:
        files = _save_figure(artefact, stem, record)
    whole = record | {"runs": [_run_record(run) for run in manifests], "paper": paper, "ours": ours}
    whole["files"] = {path.relative_to(stem.parent).as_posix(): sha256(path) for path in files}
    write_json(_place(stem, ".json"), whole)
    return _place(stem, ".json")


def code_behind(notebook: str) -> str:
    """Digest of a notebook (path from the repository root) and the library files it imports; empty without one."""
    path = ROOT / notebook
    return code_digest([path, *imported_files(path)]) if path.is_file() else ""


def run_name(run: dict) -> str:
    """What a manifest's run is called: dataset, encoder, backbone, alignment and seed, as far as it has them."""
    settings = run.get("settings", {})
    keys = ("dataset", "encoder", "backbone", "alignment", "seed")
    return " ".join(str(settings[key]) for key in keys if key in settings)


def _place(stem: Path, suffix: str) -> Path:
    """Where the file of an artefact with this suffix lies; a stem may hold a dot."""
    parent = stem.parent if suffix in ON_TOP else stem.parent / BELOW
    return parent / (stem.name + suffix)


def _is_trial(stem: Path, runs: list) -> bool:
    """Whether an artefact shows runs of tiny scale, or lies where those of tiny scale do."""
    scales = {getattr(run, "manifest", run).get("settings", {}).get("scale") for run in runs}
    return "tiny" in scales or (ROOT / results_folder("", "", "tiny")) in stem.resolve().parents


def _tables(stem: Path, table: str | Sequence[str]) -> list[str]:
    """The names of a figure's tables; raises UserError for one that is not there."""
    names = [table] if isinstance(table, str) else list(table)
    for name in names:
        if not _place(stem.with_name(name), ".csv").is_file():
            raise UserError(f"{stem.name} shows {name}.csv, which is not in {stem.parent}: save that table first")
    return names


def _run_digest(run: dict) -> str:
    return run.get("key") or digest(run["settings"], run["inputs"])


def _run_record(run: dict) -> dict:
    """What the chain shows of a run; its time and memory would change a sidecar that nothing else changed."""
    kept = ("settings", "inputs", "git", "versions", "machine", "device", "engine", "rechecked")
    found = {"digest": _run_digest(run)} | {name: run[name] for name in kept if name in run}
    if recorded := run.get("recorded"):  # taken from data/recorded, not trained here
        found["recorded"] = {name: recorded[name] for name in ("file", "date")}
    return found


def _compact(record: dict) -> str:
    """The record as one line of ASCII that can stand in a comment of any of the formats."""
    # '>' is escaped, or a claim with '-->' in it would end the comment in Markdown
    return MARK + json.dumps(record, sort_keys=True).replace(">", "\\u003e")


def _save_figure(figure, stem: Path, record: dict) -> list[Path]:
    from lib.results.plots.theme import theme  # loads matplotlib

    # None leaves out what matplotlib would write: the date and its own version
    metadata = {
        ".png": {"Software": "RepRec", "Description": _compact(record)},
        ".pdf": {"Creator": "RepRec", "Producer": None, "CreationDate": None, "Subject": _compact(record)},
    }
    for suffix, entries in metadata.items():
        # the theme also for figures that were not made by lib.results.plots: it embeds fonts as text
        with theme(), atomic_path(_place(stem, suffix)) as temporary:
            figure.savefig(temporary, metadata=entries)
    return [_place(stem, suffix) for suffix in metadata]


def _save_table(table: pd.DataFrame, stem: Path, record: dict, layout: pd.DataFrame | None) -> list[Path]:
    # in an order of its own, so that it does not show in which order the rows were collected
    table = table.sort_values(list(table.columns), ignore_index=True, kind="stable")
    layout = table if layout is None else layout
    texts = {
        # six digits, since the last ones differ between machines
        ".csv": table.to_csv(index=False, float_format="%.6g", lineterminator="\n"),
        ".md": f"<!-- {_compact(record)} -->\n\n{_caption(record)}{to_page(layout, _place(stem, '.csv').name)}",
        ".tex": f"% {_compact(record)}\n{to_latex(layout)}",
    }
    for suffix, text in texts.items():
        write_text(_place(stem, suffix), text)
    return [_place(stem, suffix) for suffix in texts]


def _caption(record: dict) -> str:
    """What stands above a table of a trial, so that nobody takes it for a result; nothing above a result."""
    return f"**{record['claim']}**\n\n" if record["claim"].startswith(TRIAL) else ""


# Reading back


def read(path: Path) -> dict:
    """The record inside a PNG, PDF, TeX or Markdown file; raises UserError when there is none."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no file {path}: give a figure or table such as figures/<paper>/<dataset>/overlap.png")
    _, _, text = path.read_bytes().decode("latin-1").partition(MARK)  # all four keep it as plain text
    if path.suffix == ".pdf":
        # PDF puts a backslash before brackets and backslashes in a text
        text = re.sub(r"\\(.)", r"\1", text)
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except ValueError:
        raise UserError(f"{path} carries no provenance: save it with lib.results.records.save to give it one") from None


def sidecar(path: Path) -> dict | None:
    """The whole record of an artefact, from any of its files (the sidecar itself is one); None where there is none."""
    path = Path(path)
    top = artefact_folder(path)
    with contextlib.suppress(OSError, ValueError):
        record = json.loads(_place(top / path.stem, ".json").read_text(encoding="utf-8"))
        return record if path.is_file() and "claim" in record else None


def artefact_folder(path: Path) -> Path:
    """The folder of the artefact that a file belongs to: its own, or the one above `files/`."""
    return path.parent.parent if path.parent.name == BELOW else path.parent
