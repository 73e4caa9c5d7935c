"""The requests behind a recording, rendered anew: what each answer was asked for, and whether no rule is broken.

Answers come from the recording in the order in which they were asked for, not by the keys of their requests: those of
later rounds depend on rounding in the encoder (docs/methods/pte-profiles.md 6), and a recording can be read anywhere.
"""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.core.progress import without_widgets
from lib.data.interactions import SPLITS
from lib.data.sequences.rows import SplitRows
from lib.language.llm import language_models
from lib.language.llm.quiet_loading import without_bar
from lib.language.llm.request_and_answer import Answer
from lib.papers.pte.profiling.candidates import Study
from lib.papers.pte.profiling.loop import Loop
from lib.papers.pte.profiling.rendering import Draw, Renderer


def replay(about: Study, profiles: pd.DataFrame, encode) -> tuple[pd.DataFrame, Loop]:
    """Recorded profiles (Loop.profiles) with the request of each, and the loop that rendered these.

    The frame has the rows that a model was asked for, with `request` (a Draw) and `same`: whether it has the recorded
    key. encode(texts) gives unit vectors [n, d]. Raises UserError where rounds ask for others than are recorded.
    """
    answered = profiles[profiles["status"] != "cold"].reset_index(drop=True)
    requests: list[Draw] = []

    def ask(draws: list[Draw]) -> list[Answer]:
        rows = answered.iloc[len(requests) : len(requests) + len(draws)]
        if [(draw.side, draw.index) for draw in draws] != [*zip(rows["side"], rows["index"], strict=True)]:
            raise UserError("the rounds ask for others than are recorded: record the profiles anew with --live")
        requests.extend(draws)
        return [draw.answered(*one) for draw, *one in zip(draws, rows["text"], rows["status"], strict=True)]

    loop = about.loop(ask, encode)
    # as many rounds as were recorded, whatever the drift is by this machine's encoder
    loop.settings = about.settings.model_copy(update={"rounds": int(answered["round"].max()), "least_drift": 0.0})
    loop.run()
    same = [request.key == key for request, key in zip(requests, answered["key"], strict=True)]
    return answered.assign(request=requests, same=same), loop


def asked_again(some: pd.DataFrame, about: Study, model: str, threads: int = 1) -> pd.DataFrame:
    """Some rows of `replay`, all of one side, with `now`: what the language model of that name answers today."""
    with without_widgets():
        from lib.papers.pte.profiling.sampling import open_writer  # imports transformers

    with without_bar():
        writer = open_writer(language_models.load(model), about.settings.top_p, about.settings.temperature, threads)
    answers = writer.write([*some["request"]], about.parser(some["side"].iloc[0]))
    now = {answer.key: answer.text for answer in answers}
    return some.assign(now=[now[request.key] for request in some["request"]])


def leaks(asked: pd.DataFrame, loop: Loop, split: SplitRows) -> pd.DataFrame:
    """How often each rule of docs/methods/pte-profiles.md 4 is broken in the requests of `replay`.

    Columns rule, checked (prompts, or lists of users), broken. An item counts as named in what is left of a prompt's
    facts without the names that it may hold: those of the history, without probes, or of the item itself.
    """
    target = np.zeros(loop.histories.n_users, np.int64)
    for part in (getattr(split, name) for name in SPLITS):
        target[part.user] = part.target
    found = pd.DataFrame([_named(row, loop, target) for row in asked.itertuples()])
    users = asked["side"].eq("user").to_numpy()
    probed = users & asked["probed"].to_numpy()
    near, described = loop.near[loop.histories.users], (loop.chosen[item] for item in loop.refined)
    told = [_strangers(near, loop), _strangers(described, loop)]
    rows = [
        ("a user's prompt names items of the visible history only", users.sum(), found["other"][users].sum()),
        ("a user's prompt does not name the target", users.sum(), found["target"].sum()),
        ("a prompt written without probes does not name them", probed.sum(), found["probe"].sum()),
        ("an item's prompt names that item only", (~users).sum(), found["other"][~users].sum()),
        ("neighbours that a user's prompt tells of are train users", *told[0]),
        ("users by whom an item is described are train users", *told[1]),
    ]
    return pd.DataFrame(rows, columns=["rule", "checked", "broken"])


def _named(row, loop: Loop, target: np.ndarray) -> dict[str, bool]:
    """Whether the facts of a request name an item that they must not, the target, and a probe."""
    renderer, probes = loop.renderer, loop.probes.users.get(row.index, ()) if row.probed else ()
    if row.side == "item":
        return {"other": renderer.titles.inside(_without(row.request, [row.index], renderer)), "target": False,
                "probe": False}  # fmt: skip
    visible = [int(item) for item in loop.histories.of(row.index) if item not in probes]
    rest, aim = _without(row.request, visible, renderer), int(target[row.index])
    return {
        "other": renderer.titles.inside(rest),
        "target": aim not in visible and _holds(rest, renderer.names[aim - 1]),
        "probe": any(_holds(rest, renderer.names[item - 1]) for item in probes),
    }


def _without(request: Draw, items: list[int], renderer: Renderer) -> str:
    """The facts of a prompt, without the names of some items: a longer name first, as it may hold a shorter one."""
    text = request.user.rpartition("\n\n")[0]
    for name in sorted((renderer.names[item - 1] for item in items), key=len, reverse=True):
        text = text.replace(name, "")
    return text


def _holds(text: str, name: str) -> bool:
    """Whether a text has a name as it is spelt."""
    return re.search(rf"\b{re.escape(name)}(?!\w)", text) is not None


def _strangers(lists: Iterable[np.ndarray], loop: Loop) -> tuple[int, int]:
    """How many lists of users there are, -1 for nobody, and how many of them hold one who is no train user."""
    found = [not loop.histories.train[one[one >= 0]].all() for one in lists]
    return len(found), sum(found)
