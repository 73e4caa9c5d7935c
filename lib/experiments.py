"""Which grid makes which tables and figures: params/experiments.yaml, readable without loading torch."""

from itertools import product
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from lib.files import ROOT, UserError, read_yaml, unknown, validated


class More(BaseModel):
    """Further cells beside a grid's; backbones, alignments or seeds that are not named are the grid's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbones: list[str] | None = None
    alignments: list[str] | None = None
    seeds: list[int] | None = None


class Experiment(BaseModel):
    """The grid of one dataset; every combination of backbone, alignment and seed is a cell.

    An alignment may be written `base@contrastive`: base with the backbone settings of contrastive. Encoder `none` is
    for data without texts, whose grid has base models only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: Literal["quick", "paper"]
    encoder: str
    backbones: list[str] = Field(min_length=1)
    alignments: list[str] = Field(min_length=1)
    seeds: list[int] = Field(min_length=1)
    more: list[More] = []
    studies: dict[str, dict] = Field({}, description="notebooks that read the grid or train more, and their parameters")

    @model_validator(mode="after")
    def _texts(self):
        if self.encoder == "none" and any(map(reads_text, self.alignments)):
            raise PydanticCustomError("texts", "without an encoder the alignments must be base")
        return self

    def cells(self, backbones=None, alignments=None, seeds=None) -> list[tuple[str, str, int]]:
        """(backbone, alignment, seed) of every run, or of the grid with the given ones and what `more` has of them."""
        given = backbones, alignments, seeds
        own = self.backbones, self.alignments, self.seeds
        cells = list(product(*(given or own for given, own in zip(given, own, strict=True))))
        for further in self.more:
            named = further.backbones, further.alignments, further.seeds
            cells += product(*(named or own for named, own in zip(named, own, strict=True)))
        wanted = [cell for cell in cells if all(x in some for x, some in zip(cell, given, strict=True) if some)]
        return list(dict.fromkeys(wanted))

    def folders(self, dataset: str, **chosen) -> list[str]:
        """Run folders of `cells`; text plays no part in `base`, so its encoder is `none`."""
        return [
            f"runs/{dataset}/{encoder_folder(self.encoder) if reads_text(alignment) else 'none'}"
            f"/{backbone}/{alignment}/seed{seed}"
            for backbone, alignment, seed in self.cells(**chosen)
        ]


def parts(alignment: str) -> tuple[str, str]:
    """'base@contrastive' as its alignment and whose backbone settings it takes; a plain name takes its own."""
    own, _, settings_of = alignment.partition("+")[0].partition("@")
    return own, settings_of or own


def changes(alignment: str) -> dict:
    """'contrastive+weight=0.1,layers=2' as the settings that differ from the yaml's; raises UserError."""
    pairs = [pair.partition("=") for pair in alignment.partition("+")[2].split(",") if pair]
    if broken := [key + mark + value for key, mark, value in pairs if not (key and mark and value)]:
        raise UserError(f"{alignment}: write changed settings as key=value, not '{broken[0]}'")
    return {key: yaml.safe_load(value) for key, _, value in pairs}


def reads_text(alignment: str) -> bool:
    """Whether text plays a part: not in base, with whatever backbone settings."""
    return parts(alignment)[0] != "base"


def chosen_modules(backbone: str, alignment: str) -> list[str]:
    """The modules of lib that a run picks by name, without their suffix; base has none of its own."""
    kind = parts(alignment)[0]
    return [f"backbones/{backbone}"] + ([] if kind == "base" else [f"alignment/{kind}"])


def encoder_folder(encoder: str) -> str:
    """An encoder's folder in runs/: its name, and of a hub name or a path the last part."""
    return Path(encoder).name


def experiments(params: Path = ROOT / "params") -> dict[str, Experiment]:
    """All experiments by dataset; raises UserError for a misspelt name, also of a backbone or alignment."""
    path = Path(params) / "experiments.yaml"
    grids = {name: validated(Experiment, grid, f"{path} ({name})") for name, grid in read_yaml(path).items()}
    for dataset, grid in grids.items():
        for backbone, alignment in dict.fromkeys(cell[:2] for cell in grid.cells()):
            _check(path, dataset, backbone, alignment, Path(params))
    return grids


def _check(path: Path, dataset: str, backbone: str, alignment: str, params: Path) -> None:
    cells = {file.stem: file for file in (params / dataset).glob("*.yaml") if file.stem != "dataset"}
    if backbone not in cells:
        raise UserError(f"{path} ({dataset}): {unknown('backbone', backbone, cells)}")
    blocks = [name for name, block in read_yaml(cells[backbone]).items() if isinstance(block, dict)]
    for name in parts(alignment):
        if name not in blocks:
            raise UserError(f"{path} ({dataset}, {backbone}): {unknown('alignment', name, blocks)}")
