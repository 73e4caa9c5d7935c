"""README, results, documents and notebooks as web pages with search, which Sphinx builds (docs/site/conf.py)."""

import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from lib.core.errors import UserError
from lib.core.files import ROOT, write_text
from lib.results import display_names, questions
from lib.results.questions import by_default_first
from lib.results.records import BELOW, sidecar

# what pages are made of, and the source files that they link
PARTS = ("figures", "notebooks", "docs", "benchmarks", "params", "lib", "tests", ".binder", ".github", "data/README.md")
UNWANTED = shutil.ignore_patterns("__pycache__", ".*")
SECTIONS = {
    "Results": "/figures/README",
    "Item explorer": "/explorer",
    "Notebooks": "/notebooks/README",
    "Documents": "/docs/README",
}
ABOUT = ("CONTRIBUTING", "CHANGELOG", "data/README", "params/README", "params/published/README", "benchmarks/README")
EVERY = 5  # seconds between lines of progress, where no terminal shows it


def build(target: Path, explored: Callable[[], dict | str], root: Path = ROOT) -> tuple[Path, list[str]]:
    """Write the site into the folder `target`; returns its first page and what Sphinx warned of, such as a dead link.

    explored: returns what the explorer shows (lib/papers/report/item_explorer.py), or a sentence in its place.
    Raises UserError where there are no results, where Sphinx is missing, and where `target` holds something else.
    """
    if not (root / "figures/README.md").is_file():
        raise UserError(f"there are no results in {root / 'figures'} to be shown: run make paper first")
    if (target.is_file() or target.is_dir() and any(target.iterdir())) and not (target / ".buildinfo").is_file():
        raise UserError(f"{target} holds something other than an earlier site: name an empty folder with --to")
    try:
        from sphinx.application import Sphinx  # only make site installs it
        from sphinx.util.console import nocolor
    except ImportError:
        raise UserError("Sphinx, which builds the pages, is not installed: run make site, which installs it") from None
    items = explored()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=target.parent) as temporary:
        sources, built, cache = (Path(temporary).resolve() / name for name in ("sources", "built", "cache"))
        lay_out(sources, items, root)
        status = sys.stderr
        if not sys.stderr.isatty():
            nocolor()
            status = _Paced()
        with Path(temporary, "warnings").open("w+", encoding="utf-8") as warnings:
            said = {"status": status, "warning": warnings}
            Sphinx(sources, root / "docs/site", built, cache, "html", parallel=os.cpu_count(), **said).build()
            warnings.seek(0)
            faults = warnings.read().replace(f"{sources}/", "").splitlines()
        if isinstance(items, dict):
            write_text(built / "_static/items.js", f"window.ITEMS = {json.dumps(items, separators=(',', ':'))};\n")
        shutil.rmtree(target, ignore_errors=True)
        built.rename(target)
    return target / "index.html", faults


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


def executed(root: Path = ROOT) -> dict[Path, Path]:
    """Executed notebooks of `make paper`, each with the committed one that it is a copy of, by dataset and number.

    Without those that failed, single trainings, and copies of notebooks that are no more.
    """
    originals = {path.stem: path for path in (root / "notebooks").rglob("*.ipynb")}
    found = {}
    # a stamp goes when its notebook starts and comes back when it succeeds
    for stamp in root.glob("runs/*/notebooks/**/*.done"):
        # 05_semantics_gccf is 05_semantics on gccf
        stems = [stem for stem in originals if f"{stamp.stem}_".startswith(f"{stem}_")]
        if stems and stamp.with_suffix(".ipynb").is_file():
            found[stamp.with_suffix(".ipynb")] = originals[max(stems, key=len)]
    return {path: found[path] for path in sorted(found, key=lambda path: (_dataset(path, root), path.name))}


def _dataset(copy: Path, root: Path) -> str:
    return copy.relative_to(root / "runs").parts[0]


def lay_out(sources: Path, items: dict | str, root: Path) -> None:
    """Lay out what Sphinx reads: files as in the repository, so that links lead on, and a page for every folder."""
    for part in (*PARTS, *(path.name for path in root.iterdir() if path.is_file())):
        (sources / part).parent.mkdir(parents=True, exist_ok=True)
        if (root / part).is_dir():
            shutil.copytree(root / part, sources / part, copy_function=shutil.copyfile, ignore=UNWANTED)
        elif (root / part).is_file():
            shutil.copyfile(root / part, sources / part)
    (sources / "README.md").rename(sources / "index.md")
    _add(sources / "index.md", _contents([f"{title} <{page}>" for title, page in SECTIONS.items()], "hidden"))
    explorer = (root / "docs/site/explorer.md").read_text(encoding="utf-8")
    # the page is its heading and that sentence where there is nothing to explore
    shown = explorer if isinstance(items, dict) else f"{explorer.splitlines()[0]}\n\n{items}\n"
    write_text(sources / "explorer.md", shown)
    _result_pages(sources)
    _notebook_pages(sources, root)
    text = "# Documents\n"
    for name, folder in {"How to": "docs", "Methods, with formulas": "docs/methods"}.items():
        pages = sorted((sources / folder).glob("*.md"))
        text += _contents([_page(path, sources) for path in pages], f"caption: {name}")
    about = [f"/{page}" for page in ABOUT if (sources / f"{page}.md").is_file()]
    write_text(sources / "docs/README.md", text + _contents(about, "caption: The repository"))


def _result_pages(sources: Path) -> None:
    """The tables as pages, which lists of pages leave out, and the list of the pages of papers and datasets."""
    figures = sources / "figures"
    for table in figures.rglob("*.md"):
        if table.name != "README.md":
            about = sidecar(table.parent / BELOW / f"{table.stem}.json")
            heading = f"# {about['claim'] if about else table.stem}\n\n[Everything beside {table.stem}](README.md)\n\n"
            write_text(table, f"---\norphan: true\n---\n{heading}{table.read_text(encoding='utf-8')}")
    folders = by_default_first(page.parent.relative_to(figures) for page in figures.rglob("*/README.md"))
    titles = {folder: [_papers().get(folder.parts[0], folder.parts[0]), *folder.parts[1:]] for folder in folders}
    ordered = sorted(folders, key=lambda folder: [*_papers(), folder.parts[0]].index(folder.parts[0]))
    pages = [f"{', '.join(titles[folder])} </figures/{folder.as_posix()}/README>" for folder in ordered]
    _add(figures / "README.md", _contents(pages, "hidden"))


def _notebook_pages(sources: Path, root: Path) -> None:
    """A page for each folder of notebooks, and one for each dataset that notebooks were executed on."""
    notebooks = sorted((sources / "notebooks").rglob("*.ipynb"))
    folders = list(dict.fromkeys(path.parent for path in notebooks if path.parent != sources / "notebooks"))
    for folder in folders:
        own = [_page(path, sources) for path in notebooks if path.parent == folder]
        write_text(folder / "README.md", f"# {_papers().get(folder.name, folder.name)}\n{_contents(own)}")
    lists: dict[str, list[str]] = {}
    for path, original in executed(root).items():
        # as deep as the folder of the committed ones, so that its links lead on
        place = original.relative_to(root / "notebooks").with_name(path.name)
        copy = sources / f"notebooks-{_dataset(path, root)}" / place
        parts = [path.stem.removeprefix(original.stem).strip("_"), display_names.dataset(_dataset(path, root))]
        write_text(copy, _told_apart(path, ", ".join(filter(None, parts))))
        lists.setdefault(_dataset(path, root), []).append(_page(copy, sources))
    for dataset, pages in lists.items():
        text = f"# On {display_names.dataset(dataset)}\n\nAs `make paper` executed them for the results.\n"
        write_text(sources / f"notebooks-{dataset}/README.md", text + _contents(pages))
    text = "# Notebooks\n\nWith the outputs that they are committed with, of the tiny scale where their heads say so.\n"
    text += _contents([_page(path, sources) for path in notebooks if path.parent not in folders])
    text += _contents([_page(folder / "README.md", sources) for folder in folders], "caption: Papers")
    if lists:
        text += _contents([f"/notebooks-{dataset}/README" for dataset in lists], "caption: Executed for the results")
    write_text(sources / "notebooks/README.md", text)


def _told_apart(notebook: Path, what: str) -> str:
    """A notebook whose title says what it was executed on: in lists of what was found all copies stand side by side."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    first = content["cells"][0]
    first["source"] = re.sub(r"(?m)^(# .*)$", rf"\1 ({what})", "".join(first["source"]), count=1)
    return json.dumps(content)


@cache
def _papers() -> dict[str, str]:
    """What lists call a paper: its title as far as the colon."""
    return {name: about.title.split(":")[0] for name, about in questions.known().items()}


def _page(path: Path, sources: Path) -> str:
    return f"/{path.relative_to(sources).with_suffix('').as_posix()}"


def _contents(pages: list[str], option: str = "") -> str:
    """Sphinx's list of pages."""
    options = [":maxdepth: 1", *([f":{option}"] if " " in option else [f":{option}:"] if option else [])]
    return "\n".join(["", "```{toctree}", *options, "", *pages, "```", ""])


def _add(path: Path, text: str) -> None:
    write_text(path, path.read_text(encoding="utf-8") + text)
