"""Asks a language model what is not on record yet, and records each answer as it comes.

Knows nothing of what is asked: a caller brings requests, the parser of their replies and the folder of the recording.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lib.core.progress import Progress
from lib.language.llm import recorded
from lib.language.llm.language_models import EndpointModel, LocalModel
from lib.language.llm.request_and_answer import Parser, Request


def open_writer(settings: LocalModel | EndpointModel, threads: int | None = None, budget: float | None = None):
    """The writer that `settings` describe.

    `threads` limits the processor cores of a local model, `budget` the US dollars that an endpoint may cost.

    A writer has its `settings`, and `write(requests, parser)` yields one Answer per request, in any order. Raises
    UserError when the model or its key is not there.
    """
    # transformers takes seconds to import, openai one: only who asks waits for them
    if settings.writer == "endpoint":
        from lib.language.llm.endpoint import EndpointWriter

        return EndpointWriter(settings, budget=budget)
    from lib.language.llm.local import LocalWriter

    return LocalWriter(settings, threads)


@dataclass(frozen=True)
class Recording:
    """What a model is asked, how its replies are read, and the folder of its answers."""

    requests: list[Request]
    parser: Parser
    settings: LocalModel | EndpointModel
    folder: Path

    def pending(self, live: bool = False) -> list[Request]:
        """The requests that `write` would ask (`pending`)."""
        return pending(self.requests, self.settings, self.folder, live)

    def write(self, live: bool = False, writer=None) -> dict:
        """Record what is not on record yet; returns and raises what `write` does."""
        return write(self.requests, self.parser, self.settings, self.folder, live, writer)


def write(
    requests: list[Request],
    parser: Parser,
    settings: LocalModel | EndpointModel,
    folder: Path,
    live: bool = False,
    writer=None,
) -> dict:
    """Record the answers to `requests` in `folder` and return the content of its writer.json (settings, counts, ...).

    Asks for what the recording lacks, with `live` for everything again. Every answer is on the disk before the next one
    counts: the same call after a crash goes on where it stopped, and a finished recording stays until a new one is
    complete. `writer` replaces the one that `settings` describe. Raises UserError when the model cannot be used.
    """
    asked, waiting = once(requests), recorded.unfinished(folder, settings)
    if missing := pending(asked, settings, folder, live):
        _ask(missing, parser, writer or open_writer(settings), waiting)
    # nothing waits where everything was on record, and then the recording stays as it is
    if fresh := recorded.read(waiting):
        # fresh answers replace those on record, which is what `live` is for
        known = recorded.read(folder) | fresh
        recorded.finish(folder, settings, [known[request.key] for request in asked], asked)
    return recorded.description(folder)


def pending(
    requests: list[Request], settings: LocalModel | EndpointModel, folder: Path, live: bool = False
) -> list[Request]:
    """The requests that `write` would ask; those with the same key count once."""
    known = recorded.read(recorded.unfinished(folder, settings)) | ({} if live else recorded.read(folder))
    return [request for request in once(requests) if request.key not in known]


def once(requests: list[Request]) -> list[Request]:
    """`requests` without repeated questions, in order of first appearance."""
    # of those that share a key the last is kept: the committed recording is filed under its index
    return list({request.key: request for request in requests}.values())


def _ask(missing: list[Request], parser: Parser, writer, folder: Path) -> None:
    """Let `writer` answer `missing`, and append each answer to `folder`."""
    counts = Counter()
    with recorded.appending(folder) as append, Progress(len(missing), "answers", "answer") as progress:
        for answer in writer.write(missing, parser):
            append(answer)
            counts[answer.status] += 1
            progress.update(note=f"{counts['repaired']} repaired, {counts['fallback']} fallback")
