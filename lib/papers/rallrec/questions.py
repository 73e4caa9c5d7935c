"""What the language model is asked for each table and figure: who answers, which items it sees, in what order.

A table is a dict of questions by the name of its row; the same question in two tables is asked once.
"""

from typing import NamedTuple

from lib.papers.rallrec.augmentation import MIXES
from lib.papers.rallrec.settings import RallrecSettings

UNTUNED = "untuned"


class Question(NamedTuple):
    """One question about every sample.

    adapter: a tuning in MIXES, or None for the model as it is. items: which of the user's items it sees, a kind of
    lib/papers/rallrec/kinds.py. mode: their order in the prompt. k: how many; None: retrieval.k of the settings.
    """

    adapter: str | None
    items: str
    mode: str
    k: int | None = None


ZERO_SHOT = Question(None, "recent", "recent")
RELLA = Question("rella", "title", "sim_chrono")
RALLREC = Question("mixed", "rerank", "rerank")

TABLE_1 = {
    "zero_shot": ZERO_SHOT,
    "rella": RELLA,
    "hybrid_score": Question("mixed", "hybrid", "hybrid"),
    "rallrec": RALLREC,
}
TABLE_3 = {
    "full": RALLREC,
    "without_augmentation": Question("sim", "rerank", "rerank"),
    "without_retrieval": Question("recent", "recent", "recent"),
    "without_tuning": Question(None, "rerank", "rerank"),
}
TABLE_4 = {kind: Question("rag", kind, "sim") for kind in ("text", "colla", "mix", "mix3")}
SHOWN = {  # Figure 4: what a tuned model sees
    "recent": ("recent", "recent"),
    "similar": ("mix3", "sim"),
    "hybrid quota": ("hybrid_quota", "hybrid"),
    "reranked": ("rerank", "rerank"),
}
FIGURE_4 = {
    (tuned, shown): Question(tuned, *how) for tuned in ("recent", "rag", "mixed") for shown, how in SHOWN.items()
}


def figure_3(settings: RallrecSettings) -> dict[tuple[str, int], Question]:
    """Three systems with every K of the grid, by name and K."""
    systems = {"rallrec": RALLREC, "rella": RELLA, "zero_shot": ZERO_SHOT}
    usual = settings.retrieval.k
    return {
        (name, k): question._replace(k=None if k == usual else k)
        for name, question in systems.items()
        for k in settings.questions.k_grid
    }


def everything(settings: RallrecSettings) -> list[tuple[Question, int]]:
    """All questions of tables and figures, each with the seed of the tuning that answers: each once.

    Table 1 has every seed of the settings, all else the first.
    """
    first, *others = settings.questions.seeds
    tables = (TABLE_1, TABLE_3, TABLE_4, figure_3(settings), FIGURE_4)
    asked = [(question, first) for table in tables for question in table.values()]
    asked += [(question, seed) for seed in others for question in TABLE_1.values() if question.adapter]
    return list(dict.fromkeys(asked))


def answering(*tables: dict) -> list[str]:
    """Who answers the questions of these tables: adapters in MIXES, and `untuned` for the model as it is."""
    return list(dict.fromkeys(question.adapter or UNTUNED for table in tables for question in table.values()))


def tunings(settings: RallrecSettings) -> list[tuple[str, int]]:
    """The adapters that answer, by name in MIXES and seed; those that more depends on first."""
    found = {(question.adapter, seed) for question, seed in everything(settings) if question.adapter}
    return sorted(found, key=lambda one: (one[1], list(MIXES).index(one[0])))
