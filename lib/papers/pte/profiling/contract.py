"""What a profile consists of, how a reply becomes one, and the text of it that is embedded.

A profile is kept as JSON: {"summary": …, "interests": […], "identities": […], "avoids": […]} of a user and {"summary":
…, "appeal": […], "audience": […], "not_for": […]} of an item. Writers answer in labelled lines, which a small model
manages and JSON it does not; a reply in JSON is read as well.
"""

import json
import re
from collections import deque
from typing import NamedTuple

from lib.language.llm.request_and_answer import Parser
from lib.language.profile_answers import check, whole_sentences

SUMMARY = 40  # words
PHRASE = 6  # words of a phrase; what is longer is a sentence
CUT = " ..."  # ends a line that was stopped for its length
EMPTY = {"the", "a", "an", "none", "nothing", "n/a", "unknown", "no", "not applicable", "not specified"}


class Field(NamedTuple):
    """A part of a profile: its key in JSON, its label in lines, and how many phrases it may hold (0: a sentence)."""

    key: str
    label: str
    most: int


FIELDS = {
    "user": (
        Field("summary", "Summary", 0), Field("interests", "Interests", 5),
        Field("identities", "Identities", 3), Field("avoids", "Avoids", 2),
    ),
    "item": (
        Field("summary", "Summary", 0), Field("appeal", "Appeal", 5),
        Field("audience", "Audience", 3), Field("not_for", "Not for", 2),
    ),
}  # fmt: skip


class ProfileLines(Parser):
    """Reads a reply about one `side`, whose lines a local model must begin as `begun` says (wording.begun).

    `rejected` are the last unusable replies, each with what is wrong with it.
    """

    stop = "\n\n"

    def __init__(self, side: str, begun: list[str]):
        self.side, self.fields, self.lines = side, FIELDS[side], begun
        self.form = f"one line each for {', '.join(field.label for field in self.fields)}, and nothing else"
        self.rejected = deque(maxlen=3)

    def parse(self, reply: str | None) -> str:
        """The profile in `reply` as JSON; raises ValueError when its summary or its first list is unusable."""
        try:
            return written(self._read(reply or ""), self.side)
        except ValueError as error:
            self.rejected.append(f"{error}: {' '.join((reply or '').split())[:120]!r}")
            raise

    def completed(self, opening: str, continuation: str) -> tuple[str, bool]:
        """The reply of both parts, and whether a line had to be cut."""
        reply = opening + continuation.partition(self.stop)[0]
        return reply, CUT in reply

    def _read(self, reply: str) -> dict:
        found = _of_json(reply, self.fields) or _of_lines(reply, self.fields)
        profile = {"summary": check(_sentence(found.get("summary", "")))}
        for field, line in zip(self.fields[1:], self.lines[1:], strict=True):
            listed = found.get(field.key, "").strip().removeprefix(line.partition(": ")[2])
            profile[field.key] = _phrases(listed, field.most)
        if not profile[self.fields[1].key]:
            raise ValueError(f"the line {self.fields[1].label} holds no short phrases")
        return profile


def _of_json(reply: str, fields: tuple[Field, ...]) -> dict[str, str]:
    """The parts of the first JSON object in `reply`, lists joined; empty when there is none."""
    start = reply.find("{")
    try:
        content, _ = json.JSONDecoder(strict=False).raw_decode(reply[start:]) if start >= 0 else ({}, 0)
    except (ValueError, RecursionError):
        return {}
    parts = {field.key: content.get(field.key) for field in fields}
    return {
        key: "; ".join(map(str, part)) if isinstance(part, list) else str(part) for key, part in parts.items() if part
    }


def _of_lines(reply: str, fields: tuple[Field, ...]) -> dict[str, str]:
    """The first line under each label; what stands before any label is the summary."""
    labels = "|".join(re.escape(field.label) for field in fields)
    pieces = re.split(rf"(?im)^[\W_]*({labels})[*_ ]*:", reply)
    keys = {field.label.lower(): field.key for field in fields}
    found = {}
    for label, text in zip(pieces[1::2], pieces[2::2], strict=True):
        found.setdefault(keys[label.lower()], text)
    if pieces[0].strip():
        found.setdefault("summary", pieces[0])
    return found


def _sentence(text: str) -> str:
    """The whole sentences at the beginning of `text` that fit into a summary, or else its first words."""
    words = text.replace(CUT, "").split()
    short = " ".join(words[:SUMMARY])
    return whole_sentences(short) or (f"{short.rstrip(',;:')}." if short else "")


def _phrases(text: str, most: int) -> list[str]:
    """At most so many different phrases of a list; of one that holds only longer parts, the beginning of the first."""
    parts = [" ".join(part.split()) for part in re.split(r"[,;|\n•]+|\b(?:and|or|but)\b| - ", text)]
    whole = [part for part in parts if not part.endswith(CUT.strip())] or parts[:1]
    found = {}
    for phrase in filter(None, map(_stripped, whole)):
        if phrase.isprintable():
            found.setdefault(phrase.lower(), phrase)
    usual = [phrase for phrase in found.values() if len(phrase.split()) <= PHRASE]
    longer = [" ".join(phrase.split()[:PHRASE]) for phrase in found.values()]
    return (usual or longer[:1])[:most]


def _stripped(phrase: str) -> str:
    """A phrase without numbering, signs around it and words that only lead up to it; '' for one that says nothing."""
    bare = re.sub(r"^(?:\W|\d+[.)]|(?:including|such as|as well as|especially|also)\b)+|\W+$", "", phrase)
    return "" if bare.lower() in EMPTY else bare


def written(profile: dict, side: str) -> str:
    """A profile as it is kept: JSON with the keys of its side in order."""
    empty = {field.key: [] if field.most else "" for field in FIELDS[side]}
    return json.dumps(empty | {key: profile[key] for key in empty if key in profile}, ensure_ascii=False)


def serialised(text: str, side: str) -> str:
    """The text of a profile that is embedded: summary, then interests or appeal, then identities or audience.

    Plain words in a fixed order, so that both sides look alike to an encoder; what a user avoids is left out, since an
    encoder would take it for something that the user likes. An empty profile gives ''.
    """
    profile = json.loads(text) if text else {}
    lists = [", ".join(profile.get(field.key, [])) for field in FIELDS[side][1:3]]
    return " ".join([profile.get("summary", ""), *(f"{one}." for one in lists if one)]).strip()
