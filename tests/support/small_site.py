"""A part of this repository whose links lead nowhere else, to be laid out and built as a site in seconds."""

import shutil
from pathlib import Path

import nbformat

from lib.core.files import ROOT

PARTS = (
    "docs/methods/rlmrec.md",
    "docs/site",
    "figures/report/movielens-100k",
    "lib",
    "notebooks/01_method.ipynb",
    "notebooks/report/05_semantics.ipynb",
    "params",
    "tests",
)
FRONT = """# A small site

[Results](figures/README.md), [method](docs/methods/rlmrec.md#3-alignment), [notebooks of the report](notebooks/report),
[tour](notebooks/01_method.ipynb), [losses](lib/models/losses.py), [a folder of sources](lib/models),
[what is not in the site](data/recorded).

![trend](figures/report/movielens-100k/semantics_gccf.png)
"""
RESULTS = """# Results

| picture | where |
|---|---|
| [<img src="report/movielens-100k/semantics_gccf.png" width="180">](report/movielens-100k/README.md) | the report |

[Front page](../README.md)
"""
N_ITEMS = 40


def small_repository(root: Path) -> Path:
    """A repository with a few pages and notebooks, one of which was executed; another failed, a third is no more."""
    for part in PARTS:
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / part).is_dir() else shutil.copyfile)(ROOT / part, root / part)
    (root / "data/recorded").mkdir(parents=True)
    (root / "README.md").write_text(FRONT)
    (root / "figures/README.md").write_text(RESULTS)
    train = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# 04 Train\n\nWhich 01 links.")])
    nbformat.write(train, root / "notebooks/04_train.ipynb")
    for name in ("report/05_semantics_gccf", "report/05_semantics_sgl", "report/03_vectors"):
        copy = root / f"runs/movielens-100k/notebooks/{name}.ipynb"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "notebooks/report/05_semantics.ipynb", copy)
        if not name.endswith("sgl"):
            copy.with_suffix(".done").touch()
    return root


def items() -> dict:
    """What the explorer shows of N_ITEMS films on a circle: neighbours are those beside each, further off in base."""

    def space(step: int) -> dict:
        near = [[(item + step * place) % N_ITEMS for place in range(1, 11)] for item in range(N_ITEMS)]
        return {"near": near, "map": [[25 * item, 25 * ((item * step) % N_ITEMS)] for item in range(N_ITEMS)]}

    spaces = {"base": space(3), "contrastive": space(2), "text": space(1)}
    return {
        "dataset": "Films",
        "names": [f"Film {item} <b>&" for item in range(N_ITEMS)],
        "texts": [f"The text of film {item}." for item in range(N_ITEMS)],
        "clusters": [item % 5 for item in range(N_ITEMS)],
        "words": ["one", "two", "three", "four", "five"],
        "backbones": {"gccf": {"name": "GCCF", "spaces": spaces}, "sgl": {"name": "SGL", "spaces": {"text": space(1)}}},
        "missing": {"gccf": {"generative": "python -m lib train films gccf generative"}, "sgl": {}},
    }
