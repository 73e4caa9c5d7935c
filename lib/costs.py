"""What a model costs: what its runs recorded, seconds per epoch, weights, and the time to score (spec rlmrec 11.2)."""

import time

import numpy as np
import pandas as pd
import torch

from lib import ranking
from lib.datasets import Interactions
from lib.experiments import reads_text
from lib.files import digest
from lib.groups import final_vectors
from lib.params import RunSettings
from lib.progress import Progress
from lib.step import stepper
from lib.tables import MODEL
from lib.training import Recommender, Sampler, adam, build, train_epoch


def training_costs(runs) -> pd.DataFrame:
    """One row per run, as it recorded itself: model, seed, epochs, seconds of all epochs (also those before an
    interruption; without evaluation), peak_memory (of the process, GiB), machine, recall@20.

    Runs that were copied from a twin took no time of their own and are left out.
    """
    rows = [
        {name: getattr(run.settings, name) for name in (*MODEL, "seed")}
        | {
            "epochs": run.metrics["epochs"],
            "seconds": run.history["seconds"].sum(),
            "peak_memory": run.manifest["peak_memory"] / 2**30,
            "machine": machine(run.manifest),
            "recall@20": run.metrics["test"]["recall@20"],
        }
        for run in runs
        if "copied_from" not in run.manifest
    ]
    return pd.DataFrame(rows)


def epoch_seconds(
    cells: list[RunSettings], data: Interactions, text: torch.Tensor | None, repeats: int
) -> pd.DataFrame:
    """Seconds of one training epoch of each cell, without evaluation: columns of MODEL, seconds_per_epoch.

    The best of `repeats` after one to warm up. The cells take turns, so that a busy moment meets all alike; cells with
    equal settings, as base and base@contrastive may be, are measured once.
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
    seconds = dict(zip(timed, np.min(taken[1:], axis=0), strict=True))
    rows = [
        {name: getattr(cell, name) for name in MODEL} | {"seconds_per_epoch": seconds[_what_trains(cell)]}
        for cell in cells
    ]
    return pd.DataFrame(rows)


def _what_trains(cell: RunSettings) -> str:
    return digest(cell.backbone, cell.kind, cell.backbone_settings, cell.alignment_settings, cell.protocol.model_dump())


def _trainer(cell: RunSettings, data: Interactions, text: torch.Tensor | None):
    """A function that trains one epoch of a cell's model."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = build(cell, data, text if reads_text(cell.alignment) else None, device)
    step = stepper(model, adam(model, cell.protocol))
    sampler = Sampler(data.train, cell.protocol.batch_size, device)
    generator = torch.Generator(device).manual_seed(cell.seed)
    return lambda: train_epoch(step, sampler, generator, epoch=0)


def machine(manifest: dict) -> str:
    """The device that a run computed on, in words."""
    known = manifest["machine"]
    return known["gpu"] if manifest["device"] != "cpu" else f"{known['cpus']} x {known['cpu']}"


def against_base(costs: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """How many times the base's seconds per epoch an aligned model takes, ours and the paper's, by backbone.

    costs: columns dataset, backbone, alignment, seconds_per_epoch; published: dataset, backbone, alignment, seconds.
    The paper's ratio is that of the same dataset, or else the mean over its datasets. Columns backbone, alignment,
    ours, matched (against base@<alignment>, with the backbone settings of the aligned model), paper.
    """
    own = costs.groupby(["backbone", "alignment"])["seconds_per_epoch"].mean()
    same = published["dataset"].isin(costs["dataset"])
    paper = published[same] if same.any() else published
    ratios = paper.pivot(index=["dataset", "backbone"], columns="alignment", values="seconds")
    ratios = ratios.div(ratios["base"], axis=0).groupby("backbone").mean().stack()
    rows = [
        (*cell, value / own[cell[0], "base"], value / own.get((cell[0], f"base@{cell[1]}"), np.nan), ratios.get(cell))
        for cell, value in own.items()
        if reads_text(cell[1])
    ]
    return pd.DataFrame(rows, columns=["backbone", "alignment", "ours", "matched", "paper"])


def weights(settings: RunSettings, data: Interactions, text: torch.Tensor | None) -> dict[str, int]:
    """How many numbers a model trains, by part, and final_vectors: how many it recommends by, once it is trained."""
    model: Recommender = build(settings, data, text)
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    ego = model.backbone.ego.numel()
    final = len(model.backbone.ego) * model.backbone.output_size
    trained = {"ego_table": ego, "other_backbone": count["backbone"] - ego, "alignment_only": count["alignment"]}
    return trained | {"final_vectors": final}


def rescored(run, data: Interactions) -> pd.DataFrame:
    """Per-user test metrics from nothing but a run's stored final vectors and the interactions."""
    return ranking.evaluate(final_vectors(run), data.n_users, data.train, data.test, run.settings.protocol.ks)


def scoring_seconds(runs, data: Interactions, k: int = 20, users: int = 2048, repeats: int = 7) -> pd.DataFrame:
    """Processor seconds to rank all items for up to `users` test users by each run's final vectors, on the CPU.

    The best of some repeats, which take turns, so that a busy moment meets all runs alike. Columns of MODEL, width,
    seconds.
    """
    chosen = np.flatnonzero(np.diff(data.test.indptr))[:users]
    finals, taken = [final_vectors(run) for run in runs], []
    for _ in range(repeats):
        taken.append([_seconds(final, data, chosen, k) for final in finals])
    rows = [
        {name: getattr(run.settings, name) for name in MODEL} | {"width": final.shape[1], "seconds": seconds}
        for run, final, seconds in zip(runs, finals, np.min(taken, axis=0), strict=True)
    ]
    return pd.DataFrame(rows)


def _seconds(final: torch.Tensor, data: Interactions, users: np.ndarray, k: int) -> float:
    start = time.process_time()
    ranking.top_items(final[: data.n_users], final[data.n_users :], data.train, users, k)
    return time.process_time() - start
