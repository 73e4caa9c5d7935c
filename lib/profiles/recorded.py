"""Recorded answers: one json line per prompt in items.jsonl and users.jsonl, found again by the hash of the prompt."""

import json
import os
import shutil
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from lib.files import ROOT, digest, sha256, write_json, write_text
from lib.profiles.answers import Answer
from lib.profiles.prompts import VERSION, Prompt

FILES = {"item": "items.jsonl", "user": "users.jsonl"}
# what may change between two calls without changing an answer
INDIFFERENT = {"sources", "concurrency", "attempts", "timeout", "prices", "key_variable"}


def read(folder: Path) -> dict[str, Answer]:
    """Answers in `folder` by prompt hash; a half-written last line, left by a crash, does not count."""
    lines = [(side, line) for side, name in FILES.items() for line in _lines(Path(folder) / name)]
    answers = filter(None, (_answer(side, line) for side, line in lines))
    return {answer.prompt_hash: answer for answer in answers}


def unfinished(folder: Path, settings) -> Path:
    """Where answers wait until all are there: a folder of their own for every way to ask."""
    return Path(folder) / f"unfinished-{digest(settings.model_dump(exclude=INDIFFERENT))}"


@contextmanager
def appending(folder: Path):
    """Yield a function that appends one Answer to `folder` and returns only when it is on the disk."""
    store(folder, read(folder).values())  # drops a half-written line
    with ExitStack() as stack:
        files = {
            side: stack.enter_context(open(Path(folder) / name, "a", encoding="utf-8")) for side, name in FILES.items()
        }

        def append(answer: Answer) -> None:
            file = files[answer.side]
            file.write(_line(answer))
            file.flush()
            os.fsync(file.fileno())

        yield append


def finish(folder: Path, settings, answers: list[Answer], asked: list[Prompt]) -> None:
    """Make `answers` the recording in `folder`, with writer.json, and drop what waited."""
    store(folder, answers)
    write_json(Path(folder) / "writer.json", _describe(settings, answers, asked))
    shutil.rmtree(unfinished(folder, settings), ignore_errors=True)


def store(folder: Path, answers) -> None:
    """Write `answers`, ordered by index, in place of those in `folder`."""
    for side, name in FILES.items():
        own = sorted((answer for answer in answers if answer.side == side), key=lambda answer: answer.index)
        write_text(Path(folder) / name, "".join(map(_line, own)))


def description(folder: Path) -> dict:
    """The content of writer.json."""
    return json.loads((Path(folder) / "writer.json").read_text(encoding="utf-8"))


def _describe(settings, answers, asked) -> dict:
    packages = ["transformers", "torch", "gguf"] if settings.writer == "local" else ["openai"]
    first = {prompt.side: prompt for prompt in reversed(asked)}
    return {
        "settings": settings.model_dump(mode="json"),
        "weights": _weights(settings),
        "prompts": {"version": VERSION} | {side: asdict(prompt) for side, prompt in first.items()},
        "versions": {package: version(package) for package in packages},
        "answers": {side: dict(Counter(a.status for a in answers if a.side == side)) for side in FILES},
    }


def _weights(settings) -> dict[str, str]:
    """sha256 of the files that hold the model, when they lie in a folder of this repository."""
    if settings.writer != "local" or not (ROOT / settings.model).is_dir():
        return {}
    files = (ROOT / settings.model).glob(settings.gguf_file or "*.safetensors")
    return {file.name: sha256(file) for file in sorted(files)}


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []


def _answer(side: str, line: str) -> Answer | None:
    try:
        return Answer(side=side, **json.loads(line))
    except (json.JSONDecodeError, TypeError):
        return None


def _line(answer: Answer) -> str:
    content = asdict(answer)
    del content["side"]
    return json.dumps(content, ensure_ascii=False) + "\n"
