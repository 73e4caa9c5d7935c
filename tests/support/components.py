"""What the repository ships, and what a user has added beside it: backbones, alignments and data.

Tests of shipped cells are about the former; tests of what every component must hold take the latter too, with the
settings of the first yaml file that has them.
"""

import yaml

from lib.core import names
from lib.core.files import ROOT
from lib.data import datasets
from lib.models import backbones
from lib.training.run_settings import RunSettings, resolve

DATASETS = ("amazon", "movielens-100k", "steam", "yelp")
ALIGNMENTS = (*names.ALIGNMENTS, "kar")


def blocks() -> dict[tuple[str, str, str], dict]:
    """Every block of hyper-parameters in params/, by (dataset, backbone, alignment)."""
    found = {}
    for dataset in datasets.names():
        for name in backbones.names():
            if (path := ROOT / f"params/{dataset}/{name}.yaml").exists():
                own = yaml.safe_load(path.read_text())["hyperparameters"]
                found |= {(dataset, name, alignment): block for alignment, block in own.items()}
    return found


def added() -> dict[tuple[str, str], RunSettings]:
    """Cells whose backbone or alignment is not shipped, by (backbone, alignment)."""
    found = {}
    for dataset, backbone, alignment in blocks():
        if backbone not in names.BACKBONES or alignment not in ALIGNMENTS:
            found.setdefault((backbone, alignment), resolve(dataset, backbone, alignment, scale="paper"))
    return found
