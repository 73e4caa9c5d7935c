"""Which replies are good profiles: one JSON object with one key, `profile`, that holds a few whole sentences.

The form is RLMRec's (docs/methods/rlmrec.md 1); the checks are against what small models get wrong.
"""

import json
import re
from collections import Counter

from lib.language.llm.request_and_answer import Parser

KEY = "profile"
SHORTEST, LONGEST = 8, 100  # words
# words in lower case: titles have capitals, such as My Life as a Dog or I'm Not Rappaport
FIRST_PERSON = re.compile(r"\bI('m|'ve|'d|'ll| am| have| enjoy| like| love| think| believe) [a-z]|\b(my|mine)\b")
# words of the instructions, of a refusal or of the chat format, which no profile should hold
COPIED = (
    "json", "two sentences", "two short sentences", "language model", "as an ai", "i cannot", "i'm sorry", "<|im_",
)  # fmt: skip
# the ends of sentences: no dot behind a space or another dot, none inside a number or behind these abbreviations
END = re.compile(r"[^\s.][.!?](?=\s|$)(?<!\bMr\.)(?<!\bMrs\.)(?<!\bDr\.)")


class ProfileParser(Parser):
    """Takes the text out of the JSON object.

    A small model seldom closes a JSON object, so a local one is made to continue the object's opening and stopped at
    the quote that ends the text.
    """

    form = "nothing but the JSON object"
    stop = '"'
    unwanted = (" I", " me", " my", " mine")  # the first try may have spoken in the first person

    def parse(self, reply: str | None) -> str:
        """The profile in `reply`, which may stand between other words; raises ValueError when there is no good one."""
        start = (reply or "").find("{")
        if start < 0:
            raise ValueError("the answer is not a JSON object")
        try:
            # strict=False takes line breaks inside the text, raw_decode leaves alone what stands behind the object
            content, _ = json.JSONDecoder(strict=False).raw_decode(reply[start:])
        except json.JSONDecodeError as error:
            raise ValueError(f"the JSON is broken: {error.msg}") from None
        except RecursionError:
            raise ValueError("the JSON is nested too deeply") from None
        # what begins with a brace can only be an object, so it has `get`
        text = content.get(KEY)
        if not isinstance(text, str):
            raise ValueError(f'the JSON object has no text under the key "{KEY}"')
        return check(" ".join(text.split()))

    def begun(self, opening: str) -> str:
        """The JSON object up to the last word of `opening`."""
        return _object(opening).removesuffix('"}')

    def completed(self, opening: str, continuation: str) -> tuple[str, bool]:
        """The JSON object with the whole sentences of both parts, and whether anything had to be cut off."""
        text, quote, _ = continuation.partition(self.stop)
        whole = opening + text.replace("\\", "")  # the backslash of an escaped quote
        sentences = whole_sentences(whole, after=len(opening))
        return _object(sentences), not quote or sentences != whole.rstrip()


def check(text: str) -> str:
    """`text` unchanged; raises ValueError when it is too short, too long, repeats itself or copies the instructions."""
    # half of a character that takes two, or a control character: neither can be written into a file of text
    if any("\ud800" <= sign <= "\udfff" or sign < " " for sign in text):
        raise ValueError("the profile holds characters that are no text")
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
    ends = [match.end() for match in END.finditer(text)]
    return text[: ends[-1]] if ends and ends[-1] > after else ""


def _object(text: str) -> str:
    return json.dumps({KEY: text}, ensure_ascii=False)


def _loops(words: list[str]) -> bool:
    """Whether four words in a row come three times, or fewer than half of the words are different."""
    runs = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
    return max(runs.values(), default=0) > 2 or len(set(words)) < len(words) / 2
