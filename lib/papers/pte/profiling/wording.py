"""The instructions to write profiles: four paraphrases for each side, short enough for a small model."""

from lib.language.prompts import listed
from lib.language.wording import Wording
from lib.papers.pte.profiling.contract import FIELDS

VERSION = 1  # part of every request's key: raise it when anything here or in rendering changes
SYSTEM = "You write short profiles for recommendations. You use general words and name no titles."
ASK = {
    "user": (
        "Say what kind of {item}s this {user} enjoys, and why.",
        "Describe the taste of this {user}: themes, moods and styles.",
        "What does this {user} look for in {item}s? Sum up their preferences.",
        "Write a portrait of this {user} by what they choose.",
    ),
    "item": (
        "Say which {user}s this {item} suits, and what they like in it.",
        "Describe the appeal of this {item}: themes, mood and style, and its audience.",
        "What do {user}s look for who choose this {item}? Sum up their preferences.",
        "Write a portrait of this {item} by the {user}s who choose it.",
    ),
}
# limits and separators are not spelt out: a small model writes them into its lists
FORM = {
    "user": "Answer in four lines, {labels}: one sentence, then short lists of themes, kinds of {user} and dislikes.",
    "item": "Answer in four lines, {labels}: one sentence, then short lists of themes and kinds of {user}.",
}
# what a local model must go on from in each line: without it a small one writes sentences where a list should be
BEGIN = {
    "user": {
        "summary": "This {user} enjoys", "interests": "{themes}", "identities": "fans of", "avoids": "too much",
    },
    "item": {
        "summary": "This {item} is for {user}s who", "appeal": "{themes}", "audience": "fans of",
        "not_for": "{user}s who want",
    },
}  # fmt: skip


def begun(side: str, wording: Wording) -> list[str]:
    """The beginning of each line of the answer, label first."""
    goes_on = {"user": wording.go_on_user.removeprefix("They like"), "item": wording.go_on_item.removeprefix("It is")}
    nouns = {"item": wording.item, "user": wording.user, "themes": goes_on[side].strip()}
    return [f"{field.label}: {BEGIN[side][field.key].format(**nouns)}".rstrip() for field in FIELDS[side]]


def instruction(side: str, template: int, wording: Wording) -> str:
    """What is asked, by template modulo four, and the form of the answer."""
    asked = f"{ASK[side][template % len(ASK[side])]} {FORM[side]}"
    return asked.format(item=wording.item, user=wording.user, labels=listed([field.label for field in FIELDS[side]]))
