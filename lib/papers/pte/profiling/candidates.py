"""Writing the candidate profiles of a dataset, with what it will take told first."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.core.files import ROOT, digest
from lib.core.progress import Progress
from lib.data import datasets
from lib.data.sequences.cold_start import cold_start
from lib.data.sequences.user_sequences import Sequences
from lib.language import encoders
from lib.language.llm import estimate, language_models, recorded
from lib.language.llm.language_models import EndpointModel, LocalModel
from lib.language.llm.request_and_answer import Answer
from lib.language.wording import Wording, wording_named
from lib.papers.pte.profiling import histories as visible
from lib.papers.pte.profiling import recording
from lib.papers.pte.profiling import settings as profiling
from lib.papers.pte.profiling import wording as asked
from lib.papers.pte.profiling.contract import ProfileLines, written
from lib.papers.pte.profiling.histories import Histories
from lib.papers.pte.profiling.loop import Loop
from lib.papers.pte.profiling.recording import Record, stand_in
from lib.papers.pte.profiling.rendering import Draw, Renderer
from lib.papers.pte.profiling.settings import ProfilingSettings

TRIED = 8  # requests by which the machine's speed is measured
TYPICAL = {
    "user": {"interests": ["stories of war and friendship", "dark humour"], "identities": ["drama lovers", "critics"]},
    "item": {"appeal": ["stories of war and friendship", "dark humour"], "audience": ["drama lovers", "critics"]},
}


class Study:
    """The cold-start histories of a dataset and what is asked about them at one scale; `limit` takes so many users."""

    def __init__(self, sequences: Sequences, wording: Wording, settings: ProfilingSettings, limit: int | None = None):
        self.settings = settings.model_copy(update={"users": limit}) if limit else settings
        self.wording, self.renderer = wording, Renderer(sequences, wording, settings.phrases)
        everybody = visible.of_cold_start(sequences, cold_start(sequences))
        self.histories: Histories = visible.limited(everybody, self.settings.users, settings.seed)

    @property
    def prompts(self) -> str:
        """Content hash of all that decides the prompts, but for what a model answers on the way."""
        texts = [self.renderer.names, self.renderer.kinds, self.renderer.facts]
        words = [asked.VERSION, asked.SYSTEM, asked.ASK, asked.FORM, asked.BEGIN, repr(self.wording)]
        return digest(self.settings.model_dump(exclude={"most_fallbacks"}), self.histories.fingerprint, texts, words)

    def parser(self, side: str) -> ProfileLines:
        """What reads replies about one side."""
        return ProfileLines(side, asked.begun(side, self.wording))

    def loop(self, ask: Callable[[list[Draw]], list[Answer]], encode) -> Loop:
        """The rounds, not yet run."""
        return Loop(self.renderer, self.histories, self.settings, ask, encode)

    def pending(self, record: Record) -> list[Draw]:
        """What is not on record, with typical texts where a prompt tells what nobody has written yet."""
        ask, lacking = stand_in(record, {side: written(text, side) for side, text in TYPICAL.items()})
        # all alike, so that every round is asked for: no drift is measured and none ends the rounds
        still = self.settings.model_copy(update={"least_drift": 0.0})
        Loop(self.renderer, self.histories, still, ask, lambda texts: np.ones((len(texts), 1), np.float32)).run()
        return [*lacking.values()]


def study(dataset: str, scale: str, limit: int | None = None, data: Path = datasets.DATA) -> Study:
    """The study of a dataset in data/; raises UserError where data or settings lack something."""
    wording = wording_named(datasets.settings(dataset).wording)
    return Study(datasets.load_sequences(dataset, data=data), wording, profiling.load(scale), limit)


def recorded_scale(dataset: str, scale: str, writer: str, data: Path = datasets.DATA) -> str:
    """`scale` where the profiles of a dataset are recorded at it, else tiny, the trial of a few users."""
    return scale if (recording.folder(dataset, scale, writer, None, data) / "profiles.parquet").is_file() else "tiny"


def load(dataset: str, scale: str, writer: str, limit: int | None = None, data: Path = datasets.DATA) -> pd.DataFrame:
    """The recorded profiles of a dataset (Loop.profiles); raises what recording.load does."""
    command = f"python -m lib candidates {dataset} --model {writer} --scale {scale}"
    command += f" --limit-users {limit}" if limit else ""
    place = recording.folder(dataset, scale, writer, limit, data)
    return recording.load(place, study(dataset, scale, limit, data).prompts, command)


def record(
    dataset: str, model: str | None, scale: str, live: bool, threads: int | None, limit_users: int | None,
    budget: float | None, only_estimate: bool,
) -> Iterator[str]:  # fmt: skip
    """Write what is not recorded yet; yields what there is to do and, unless only_estimate, what came of it.

    live: everything again; threads: processor cores of a local model; limit_users: take so many users only; budget:
    dollars that an endpoint may cost. Raises UserError where no model is named or a number makes no sense.
    """
    model = model or datasets.settings(dataset).language_model
    if model is None:
        raise UserError(f"{dataset} names no language model of its own: say which one writes with --model")
    for name, number, least in (("threads", threads, 1), ("limit-users", limit_users, 3)):
        if number is not None and number < least:
            raise UserError(f"--{name} {number}: it must be at least {least}")
    about, settings = study(dataset, scale, limit_users), language_models.load(model)
    place = Record(recording.folder(dataset, scale, model, limit_users), settings, identity(about, settings), live)
    pending = about.pending(place)
    if not pending and place.path.is_file():
        yield f"all profiles of {dataset} at scale {scale} by {model} are recorded"
        return
    writer = None
    if pending and (settings.writer == "local" or not only_estimate):
        from lib.papers.pte.profiling.sampling import open_writer  # imports torch

        writer = open_writer(settings, about.settings.top_p, about.settings.temperature, threads, budget)
    yield _told(pending, settings, _minutes(pending, about, writer) if settings.writer == "local" else None)
    if not only_estimate:
        yield from write(about, place, writer, len(pending))


def write(about: Study, place: Record, writer, total: int, encode=None) -> Iterator[str]:
    """Run the rounds and record them; yields a sentence on each side. `total` is how many answers are expected."""
    encode = encode or unit_vectors(about.settings.encoder)
    parsers = {side: about.parser(side) for side in TYPICAL}
    with Progress(total, "profiles", "answer") as progress:

        def ask(requests: list[Draw]) -> list[Answer]:
            if not requests:
                return []
            return place.ask(requests, parsers[requests[0].side], writer, about.settings.most_fallbacks, progress)

        loop = about.loop(ask, encode).run()
    counts = {side: dict(Counter(part["status"])) for side, part in loop.profiles.groupby("side")}
    told = {"profiling": about.settings.model_dump(mode="json"), "identity": place.identity, "answers": counts}
    place.finish(loop.profiles, loop.rounds, told)
    for side, statuses in counts.items():
        yield f"{side}: " + ", ".join(f"{count} {status}" for status, count in statuses.items())


def identity(about: Study, settings: LocalModel | EndpointModel) -> dict[str, str]:
    """What decides the prompts, and what decides the answers to them."""
    weights = language_models.weights_digest(settings) if settings.writer == "local" else settings.model
    how = settings.model_dump(exclude=recorded.INDIFFERENT), about.settings.top_p, about.settings.temperature
    return {"prompts": about.prompts, "model": digest(weights, how)}


def unit_vectors(encoder: str, cache: Path = ROOT / "data/cache/text"):
    """Texts to unit vectors by a named encoder."""
    how = encoders.settings(encoder)
    return lambda texts: encoders.encode(texts, how, cache)[0]


def _minutes(pending: list[Draw], about: Study, writer) -> float:
    """How long a local model takes for `pending`, by the time of a few of them drawn evenly from short to long."""
    if not pending:
        return 0.0
    ordered = sorted(pending, key=lambda request: len(request.text))
    tried = ordered[:: max(1, len(ordered) // TRIED)][:TRIED]
    start = time.monotonic()
    for side in TYPICAL:
        some = [request for request in tried if request.side == side]
        if some:
            writer.continuations(some, about.parser(side))
    return (time.monotonic() - start) / len(tried) * len(pending) / 60


def _told(pending: list[Draw], settings: LocalModel | EndpointModel, minutes: float | None) -> str:
    if not pending:
        return "all answers are there, only to be packed"
    said = str(estimate.estimate(pending, settings))
    return said if minutes is None else f"{said}, about {minutes:.0f} minutes at this machine's speed"
