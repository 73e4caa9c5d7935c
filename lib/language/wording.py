"""How the users and items of a dataset are called, and what is asked about them.

`wording:` in params/<dataset>/dataset.yaml names an entry of WORDINGS; a new one is one more entry.
"""

from dataclasses import dataclass

from lib.core.errors import unknown


@dataclass(frozen=True)
class Wording:
    """Nouns for items and users, the questions about them, and how answers go on after the known facts."""

    item: str
    user: str
    ask_item: str
    ask_user: str
    go_on_item: str
    go_on_user: str

    @property
    def system(self) -> str:
        """What the model is told first."""
        return (
            f"You write profiles for {with_article(self.item)} recommender. "
            'Answer with a JSON object that has one key, "profile": two short sentences.'
        )


WORDINGS = {
    "items": Wording(
        item="item",
        user="user",
        ask_item="In two sentences, say what this item is like and which users will enjoy it.",
        ask_user="In two sentences, say which kinds of item this user enjoys.",
        go_on_item="It is",
        go_on_user="They like",
    ),
    "films": Wording(
        item="film",
        user="viewer",
        ask_item="In two sentences, say what this film is like and which viewers will enjoy it.",
        ask_user="In two sentences, say which kinds of film, story and mood this viewer enjoys.",
        go_on_item="It is a story of",
        go_on_user="They like stories about",
    ),
}


def wording_named(name: str) -> Wording:
    """The entry of WORDINGS; raises UserError for an unknown name."""
    if name not in WORDINGS:
        raise unknown("wording", name, WORDINGS)
    return WORDINGS[name]


def with_article(noun: str) -> str:
    """'an item', 'a film'; also 'a user', so a noun in 'u' gets no 'an'."""
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"
