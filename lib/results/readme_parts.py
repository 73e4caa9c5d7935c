"""The parts of README.md that follow from results: findings and speeds, between comments that mark them."""

import contextlib
import re
from pathlib import Path

import pandas as pd

from lib.core.files import write_text
from lib.results.findings import Finding, csv, findings_table, in_plain_words
from lib.results.records import BELOW, sidecar
from lib.results.writers import to_markdown

MARKED = "(?s)(<!-- {name}: written by python -m lib index -->\n).*?(<!-- end of {name} -->)"


def renew(readme: Path, figures: Path, front: list[Finding]) -> None:
    """Write the marked parts anew; one whose results are not there stays as it is, and so does a page without marks."""
    text = readme.read_text(encoding="utf-8")
    parts = {"findings": findings_part(front, figures.name) if front else ""}
    with contextlib.suppress(FileNotFoundError):
        parts["speeds"] = speeds_part(figures)
    for name, part in parts.items():
        if part:
            text = re.sub(MARKED.format(name=name), lambda found, part=part: f"{found[1]}\n{part}\n{found[2]}", text)
    if text != readme.read_text(encoding="utf-8"):
        write_text(readme, text)


def findings_part(front: list[Finding], folder: str) -> str:
    """The answers in plain words, then the same with numbers beside the paper's."""
    return f"{in_plain_words(front)}\n\n{findings_table(front, f'{folder}/')}"


def speeds_part(figures: Path) -> str:
    """How long things take, in words; raises FileNotFoundError where nothing was measured."""
    grown = csv(figures / "benchmarks/growth-cpu").set_index("interactions")
    machine = (sidecar(figures / f"benchmarks/{BELOW}/growth-cpu.json") or {"runs": [{}]})["runs"][0].get("machine", {})
    rows = [
        {
            "interactions": f"{size:,}",
            "users and items": f"{row['users']:,.0f} and {row['items']:,.0f}",
            "an epoch of LightGCN": _seconds(row["epoch_s"]),
            "all items ranked for a user": _seconds(row["user_s"]),
            "memory": f"{row['memory_mib'] / 1024:.1f} GiB",
        }
        for size, row in grown.iloc[::2].iterrows()  # every second size is enough for a reader
    ]
    where = f"{machine.get('threads', '?')} threads of {machine.get('cpu', 'one processor')}"
    how = "on generated graphs; an epoch has 30 steps, so its batches grow with the graph"
    return f"{to_markdown(pd.DataFrame(rows))}\nMeasured on {where}, {how}.\n"


def _seconds(seconds: float) -> str:
    """A duration in the unit that people would choose: '8.5 µs', '1.9 s', '7 min'."""
    if seconds >= 100:
        return f"{seconds / 60:.0f} min"
    unit, size = next((unit, size) for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)) if seconds >= size)
    return f"{float(f'{seconds / size:.2g}'):g} {unit}"  # two digits, and no exponent
