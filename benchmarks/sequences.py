"""An epoch of SASRec, ours beside RecBole's, on the rows of cold-start users.

python -m benchmarks.sequences [toys] [--turns 3]

Both train the same rows (ten items and the next), model (d 128, one block, one head) and batches of 256, in turns in
one process; RecBole's batches and drawn items are made beforehand. It is optional (benchmarks/README.md).
"""

import argparse
import contextlib
import importlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch

from benchmarks import report
from lib.core.errors import UserError, exit_status
from lib.core.progress import Progress
from lib.data import datasets
from lib.data.sequences.cold_start import cold_start
from lib.models.sequential.losses import negatives
from lib.results.writers import to_markdown
from lib.training import sequence_models
from lib.training.sequence_fit import SequenceData, TrainRows, _epoch
from lib.training.sequence_settings import SequenceSettings, resolve

CLAIM = "an epoch of SASRec beside RecBole's, by turns in one process"
LOSSES = {"softmax": "CE", "bce": "BPR"}  # ours and RecBole's: all items, or one drawn item for each target


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and save; returns the exit status. A user's mistake is one sentence on stderr and status 2."""
    options = parser().parse_args(arguments)
    return exit_status(lambda: measure_and_save(options))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.sequences", description=__doc__.splitlines()[0])
    made.add_argument("dataset", nargs="?", default="toys", help="a folder of params/ whose data have sequences")
    made.add_argument("--turns", type=int, default=3, help="after one to warm up; the median counts")
    made.add_argument("--out", type=Path, default=report.RESULTS, metavar="FOLDER")
    return made


def measure_and_save(options) -> None:
    """The whole command."""
    sequences = datasets.load_sequences(options.dataset)
    data = SequenceData(sequences.n_items, cold_start(sequences))
    works = {}
    for loss in LOSSES:
        settings = resolve(options.dataset, "identity", loss)
        works[loss, "ours"] = ours(data, settings)
        works[loss, "RecBole"] = recbole(data, settings)
    table = in_turns(works, options.turns)
    times = table[table.implementation == "RecBole"]
    print(to_markdown(table))
    report.save_table(
        options.out / "sequences-cpu",
        table,
        "sequences",
        layout=table,
        claim=CLAIM,
        command=f"python -m benchmarks.sequences {options.dataset} --turns {options.turns}",
        ours="; ".join(f"{row.loss}: {row.times_ours:.1f} times as fast as RecBole's" for row in times.itertuples()),
        settings={"device": "cpu", "threads": torch.get_num_threads(), "dataset": options.dataset},
    )


def in_turns(works: dict[tuple[str, str], Callable], turns: int) -> pd.DataFrame:
    """Median seconds of an epoch by loss and implementation, measured in turns after one that does not count."""
    taken = {name: [] for name in works}
    with Progress(turns + 1, "SASRec", "turns") as progress:
        for turn in range(turns + 1):
            for name, work in works.items():
                start = time.process_time(), time.perf_counter()
                work()
                if turn:
                    taken[name].append((time.perf_counter() - start[1], time.process_time() - start[0]))
            progress.update()
    rows = [(*name, *map(median, zip(*found, strict=True))) for name, found in taken.items()]
    table = pd.DataFrame(rows, columns=["loss", "implementation", "epoch_s", "processor_s"])
    first = table.groupby("loss")["processor_s"].transform("first")  # others' work slows the clock, not this
    return table.assign(times_ours=table["processor_s"] / first)


def ours(data: SequenceData, settings: SequenceSettings) -> Callable:
    """An epoch of ours, as `sequence_fit.fit` runs it."""
    protocol, train = settings.protocol, TrainRows(data, "cpu")
    torch.manual_seed(settings.seed)
    model = sequence_models.get(settings.recommender).model(data, settings)
    optimizer = torch.optim.Adam(model.parameters(), lr=protocol.learning_rate, fused=True)
    return lambda: _epoch(model, optimizer, train, protocol, torch.default_generator, 0)


def recbole(data: SequenceData, settings: SequenceSettings) -> Callable:
    """An epoch of RecBole's SASRec by its trainer, on batches that are made beforehand. Raises UserError without it."""
    for name, kept in {"float_": np.float64, "complex_": np.complex128, "unicode_": np.str_}.items():
        setattr(np, name, kept)  # names of numpy 1, which RecBole 1.2.1 still asks for
    try:
        config, interaction, trainers, models = (
            importlib.import_module(f"recbole.{name}")
            for name in ("config", "data.interaction", "trainer", "model.sequential_recommender")
        )
    except ImportError as error:
        raise UserError(f"RecBole is not there ({error}): install it as benchmarks/README.md says") from error
    encoder, protocol = settings.encoder, settings.protocol
    chosen = {
        "MAX_ITEM_LIST_LENGTH": encoder.length, "hidden_size": encoder.d, "inner_size": encoder.d,
        "n_layers": encoder.blocks, "n_heads": encoder.heads, "hidden_dropout_prob": encoder.dropout,
        "attn_dropout_prob": encoder.dropout, "loss_type": LOSSES[settings.loss], "train_neg_sample_args": None,
        "learning_rate": protocol.learning_rate, "use_gpu": False, "show_progress": False, "state": "ERROR",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # where it makes folders of its own
        config = config.Config(model="SASRec", dataset="rows", config_dict=chosen)
        model = models.SASRec(config, SimpleNamespace(num=lambda _: data.n_items + 1))
        trainer = trainers.Trainer(config, model)
    whole = torch.from_numpy(data.rows.train.whole).long()
    present = whole[:, :-1] > 0  # it pads on the right: row r holds the items of its history, then zeros
    order = present.long().argsort(dim=1, descending=True, stable=True)
    inputs = {
        "item_id_list": whole[:, :-1].gather(1, order), "item_length": present.sum(1).clamp(min=1),
        "item_id": whole[:, -1], "neg_item_id": negatives(whole[:, -1], 1, data.n_items)[:, 0],
    }  # fmt: skip
    places = torch.randperm(len(whole)).split(protocol.batch_size)
    batches = [interaction.Interaction({name: values[own] for name, values in inputs.items()}) for own in places]
    return lambda: trainer._train_epoch(batches, 0)


if __name__ == "__main__":
    sys.exit(main())
