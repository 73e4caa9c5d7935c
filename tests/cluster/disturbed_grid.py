"""A grid on a real SLURM cluster with what goes wrong on clusters, compared with the same grid on one machine.

    make cluster-test

A copy of this repository trains LightGCN on MovieLens-100K twice for a few epochs: with the profile for one machine,
and with that for SLURM, while one training is cancelled, the daemon of a node is killed, and a node dies with its job.
In the end every file of every run must have the same bytes as on one machine, and the results must be there.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import yaml
from slurm import Cluster, running

from benchmarks.kinds_of_work import without_seconds
from lib.core.files import ROOT
from lib.training.run_folder import RESULTS

EPOCHS = 40  # enough to be disturbed at
GRID = {
    "scale": "quick", "encoder": "minilm", "backbones": ["lightgcn"], "alignments": ["base", "contrastive"],
    "seeds": [2023, 2024, 2025],
}  # fmt: skip
RUN = "runs/movielens-100k/minilm/lightgcn/contrastive/seed{}"
SAID = "said.log"
LONGEST = 1500  # seconds for one grid


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="reprec-cluster-") as folder:
        copy = repository(Path(folder) / "repository")
        print("the grid on one machine", flush=True)
        start = time.monotonic()
        with snakemake(copy, "default", ["--cores", "2"], os.environ) as run:
            finished(run, copy)
        print(f"  {time.monotonic() - start:.0f} s", flush=True)
        expected = bytes_of_runs(copy)
        for made in ("runs", "figures", ".snakemake"):
            shutil.rmtree(copy / made)
        with running(Path(folder) / "slurm") as cluster:
            print("the grid on SLURM, disturbed", flush=True)
            # one job per node, so that two trainings do not take the processor from each other;
            # squeue, since this cluster keeps no accounts
            options = ["--jobs", "2", "--slurm-status-command", "squeue"]
            with snakemake(copy, "slurm", options, cluster.environment) as run:
                disturb(copy, cluster, run)
                finished(run, copy)
        return compare(expected, bytes_of_runs(copy), copy)


def repository(copy: Path) -> Path:
    """The working tree with a small grid; data and weights, which are only read, are those of this checkout."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith("figures/"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    for name in ("cache", "weights", "movielens-100k"):
        if not (ROOT / "data" / name).exists():
            raise SystemExit(f"data/{name} is missing: make test fetches it")
        (copy / "data" / name).symlink_to(ROOT / "data" / name)
    write(
        copy / "params/experiments.yaml", {"rlmrec": {"movielens-100k": {"grid": GRID, "notebooks": {"06_tables": {}}}}}
    )
    protocol = yaml.safe_load((copy / "params/protocol.yaml").read_text())
    write(copy / "params/protocol.yaml", protocol | {"quick": {"epochs": EPOCHS}})
    return copy


def write(path: Path, content: dict) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False))


@contextmanager
def snakemake(copy: Path, profile: str, options: list[str], environment):
    """Start the workflow of the copy and yield its process, which has ended after; what it says goes to a file."""
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", f"params/workflow/{profile}", *options]
    own = {**environment, "PYTHONPATH": str(copy), "HOME": str(copy / "home")}
    with (copy / SAID).open("ab") as said:
        run = subprocess.Popen([*command, "--latency-wait", "10"], cwd=copy, env=own, stdout=said, stderr=said)
    try:
        yield run
    finally:
        if run.poll() is None:
            run.send_signal(signal.SIGINT)
            run.wait(60)


def finished(run: subprocess.Popen, copy: Path) -> None:
    """Wait for the end of a workflow, which must be a good one."""
    assert run.wait(LONGEST) == 0, told(copy)


def told(copy: Path) -> str:
    """The end of what the workflow said, for who has to find out what went wrong."""
    return (copy / SAID).read_text()[-3000:]


def disturb(copy: Path, cluster: Cluster, run: subprocess.Popen) -> None:
    """Each of three trainings, once it has a checkpoint, meets with one of the things that happen on clusters."""

    def cancelled(number: str, node: str) -> None:
        cluster.ask("scancel", number)

    def daemon_killed(number: str, node: str) -> None:
        cluster.kill_node_daemon(node)
        time.sleep(5)
        cluster.start_node(node)

    def node_dead(number: str, node: str) -> None:
        cluster.kill_node(node, number)
        while "down" not in cluster.ask("sinfo", "-h", "-n", node, "-o", "%T"):
            time.sleep(1)
        cluster.start_node(node)

    left = list(GRID["seeds"])
    for what in (cancelled, daemon_killed, node_dead):
        seed, number, node = next_training(left, copy, cluster, run)
        what(number, node)
        print(f"  job {number} on node {node}, seed {seed}, after a checkpoint: {what.__name__}", flush=True)
        left.remove(seed)


def next_training(seeds: list[int], copy: Path, cluster: Cluster, run: subprocess.Popen) -> tuple[int, str, str]:
    """Wait for one of these trainings to be at work and past a checkpoint: its seed, job and node."""
    end = time.monotonic() + LONGEST
    while run.poll() is None and time.monotonic() < end:
        for (number, comment), (state, node) in cluster.jobs().items():
            for seed in seeds:
                own = state == "RUNNING" and "contrastive" in comment and f"seed{seed}" in comment
                if own and list((copy / RUN.format(seed)).glob("checkpoint.*")):
                    return seed, number, node
        time.sleep(0.2)
    raise AssertionError(f"no training of the seeds {seeds} is left to disturb: {told(copy)}")


def bytes_of_runs(copy: Path) -> dict[str, bytes]:
    """The files of all runs; of the learning curve without what an epoch took."""
    found = {}
    for manifest in copy.glob("runs/**/manifest.json"):
        for path in (manifest.with_name(name) for name in RESULTS):
            found[path.relative_to(copy).as_posix()] = without_seconds(path)
    return found


def compare(expected: dict[str, bytes], found: dict[str, bytes], copy: Path) -> int:
    """Say what came out; 0 when it is the same."""
    differ = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    table = copy / "figures/rlmrec/movielens-100k/ranking.csv"
    print(
        f"{len(expected)} files of {len(expected) // len(RESULTS)} runs, {len(differ)} of them different",
        *differ,
        sep="\n  ",
    )
    print(f"{table.relative_to(copy)} is {'there' if table.exists() else 'missing'}")
    return int(bool(differ or not table.exists() or not expected))


if __name__ == "__main__":
    sys.exit(main())
