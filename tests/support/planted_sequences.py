"""Rows in which the next item follows from the last one, by a permutation that only training can tell."""

import numpy as np
import pandas as pd
import yaml

from lib.core.files import ROOT
from lib.data.sequences.rows import Rows, SplitRows
from lib.data.sequences.user_sequences import Sequences
from lib.training import sequence_settings
from lib.training.sequence_settings import SequenceSettings

LENGTH = 6
FILE = "papers/sequential.yaml"
SMALL = {
    "protocol": {"epochs": 2, "batch_size": 50, "learning_rate": 0.01},
    "encoder": {"d": 8, "length": 6},
    "methods": {"alphafuse": {"d_n": 4}},
    "grid": {"learning_rate": [0.001, 0.01], "dropout": [0.1]},
}
SMALL_DREAMREC = SMALL | {"own": {"timesteps": 40, "sampling_steps": 10}, "methods": {"alphafuse": {"d_n": 4}}}


def planted(n_items=30, sizes=(600, 100, 200), seed=0) -> tuple[Sequences, SplitRows]:
    """Histories of 1 to 6 random items whose target is follows[last], users split as `sizes` says."""
    rng = np.random.default_rng(seed)
    follows = np.concatenate([[0], rng.permutation(n_items) + 1])
    n = sum(sizes)
    lengths = rng.integers(1, LENGTH + 1, n)
    history = rng.integers(1, n_items + 1, (n, LENGTH)) * (np.arange(LENGTH) >= LENGTH - lengths[:, None])
    history, target = history.astype(np.int32), follows[history[:, -1]].astype(np.int32)
    stop = np.cumsum(lengths + 1) - 1
    start = stop - lengths
    parts = [
        Rows(part, start[part], stop[part], history[part], target[part])
        for part in np.split(np.arange(n), np.cumsum(sizes)[:2])
    ]
    item = np.concatenate([np.append(row[row > 0], last) for row, last in zip(history, target, strict=True)])
    items = pd.DataFrame({"id": np.arange(n_items), "title": [f"maker{i % 7} model{i % 11}" for i in range(n_items)]})
    ends = np.concatenate([[0], stop + 1])
    made = Sequences("planted", pd.DataFrame({"id": np.arange(n)}), items, ends, item.astype(np.int32))
    return made, SplitRows(*parts, counts={"test": sizes[2]})


def settings_file(params, **own) -> None:
    """The shipped settings below a folder, with those of dataset `planted`: trainings that take a blink, and `own`."""
    content = yaml.safe_load((ROOT / "params" / FILE).read_text())
    blocks = {key: SMALL.get(key, {}) | own.get(key, {}) for key in SMALL.keys() | own}
    changes = {"alphafuse": blocks, "dreamrec": SMALL_DREAMREC}
    (params / "papers").mkdir(exist_ok=True)
    (params / FILE).write_text(yaml.safe_dump(content | {"datasets": {"planted": changes}}))


def resolver(params):
    """Resolves settings that train in a blink, from a file below a folder; further names are settings to change."""
    settings_file(params)

    def resolve(method="identity", loss="infonce", search=False, seed=1, text="mine", **changed) -> SequenceSettings:
        preset = "dreamrec" if loss == "diffusion" else "alphafuse"
        found = sequence_settings.resolve("planted", method, loss, text, seed, preset, search, params=params)
        return found.with_values(changed) if changed else found

    return resolve
