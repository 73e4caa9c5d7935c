"""A small made-up dataset with its params, for tests that train runs of their own."""

from pathlib import Path

import scipy.sparse as sp
import toys
import yaml

from lib.training.run_settings import resolve
from lib.workflow import cells
from lib.workflow.graph_cells import GraphCell

DATA = toys.interactions(60, 50)
BLOCKS = {
    "base": dict(layers=2, reg_weight=1e-5, keep_rate=0.8),
    "contrastive": dict(layers=2, reg_weight=1e-5, keep_rate=0.8, weight=0.1, temperature=0.2),
}


def folders(place: Path) -> Path:
    """Make params and data there, with one dataset, one cell file and a file of text vectors."""
    cell, data = place / "params" / "toy", place / "data" / "toy"
    cell.mkdir(parents=True)
    data.mkdir(parents=True)
    (cell / "dataset.yaml").write_text(yaml.safe_dump(dict(name="toy", title="Toy")))
    write_blocks(place, BLOCKS)
    paper = toys.protocol(epochs=9).model_dump(mode="json")
    (place / "params" / "protocol.yaml").write_text(yaml.safe_dump(dict(paper=paper)))
    for split in ("train", "validation", "test"):
        sp.save_npz(data / f"{split}.npz", getattr(DATA, split))
    toys.save_vectors(place / "vectors.npy", DATA, toys.text(DATA))
    return place


def write_blocks(place: Path, blocks: dict) -> None:
    """Write params/toy/lightgcn.yaml with these hyper-parameters."""
    content = dict(dataset="toy", backbone="lightgcn", hyperparameters=blocks)
    (place / "params/toy/lightgcn.yaml").write_text(yaml.safe_dump(content))


def cell(place: Path, alignment: str = "base", seed: int = 1) -> GraphCell:
    """The cell of LightGCN with this alignment, at that place."""
    vectors = str(place / "vectors.npy")
    settings = resolve("toy", "lightgcn", alignment, seed, "paper", vectors, params=place / "params")
    return GraphCell(settings, place / "runs", place / "params", place / "data")


def ensure(place: Path, alignment: str = "base", seed: int = 1):
    """The run of that cell, trained where it is missing."""
    return cells.ensure(cell(place, alignment, seed), "cpu")
