"""Profiles written by a causal language model on this machine.

A small model seldom closes a JSON object, so it is made to continue the object's opening and stopped at the quote that
ends the text.
"""

import json

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
    SuppressTokensLogitsProcessor,
)
from transformers.utils import logging

from lib.files import ROOT, UserError
from lib.profiles.answers import Answer, answer, fallback, parse, whole_sentences
from lib.profiles.models import LocalModel
from lib.profiles.prompts import Prompt

UNWANTED = (" I", " me", " my", " mine")  # a second try must not speak in the first person again


class LocalWriter:
    """Greedy, batched decoding with the model that `settings` name; `threads` limits the processor cores."""

    def __init__(self, settings: LocalModel, threads: int | None = None, device: str = "cpu"):
        self.settings, self.device = settings, device
        if threads:
            torch.set_num_threads(threads)
        self.tokenizer, self.model = _load(settings, device)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        tokens = [self.tokenizer.decode([index]) for index in range(len(self.tokenizer))]
        self.quotes = torch.tensor([index for index, text in enumerate(tokens) if '"' in text], device=device)
        self.unwanted = [index for index, text in enumerate(tokens) if text in UNWANTED]

    def write(self, prompts: list[Prompt]):
        """Yield one Answer per prompt, shortest prompts first; unusable ones are tried again once."""
        size = self.settings.decoding.batch_size
        ordered = sorted(prompts, key=lambda prompt: len(prompt.text) + len(prompt.opening))
        for start in range(0, len(ordered), size):
            yield from self._batch(ordered[start : start + size])

    def _batch(self, prompts: list[Prompt]) -> list[Answer]:
        answers = self._try(prompts, "ok")
        failed = [prompt for prompt in prompts if prompt not in answers]
        answers |= self._try(failed, "repaired") if failed else {}
        return [answers.get(prompt) or fallback(prompt) for prompt in prompts]

    def _try(self, prompts, status: str) -> dict[Prompt, Answer]:
        good, continuations = {}, self.continuations(prompts, again=status == "repaired")
        for prompt, continuation in zip(prompts, continuations, strict=True):
            text, cut = finished(prompt.opening, continuation)
            try:
                good[prompt] = answer(prompt, parse(text), "repaired" if cut else status)
            except ValueError:
                continue
        return good

    @torch.inference_mode()
    def continuations(self, prompts: list[Prompt], again: bool = False) -> list[str]:
        """What the model writes behind the opening of each answer, as it comes; `again` under stricter rules."""
        batch = self.tokenizer(
            [self._chat(prompt) for prompt in prompts], return_tensors="pt", padding=True, add_special_tokens=False
        ).to(self.device)
        length = batch.input_ids.shape[1]
        tokens = self.model.generate(
            **batch,
            do_sample=False,
            max_new_tokens=self.settings.decoding.max_new_tokens,
            pad_token_id=self.tokenizer.pad_token_id,
            logits_processor=self._rules(length, again),
            stopping_criteria=StoppingCriteriaList([ClosingQuote(self.quotes)]),
        )
        return self.tokenizer.batch_decode(tokens[:, length:], skip_special_tokens=True)

    def _rules(self, prompt_length: int, again: bool) -> LogitsProcessorList:
        decoding = self.settings.decoding
        penalty = decoding.retry_penalty if again else decoding.repetition_penalty
        rules = [RepetitionPenaltyLogitsProcessor(penalty, prompt_ignore_length=prompt_length)]
        if again and self.unwanted:
            rules.append(SuppressTokensLogitsProcessor(self.unwanted, device=self.device))
        return LogitsProcessorList(rules)

    def _chat(self, prompt: Prompt) -> str:
        start = self.tokenizer.apply_chat_template(prompt.messages, tokenize=False, add_generation_prompt=True)
        return start + json.dumps({"profile": prompt.opening}, ensure_ascii=False)[: -len('"}')]


class ClosingQuote(StoppingCriteria):
    """Stop a sequence at the first token with a quotation mark."""

    def __init__(self, quotes: torch.Tensor):
        self.quotes = quotes

    def __call__(self, input_ids, scores, **_):
        return torch.isin(input_ids[:, -1], self.quotes)


def finished(opening: str, continuation: str) -> tuple[str, bool]:
    """The JSON answer made of both parts up to the closing quote, and whether it had to be cut to whole sentences."""
    text, quote, _ = continuation.partition('"')
    whole = opening + text.replace("\\", "")
    sentences = whole_sentences(whole, after=len(opening))
    return json.dumps({"profile": sentences}, ensure_ascii=False), not quote or sentences != whole.rstrip()


def _load(settings: LocalModel, device: str):
    folder = ROOT / settings.model
    known = {"pretrained_model_name_or_path": settings.model, "revision": settings.revision or "main"}
    if folder.is_dir():
        known = {"pretrained_model_name_or_path": str(folder), "local_files_only": True}
    elif settings.sources:
        raise UserError(f"the weights of {settings.name} are not in {folder}: run: python -m lib fetch {settings.name}")
    known["gguf_file"] = settings.gguf_file
    logging.disable_progress_bar()  # of loading the weights, which takes seconds
    try:
        tokenizer = AutoTokenizer.from_pretrained(**known)
        model = AutoModelForCausalLM.from_pretrained(**known, dtype=torch.float32)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"cannot load the language model {settings.model}: {reason}") from None
    return tokenizer, model.eval().to(device)
