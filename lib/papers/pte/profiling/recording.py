"""Profiles on disk: answers are appended as they come, and packed into one parquet file when all rounds are done.

data/recorded/<dataset>/pte/<scale>/<writer>/ holds profiles.parquet (Loop.profiles), rounds.csv (what the monitors say)
and writer.json. What a killed run left waits in a folder beside them and is found again by the keys of its requests.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from lib.core.errors import UserError
from lib.core.files import ROOT, atomic_path, write_json, write_text
from lib.core.progress import Progress
from lib.language.llm import recorded
from lib.language.llm.asking import once
from lib.language.llm.language_models import EndpointModel, LocalModel
from lib.language.llm.request_and_answer import Answer
from lib.papers.pte.profiling.contract import ProfileLines
from lib.papers.pte.profiling.rendering import Draw

FEWEST = 100  # answers after which, and at the end of each stage, the share of fallbacks is looked at
GRANTED = 2  # fallbacks that no stage is stopped for, however short it is


class Record:
    """The recording of one writer in `folder`.

    identity: what decides all prompts ("prompts") and all answers to them ("model"); of a recording with another model
    nothing is used. With `live` everything finished is asked again.
    """

    def __init__(
        self, folder: Path, settings: LocalModel | EndpointModel, identity: dict[str, str], live: bool = False
    ):
        self.folder, self.settings, self.identity = Path(folder), settings, identity
        self.path, self.waiting = self.folder / "profiles.parquet", recorded.unfinished(folder, settings)
        self.known = {} if live else _answers(self.path, identity["model"])
        self.known |= recorded.read(self.waiting)

    def answers(self, requests: list[Draw]) -> list[Answer]:
        """What is on record of `requests`; raises KeyError for what is not."""
        # those who ask the same share an answer, but not a fallback
        return [_own(self.known[request.key], request) for request in requests]

    def ask(
        self, requests: list[Draw], parser: ProfileLines, writer, most_fallbacks: float, progress: Progress
    ) -> list[Answer]:
        """Answers to `requests`, of which `writer` is asked those that are not on record; each is on the disk at once.

        Raises UserError where more than the share `most_fallbacks` of them is unusable, or another process records.
        """
        missing, counts = once([request for request in requests if request.key not in self.known]), Counter()
        self.waiting.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / ".lock", timeout=0), recorded.appending(self.waiting) as append:
                for answer in writer.write(missing, parser) if missing else ():
                    append(answer)
                    self.known[answer.key] = answer
                    counts[answer.status] += 1
                    progress.update(note=f"{counts['repaired']} repaired, {counts['fallback']} fallback")
                    if counts.total() >= FEWEST:
                        _few_fallbacks(counts, parser, most_fallbacks)
        except Timeout:
            raise UserError(f"another process records into {self.folder}: wait for its end") from None
        found = self.answers(requests)
        _few_fallbacks(Counter(answer.status for answer in found), parser, most_fallbacks)
        return found

    def finish(self, profiles: pd.DataFrame, rounds: pd.DataFrame, about: dict) -> None:
        """Make `profiles` the recording, with what the monitors say, and drop what waited."""
        table = pa.Table.from_pandas(profiles.assign(key=profiles["key"].map(bytes.fromhex)), preserve_index=False)
        with atomic_path(self.path) as temporary:
            told = {b"recording": json.dumps(self.identity, sort_keys=True).encode()}
            pq.write_table(table.replace_schema_metadata(told), temporary, compression="zstd", compression_level=19)
        write_text(self.folder / "rounds.csv", rounds.round(6).to_csv(index=False))
        write_json(self.folder / "writer.json", {"settings": self.settings.model_dump(mode="json"), **about})
        shutil.rmtree(self.waiting, ignore_errors=True)
        (self.folder / ".lock").unlink(missing_ok=True)


def folder(dataset: str, scale: str, writer: str, limit: int | None = None, data: Path = ROOT / "data") -> Path:
    """Where the profiles of a dataset are recorded; those of only some users in a folder of their own."""
    return Path(data) / "recorded" / dataset / "pte" / (scale if limit is None else f"{scale}-{limit}-users") / writer


def load(folder: Path, prompts: str, command: str) -> pd.DataFrame:
    """The recorded profiles in `folder` (Loop.profiles), whatever processor embeds texts here.

    prompts: the identity of all prompts by today's data, settings and wording. Raises UserError when there is no
    recording, or one of other prompts; `command` makes it.
    """
    path = Path(folder) / "profiles.parquet"
    if not path.is_file():
        raise UserError(f"no profiles are recorded in {folder}: run: {command}")
    table = _table(path)
    if _identity(table).get("prompts") != prompts:
        raise UserError(
            f"{path} is a recording of other prompts (the data, params/papers/pte.yaml or the wording changed): record "
            f"it anew with: {command}"
        )
    frame = table.to_pandas()
    return frame.assign(key=frame["key"].map(bytes.hex))


def stand_in(record: Record, typical: dict[str, str]) -> tuple[Callable[[list[Draw]], list[Answer]], dict[str, Draw]]:
    """An `ask` that answers from the record, else with a `typical` text of the side; and what it lacks, by key."""
    lacking: dict[str, Draw] = {}

    def ask(requests: list[Draw]) -> list[Answer]:
        lacking.update((request.key, request) for request in requests if request.key not in record.known)
        known = (record.known.get(request.key) for request in requests)
        usual = (request.answered(typical[request.side], "ok") for request in requests)
        return [_own(one or other, request) for one, other, request in zip(known, usual, requests, strict=True)]

    return ask, lacking


def _own(answer: Answer, request: Draw) -> Answer:
    """An answer as that of `request`: of its own index, and with its own profile where every reply was unusable."""
    text = request.fallback if answer.status == "fallback" else answer.text
    return replace(answer, index=request.index, text=text)


def _few_fallbacks(counts: Counter, parser: ProfileLines, most: float) -> None:
    """Raise UserError with examples where too many answers are unusable."""
    total, unusable = counts.total(), counts["fallback"]
    if unusable > max(GRANTED, most * total):
        examples = "; ".join(parser.rejected) or "their replies are of an earlier run"
        raise UserError(
            f"{unusable} of {total} answers about {parser.side}s are unusable, more than {most:.0%} ({examples}): take "
            "another model, or mend the wording in lib/papers/pte/profiling/wording.py; what was answered is kept"
        )


def _answers(path: Path, model: str) -> dict[str, Answer]:
    """The answers in a finished recording by key, if it is of this very model."""
    if not path.is_file() or _identity(table := _table(path)).get("model") != model:
        return {}
    rows = table.filter(pc.field("status") != "cold").to_pylist()
    found = (Answer(row["side"], row["index"], row["key"].hex(), row["text"], row["status"]) for row in rows)
    return {answer.key: answer for answer in found}


def _table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path} cannot be read ({error}): delete it and record it anew") from None


def _identity(table: pa.Table) -> dict[str, str]:
    return json.loads((table.schema.metadata or {}).get(b"recording", b"{}"))
