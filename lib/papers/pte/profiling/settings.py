"""The constants of profiling: the block `profiling` of params/papers/pte.yaml, checked before anything starts."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from lib.core.errors import UserError, unknown
from lib.core.files import ROOT, read_yaml
from lib.core.settings import Seed, Strict, validated
from lib.training.run_settings import SCALES

FILE = "papers/pte.yaml"
Temperature = Annotated[float, Field(gt=0, le=2)]


class ProfilingSettings(Strict):
    """How profiles of users and items refine each other."""

    seed: Seed = Field(description="of users, perturbations and sampling")
    users: int | None = Field(ge=3, description="who take part, with their share of train users; null: all")
    rounds: int = Field(ge=1, description="T, refinements of each profile; the last one gives the candidates")
    candidates: int = Field(ge=2, le=16, description="G, profiles of each user and item to choose from")
    history: int = Field(ge=2, description="latest items of a user that a prompt tells")
    neighbours: int = Field(ge=0, description="k, most similar train users that a prompt tells of")
    audience: int = Field(ge=1, description="m, train users of an item that a prompt tells of")
    least_audience: int = Field(ge=1, description="items with fewer train users keep their metadata")
    phrases: int = Field(ge=1, description="what a prompt tells of another profile, of each of its first lists")
    kept: float = Field(gt=0, le=1, description="share of history, neighbours and audience that a candidate is told")
    temperature: Temperature = Field(description="of sampling before the last round, and of second tries")
    temperatures: list[Temperature] = Field(min_length=1, description="of the candidates in turn")
    top_p: float = Field(gt=0, le=1, description="share of probability that sampling keeps")
    least_drift: float = Field(ge=0, lt=1, description="where both sides drift less, the next round is the last")
    encoder: str = Field(description="whose vectors spread the audiences and measure drift")
    probed_users: int = Field(ge=0, description="train users whose candidates are also written without a probe item")
    probed_items: int = Field(ge=0, description="items whose candidates are also written without some train users")
    probe_share: float = Field(gt=0, lt=1, description="of an item's train users that are hidden as probes")
    most_fallbacks: float = Field(gt=0, le=1, description="share of unusable answers at which recording stops")


def load(scale: str, params: Path = ROOT / "params") -> ProfilingSettings:
    """The settings of a scale: those of `paper` with the scale's own changes; raises UserError with the remedy."""
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    path = Path(params) / FILE
    block = read_yaml(path).get("profiling")
    if not isinstance(block, dict) or not all(isinstance(part, dict) for part in block.values()):
        raise UserError(f"{path}: profiling should hold a block of 'key: value' for each scale")
    for key in block:
        if key not in SCALES:
            raise UserError(f"{path}: profiling: {unknown('scale', key, SCALES)}")
    values = block.get("paper", {}) | (block.get(scale) or {})
    return validated(ProfilingSettings, values, f"{path} (profiling, {scale})")
