"""The executed notebooks and all results as a folder of web pages, to be read or put on any server."""

import re
import shutil
from pathlib import Path

from lib.files import ROOT, UserError, write_text
from lib.progress import Progress

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 80rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse; font-size: 0.8rem; display: block; overflow-x: auto }}
th, td {{ border-bottom: 1px solid #ddd; padding: 0.3rem 0.6rem; text-align: left; vertical-align: top }}
</style></head><body>
{body}
</body></html>
"""


def build(target: Path, root: Path = ROOT) -> Path:
    """Write the site and return its first page; notebooks that did not change since are not rendered again.

    Raises UserError when nothing was executed yet.
    """
    found = executed(root)
    if not found:
        raise UserError("no notebook was executed here yet, so there is nothing to show: run make paper first")
    with Progress(len(found), "site", "notebooks") as progress:
        for path in found:
            _render(path, target / _place(path))
            progress.update(note=_place(path).as_posix())
    shutil.copytree(root / "figures", target / "figures", dirs_exist_ok=True)
    _write(target / "figures/index.html", "Results", (root / "figures/INDEX.md").read_text(encoding="utf-8"))
    _write(target / "index.html", "RepRec", _contents(found))
    return target / "index.html"


def executed(root: Path = ROOT) -> list[Path]:
    """Executed notebooks by dataset and number, without those that failed and single trainings."""
    copies = (stamp.with_suffix(".ipynb") for stamp in sorted(root.glob("runs/*/notebooks/*.done")))
    return [path for path in copies if path.is_file()]


def _place(path: Path) -> Path:
    """Where a notebook's page lies in the site: <dataset>/<name>.html."""
    return Path(path.parts[-3], path.with_suffix(".html").name)


def _render(path: Path, page: Path) -> None:
    if page.exists() and page.stat().st_mtime >= path.stat().st_mtime:
        return
    from nbconvert import HTMLExporter  # slow to import

    write_text(page, HTMLExporter().from_filename(str(path))[0])


def _contents(notebooks: list[Path]) -> str:
    """The first page: every notebook by dataset under its own heading."""
    lines = ["# RepRec", "", "[All figures and tables](figures/index.html), with claim, command and provenance."]
    dataset = None
    for path in notebooks:
        if dataset != (dataset := path.parts[-3]):
            lines += ["", f"## {dataset}", ""]
        lines.append(f"- [{_heading(path)}]({_place(path).as_posix()})")
    return "\n".join(lines)


def _heading(path: Path) -> str:
    """A notebook's title, and what its name adds: 05_semantics_gccf is 05 on gccf."""
    import nbformat

    text = nbformat.read(path, as_version=4).cells[0].source
    title = (re.search(r"(?m)^# (.*)$", text) or [None, path.stem])[1]
    backbone = re.match(r"05_semantics_(\w+)", path.stem)
    return f"{title} ({backbone[1]})" if backbone else title


def _write(page: Path, title: str, markdown: str) -> None:
    from nbconvert.filters import markdown2html

    write_text(page, PAGE.format(title=title, body=markdown2html(markdown)))
