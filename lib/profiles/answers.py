"""Which answers are good enough: one JSON object with one key, `profile`, that holds a few whole sentences."""

import json
import re
from collections import Counter
from dataclasses import dataclass

from lib.profiles.prompts import Prompt

SHORTEST, LONGEST = 8, 100  # words
# words in lower case: titles have capitals, such as My Life as a Dog or I'm Not Rappaport
FIRST_PERSON = re.compile(r"\bI('m|'ve|'d|'ll| am| have| enjoy| like| love| think| believe) [a-z]|\b(my|mine)\b")
COPIED = (
    "json",
    "two sentences",
    "two short sentences",
    "language model",
    "as an ai",
    "i cannot",
    "i'm sorry",
    "<|im_",
)


@dataclass(frozen=True)
class Answer:
    """The text for one prompt; `status` is ok, repaired (second try or cut) or fallback (template text)."""

    side: str
    index: int
    prompt_hash: str
    text: str
    status: str


def answer(prompt: Prompt, text: str, status: str) -> Answer:
    """The answer to `prompt`."""
    return Answer(prompt.side, prompt.index, prompt.prompt_hash, text, status)


def fallback(prompt: Prompt) -> Answer:
    """The template text that stands in for an answer that stayed unusable."""
    return answer(prompt, prompt.fallback, "fallback")


def parse(reply: str | None) -> str:
    """The profile in `reply`; raises ValueError, with a reason that a model can act on, when there is no good one."""
    start = (reply or "").find("{")
    if start < 0:
        raise ValueError("the answer is not a JSON object")
    try:
        content, _ = json.JSONDecoder(strict=False).raw_decode(reply[start:])
    except json.JSONDecodeError as error:
        raise ValueError(f"the JSON is broken: {error.msg}") from None
    text = content.get("profile")
    if not isinstance(text, str):
        raise ValueError('the JSON object has no text under the key "profile"')
    return check(" ".join(text.split()))


def check(text: str) -> str:
    """`text` unchanged; raises ValueError when it is too short, too long, repeats itself or copies the instructions."""
    words = re.findall(r"[\w'’-]+", text.lower())
    if not SHORTEST <= len(words) <= LONGEST:
        raise ValueError(f"the profile has {len(words)} words instead of {SHORTEST} to {LONGEST}")
    if _loops(words):
        raise ValueError("the profile repeats itself")
    if FIRST_PERSON.search(text):
        raise ValueError("the profile speaks in the first person")
    if copied := [phrase for phrase in COPIED if phrase in text.lower()]:
        raise ValueError(f"the profile speaks of its instructions ({copied[0]})")
    return text


def whole_sentences(text: str, after: int = 0) -> str:
    """`text` up to its last complete sentence that ends behind position `after`; empty when there is none."""
    ends = [match.end() for match in re.finditer(r"[^\s.][.!?](?=\s|$)(?<!\bMr\.)(?<!\bMrs\.)(?<!\bDr\.)", text)]
    return text[: ends[-1]] if ends and ends[-1] > after else ""


def _loops(words: list[str]) -> bool:
    """Whether four words in a row come three times, or fewer than half of the words are different."""
    runs = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
    return max(runs.values(), default=0) > 2 or len(set(words)) < len(words) / 2
