"""The probability of Yes against No, read off one forward pass of a causal language model per prompt."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib.core.errors import UserError
from lib.core.progress import Progress
from lib.language.llm.language_models import LocalModel, Precision
from lib.language.llm.quiet_loading import without_bar
from lib.language.yes_no import causal_model
from lib.language.yes_no.prompts_as_tokens import Prompt, Tokens
from lib.language.yes_no.token_batches import Memory

ANSWERS = ("Yes", "No")
BUDGET = 4096  # tokens of a batch: more is no faster on a processor


@dataclass(frozen=True, eq=False)
class Scores:
    """What a model says to n prompts, each float32 [n].

    `z_yes` and `z_no` are the unnormalised scores of the two answers as the next token, or the summed log-probabilities
    of their tokens where one has several. `p_legacy` is the logistic function of the difference of the two
    *probabilities*, between 0.269 and 0.731: RALLRec's published numbers are of this form.
    """

    z_yes: np.ndarray
    z_no: np.ndarray
    p_legacy: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """Probability of Yes among the two answers, float64 [n]."""
        return 1 / (1 + np.exp(self.z_no.astype(np.float64) - self.z_yes))

    def __len__(self) -> int:
        return len(self.z_yes)


class Scorer:
    """A language model, with or without the adapter in a folder, that says Yes or No to prompts.

    `budget` is the number of tokens that are read together. Raises UserError when model or adapter is not there, or
    when the two answers are the same to the model.
    """

    def __init__(
        self,
        settings: LocalModel,
        adapter: Path | None = None,
        precision: Precision = "float32",
        device: str = "cpu",
        budget: int = BUDGET,
        answers: tuple[str, str] = ANSWERS,
    ):
        self.settings, self.adapter, self.precision = settings, adapter, precision
        self.memory, self.tokens = Memory(budget), Tokens(settings)
        self.answers = self.tokens.of_answers(answers)
        with without_bar():
            self.model = causal_model.load(settings, adapter, precision, device)

    @property
    def context_length(self) -> int | None:
        """Most tokens of a prompt with its answer; None where the model does not say."""
        return causal_model.context_length(self.model)

    def score(self, prompts: list[Prompt]) -> Scores:
        """The scores of all prompts, in their order; raises UserError for one that is longer than the context."""
        parts = np.empty((3, len(prompts)), np.float32)
        for indices, scores in self.in_batches(prompts):
            parts[:, indices] = scores.z_yes, scores.z_no, scores.p_legacy
        return Scores(*parts)

    def in_batches(self, prompts: list[Prompt]) -> Iterator[tuple[list[int], Scores]]:
        """Yield positions in `prompts` and their scores, batch by batch, with progress; raises as `score` does."""
        sequences = self.tokens.of_prompts(prompts)
        lengths = [len(sequence) for sequence in sequences]
        self._check(lengths)

        def compute(indices: list[int]) -> Scores:
            return self._scores([sequences[index] for index in indices])

        start, done = time.monotonic(), 0
        with Progress(sum(lengths), f"scores ({self.settings.name})", "tokens", scale=True) as progress:
            for indices, scores in self.memory.batches(lengths, compute):
                fresh = sum(lengths[index] for index in indices)
                done += fresh
                progress.update(fresh, f"{done / (time.monotonic() - start):,.0f} tokens/s")
                yield indices, scores

    def _check(self, lengths: list[int]) -> None:
        most = self.context_length
        room = most and most - max(map(len, self.answers)) + 1
        if most and (over := [length for length in lengths if length > room]):
            said = f"{len(over)} of {len(lengths)} prompts do not fit into the {most} tokens of {self.settings.name}"
            raise UserError(f"{said} (the longest has {max(over)}): show fewer items in them")

    @torch.inference_mode()
    def _scores(self, sequences: list[list[int]]) -> Scores:
        yes, no = self.answers
        if len(yes) == len(no) == 1:
            found = causal_model.next_token_scores(self.model, sequences, [[len(one) - 1] for one in sequences])
            z_yes, z_no = found[:, yes[0]], found[:, no[0]]
            whole = found.logsumexp(1)
            log_yes, log_no = z_yes - whole, z_no - whole
        else:
            log_yes, log_no = (self._log_probability(sequences, answer) for answer in self.answers)
            z_yes, z_no = log_yes, log_no
        legacy = torch.sigmoid(log_yes.exp() - log_no.exp())
        return Scores(*(part.cpu().numpy() for part in (z_yes, z_no, legacy)))

    def _log_probability(self, sequences: list[list[int]], answer: list[int]) -> Tensor:
        """That of the whole answer after each sequence, [B]."""
        places = [[*range(len(one) - 1, len(one) - 1 + len(answer))] for one in sequences]
        found = causal_model.next_token_scores(self.model, [one + answer[:-1] for one in sequences], places)
        taken = torch.tensor(answer * len(sequences), device=found.device)
        return found.log_softmax(1).gather(1, taken[:, None]).reshape(len(sequences), -1).sum(1)
