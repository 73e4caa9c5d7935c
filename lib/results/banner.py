"""What stands above the outputs of a notebook at tiny scale, so that nobody takes them for results.

The committed notebooks were run at that scale, and the committed figures and tables at another. Every notebook of
results calls `tiny_banner` right after its imports. It only shows something, so neither the call nor this file counts
among the code behind a result (lib/core/fingerprints.py).
"""

from IPython.display import Markdown

from lib.core.files import ROOT
from lib.results.records import BELOW, sidecar


def tiny_banner(
    scale: str, folder: str, table: str, figure: str = "", few: str = "epochs", up: str = "../../"
) -> Markdown | None:
    """At tiny scale, what to read instead: the committed table, its figure and what came out; nothing at others.

    folder: of the results below figures/, such as rlmrec/amazon; table, figure: their names there; few: what the tiny
    scale has few of, or empty where no scale plays a part; up: from the notebook's folder to the repository.
    """
    if scale != "tiny":
        return None
    said = f"**These outputs are of the tiny scale: a few {few}, to check that the notebook runs.** The results are"
    if not few:
        said = "**No scale plays a part here: these outputs are results.** They are also"
    place = f"figures/{folder}"
    record = _record(f"{place}/{table}")
    if record is None:
        said = said.rpartition("**")[0] + "**"
    else:
        said += f" in [{place}/{table}.md]({up}{place}/{table}.md)."
        drawn = _record(f"{place}/{figure}") if figure else None
        found = drawn or record
        if found["ours"]:
            question = found["claim"] + ("" if found["claim"].endswith("?") else ":")
            said += f" What came out: *{question}* {found['ours']}."
        if drawn is not None:
            said += f"\n\n![{drawn['claim']}]({up}{place}/{figure}.png)"
    return Markdown("\n".join(f"> {line}".rstrip() for line in said.splitlines()))


def _record(name: str) -> dict | None:
    """The record of a committed artefact by its path without suffix; None where there is none."""
    path = ROOT / name
    return sidecar(path.parent / BELOW / f"{path.name}.json")
