"""How the candidates of one profile differ: instruction, what of the facts is told and in which order, temperature."""

import math
from typing import NamedTuple

import numpy as np

from lib.papers.pte.profiling.settings import ProfilingSettings

SIDES = ("user", "item")


class Perturbation(NamedTuple):
    """Candidate g of a profile; `rng` draws the rest of it, and None tells everything in the usual order."""

    template: int
    temperature: float
    kept: float
    seed: int
    rng: np.random.Generator | None

    def some(self, things, latest: bool = False) -> list:
        """The share `kept` of `things` in their order, at least one; with `latest` the last of them is among it."""
        things = list(things)
        if self.rng is None or len(things) < 2:
            return things
        count = max(1, math.ceil(self.kept * len(things) - 1e-9))  # 0.8 * 5 must not become 5
        if latest:
            places = [*self.rng.permutation(len(things) - 1)[: count - 1], len(things) - 1]
        else:
            places = self.rng.permutation(len(things))[:count]
        return [things[place] for place in sorted(places)]

    def shuffled(self, things: list) -> list:
        """`things` in an order of this candidate's own."""
        return things if self.rng is None else [things[place] for place in self.rng.permutation(len(things))]


def unperturbed(temperature: float) -> Perturbation:
    """What is asked before the last round: everything, by the first instruction."""
    return Perturbation(0, temperature, 1.0, 0, None)


def candidates(settings: ProfilingSettings, side: str, index: int, probed: bool) -> list[Perturbation]:
    """The G perturbations of one profile; the first tells everything, by the first instruction and temperature.

    They depend on seed, side, index and `probed` alone, so one profile's do not change with which others there are.
    """
    temperatures = settings.temperatures
    found = [unperturbed(temperatures[0])]
    for g in range(1, settings.candidates):
        rng = np.random.default_rng([settings.seed, SIDES.index(side), index, probed, g])
        seed = int(rng.integers(1, 2**32))
        found.append(Perturbation(g, temperatures[g % len(temperatures)], settings.kept, seed, rng))
    return found
