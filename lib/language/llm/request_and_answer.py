"""What passes between a caller and a language model: a request, the answer to it, and the parser that reads replies."""

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """The text kept for one request; `status` is ok, repaired (second try or cut) or fallback (the request's own)."""

    side: str
    index: int
    key: str
    text: str
    status: str


@dataclass(frozen=True)
class Request:
    """One question to a language model, with what to do when no good answer comes.

    `side` and `index` say what it is about, as in user 3: a recording has one file per side, ordered by index.
    `opening` are the first words of the answer, which a local model is made to continue. `fallback` is the text that
    takes the place of an answer that stays unusable. `version` counts the caller's changes of wording.
    """

    side: str
    index: int
    system: str
    user: str
    opening: str
    fallback: str
    version: int

    @property
    def messages(self) -> list[dict]:
        """The chat that asks."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]

    @property
    def text(self) -> str:
        """All that the model reads."""
        return f"{self.system}\n\n{self.user}"

    @property
    def key(self) -> str:
        """Hex sha256 over everything that decides the answer: the same question about two things has one key."""
        # neither index nor fallback, which the model never reads
        parts = [self.version, self.side, self.system, self.user, self.opening]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()

    def answered(self, text: str, status: str) -> Answer:
        """The answer that keeps `text`."""
        return Answer(self.side, self.index, self.key, text, status)

    def unanswered(self) -> Answer:
        """The answer that stands in where every reply was unusable."""
        return self.answered(self.fallback, "fallback")


class Parser:
    """Reads the replies to one kind of request; a kind is a subclass with its own `parse` and `form`.

    An endpoint's reply is parsed as it comes. A local model is made to go on from `begun(opening)` and stopped at the
    first token that holds `stop`; `completed` makes a reply of what it wrote, which is then parsed like any other. The
    methods here are for replies of one plain line. Several threads share one parser, so it keeps no state.
    """

    form = "one line of text"
    stop = "\n"
    unwanted: tuple[str, ...] = ()  # tokens that a local model must not write at its second try

    def parse(self, reply: str | None) -> str:
        """The text to keep; raises ValueError, with a reason that a model can act on, when `reply` is unusable."""
        raise NotImplementedError

    def complaint(self, reason: ValueError) -> str:
        """What an endpoint is told about an unusable reply."""
        return f"That cannot be used: {reason}. Answer again with {self.form}."

    def begun(self, opening: str) -> str:
        """The reply up to where a local model goes on."""
        return opening

    def completed(self, opening: str, continuation: str) -> tuple[str, bool]:
        """The reply made of both parts, and whether it had to be cut to become usable."""
        return opening + continuation.partition(self.stop)[0], False
