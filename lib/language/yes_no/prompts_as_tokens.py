"""Prompts as a language model reads them: in its chat template, as token numbers, with the answer behind them."""

import hashlib
import json
from typing import NamedTuple

from lib.core.errors import UserError
from lib.core.progress import without_widgets
from lib.language.llm.language_models import LocalModel

CUE = "\nAnswer:"  # what a model without a chat template reads before its answer


class Prompt(NamedTuple):
    """A question with the system turn before it."""

    system: str
    user: str

    @property
    def key(self) -> bytes:
        """16 bytes of the sha256 of the whole text."""
        return hashlib.sha256(json.dumps([*self], ensure_ascii=False).encode()).digest()[:16]


class Tokens:
    """Turns prompts into token numbers the way the model of `settings` was taught; raises UserError without it."""

    def __init__(self, settings: LocalModel):
        with without_widgets():
            from lib.language.llm.local import load_tokenizer  # imports transformers, which takes seconds

        self.name, self.tokenizer = settings.name, load_tokenizer(settings)
        self.chat = bool(self.tokenizer.chat_template)

    def of_prompts(self, prompts: list[Prompt]) -> list[list[int]]:
        """The numbers of each prompt, up to where the answer begins."""
        return self._numbers([self.text(prompt) for prompt in prompts])

    def count(self, prompts: list[Prompt]) -> list[int]:
        """How many tokens each prompt has, with all that the chat template adds."""
        return [len(numbers) for numbers in self.of_prompts(prompts)]

    def of_answer(self, answer: str) -> list[int]:
        """The numbers of an answer where it stands in a chat, without an end.

        Raises UserError for a tokenizer that joins its beginning with the end of the prompt.
        """
        # the end of a prompt is the template's, so one prompt stands for all
        before = self.text(Prompt("Answer.", "Yes or no?"))
        prompt, whole = self._numbers([before, before + ("" if self.chat else " ") + answer])
        if whole[: len(prompt)] != prompt or len(whole) == len(prompt):
            raise UserError(
                f"the tokenizer of {self.name} joins '{answer}' with the end of the prompt: use another model"
            )
        return whole[len(prompt) :]

    def of_answers(self, answers: tuple[str, str]) -> tuple[list[int], list[int]]:
        """The numbers of the two answers that are compared; raises UserError where they are the same."""
        first, second = map(self.of_answer, answers)
        if first == second:
            raise UserError(f"{self.name} has the same tokens for '{answers[0]}' and '{answers[1]}': use another model")
        return first, second

    def text(self, prompt: Prompt) -> str:
        """All that the model reads before its answer."""
        if not self.chat:
            return f"{prompt.system}\n\n{prompt.user}{CUE}".lstrip()
        from jinja2.exceptions import TemplateError

        system, user = ({"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user})
        try:
            return self._chat([system, user])
        except TemplateError:  # some templates know no system turn
            return self._chat([user | {"content": f"{prompt.system}\n\n{prompt.user}".lstrip()}])

    def _chat(self, messages: list[dict]) -> str:
        return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    def _numbers(self, texts: list[str]) -> list[list[int]]:
        # the chat template has written the special tokens already
        return self.tokenizer(texts, add_special_tokens=not self.chat)["input_ids"] if texts else []
