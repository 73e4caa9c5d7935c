"""The results for people: figures/README.md, a page for every folder of results, and what README.md quotes of them."""

from itertools import groupby
from pathlib import Path

import pandas as pd

from lib.core.files import write_text
from lib.core.names import DEFAULT_DATASET
from lib.results import display_names, findings, questions
from lib.results.pages import commands, folder_page, heading, link, links, page_of, shortened
from lib.results.questions import Answer, Artefact, PaperQuestions, by_default_first
from lib.results.readme_parts import renew
from lib.results.writers import to_markdown

INTRO = """# Results

Written by `python -m lib index` from the tables and records below. `python -m lib why <file>` prints where a file comes
from, down to the hashes of the data. *Inconclusive* means that chance, over users and seeds, explains the difference.
"""


def write(figures: Path, readme: Path | None = None) -> Path:
    """Write figures/README.md and <paper>/<dataset>/README.md from the records below a folder; returns the first.

    readme: a page whose marked parts are written anew too (lib/results/readme_parts.py).
    """
    figures = Path(figures)
    known = questions.known()
    found = questions.artefacts(figures)
    folders = {folder: list(own) for folder, own in groupby(found, key=lambda artefact: artefact.folder)}
    answers = {
        folder: questions.answers(own, known[folder.parts[0]].questions if folder.parts[0] in known else [])
        for folder, own in folders.items()
    }
    front = findings.front(figures)
    papers = {finding.claim: finding.paper for finding in front}
    for folder, own in answers.items():
        write_text(figures / page_of(folder), folder_page(folder, own, known.get(folder.parts[0])))
    parts = [INTRO, _findings(front)]
    order = [*known, *sorted({folder.parts[0] for folder in folders} - set(known))]
    for paper in order:
        own = by_default_first(folder for folder in folders if folder.parts[0] == paper)
        parts += [_paper(paper, {folder: answers[folder] for folder in own}, known.get(paper), papers)] * bool(own)
    write_text(figures / "README.md", "\n".join(filter(None, parts)))
    if readme is not None and readme.is_file():
        renew(readme, figures, front)
    return figures / "README.md"


def _findings(found: list[findings.Finding]) -> str:
    if not found:
        return ""
    where = display_names.dataset(DEFAULT_DATASET)
    return f"## Findings\n\nOn {where}.\n\n{findings.in_plain_words(found)}\n\n{findings.findings_table(found)}"


def _paper(name: str, answers: dict[Path, list[Answer]], about: PaperQuestions | None, papers: dict[str, str]) -> str:
    """The section of a paper: its questions, each with an answer, then the pages of its datasets and all commands."""
    asked: dict[str, dict[Path, Answer]] = {}
    for folder, own in answers.items():
        for answer in own:
            asked.setdefault(answer.question, {})[folder] = answer
    # in the order of the questions, whichever dataset answers them; what has none of them stays behind
    order = {question.question: place for place, question in enumerate(about.questions)} if about else {}
    ordered = sorted(asked, key=lambda question: order.get(question, len(order)))
    rows = [_row(asked[question], papers.get(question, "")) for question in ordered]
    table = pd.DataFrame(rows)
    pages = ", ".join(link(display_names.dataset(folder.name), page_of(folder).as_posix()) for folder in answers)
    everything = [artefact for own in answers.values() for answer in own for artefact in answer.artefacts]
    filled = table.columns[(table != "").any()]
    return "\n".join(
        [
            f"## {heading(name, about)}\n",
            f"Everything, pictures first: {pages}.\n",
            to_markdown(table[filled]),
            commands(everything),
        ]
    )


def _row(answers: dict[Path, Answer], paper: str) -> dict[str, str]:
    """What is said of a question, by every folder that has an answer, with the first picture that there is."""
    said = {folder: shortened(answer.said("ours")) for folder, answer in answers.items() if answer.said("ours")}
    lines = [
        f"{display_names.dataset(folder.name)}: {text}" if len(folder.parts) > 1 else text
        for folder, text in said.items()
    ]
    answer = answers[next(iter(said or answers))]
    pictured = next(((one, found) for one, found in answers.items() if found.pictures), None)
    image = f'<img src="{pictured[1].pictures[0].file(".png")}" width="180" alt="">' if pictured else ""
    return {
        "picture": link(image, page_of(pictured[0]).as_posix()) if pictured else "",
        "question": f"**{answer.question}**" + (f" ({answer.place})" if answer.place else ""),
        "answer": "<br>".join(lines),
        "the paper": answer.said("paper") or paper,
        "files": ", ".join(links(artefact) for artefact in _shown(answer)),
    }


def _shown(answer: Answer) -> list[Artefact]:
    """What a row links: the first picture, and the first table that it shows."""
    pictures = answer.pictures[:1]
    tables = [artefact for artefact in answer.artefacts if not artefact.picture]
    drawn = [one for one in tables if any(one.name in picture.record.get("tables", []) for picture in pictures)]
    return pictures + (drawn or tables)[:1]
