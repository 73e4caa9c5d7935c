"""The overlap of a run is measured once, and again for another text, run or code."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.analysis import kept_measures, run_overlap, text_overlap
from lib.core.files import digest
from lib.language.text_vectors import TextVectors

N_ITEMS = 150


@pytest.fixture
def run(tmp_path):
    wide = np.random.default_rng(0).random((N_ITEMS, 8)).astype(np.float32)
    return SimpleNamespace(
        path=tmp_path,
        settings=SimpleNamespace(seed=3),
        manifest={"key": "this run"},
        embeddings={"item_ego": wide, "item_final": -wide},
    )


def vectors(seed: int) -> TextVectors:
    users, items = (np.random.default_rng(seed).random((n, 12)) for n in (60, N_ITEMS))
    return TextVectors(users, items, "toy")


def test_it_is_the_mean_overlap_of_ego_and_final_vectors(run):
    table = run_overlap.overlap_of_run(run, vectors(1))
    spaces = {"ego": run.embeddings["item_ego"], "final": run.embeddings["item_final"]}
    text, rng = vectors(1).items, np.random.default_rng(3)
    pd.testing.assert_frame_equal(table, text_overlap.mean_overlap(spaces, text, rng, items=("all",)))


def test_it_is_measured_once_and_again_for_other_text_run_or_code(run, monkeypatch):
    first = run_overlap.overlap_of_run(run, vectors(1))
    monkeypatch.setattr(text_overlap, "mean_overlap", lambda *_, **__: pytest.fail("measured again"))
    pd.testing.assert_frame_equal(run_overlap.overlap_of_run(run, vectors(1)), first)
    with pytest.raises(pytest.fail.Exception):
        run_overlap.overlap_of_run(run, vectors(2))
    with pytest.raises(pytest.fail.Exception):
        run_overlap.overlap_of_run(SimpleNamespace(**vars(run) | {"manifest": {"key": "another"}}), vectors(1))
    read = []
    monkeypatch.setattr(kept_measures, "code_digest", lambda paths: read.extend(paths) or digest("changed"))
    with pytest.raises(pytest.fail.Exception):
        run_overlap.overlap_of_run(run, vectors(1))
    assert {"text_overlap.py", "significance.py"} <= {path.name for path in read}
    assert "fit.py" not in {path.name for path in read}  # training is behind the run's own key
