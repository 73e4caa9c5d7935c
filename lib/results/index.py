"""The list of all figures and tables: figures/INDEX.md."""

from pathlib import Path

import pandas as pd

from lib.core.files import write_text
from lib.results.records import BELOW, artefact_folder, sidecar
from lib.results.writers import to_markdown

INTRO = """# Results

Written by `python -m lib index`; `python -m lib why <file>` prints the whole chain behind a file. Commands
need the environment (`source .venv/bin/activate`). The paper's value stands where it has one.
"""


def write(figures: Path) -> Path:
    """Write figures/INDEX.md from the sidecars below a folder and return its path.

    Each folder of results, <paper>/<dataset>, has a heading and a table with one row per artefact.
    """
    figures = Path(figures)
    groups: dict[Path, list[dict]] = {}
    for path in sorted(figures.rglob(f"{BELOW}/*.json")):
        if (record := sidecar(path)) is not None:
            folder = artefact_folder(path).relative_to(figures)
            groups.setdefault(folder, []).append(_row(record, folder, path.stem))
    parts = [f"## {folder.as_posix()}\n\n{to_markdown(pd.DataFrame(rows))}" for folder, rows in groups.items()]
    write_text(figures / "INDEX.md", "\n".join([INTRO, *parts]))
    return figures / "INDEX.md"


def _row(record: dict, folder: Path, name: str) -> dict:
    """What the index says of one artefact, with links to its files and its record."""
    files = sorted(record["files"], key=lambda file: (BELOW in Path(file).parts, file))  # those on top first
    links = [f"[{Path(file).suffix[1:]}]({(folder / file).as_posix()})" for file in files]
    record_file = (folder / BELOW / f"{name}.json").as_posix()
    return {
        "artefact": f"{name} ({', '.join(links)})",
        "claim": record["claim"],
        "command": f"`{record['command']}`",
        "runs": f"[{len(record['runs'])}]({record_file})",
        "paper": record["paper"],
        "ours": record["ours"],
    }
