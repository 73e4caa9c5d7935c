"""`fetch amazon|yelp|steam` end to end: the real dataset.yaml, a server, the published layout, a run that reads it."""

import os
import shutil
import zipfile

import numpy as np
import pytest
import yaml
from rlmrec_folder import write

from lib.core.errors import UserError
from lib.core.files import ROOT, sha256
from lib.data import datasets
from lib.training.run_settings import resolve
from lib.workflow.graph_cells import GraphCell

NAMES = ("amazon", "yelp", "steam")


@pytest.fixture
def official(tmp_path, server):
    """The archive behind the server, and params whose sources differ from ours in address and checksum only."""
    for name in NAMES:
        write(tmp_path / "zip" / name)
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in sorted((tmp_path / "zip").rglob("*.pkl")):
            archive.write(path, path.relative_to(tmp_path / "zip"))
        archive.writestr("amazon/more.bin", os.urandom(400_000))
    server.body = (tmp_path / "data.zip").read_bytes()
    shutil.copytree(ROOT / "params", tmp_path / "params")
    for name in NAMES:
        point(tmp_path, name, url=server.url, sha256=sha256(tmp_path / "data.zip"))
    return tmp_path


def point(place, name, **changes):
    path = place / "params" / name / "dataset.yaml"
    content = yaml.safe_load(path.read_text())
    assert content["sources"][0]["members"] == f"{name}/*"
    content["sources"][0] |= changes
    path.write_text(yaml.safe_dump(content))


def fetch(place, name):
    return datasets.fetch(name, None, place / "params", place / "data")


@pytest.mark.parametrize("name", NAMES)
def test_official_data_feed_a_run_with_the_published_vectors(official, server, name):
    server.cuts = [150_000, 100_000]  # breaks off twice and goes on
    fetch(official, name)
    starts = [start for start, _ in server.seen]
    assert len(starts) == 3 and starts == sorted(set(starts)), "an interrupted download began again"
    settings = resolve(name, "lightgcn", "contrastive", scale="paper", encoder="published", params=official / "params")
    cell = GraphCell(settings, params=official / "params", data=official / "data")
    assert cell.interactions.train.shape == (3, 4) and cell.interactions.users.profile[0] == "usr 0"
    assert cell.text.encoder == "published"
    np.testing.assert_array_equal(cell.text.items, np.arange(20.0).reshape(4, 5))
    assert cell.text_tensor.shape == (7, 5)


def test_one_archive_serves_all_three(official, server):
    for name in NAMES:
        fetch(official, name)
    assert len(server.seen) == 1, "the archive was downloaded again"


def test_a_wrong_checksum_leaves_no_data(official):
    point(official, "yelp", sha256="0" * 64)
    with pytest.raises(UserError, match="wrong checksum"):
        fetch(official, "yelp")
    assert not (official / "data" / "yelp").exists()


def test_a_missing_file_is_named(official, server):
    with zipfile.ZipFile(official / "data.zip", "w") as archive:
        for path in sorted((official / "zip").rglob("*.pkl")):
            if path.name != "tst_mat.pkl":
                archive.write(path, path.relative_to(official / "zip"))
    server.body = (official / "data.zip").read_bytes()
    point(official, "steam", sha256=sha256(official / "data.zip"))
    with pytest.raises(UserError, match="tst_mat.pkl"):
        fetch(official, "steam")
        datasets.load("steam", official / "params", official / "data")
