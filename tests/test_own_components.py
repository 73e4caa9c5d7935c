"""A backbone, an alignment and data of one's own, added to a copy of the repository as the documentation says.

The code is that of docs/your_own_model.md. What is added has to train, and the tests of the copy have to pass as they
do here: those of shipped cells do not look at it, those of every component do.
"""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from guides import blocks

from lib.core.files import ROOT

PAGE = "your_own_model.md"
FILES = ("lib", "params", "notebooks", "tests", "docs", "data/README.md", "pyproject.toml", ".vscode")
# those of all tests that look at which components, blocks of params/, datasets and experiments are there
LOOKING = (
    "tests/test_backbones.py",
    "tests/test_datasets.py::test_shipped_settings_are_complete",
    "tests/test_editor_schemas.py::test_settings_files_are_accepted_and_a_misspelt_key_is_not",
    "tests/test_editor_schemas.py::test_the_editor_finds_a_schema_for_every_settings_file",
    "tests/test_editor_schemas.py::test_wrong_misspelt_and_missing_settings_of_a_cell_are_marked",
    "tests/test_experiments.py::test_choosing",
    "tests/test_published_settings.py::test_movielens_has_the_amazon_settings_but_for_autocf",
    "tests/test_published_settings.py::test_table_is_complete",
    "tests/test_run_settings.py::test_every_cell_resolves",
    "tests/test_step.py::test_captured_steps_train_to_the_same_bytes",
    "tests/test_step.py::test_fixed_shapes_change_neither_losses_nor_gradients",
)
FEW = "not (gccf or sgl or simgcl or dccf or autocf)"  # of the shipped backbones one will do


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The repository with the page's backbone and alignment, and a table of a hundred users with texts."""
    root = tmp_path_factory.mktemp("copy")
    for name in FILES:
        take = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        take(ROOT / name, root / name)
    backbone, alignment = blocks(PAGE, "python")
    (root / "lib/models/backbones/mf.py").write_text(backbone)
    (root / "lib/models/alignment/squared.py").write_text(alignment)
    cell, grid = blocks(PAGE, "yaml")
    for folder in ("params/mine", "data/mine"):
        (root / folder).mkdir(parents=True)
    (root / "params/mine/dataset.yaml").write_text("name: mine\ntitle: My data\n")
    (root / "params/mine/mf.yaml").write_text(cell)
    # the alignment is new to a shipped backbone as well: one more block in its file
    known = yaml.safe_load((root / "params/movielens-100k/lightgcn.yaml").read_text())
    known["dataset"], own = "mine", known["hyperparameters"]
    own["squared"] = own["base"] | {"weight": 0.01}
    (root / "params/mine/lightgcn.yaml").write_text(yaml.safe_dump(known))
    known = yaml.safe_load((root / "params/experiments.yaml").read_text())
    for paper, datasets in yaml.safe_load(grid).items():
        known[paper] |= datasets
    (root / "params/experiments.yaml").write_text(yaml.safe_dump(known))
    encoder = yaml.safe_load((root / "params/encoders/tfidf.yaml").read_text())
    (root / "params/encoders/tfidf.yaml").write_text(yaml.safe_dump(encoder | {"dimensions": 16}))
    random = np.random.default_rng(0)
    pairs = [(user, item) for user in range(100) for item in random.permutation(60)[:12]]
    (root / "data/mine/interactions.csv").write_text("user,item\n" + "".join(f"u{u},i{i}\n" for u, i in pairs))
    for side, count in (("user", 100), ("item", 60)):
        words = random.choice([f"word{number}" for number in range(100)], (count, 10))
        rows = (f"{side[0]}{index},{' '.join(own)}\n" for index, own in enumerate(words))
        (root / f"data/mine/{side}s.csv").write_text(f"{side},profile\n" + "".join(rows))
    return root


def run(root, *words):
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "IPYTHONDIR": str(root / ".ipython")}
    done = subprocess.run([sys.executable, *words], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout


@pytest.mark.parametrize("alignment", ["base", "squared"])
def test_they_train(copy, alignment):
    run(copy, "-m", "lib", "train", "mine", "mf", alignment, "--encoder", "tfidf", "--scale", "tiny")
    folder = copy / f"runs/tiny/mine/{'tfidf' if alignment == 'squared' else 'none'}/mf/{alignment}/seed2023"
    assert json.loads((folder / "metrics.json").read_text())["test"]["recall@20"] > 0
    terms = (folder / "history.csv").read_text().splitlines()[0].split(",")
    assert ("alignment" in terms) == (alignment == "squared") and "bpr" in terms


def test_tests_of_the_copy_pass_and_find_them(copy):
    said = run(copy, "-m", "pytest", "-vv", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", FEW, *LOOKING)
    found = ("[mf-squared]", "[lightgcn-squared]", "[mine-mf-squared]", "test_gradient_reaches_every_parameter[mf]")
    assert all(name in said for name in found) and "skipped" not in said
