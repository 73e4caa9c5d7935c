"""What the item explorer of the web pages shows: neighbours of items in text, base and aligned vectors, and maps.

docs/site/explorer.md is the page, docs/site/static/explorer.js draws it from what `measured` returns.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.analysis.cluster_words import cluster_words
from lib.analysis.descriptions import names_of, texts_of
from lib.analysis.item_maps import clusters, umap_coordinates
from lib.analysis.text_overlap import neighbours
from lib.analysis.trend import sampled_items
from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.core.names import DEFAULT_DATASET
from lib.core.progress import Progress
from lib.data import datasets
from lib.language import profiles
from lib.papers.report.dashboard import turned_alike
from lib.results import display_names
from lib.training.run_folder import Run
from lib.workflow import grids
from lib.workflow.graph_cells import GraphCell

NEAREST = 10
SIDE = 1000  # of a map, which is drawn as a square
SHOWN = 99  # percent of the items along each axis; a map is not shrunk by the rest, which lie on its edge


def measured(runs: Path = ROOT / "runs", cache: Path = ROOT / "data/cache/umap") -> dict | str:
    """Names, texts and clusters of the items, and per space their neighbours and map, ready for JSON.

    Spaces are the text and the final vectors of the report's runs with its first seed, as far as these are at hand;
    for each other one there is the command that trains it. A sentence that says how to make them where there are none.
    cache: the folder of coordinates of maps.
    """
    every = grids.grid("report", DEFAULT_DATASET)
    cells = [GraphCell(settings, runs) for settings in every if settings.seed == every[0].seed]
    at_hand = [cell for cell in cells if (cell.path / "embeddings.safetensors").is_file()]
    if not at_hand:
        return (
            f"No trained model of {DEFAULT_DATASET} is at hand: `make paper PAPER=report` trains those to be explored."
        )
    try:
        text = GraphCell(grids.aligned(every)).text.items
        interactions = at_hand[0].interactions
        texts = texts_of(profiles.load(interactions, datasets.settings(DEFAULT_DATASET)), "item")
    except UserError as error:
        return f"The items cannot be explored: {error}."
    labels = clusters(text)
    missing = {}
    for cell in cells:
        if cell not in at_hand:
            command = f"python -m lib train {DEFAULT_DATASET} {cell.settings.backbone} {cell.settings.alignment}"
            missing.setdefault(cell.settings.backbone, {})[cell.settings.alignment] = command
    return {
        "dataset": display_names.dataset(DEFAULT_DATASET),
        "names": _names(interactions.items, texts),
        "texts": list(texts),
        "clusters": labels.tolist(),
        "words": cluster_words(texts, labels),
        "backbones": _spaces(at_hand, text, cache),
        "missing": missing,
    }


def _spaces(at_hand: list[GraphCell], text: np.ndarray, cache: Path) -> dict:
    """Per backbone its display name and spaces: of each, text included, neighbours [n][10] and map [n][2]."""
    vectors = {}
    for cell in at_hand:
        final = Run(cell.path, cell.settings).embeddings["item_final"]
        vectors.setdefault(cell.settings.backbone, {})[cell.settings.alignment] = final
    found, sample = {}, sampled_items(len(text))  # all of them, in the order in which the dashboard has mapped them
    with Progress(len(at_hand) + len(vectors), "items", "spaces") as progress:
        for backbone, own in vectors.items():
            spaces, maps, near = {**own, "text": text}, {}, {}
            for name, space in spaces.items():
                maps[name] = umap_coordinates(space[sample], cache)[np.argsort(sample)]
                near[name] = neighbours(space, NEAREST)
                progress.update(note=f"{backbone} {name}")
            maps = turned_alike(maps)
            found[backbone] = {
                "name": display_names.backbone(backbone),
                "spaces": {
                    name: {"near": near[name].tolist(), "map": _on_square(maps[name]).tolist()} for name in spaces
                },
            }
    return found


def _names(items: pd.DataFrame, texts: np.ndarray) -> list[str]:
    """Titles with their years where the data have them: two films may share a title."""
    names = pd.Series(names_of(items, texts), dtype="string")
    if "year" in items:
        names += (" (" + items["year"].astype("string") + ")").fillna("").to_numpy()
    return names.tolist()


def _on_square(places: np.ndarray) -> np.ndarray:
    """Coordinates [n, 2] as whole numbers from 0 to SIDE, with one scale for both axes."""
    low, high = np.percentile(places, [(100 - SHOWN) / 2, (100 + SHOWN) / 2], axis=0)
    scaled = (places - (low + high) / 2) / (high - low).max() + 0.5
    return np.clip(np.rint(scaled * SIDE), 0, SIDE).astype(int)
