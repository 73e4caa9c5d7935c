"""Language models that sample: the writers of lib.language.llm with a temperature and a seed for each request.

A local model answers in the lines of a ProfileLines parser: labels are put where they belong, lists end after as many
phrases as they may hold, and every line ends after a number of tokens. So even a model of 135 million weights keeps to
the form. An endpoint is asked for the form and answers as it likes.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    SuppressTokensLogitsProcessor,
)

from lib.language.llm.language_models import EndpointModel, LocalModel
from lib.language.llm.local import LocalWriter
from lib.language.llm.request_and_answer import Answer, Parser, Request
from lib.papers.pte.profiling.contract import CUT, ProfileLines
from lib.papers.pte.profiling.rendering import Draw

TOP = 64  # most likely tokens that are looked at: the share top_p nearly always lies within them
SENTENCE, PHRASE = 52, 7  # most tokens of a summary, and of each phrase of a list
SHORTEST = 9  # tokens of a summary before a full stop may end it


def open_writer(
    settings: LocalModel | EndpointModel, top_p: float, temperature: float, threads=None, budget: float | None = None
):
    """The writer that `settings` describe; `temperature` is that of second tries, `budget` the most dollars to spend.

    Raises UserError when the model or its key is not there.
    """
    if settings.writer == "endpoint":
        return SamplingEndpoint(settings, budget)
    return SamplingLocal(settings, top_p, temperature, threads)


class SamplingEndpoint:
    """Asks an endpoint for each request at its own temperature; seeds and top_p are the endpoint's own affair."""

    def __init__(self, settings: EndpointModel, budget: float | None = None):
        from lib.language.llm.endpoint import EndpointWriter  # imports openai, which takes a second

        self.settings, self.writer = settings, EndpointWriter(settings, budget=budget)

    def write(self, requests: list[Draw], parser: Parser) -> Iterator[Answer]:
        """Yield one Answer per request, one temperature after the other; raises what EndpointWriter does."""
        by_temperature = defaultdict(list)
        for request in requests:
            by_temperature[request.temperature].append(request)
        for temperature, part in by_temperature.items():
            self.writer.settings = self.settings.model_copy(update={"temperature": temperature})
            yield from self.writer.write(part, parser)


class SamplingLocal(LocalWriter):
    """Batched sampling from the tokens that hold the share `top_p` of probability."""

    def __init__(self, settings: LocalModel, top_p: float, temperature: float, threads: int | None = None):
        super().__init__(settings, threads)
        self.top_p, self.temperature = top_p, temperature
        self.breaks = torch.tensor([index for index, text in enumerate(self.tokens) if "\n" in text])

    @torch.inference_mode()
    def continuations(self, requests: list[Draw], parser: ProfileLines, again: bool = False) -> list[str]:
        """What the model writes behind the opening of each answer; `again` at the low temperature of second tries."""
        chats = [self._chat(request) + parser.begun(request.opening) for request in requests]
        batch = self.tokenizer(chats, return_tensors="pt", padding=True, add_special_tokens=False)
        length = batch.input_ids.shape[1]
        lines = Lines(self, parser, len(requests))
        most = lines.longest
        temperatures = [self.temperature if again else request.temperature for request in requests]
        decoding, rules = self.settings.decoding, LogitsProcessorList()
        penalty = decoding.retry_penalty if again else decoding.repetition_penalty
        rules.append(RepetitionPenaltyLogitsProcessor(penalty, prompt_ignore_length=length))
        unwanted = [index for index, text in enumerate(self.tokens) if text in parser.unwanted]
        rules.extend([SuppressTokensLogitsProcessor(unwanted)] if again and unwanted else [])
        rules.extend([lines, Nucleus(temperatures, draws(requests, most), self.top_p, length)])
        tokens = self.model.generate(
            **batch, do_sample=False, max_new_tokens=most, pad_token_id=self.tokenizer.pad_token_id,
            logits_processor=rules,
        )  # fmt: skip
        return self.tokenizer.batch_decode(tokens[:, length:], skip_special_tokens=True)


def draws(requests: list[Request], count: int) -> np.ndarray:
    """Uniform numbers [n, count] in [0, 1), by the key of each request, whomever it shares a batch with."""
    keys = [hashlib.sha256(request.key.encode()).digest() for request in requests]
    return np.stack([np.random.default_rng(list(key)).random(count) for key in keys])


class Nucleus(LogitsProcessor):
    """Leaves one token for each row: drawn at the row's temperature from the smallest set that holds `top_p`."""

    def __init__(self, temperatures: list[float], draws: np.ndarray, top_p: float, length: int):
        self.temperatures = torch.tensor(temperatures)[:, None]
        self.draws, self.top_p, self.length = torch.from_numpy(draws).float(), top_p, length

    def __call__(self, input_ids, scores):
        values, tokens = scores.topk(min(TOP, scores.shape[1]))
        p = torch.softmax(values / self.temperatures, dim=1)
        total = p.cumsum(1)
        p = torch.where(total - p < self.top_p, p, 0)  # the first token is always among them
        total = p.cumsum(1)
        drawn = self.draws[:, input_ids.shape[1] - self.length, None] * total[:, -1:]
        place = (total <= drawn).sum(1, keepdim=True).clamp(max=(p > 0).sum(1, keepdim=True) - 1)
        return torch.full_like(scores, -torch.inf).scatter(1, tokens.gather(1, place), 0.0)


@dataclass
class Line:
    """Where one answer is: the number of its field, tokens and commas in the line so far, and tokens that must come.

    `given`: whether the last token was one that had to come.
    """

    field: int = 0
    tokens: int = 0
    commas: int = 0
    forced: tuple[int, ...] = ()
    given: bool = True


class Lines(LogitsProcessor):
    """Keeps answers to the labelled lines of a parser; the first line has been opened already."""

    def __init__(self, writer: SamplingLocal, parser: ProfileLines, count: int):
        tokenizer = writer.tokenizer
        self.fields, self.texts, self.breaks = parser.fields, writer.tokens, writer.breaks
        encode = tokenizer.encode
        self.labels = [tuple(encode(line, add_special_tokens=False)) for line in parser.lines]
        self.newline = tuple(encode("\n", add_special_tokens=False))
        self.cut = tuple(encode(CUT, add_special_tokens=False))
        self.end = tokenizer.eos_token_id
        self.most = [field.most * PHRASE or SENTENCE for field in self.fields]
        self.longest = sum(self.most) + len(self.fields) * (len(self.cut) + 2) + sum(map(len, self.labels))
        self.lines = [Line() for _ in range(count)]

    def __call__(self, input_ids, scores):
        """Scores with a single token left where one must come, and none that ends a line where none may."""
        forced = [self._next(*one) for one in zip(self.lines, input_ids[:, -1].tolist(), strict=True)]
        scores[:, self.end] = -torch.inf  # an answer ends behind its last line
        begun = [row for row, line in enumerate(self.lines) if not line.tokens]
        scores[torch.tensor(begun, dtype=torch.long)[:, None], self.breaks] = -torch.inf
        for row, token in enumerate(forced):
            if token is not None:
                scores[row] = -torch.inf
                scores[row, token] = 0.0
        return scores

    def _next(self, line: Line, last: int) -> int | None:
        """The token that must follow `last`, if any."""
        if not line.given and line.field < len(self.fields):
            self._read(line, self.texts[last])
        if line.field == len(self.fields):
            return self.end
        line.given = bool(line.forced)
        if not line.forced:
            return None
        token, line.forced = line.forced[0], line.forced[1:]
        if not line.forced and token in self.newline:
            self._begin(line)
        return token

    def _read(self, line: Line, text: str) -> None:
        """Take in a token that the model wrote, and decide what must come next."""
        most, count = self.most[line.field], self.fields[line.field].most
        line.tokens, line.commas = line.tokens + 1, line.commas + text.count(",")
        if "\n" in text:
            self._begin(line)
        elif line.commas >= count > 0 or "." in text and (count or line.tokens >= SHORTEST):
            line.forced = self.newline
        elif line.tokens >= most:
            line.forced = self.cut + self.newline

    def _begin(self, line: Line) -> None:
        """Open the next line with its label, or the end."""
        line.field, line.tokens, line.commas = line.field + 1, 0, 0
        line.forced = self.labels[line.field] if line.field < len(self.fields) else ()
