"""The page of one folder of results, <paper>/<dataset>: pictures first, then tables, then how to make them."""

import re
from collections.abc import Iterable
from pathlib import Path

from lib.results import display_names
from lib.results.questions import Answer, Artefact, PaperQuestions
from lib.results.records import BELOW, ON_TOP

LONGEST = 160  # characters of an answer in a list


def page_of(folder: Path) -> Path:
    """Where the page of a folder lies below figures/."""
    return folder / "README.md"


def heading(name: str, about: PaperQuestions | None) -> str:
    """A paper's title, linked where it has an address; its name where it is not known."""
    return (link(about.title, about.url) if about.url else about.title) if about else name


def link(text: str, target: str) -> str:
    """A link in Markdown."""
    return f"[{text}]({target})"


def shortened(text: str) -> str:
    """The first clauses of an answer, as many as fit into a list; the page of its folder has the whole."""
    kept = ""
    for clause in re.split(r"(?<=;) | (?=\| )", text):
        longer = f"{kept} {clause}" if kept else clause
        if kept and len(longer) > LONGEST:
            return f"{kept} …"
        kept = longer
    return kept


def links(artefact: Artefact) -> str:
    """Links from figures/ to what people open of an artefact: '[png](…), [csv](…), [md](…)'."""
    shown = [suffix for suffix in ON_TOP if f"{artefact.name}{suffix}" in artefact.record["files"]]
    return ", ".join(link(suffix[1:], artefact.file(suffix)) for suffix in shown)


def folder_page(folder: Path, answers: list[Answer], about: PaperQuestions | None) -> str:
    """The page of a folder as Markdown."""
    up = "/".join([".."] * len(folder.parts))
    where = f" on {display_names.dataset(folder.name)}" if len(folder.parts) > 1 else ""
    pictured = [answer for answer in answers if answer.pictures]
    tables = [artefact for answer in answers for artefact in answer.artefacts if not artefact.picture]
    everything = [artefact for answer in answers for artefact in answer.artefacts]
    parts = [
        f"# {about.title if about else folder.parts[0]}{where}\n",
        f"[All results]({up}/README.md). Written by `python -m lib index`.\n",
        *(_pictures(answer) for answer in pictured),
        "## Tables\n",
        *_table_lines(tables, {answer.said("ours") for answer in pictured}),
        "",
        commands(everything),
        _files(everything),
    ]
    return "\n".join(parts)


def _pictures(answer: Answer) -> str:
    """A question with its pictures, the first in full, and what came out."""
    first, *others = answer.pictures
    lines = [f"## {answer.question}" + f" ({answer.place})" * bool(answer.place)]
    lines.append(f"![{first.name}]({first.name}.png)")
    small = [link(f'<img src="{one.name}.png" width="300" alt="{one.name}">', f"{one.name}.png") for one in others]
    lines.append(" ".join(small))
    said = {"Here": answer.said("ours"), "The paper": answer.said("paper")}
    lines += [f"{who}: {text}." for who, text in said.items() if text]
    return "\n\n".join(filter(None, lines)) + "\n"


def _table_lines(tables: Iterable[Artefact], said: set[str]) -> list[str]:
    """A line for each table: a link, the claim, and what came out where no line has said it yet."""
    lines, said = [], set(said)
    for artefact in tables:
        claim, ours = artefact.record["claim"], artefact.record["ours"]
        line = f"- {link(artefact.name, f'{artefact.name}.md')} ({link('csv', f'{artefact.name}.csv')}): {claim}"
        if ours not in said | {""}:
            line += ("" if claim.endswith("?") else ":") + f" {shortened(ours)}"
        lines.append(line)
        said.add(ours)
    return lines


def commands(artefacts: Iterable[Artefact]) -> str:
    """The commands that make artefacts again, each once, folded away."""
    made = dict.fromkeys(artefact.record["command"] for artefact in artefacts)
    return _folded("Commands", "In the environment (`source .venv/bin/activate`):\n", *(f"    {one}" for one in made))


def _files(artefacts: Iterable[Artefact]) -> str:
    """All files with the number of runs behind them, folded away."""
    lines = []
    for artefact in artefacts:
        files = ", ".join(link(Path(name).suffix[1:], name) for name in sorted(artefact.record["files"]))
        record = link("record", f"{BELOW}/{artefact.name}.json")
        lines.append(f"- {artefact.name}: {files}, {record} of {len(artefact.record['runs'])} runs")
    return _folded("All files", *lines)


def _folded(summary: str, *lines: str) -> str:
    """Lines that are seen after a click on their summary."""
    return "\n".join([f"<details><summary>{summary}</summary>\n", *lines, "\n</details>\n"])
