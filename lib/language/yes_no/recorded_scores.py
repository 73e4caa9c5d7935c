"""Scores on disk: one parquet file per model, adapter and precision, each score found again by its prompt's hash.

A score of another prompt, model, adapter or precision is never used: the first is another key, the others are written
into the file.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from lib.core.errors import UserError
from lib.core.files import atomic_path, digest
from lib.language.llm.language_models import LocalModel, Precision, weights_digest
from lib.language.yes_no.adapters import adapter_digest
from lib.language.yes_no.prompts_as_tokens import Prompt
from lib.language.yes_no.scorer import ANSWERS, Scorer, Scores

COLUMNS = ("z_yes", "z_no", "p_legacy")
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.05}  # of p: another batch or processor rounds otherwise


@dataclass(frozen=True)
class Verification:
    """How far recorded probabilities of Yes are from what the model says now, for `prompts` of them."""

    prompts: int
    largest: float
    mean: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether none is further away than the tolerance."""
        return self.largest <= self.tolerance


class RecordedScores:
    """The scores of one model with one adapter (None: as it is) at one precision, below `folder`.

    `command` is what an error tells to run where scores are missing. Raises UserError when `adapter` holds none.
    """

    def __init__(
        self,
        folder: Path,
        settings: LocalModel,
        adapter: Path | None = None,
        precision: Precision = "float32",
        command: str = "the recording",
    ):
        self.settings, self.adapter, self.precision, self.command = settings, adapter, precision, command
        self.known_as = Path(adapter).name if adapter else "untuned"
        self.path = Path(folder) / settings.name / f"{self.known_as}.{precision}.parquet"
        self.identity = {"model": weights_digest(settings), "adapter": adapter_digest(adapter)}
        self.identity |= {"precision": precision, "answers": " ".join(ANSWERS)}

    def lookup(self, prompts: list[Prompt], scorer: Scorer | None = None) -> Scores:
        """The recorded scores of `prompts`; a `scorer` is asked for those that are not there, and nothing is written.

        Without one raises UserError when some are not there.
        """
        known, what = self._read(), f"{self.settings.name} ({self.known_as}, {self.precision})"
        absent = self._absent(prompts, known)
        if absent and scorer:
            self._check(scorer)
            fresh = scorer.score(absent)
            rows = zip(fresh.z_yes, fresh.z_no, fresh.p_legacy, strict=True)
            known |= dict(zip((prompt.key for prompt in absent), rows, strict=True))
        elif absent:
            why = f"the record in {self.path} has none" if known or not self.path.is_file() else self._other()
            raise UserError(
                f"no recorded score of {what} for {len(absent)} of {len(prompts)} prompts: {why}: run {self.command}"
            )
        found = np.array([known[prompt.key] for prompt in prompts], np.float32).reshape(-1, 3)
        return Scores(*found.T.copy())

    def missing(self, prompts: list[Prompt]) -> list[Prompt]:
        """Those of `prompts` that are neither recorded nor waiting in an unfinished recording, each once."""
        return self._absent(prompts, self._read() | self._waiting())

    def record(
        self, prompts: list[Prompt], scorer: Scorer | None = None, live: bool = False, device: str = "cpu"
    ) -> None:
        """Ask the model for what is missing, with `live` for everything; every batch is on the disk before the next.

        The same call after a crash goes on where it stopped, and what is recorded stays until all is there. `scorer`
        is made here, on `device`, when there is none.
        """
        place = self._unfinished(live)
        place.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(place / ".lock", timeout=0):
                known = ({} if live else self._read()) | self._waiting(live)
                if absent := self._absent(prompts, known):
                    self._ask(absent, scorer or Scorer(self.settings, self.adapter, self.precision, device), place)
                if fresh := self._waiting(live):
                    self._write(self._read() | fresh)
        except Timeout:
            raise UserError(f"another process records into {place}: wait for its end") from None
        shutil.rmtree(place)

    def verify(self, prompts: list[Prompt], scorer: Scorer, count: int = 32, seed: int = 0) -> Verification:
        """Ask the model for `count` of the prompts, drawn by `seed`, and compare with what is recorded of them."""
        drawn = np.random.default_rng(seed).permutation(len(prompts))[:count]
        chosen = [prompts[index] for index in drawn]
        apart = np.abs(self.lookup(chosen).p - scorer.score(chosen).p)
        return Verification(len(chosen), float(apart.max()), float(apart.mean()), TOLERANCE[self.precision])

    def _ask(self, prompts: list[Prompt], scorer: Scorer, place: Path) -> None:
        """Append the scores of `prompts` to the waiting ones, batch by batch."""
        self._check(scorer)
        with open(place / "scores.jsonl", "a", encoding="utf-8") as file:
            file.write("\n")  # ends a line that a crash left half-written
            for indices, scores in scorer.in_batches(prompts):
                rows = zip(scores.z_yes.tolist(), scores.z_no.tolist(), scores.p_legacy.tolist(), strict=True)
                lines = (json.dumps([prompts[i].key.hex(), *row]) for i, row in zip(indices, rows, strict=True))
                file.write("".join(f"{line}\n" for line in lines))
                file.flush()
                os.fsync(file.fileno())

    def _check(self, scorer: Scorer) -> None:
        if (scorer.settings, scorer.adapter, scorer.precision) != (self.settings, self.adapter, self.precision):
            raise ValueError("the scorer is not of this recording's model, adapter and precision")

    def _absent(self, prompts: list[Prompt], known: dict) -> list[Prompt]:
        return list({prompt.key: prompt for prompt in prompts if prompt.key not in known}.values())

    def _unfinished(self, live: bool = False) -> Path:
        """Where scores wait until all are there: a folder of its own for every model, adapter and precision."""
        name = digest(self.identity, live)
        return self.path.with_name(f"{self.path.name}-unfinished-{name}")

    def _waiting(self, live: bool = False) -> dict[bytes, list[float]]:
        path, found = self._unfinished(live) / "scores.jsonl", {}
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []:
            try:
                key, *row = json.loads(line)
                if len(row) == len(COLUMNS):
                    found[bytes.fromhex(key)] = row
            except (ValueError, TypeError):  # empty, or cut off by a crash
                continue
        return found

    def _read(self) -> dict[bytes, list[float]]:
        """What the file holds, if it is of this very model, adapter and precision."""
        if not self.path.is_file():
            return {}
        table = self._table()
        if _identity(table) != self.identity:
            return {}
        rows = zip(*(table[name].to_pylist() for name in COLUMNS), strict=True)
        return dict(zip(table["prompt"].to_pylist(), map(list, rows), strict=True))

    def _table(self) -> pa.Table:
        try:
            return pq.read_table(self.path)
        except (OSError, pa.ArrowInvalid) as error:
            raise UserError(f"{self.path} cannot be read ({error}): delete it and run {self.command}") from None

    def _other(self) -> str:
        """In what the file's identity differs from ours."""
        theirs = _identity(self._table())
        return f"the record in {self.path} is of another " + " and ".join(
            name for name, value in self.identity.items() if theirs.get(name) != value
        )

    def _write(self, known: dict[bytes, list[float]]) -> None:
        """Make `known` the file, in the order of the keys, so that the same scores give the same bytes."""
        keys = sorted(known)
        columns = np.array([known[key] for key in keys], np.float32).T
        arrays = [pa.array(keys, pa.binary(16)), *map(pa.array, columns)]
        table = pa.table(arrays, names=["prompt", *COLUMNS])
        with atomic_path(self.path) as temporary:
            told = {"scores": json.dumps(self.identity, sort_keys=True)}
            # neither keys nor mantissas repeat, so a dictionary would only add to them
            pq.write_table(table.replace_schema_metadata(told), temporary, compression="zstd", use_dictionary=False)


def _identity(table: pa.Table) -> dict:
    return json.loads((table.schema.metadata or {}).get(b"scores", b"{}"))
