"""Answers written by a causal language model on this machine; it needs transformers, which is slow to import."""

from collections.abc import Iterator

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
    SuppressTokensLogitsProcessor,
)
from transformers.utils import logging

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.language.llm.language_models import LocalModel
from lib.language.llm.request_and_answer import Answer, Parser, Request


class LocalWriter:
    """Greedy, batched decoding with the model that `settings` name; `threads` limits the processor cores.

    Raises UserError when the weights are not there.
    """

    def __init__(self, settings: LocalModel, threads: int | None = None):
        self.settings = settings
        if threads:
            torch.set_num_threads(threads)
        self.tokenizer, self.model = load_tokenizer(settings), load_model(settings)
        self.tokenizer.padding_side = "left"  # every answer starts at the same place
        # padding is masked, so any token will do
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.tokens = [self.tokenizer.decode([index]) for index in range(len(self.tokenizer))]

    def write(self, requests: list[Request], parser: Parser) -> Iterator[Answer]:
        """Yield one Answer per request, shortest requests first; unusable ones are tried again once."""
        size = self.settings.decoding.batch_size
        # neighbours in length need little padding; whom a request shares a batch with decides rounding, at times a word
        ordered = sorted(requests, key=lambda request: len(request.text) + len(request.opening))
        for start in range(0, len(ordered), size):
            yield from self._batch(ordered[start : start + size], parser)

    def _batch(self, requests: list[Request], parser: Parser) -> list[Answer]:
        answers = self._try(requests, parser, "ok")
        failed = [request for request in requests if request not in answers]
        answers |= self._try(failed, parser, "repaired") if failed else {}
        return [answers.get(request) or request.unanswered() for request in requests]

    def _try(self, requests: list[Request], parser: Parser, status: str) -> dict[Request, Answer]:
        """The answers to those requests whose replies are usable."""
        good, continuations = {}, self.continuations(requests, parser, again=status == "repaired")
        for request, continuation in zip(requests, continuations, strict=True):
            reply, cut = parser.completed(request.opening, continuation)
            try:
                good[request] = request.answered(parser.parse(reply), "repaired" if cut else status)
            except ValueError:
                continue
        return good

    @torch.inference_mode()
    def continuations(self, requests: list[Request], parser: Parser, again: bool = False) -> list[str]:
        """What the model writes behind the opening of each answer, as it comes; `again` under stricter rules."""
        chats = [self._chat(request) + parser.begun(request.opening) for request in requests]
        # without special tokens, which the chat template has written already
        batch = self.tokenizer(chats, return_tensors="pt", padding=True, add_special_tokens=False)
        length = batch.input_ids.shape[1]
        last = [index for index, text in enumerate(self.tokens) if parser.stop in text]
        tokens = self.model.generate(
            **batch,
            do_sample=False,
            max_new_tokens=self.settings.decoding.max_new_tokens,
            pad_token_id=self.tokenizer.pad_token_id,
            logits_processor=self._rules(length, parser, again),
            stopping_criteria=StoppingCriteriaList([LastToken(last)]),
        )
        return self.tokenizer.batch_decode(tokens[:, length:], skip_special_tokens=True)

    def _rules(self, length: int, parser: Parser, again: bool) -> LogitsProcessorList:
        """What decoding keeps to behind the first `length` tokens, which are the question."""
        decoding = self.settings.decoding
        penalty = decoding.retry_penalty if again else decoding.repetition_penalty
        # the question does not count: its titles and genres should come up again in the answer
        rules = [RepetitionPenaltyLogitsProcessor(penalty, prompt_ignore_length=length)]
        unwanted = [index for index, text in enumerate(self.tokens) if text in parser.unwanted]
        if again and unwanted:
            rules.append(SuppressTokensLogitsProcessor(unwanted))
        return LogitsProcessorList(rules)

    def _chat(self, request: Request) -> str:
        return self.tokenizer.apply_chat_template(request.messages, tokenize=False, add_generation_prompt=True)


class LastToken(StoppingCriteria):
    """Stop a sequence at the first of these tokens."""

    def __init__(self, tokens: list[int]):
        self.tokens = torch.tensor(tokens, dtype=torch.long)

    def __call__(self, input_ids, scores, **_):
        return torch.isin(input_ids[:, -1], self.tokens)


def load_tokenizer(settings: LocalModel):
    """Tokenizer from the folder that the settings name, or from the hub; raises UserError when it is not there."""
    return _from_pretrained(AutoTokenizer, settings)


def load_config(settings: LocalModel):
    """The model's own settings, such as how many tokens it can read, without its weights; raises as load_model does."""
    return _from_pretrained(AutoConfig, settings)


def load_model(settings: LocalModel, dtype: torch.dtype = torch.float32):
    """Model from the folder that the settings name, or from the hub, to use and not to train; raises UserError."""
    how = {"dtype": dtype}
    if settings.gguf_file:
        how["quantization_config"] = GgufConfig(dequantize=True)  # or its speed and sums would depend on the machine
    return _from_pretrained(AutoModelForCausalLM, settings, **how).eval()


def _from_pretrained(kind, settings: LocalModel, **how):
    folder = ROOT / settings.model
    known = {"pretrained_model_name_or_path": settings.model, "revision": settings.revision or "main"}
    if folder.is_dir():
        known = {"pretrained_model_name_or_path": str(folder), "local_files_only": True}
    elif settings.sources:
        raise UserError(f"the weights of {settings.name} are not in {folder}: run: python -m lib fetch {settings.name}")
    logging.disable_progress_bar()  # of loading the weights, which takes seconds
    try:
        return kind.from_pretrained(**known, gguf_file=settings.gguf_file, **how)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"cannot load the language model {settings.model}: {reason}") from None
