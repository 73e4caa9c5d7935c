"""The executed notebooks and all results as a folder of web pages, to be read or put on any server."""

import re
import shutil
from pathlib import Path

from lib.core.errors import UserError
from lib.core.files import ROOT, write_text
from lib.core.progress import Progress

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
    pages = {path: _page_of(path, root) for path in found}
    with Progress(len(found), "site", "notebooks") as progress:
        for path, page in pages.items():
            _render(path, target / page)
            progress.update(note=page.as_posix())
    shutil.copytree(root / "figures", target / "figures", dirs_exist_ok=True)
    for page in (target / "figures").rglob("README.md"):
        # pages of results link each other as files of the repository
        text = page.read_text(encoding="utf-8").replace("README.md)", "index.html)")
        _write(page.with_name("index.html"), "Results", text)
    _write(target / "index.html", "RepRec", _contents(pages))
    return target / "index.html"


def executed(root: Path = ROOT) -> list[Path]:
    """Executed notebooks by dataset and number, without those that failed and single trainings."""
    # a stamp goes when its notebook starts and comes back when it succeeds
    copies = [stamp.with_suffix(".ipynb") for stamp in root.glob("runs/*/notebooks/**/*.done")]
    datasets = {path: path.relative_to(root / "runs").parts[0] for path in copies if path.is_file()}
    return sorted(datasets, key=lambda path: (datasets[path], path.name))


def _page_of(path: Path, root: Path) -> Path:
    """Where a notebook's page lies in the site: <dataset>/<name>.html, of runs/<dataset>/notebooks/<name>.ipynb."""
    dataset, _, *name = path.relative_to(root / "runs").with_suffix(".html").parts
    return Path(dataset, *name)


def _render(path: Path, page: Path) -> None:
    if page.exists() and page.stat().st_mtime >= path.stat().st_mtime:
        return
    from nbconvert import HTMLExporter  # slow to import

    write_text(page, HTMLExporter().from_filename(str(path))[0])


def _contents(pages: dict[Path, Path]) -> str:
    """The first page as Markdown: every notebook by dataset under its own heading."""
    lines = ["# RepRec", "", "[All figures and tables](figures/index.html), with claim, command and provenance."]
    dataset = None
    for path, page in pages.items():
        if dataset != page.parts[0]:
            dataset = page.parts[0]
            lines += ["", f"## {dataset}", ""]
        lines.append(f"- [{_heading(path)}]({page.as_posix()})")
    return "\n".join(lines)


def _heading(path: Path) -> str:
    """A notebook's title, and what its name adds: 05_semantics_gccf is 05 on gccf."""
    import nbformat  # slow to import

    text = nbformat.read(path, as_version=4).cells[0].source
    title = (re.search(r"(?m)^# (.*)$", text) or [None, path.stem])[1]
    backbone = re.match(r"05_semantics_(\w+)", path.stem)
    return f"{title} ({backbone[1]})" if backbone else title


def _write(page: Path, title: str, markdown: str) -> None:
    from nbconvert.filters import markdown2html  # slow to import

    write_text(page, PAGE.format(title=title, body=markdown2html(markdown)))
