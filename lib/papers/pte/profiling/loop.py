"""Profiles that refine each other: users read items, then items read the fresh users, round after round.

The last round writes G candidates for each profile. What a writer answers comes through `ask`, so the same loop runs
on a model, on what is recorded, and on stand-ins that only count.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from lib.language.llm.request_and_answer import Answer
from lib.papers.pte.profiling import monitors
from lib.papers.pte.profiling.audiences import audiences
from lib.papers.pte.profiling.contract import serialised
from lib.papers.pte.profiling.histories import Histories
from lib.papers.pte.profiling.neighbours import neighbours
from lib.papers.pte.profiling.perturbation import Perturbation, candidates, unperturbed
from lib.papers.pte.profiling.probes import Probes, probes, without
from lib.papers.pte.profiling.rendering import Draw, Renderer
from lib.papers.pte.profiling.settings import ProfilingSettings

COLUMNS = ["side", "index", "round", "candidate", "probed", "template", "temperature", "status", "key", "text"]


class Loop:
    """One run over all users and items that take part.

    ask(requests) gives an Answer for each; encode(texts) unit vectors [n, d]. After `run`, `profiles` has the columns
    COLUMNS and a row for each profile written: those of earlier rounds (candidate 0), the candidates of the last one,
    and with `probed` those that were written without their probes. `rounds` has what the monitors say of each round.
    An item's index is its number, from 1. Items with too few train users keep their metadata and have status cold.
    """

    def __init__(
        self,
        renderer: Renderer,
        histories: Histories,
        settings: ProfilingSettings,
        ask: Callable[[list[Draw]], list[Answer]],
        encode: Callable[[list[str]], np.ndarray],
    ):
        self.renderer, self.histories, self.settings, self.ask, self.encode = renderer, histories, settings, ask, encode
        counts = np.diff(histories.pool.tocsc().indptr)
        self.refined = np.flatnonzero(counts >= settings.least_audience)
        seen = np.flatnonzero(np.diff(histories.matrix.tocsc().indptr))
        self.cold = np.setdiff1d(np.arange(1, histories.n_items + 1) if settings.users is None else seen, self.refined)
        self.metadata = renderer.metadata()
        self.texts = {"user": [""] * histories.n_users, "item": ["", *self.metadata]}
        self.near = neighbours(histories.matrix, histories.pool, settings.neighbours)
        self.rows, self.measured = [], []

    @property
    def profiles(self) -> pd.DataFrame:
        """All that was written so far."""
        return pd.DataFrame(self.rows, columns=COLUMNS)

    @property
    def rounds(self) -> pd.DataFrame:
        """Monitors by round and side."""
        return pd.DataFrame(self.measured)

    def run(self) -> "Loop":
        """All rounds, the last one with candidates, then the candidates that do not know their probes."""
        first = unperturbed(self.settings.temperature)
        self._take("user", 0, {user: [self._user(user, "", [], first)] for user in self.histories.users.tolist()})
        last = False
        for number in range(1, self.settings.rounds + 1):
            last = last or number == self.settings.rounds
            self.chosen = self._audiences(self.histories.pool)
            drifts = [self._refine(side, number, last) for side in ("user", "item")]
            if last:
                break
            last = max(drifts) < self.settings.least_drift
        cold = [self._row("item", item, number, 0, status="cold", text=self.texts["item"][item]) for item in self.cold]
        self.rows += cold
        self._without_probes(number)
        return self

    def _refine(self, side: str, number: int, last: bool) -> float:
        """Write one side anew and return how far its profiles drifted."""
        write = self._known_user if side == "user" else self._known_item
        before, found, first = list(self.texts[side]), {}, unperturbed(self.settings.temperature)
        for index in (self.histories.users if side == "user" else self.refined).tolist():
            hows = candidates(self.settings, side, index, False) if last else [first]
            found[index] = [write(index, how) for how in hows]
        self._take(side, number, found)
        return self._measure(side, number, before, [*found])

    def _known_user(self, user: int, how: Perturbation) -> Draw:
        return self._user(user, self.texts["user"][user], self.near[user], how)

    def _user(self, user: int, earlier: str, near, how: Perturbation, hidden=()) -> Draw:
        history = [int(item) for item in self.histories.of(user) if item not in hidden][-self.settings.history :]
        others = [self.texts["user"][other] for other in near if other >= 0]
        return self.renderer.user(user, history, self.texts["item"][1:], others, earlier, how)

    def _known_item(self, item: int, how: Perturbation) -> Draw:
        return self._item(item, self.texts["item"][item], self.chosen[item], how)

    def _item(self, item: int, earlier: str, audience: np.ndarray, how: Perturbation) -> Draw:
        return self.renderer.item(item, [self.texts["user"][user] for user in audience], earlier, how)

    def _take(self, side: str, number: int, asked: dict[int, list[Draw]], probed: bool = False) -> dict[int, list[str]]:
        """Ask, keep every answer as a row, and unless `probed` make the first of each the profile that others read."""
        answers = iter(self.ask([draw for draws in asked.values() for draw in draws]))
        found = {}
        for index, draws in asked.items():
            given = [next(answers) for _ in draws]
            for g, (draw, answer) in enumerate(zip(draws, given, strict=True)):
                more = {"template": g % 4, "temperature": draw.temperature, "key": answer.key}
                self.rows.append(self._row(side, index, number, g, probed, answer.status, answer.text, **more))
            found[index] = [answer.text for answer in given]
            if not probed:
                self.texts[side][index] = found[index][0]
        return found

    def _row(self, side, index, number, g, probed=False, status="ok", text="", **more) -> dict:
        return {
            "side": side, "index": int(index), "round": number, "candidate": g, "probed": probed, "template": 0,
            "temperature": 0.0, "status": status, "key": "", "text": text, **more,
        }  # fmt: skip

    def _audiences(self, pool) -> list[np.ndarray]:
        """R_i by item number, from the vectors of users before they are written anew."""
        taking_part = self.histories.users
        vectors = self.encode([serialised(self.texts["user"][user], "user") for user in taking_part])
        all_users = np.zeros((self.histories.n_users, vectors.shape[1]), np.float32)
        all_users[taking_part] = vectors
        return audiences(pool, all_users, self.settings.audience)

    def _measure(self, side: str, number: int, before: list[str], indices: list[int]) -> float:
        """Add a row of monitors; returns the drift, 0 where there is nothing to measure."""
        if not indices:
            return 0.0
        embedded = partial(serialised, side=side)
        texts = [embedded(self.texts[side][index]) for index in indices]
        vectors = self.encode([embedded(before[index]) for index in indices] + texts)
        drift = monitors.drift(*np.split(vectors, 2))
        found = monitors.monitors(texts, vectors[len(texts) :])
        self.measured.append({"round": number, "side": side, "profiles": len(texts), "drift": drift, **found})
        return drift

    def _without_probes(self, number: int) -> None:
        """The candidates of probed users and items, who have read their probes in no prompt of their own.

        A user's earlier profile is written anew from what is left of the history, an item's is its metadata.
        """
        self.probes: Probes = probes(self.histories, self.refined, self.settings)
        shape, users = self.histories.matrix.shape, np.array([*self.probes.users], np.int64)
        if len(users):
            own = without(self.histories.matrix, self.probes.of_users(shape))[users]
            near = neighbours(own, self.histories.pool, self.settings.neighbours, users)
            first = unperturbed(self.settings.temperature)
            asked = {user: [self._user(user, "", [], first, hidden)] for user, hidden in self.probes.users.items()}
            earlier = self._take("user", 0, asked, probed=True)
            asked = {
                user: [
                    self._user(user, earlier[user][0], own_near, how, hidden)
                    for how in candidates(self.settings, "user", user, True)
                ]
                for (user, hidden), own_near in zip(self.probes.users.items(), near, strict=True)
            }
            self._take("user", number, asked, probed=True)
        if self.probes.items:
            chosen = self._audiences(without(self.histories.pool, self.probes.of_items(shape)))
            asked = {
                item: [
                    self._item(item, self.metadata[item - 1], chosen[item], how)
                    for how in candidates(self.settings, "item", item, True)
                ]
                for item in self.probes.items
            }
            self._take("item", number, asked, probed=True)
