"""README, results, documents and notebooks as web pages with full-text search, which Sphinx builds (docs/site/conf.py)."""

import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from lib.core.errors import UserError
from lib.core.files import ROOT, write_text
from lib.core.fingerprints import notebook_cells

# what pages are made of, and the source files that they link
PARTS = ("figures", "notebooks", "docs", "benchmarks", "params", "lib", "tests", ".binder", "data/README.md")
UNWANTED = shutil.ignore_patterns("__pycache__", ".*", "site")  # docs/site holds settings, not pages
SECTIONS = {
    "Results": "/figures/README",
    "Item explorer": "/explorer",
    "Notebooks": "/notebooks/README",
    "Documents": "/docs/README",
}
ABOUT = ("CONTRIBUTING", "CHANGELOG", "data/README", "params/README", "params/published/README", "benchmarks/README")
EVERY = 5  # seconds between lines of progress, where no terminal shows it


def build(target: Path, items: dict | str, root: Path = ROOT) -> tuple[Path, list[str]]:
    """Write the site into the folder `target`; returns its first page and what Sphinx warned of.

    items: what the explorer shows (lib/papers/report/item_explorer.py), or the sentence that stands in its place.
    Raises UserError where there are no results, where Sphinx is missing, and where `target` holds something else.
    """
    try:
        from sphinx.application import Sphinx  # only make site installs it
        from sphinx.util.console import nocolor
    except ImportError:
        raise UserError("Sphinx, which builds the pages, is not installed: run make site, which installs it") from None
    if not (root / "figures/README.md").is_file():
        raise UserError(f"there are no results in {root / 'figures'} to be shown: run make paper first")
    if target.exists() and any(target.iterdir()) and not (target / ".buildinfo").is_file():
        raise UserError(f"{target} holds something other than an earlier site: name an empty folder with --to")
    if not sys.stderr.isatty():
        nocolor()
    with tempfile.TemporaryDirectory() as temporary:
        sources, built, cache = (Path(temporary, name) for name in ("sources", "built", "cache"))
        lay_out(sources, items, root)
        said = Path(temporary, "warnings")
        with said.open("w", encoding="utf-8") as warnings:
            status = sys.stderr if sys.stderr.isatty() else _Paced()
            sphinx = Sphinx(
                sources, root / "docs/site", built, cache, "html", status=status, warning=warnings, parallel=os.cpu_count()
            )
            sphinx.build()
        if isinstance(items, dict):
            write_text(built / "_static/items.js", f"window.ITEMS = {json.dumps(items, separators=(',', ':'))};\n")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(built, target)
        found = said.read_text(encoding="utf-8").replace(f"{sources.resolve()}/", "").splitlines()
    return target / "index.html", found


class _Paced:
    """Sphinx's words on its progress, of which one line every few seconds is passed on."""

    def __init__(self):
        self.last = time.monotonic()

    def write(self, text: str) -> None:
        if text.strip() and not os.environ.get("TQDM_DISABLE") and time.monotonic() - self.last >= EVERY:
            self.last = time.monotonic()
            sys.stderr.write(f"site: {text.strip()}\n")

    def flush(self) -> None:
        sys.stderr.flush()


def executed(root: Path = ROOT) -> list[Path]:
    """Executed notebooks by dataset and number, without those that failed and single trainings."""
    # a stamp goes when its notebook starts and comes back when it succeeds
    copies = [stamp.with_suffix(".ipynb") for stamp in root.glob("runs/*/notebooks/**/*.done")]
    datasets = {path: path.relative_to(root / "runs").parts[0] for path in copies if path.is_file()}
    return sorted(datasets, key=lambda path: (datasets[path], path.name))


def lay_out(sources: Path, items: dict | str, root: Path) -> None:
    """Lay out what Sphinx reads: files as in the repository, so that links lead on, and a page for every folder."""
    for part in (*PARTS, *(path.name for path in root.iterdir() if path.is_file())):
        (sources / part).parent.mkdir(parents=True, exist_ok=True)
        if (root / part).is_dir():
            shutil.copytree(root / part, sources / part, copy_function=shutil.copyfile, ignore=UNWANTED)
        elif (root / part).is_file():
            shutil.copyfile(root / part, sources / part)
    for table in (sources / "figures").rglob("*.md"):
        if table.name != "README.md":
            _edit(table, before=f"---\norphan: true\n---\n# {table.stem}\n\n[All of {table.parent.name}](README.md)\n\n")
    folders = sorted((sources / "figures").rglob("*/README.md"))
    _edit(sources / "figures/README.md", after=_contents([_page(page, sources) for page in folders], hidden=True))
    _notebook_pages(sources, root)
    _documents(sources)
    (sources / "README.md").rename(sources / "index.md")
    _edit(sources / "index.md", after=_contents([f"{title} <{page}>" for title, page in SECTIONS.items()], hidden=True))
    explorer = (root / "docs/site/explorer.md").read_text(encoding="utf-8")
    # the page is its heading and that sentence where there is nothing to explore
    shown = explorer if isinstance(items, dict) else f"{explorer.splitlines()[0]}\n\n{items}\n"
    write_text(sources / "explorer.md", shown)


def _notebook_pages(sources: Path, root: Path) -> None:
    """A page for each folder of notebooks, and one for each dataset that notebooks were executed on."""
    notebooks = sorted((sources / "notebooks").rglob("*.ipynb"))
    stems = {path.stem for path in notebooks}
    lists: dict[Path, list[Path]] = {}
    for path in executed(root):
        # as deep as the folder of the committed ones, so that its links lead on
        dataset, _, *name = path.relative_to(root / "runs").parts
        copy = sources.joinpath(f"notebooks-{dataset}", *name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        lists.setdefault(sources / copy.relative_to(sources).parts[0], []).append(copy)
    for folder in sorted({path.parent for path in notebooks} - {sources / "notebooks"}):
        own = [_page(path, sources, stems) for path in notebooks if path.parent == folder]
        write_text(folder / "README.md", f"# {folder.name}\n" + _contents(own))
    for folder, copies in lists.items():
        dataset = folder.name.removeprefix("notebooks-")
        heading = f"# On {dataset}, at full scale\n\nThe notebooks behind the results, as `make paper` executed them.\n"
        write_text(folder / "README.md", heading + _contents([_page(path, sources, stems) for path in copies]))
    shared = [_page(path, sources, stems) for path in notebooks if path.parent == sources / "notebooks"]
    folders = [_page(folder / "README.md", sources) for folder in dict.fromkeys(path.parent for path in notebooks)][1:]
    text = "# Notebooks\n\nWith the outputs that they are committed with, most of a tiny scale, as each says at its head.\n"
    text += _contents(shared) + _contents(folders)
    if lists:
        text += "\n## As executed at full scale\n" + _contents([f"/{folder.name}/README" for folder in lists])
    write_text(sources / "notebooks/README.md", text)


def _documents(sources: Path) -> None:
    parts = {"How to": "docs", "Methods, with formulas": "docs/methods"}
    text = "# Documents\n"
    for heading, folder in parts.items():
        text += f"\n## {heading}\n" + _contents([_page(path, sources) for path in sorted((sources / folder).glob("*.md"))])
    about = [f"/{page}" for page in ABOUT if (sources / f"{page}.md").is_file()]
    write_text(sources / "docs/README.md", text + "\n## The repository\n" + _contents(about))


def _page(path: Path, sources: Path, stems: set[str] = frozenset()) -> str:
    """A page as Sphinx lists it, by a title where its own says too much or, of a copy of a notebook, too little."""
    name = path.relative_to(sources).with_suffix("")
    if name.parts[0] == "figures":
        return f"{', '.join(name.parts[1:-1])} </{name.as_posix()}>"
    # 05_semantics_gccf is 05_semantics on gccf
    original = max((stem for stem in stems if path.stem.startswith(f"{stem}_")), key=len, default="")
    if path.stem in stems or not original:
        return f"/{name.as_posix()}"
    title = re.search(r"(?m)^# (.*)$", "".join(notebook_cells(path)[0]["source"]))[1]
    return f"{title} ({path.stem.removeprefix(f'{original}_')}) </{name.as_posix()}>"


def _contents(pages: list[str], hidden: bool = False) -> str:
    """Sphinx's list of pages."""
    return "\n".join(["", "```{toctree}", ":hidden:" if hidden else ":maxdepth: 1", "", *pages, "```", ""])


def _edit(path: Path, before: str = "", after: str = "") -> None:
    write_text(path, before + path.read_text(encoding="utf-8") + after)
