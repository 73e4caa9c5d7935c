"""Recorded answers: one json line per answer, in one file per side, found again by the key of the request.

The lines of items.jsonl are the answers about items. On disk a request's key is called prompt_hash.
"""

import json
import os
import shutil
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from lib.core.files import ROOT, digest, sha256, write_json, write_text
from lib.language.llm.request_and_answer import Answer, Request

# settings that may change between two calls without changing an answer
INDIFFERENT = {"sources", "concurrency", "attempts", "timeout", "prices", "key_variable"}


def read(folder: Path) -> dict[str, Answer]:
    """Answers in `folder` by key; a half-written last line, left by a crash, does not count."""
    lines = [(side, line) for side in _sides(folder) for line in _lines(_file(folder, side))]
    answers = filter(None, (_answer(side, line) for side, line in lines))
    return {answer.key: answer for answer in answers}


def unfinished(folder: Path, settings) -> Path:
    """Where answers wait until all are there: a folder of their own for every way to ask."""
    return Path(folder) / f"unfinished-{digest(settings.model_dump(exclude=INDIFFERENT))}"


@contextmanager
def appending(folder: Path):
    """Yield a function that appends one Answer to `folder` and returns only when it is on the disk."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    store(folder, read(folder).values())  # drops a half-written line
    with ExitStack() as stack:
        files = {}

        def append(answer: Answer) -> None:
            if answer.side not in files:
                files[answer.side] = stack.enter_context(open(_file(folder, answer.side), "a", encoding="utf-8"))
            file = files[answer.side]
            file.write(_line(answer))
            file.flush()
            # an endpoint takes money for every answer, so none is lost to a crash of the machine
            os.fsync(file.fileno())

        yield append


def finish(folder: Path, settings, answers: list[Answer], asked: list[Request]) -> None:
    """Make `answers` the recording in `folder`, with writer.json, and drop what waited."""
    store(folder, answers)
    write_json(Path(folder) / "writer.json", _describe(settings, answers, asked))
    shutil.rmtree(unfinished(folder, settings), ignore_errors=True)


def store(folder: Path, answers) -> None:
    """Write `answers`, ordered by index, in place of those in `folder`."""
    for side in {*_sides(folder), *(answer.side for answer in answers)}:
        own = sorted((answer for answer in answers if answer.side == side), key=lambda answer: answer.index)
        write_text(_file(folder, side), "".join(map(_line, own)))


def description(folder: Path) -> dict:
    """The content of writer.json."""
    return json.loads((Path(folder) / "writer.json").read_text(encoding="utf-8"))


def _describe(settings, answers: list[Answer], asked: list[Request]) -> dict:
    """What writer.json tells: the model, the first request of each side, versions, and how many answers were usable."""
    packages = ["transformers", "torch", "gguf"] if settings.writer == "local" else ["openai"]
    first = {request.side: asdict(request) for request in reversed(asked)}
    shown = {side: {name: value for name, value in one.items() if name != "version"} for side, one in first.items()}
    return {
        "settings": settings.model_dump(mode="json"),
        "weights": _weights(settings),
        "prompts": {"version": asked[0].version} | shown,
        "versions": {package: version(package) for package in packages},
        "answers": {side: dict(Counter(a.status for a in answers if a.side == side)) for side in first},
    }


def _weights(settings) -> dict[str, str]:
    """sha256 of the files that hold the model, when they lie in a folder of this repository."""
    if settings.writer != "local" or not (ROOT / settings.model).is_dir():
        return {}
    files = (ROOT / settings.model).glob(settings.gguf_file or "*.safetensors")
    return {file.name: sha256(file) for file in sorted(files)}


def _file(folder: Path, side: str) -> Path:
    return Path(folder) / f"{side}s.jsonl"


def _sides(folder: Path) -> list[str]:
    # not hidden files, which a killed atomic write may leave
    return sorted(path.stem.removesuffix("s") for path in Path(folder).glob("[!.]*s.jsonl"))


def _lines(path: Path) -> list[str]:
    # a crash may have cut a character in half
    # and not splitlines, which also splits at line separators inside a text
    return path.read_text(encoding="utf-8", errors="replace").split("\n")


def _line(answer: Answer) -> str:
    content = {"index": answer.index, "prompt_hash": answer.key, "text": answer.text, "status": answer.status}
    return json.dumps(content, ensure_ascii=False) + "\n"


def _answer(side: str, line: str) -> Answer | None:
    """The answer in `line`; None for a line that is not whole."""
    try:
        content = json.loads(line)
        answer = Answer(side, content["index"], content["prompt_hash"], content["text"], content["status"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    texts = answer.key, answer.text, answer.status
    return answer if isinstance(answer.index, int) and all(isinstance(text, str) for text in texts) else None
