"""What a model costs: what its runs recorded, seconds per epoch, numbers to train, and the time to score.

The seconds per epoch of the paper's own code are in params/published (docs/methods/rlmrec.md 11.2).
"""

import os
import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch

from lib.core.environment import environment
from lib.core.files import digest
from lib.core.names import MODEL, matched_base, reads_text
from lib.core.progress import Progress
from lib.data.interactions import Interactions
from lib.evaluation import ranking
from lib.training.devices import pick_device, threads
from lib.training.fit import adam, train_epoch
from lib.training.recommender import build
from lib.training.run_folder import Run
from lib.training.run_settings import RunSettings
from lib.training.sampler import Sampler
from lib.training.step import stepper


def training_costs(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run, as it recorded itself: columns of MODEL, seed, epochs, seconds, peak_memory, machine, recall@20.

    Seconds are those of all epochs, also before an interruption, without evaluation; peak_memory is that of the whole
    process in GiB. Runs that were copied from a twin took no time of their own and are left out.
    """
    rows = [
        dict(zip(MODEL, run.settings.model, strict=True))
        | {
            "seed": run.settings.seed,
            "epochs": run.metrics.epochs,
            "seconds": run.history["seconds"].sum(),
            "peak_memory": run.manifest["peak_memory"] / 2**30,
            "machine": device_in_words(run.manifest),
            "recall@20": run.metrics.test["recall@20"],
        }
        for run in runs
        if "copied_from" not in run.manifest
    ]
    return pd.DataFrame(rows)


def epoch_seconds(
    cells: list[RunSettings], data: Interactions, text: torch.Tensor | None, repeats: int
) -> pd.DataFrame:
    """Seconds of one training epoch of each cell, without evaluation: columns of MODEL, seconds_per_epoch, threads.

    The best of `repeats` after one to warm up. The cells take turns, so that a busy moment meets all alike; cells with
    equal settings, as base and base@contrastive may be, are measured once. threads: of this process.
    """
    timed, taken = {_what_trains(cell): _trainer(cell, data, text) for cell in cells}, []
    with Progress(len(timed) * (repeats + 1), "seconds per epoch", "epochs", every=60) as progress:
        for _ in range(repeats + 1):
            taken.append([])
            for train in timed.values():
                start = time.perf_counter()
                train()  # reads its losses back, so a GPU has finished
                taken[-1].append(time.perf_counter() - start)
                progress.update()
    # the least, not the mean: whatever else the machine does can only make an epoch slower
    seconds = dict(zip(timed, np.min(taken[1:], axis=0), strict=True))
    rows = [(*cell.model, seconds[_what_trains(cell)]) for cell in cells]
    return pd.DataFrame(rows, columns=[*MODEL, "seconds_per_epoch"]).assign(threads=torch.get_num_threads())


def by_threads(
    cells: list[RunSettings], data: Interactions, text: torch.Tensor | None, repeats: int, counts: Sequence[int]
) -> pd.DataFrame:
    """Seconds per epoch of a base and of others with each number of threads: backbone, alignment, threads, seconds.

    times_base is the ratio to base with as many threads. The first of `cells` is the base.
    """
    measured = []
    for count in counts:
        with threads(count):
            measured.append(epoch_seconds(cells, data, text, repeats))
        measured[-1]["times_base"] = measured[-1]["seconds_per_epoch"] / measured[-1]["seconds_per_epoch"].iloc[0]
    table = pd.concat(measured, ignore_index=True)
    return table[["backbone", "alignment", "threads", "seconds_per_epoch", "times_base"]]


def thread_counts() -> list[int]:
    """The numbers of threads worth comparing: one, as many as here, and all; a GPU computes alike with any."""
    if pick_device() != "cpu":
        return [torch.get_num_threads()]
    return sorted({1, torch.get_num_threads(), os.cpu_count()})


def _what_trains(cell: RunSettings) -> str:
    """A hash of everything that decides how long an epoch takes."""
    return digest(cell.backbone, cell.kind, cell.backbone_settings, cell.alignment_settings, cell.protocol.model_dump())


def _trainer(cell: RunSettings, data: Interactions, text: torch.Tensor | None) -> Callable[[], dict]:
    """A function that trains one epoch of a cell's model."""
    device = pick_device()
    model = build(cell, data, text if reads_text(cell.alignment) else None, device)
    step = stepper(model, adam(model, cell.protocol))
    sampler = Sampler(data.train, cell.protocol.batch_size, device)
    generator = torch.Generator(device).manual_seed(cell.seed)
    return lambda: train_epoch(step, sampler, generator, epoch=0)


def device_in_words(manifest: dict) -> str:
    """The device that a run computed on: its GPU, or the number and kind of its processors."""
    known = manifest["machine"]
    return known["gpu"] if manifest["device"] != "cpu" else f"{known['cpus']} x {known['cpu']}"


def this_machine() -> str:
    """The device that this process computes on, in the same words."""
    return device_in_words(environment() | {"device": pick_device()})


def against_base(costs: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """How many times the base's seconds per epoch an aligned model takes, ours and the paper's, by backbone.

    costs: columns dataset, backbone, alignment, seconds_per_epoch; published: dataset, backbone, alignment, seconds.
    The paper's ratio is that of the same dataset, or else the mean over its datasets. Columns backbone, alignment,
    ours, matched (against base@<alignment>, with the backbone settings of the aligned model), paper.
    """
    own = costs.groupby(["backbone", "alignment"])["seconds_per_epoch"].mean()
    same = published["dataset"].isin(costs["dataset"])
    known = published[same] if same.any() else published
    ratios = known.pivot(index=["dataset", "backbone"], columns="alignment", values="seconds")
    # ratios first and then their mean: the seconds of a large dataset would drown those of a small one
    ratios = ratios.div(ratios["base"], axis=0).groupby("backbone").mean().stack()
    rows = []
    for (backbone, alignment), seconds in own.items():
        if reads_text(alignment):
            matched = own.get((backbone, matched_base(alignment)), np.nan)
            paper = ratios.get((backbone, alignment))
            rows.append((backbone, alignment, seconds / own[backbone, "base"], seconds / matched, paper))
    return pd.DataFrame(rows, columns=["backbone", "alignment", "ours", "matched", "paper"])


def by_hardware(public: pd.DataFrame) -> pd.DataFrame:
    """How many times base's epoch an aligned epoch of the paper's own code takes on each hardware it was timed on.

    public: benchmarks/public.csv. Columns dataset, hardware, width (of the text vectors), backbone, alignment,
    times_base; only the ratios of one hardware are comparable, its seconds are not those of another.
    """
    timed = public[public["measure"] == "epoch_s"]
    rows = timed.pivot(index=["dataset", "hardware", "width", "backbone"], columns="alignment", values="seconds")
    ratios = rows.drop(columns="base").div(rows["base"], axis=0).stack().dropna()
    return ratios.rename("times_base").reset_index()


def parameter_counts(settings: RunSettings, data: Interactions, text: torch.Tensor | None) -> dict[str, int]:
    """How many numbers a model trains, by part, and final_vectors: how many it recommends by, once it is trained."""
    model = build(settings, data, text)
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    ego = model.backbone.ego.numel()
    final = len(model.backbone.ego) * model.backbone.output_size
    trained = {"ego_table": ego, "other_backbone": count["backbone"] - ego, "alignment_only": count["alignment"]}
    return trained | {"final_vectors": final}


def rescored(run: Run, data: Interactions) -> pd.DataFrame:
    """Per-user test metrics from nothing but a run's stored final vectors and the interactions."""
    return ranking.evaluate(run.final, data.n_users, data.train, data.test, run.settings.protocol.ks)


def scoring_seconds(runs: Sequence[Run], data: Interactions, repeats: int = 7) -> pd.DataFrame:
    """Processor seconds to rank all items for up to 2048 test users by each run's final vectors, on the CPU.

    The best of some repeats, which take turns, so that a busy moment meets all runs alike. Columns of MODEL, width,
    seconds.
    """
    chosen = np.flatnonzero(np.diff(data.test.indptr))[:2048]
    finals, taken = [run.final for run in runs], []
    for _ in range(repeats):
        taken.append([_seconds(final, data, chosen) for final in finals])
    table = pd.DataFrame([run.settings.model for run in runs], columns=MODEL)
    return table.assign(width=[final.shape[1] for final in finals], seconds=np.min(taken, axis=0))


def _seconds(final: torch.Tensor, data: Interactions, users: np.ndarray) -> float:
    # processor time and not the clock's: on a busy machine waiting would be measured too
    start = time.process_time()
    ranking.top_items(final[: data.n_users], final[data.n_users :], data.train, users, 20)
    return time.process_time() - start
