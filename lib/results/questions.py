"""Which question an artefact answers, and where its paper has it: params/questions.yaml, or else its own claim."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, TypeAdapter

from lib.core.files import ROOT, read_yaml
from lib.core.names import DEFAULT_DATASET
from lib.core.settings import Strict, validated
from lib.results.records import BELOW, artefact_folder, sidecar

FILE = ROOT / "params/questions.yaml"


class Question(Strict):
    """One question of a paper and the artefacts that answer it."""

    question: str = Field(description="what a reader wants to know")
    place: str = Field("", description="the paper's table, figure or part that asks it")
    artefacts: list[str] = Field(
        min_length=1, description="names or patterns such as noise_*; the picture to show and the table to quote first"
    )


class PaperQuestions(Strict):
    """The questions of one paper, in the order of the pages."""

    title: str = Field(description="the heading of its results")
    url: str = Field("", description="where the paper is")
    questions: list[Question] = Field(min_length=1, description="in the order in which the pages ask them")


class Artefact(NamedTuple):
    """A figure or table with its record."""

    folder: Path  # below figures/: <paper>/<dataset>
    name: str
    record: dict

    @property
    def picture(self) -> bool:
        """Whether it is a figure."""
        return f"{self.name}.png" in self.record["files"]

    def file(self, suffix: str) -> str:
        """Where its png, csv or md lies below figures/."""
        return (self.folder / f"{self.name}{suffix}").as_posix()


class Answer(NamedTuple):
    """A question with what a dataset's folder holds on it: artefacts in the order of the question's patterns."""

    question: str
    place: str
    artefacts: list[Artefact]

    @property
    def pictures(self) -> list[Artefact]:
        return [artefact for artefact in self.artefacts if artefact.picture]

    def said(self, field: str) -> str:
        """`ours` or `paper` of the first artefact that says anything."""
        return next(filter(None, (artefact.record[field] for artefact in self.artefacts)), "")


def known(path: Path = FILE) -> dict[str, PaperQuestions]:
    """The questions by paper; raises UserError for a mistake in the file."""
    return {
        name: validated(PaperQuestions, content, f"{path.name}: {name}") for name, content in read_yaml(path).items()
    }


def schema() -> dict:
    """The JSON schema of the file, for editors."""
    return TypeAdapter(dict[str, PaperQuestions]).json_schema()


def artefacts(figures: Path) -> list[Artefact]:
    """All figures and tables below a folder that have a record, by folder and name."""
    found = []
    for path in sorted(figures.rglob(f"{BELOW}/*.json")):
        if (record := sidecar(path)) is not None:
            found.append(Artefact(artefact_folder(path).relative_to(figures), path.stem, record))
    return found


def answers(of_one_folder: Iterable[Artefact], questions: Iterable[Question]) -> list[Answer]:
    """The artefacts of one folder by question; those that no pattern fits follow by their claims."""
    asked: dict[Question | str, list[tuple[int, Artefact]]] = {number: [] for number, _ in enumerate(questions)}
    for artefact in of_one_folder:
        places = [
            (number, place)
            for number, question in enumerate(questions)
            for place, pattern in enumerate(question.artefacts)
            if fnmatchcase(artefact.name, pattern)
        ]
        number, place = min(places, default=(artefact.record["claim"], 0), key=lambda found: found[0])
        asked.setdefault(number, []).append((place, artefact))
    found = []
    for number, placed in asked.items():
        about = questions[number] if isinstance(number, int) else Question(question=number, artefacts=["*"])
        ordered = [artefact for _, artefact in sorted(placed, key=lambda pair: pair[0])]
        found += [Answer(about.question, about.place, ordered)] * bool(ordered)
    return found


def by_default_first(folders: Iterable[Path]) -> list[Path]:
    """Folders of a paper's results with the default dataset first."""
    return sorted(folders, key=lambda folder: (folder.name != DEFAULT_DATASET, folder))
