"""Runs the notebooks over the grid of params/experiments.yaml.

    make paper                     movielens-100k, the default
    make paper DATASET=amazon      any other entry
    make plan                      what would run, and why

Or directly: snakemake --cores 2 --workflow-profile params/workflow/default amazon

Snakemake decides by file times which commands to start; lib.notebook then decides by content whether to execute. So
that the two fit together, every rule has
- results marked `update`: Snakemake would delete plain outputs before lib.notebook can find them up to date;
- `done`, a stamp that does go when a job starts: without it a failed job would count as finished, because its restored
  results are new files;
- no executed notebook among its outputs: that copy, beside the stamp, holds the digest of the last run and the evidence
  of a failure.
"""

import json
import logging
import re
import shlex
import shutil
import sys
from functools import cache
from glob import glob

from filelock import FileLock, Timeout
from snakemake.exceptions import WorkflowError

from lib.experiments import experiments
from lib.code import sources
from lib.workflow import cell_files, dataset_files, encoder_files, estimate, fetched, measured, study_files

# the notebooks say what happens; these two lines would stand between any two of theirs
logging.getLogger("snakemake.logging").addFilter(lambda record: not re.match("Select jobs|Execute ", record.getMessage()))

GRIDS = experiments("params")
LOCK = FileLock(".snakemake/running")
FIRST = 10**6  # the priority of what trainings wait for
GPU = int(shutil.which("nvidia-smi") is not None)

CELL = "runs/{dataset}/{encoder}/{backbone}/{alignment}/seed{seed}"


def own(notebook):
    """The stamp of a notebook that has no run folder; its executed copy lies beside it."""
    return "runs/{dataset}/notebooks/" + notebook + ".done"


def code(notebook):
    """A notebook and the lib files it imports: an edit in any of them starts its rule."""
    return [f"notebooks/{notebook}.ipynb", *map(str, sources(f"notebooks/{notebook}.ipynb", root=""))]


def run(notebook, done, *more):
    """The command of a rule: lib.notebook compares `input.data` by content; `more` names further results or options."""
    copy = re.sub(r"\{(?!params)", "{wildcards.", done.replace(".done", ".ipynb"))
    return (
        f"{shlex.quote(sys.executable)} -m lib.notebook notebooks/{notebook}.ipynb {copy} {{params.values}}"
        f" --input {{input.data}} --output {{output.results}} {' '.join(more)} && touch {{output.done}}"
    )


def grid(wildcards):
    return GRIDS[wildcards.dataset]


def values(*names):
    """The notebook's parameters, from the rule's wildcards or else the experiment."""

    def options(wildcards):
        known = {**dict(grid(wildcards)), "seed": grid(wildcards).seeds[0], **dict(wildcards.items())}
        return " ".join(f"-p {name} {known[name]}" for name in names)

    return options


def settings(wildcards, study):
    """The parameters of a study: what the grid says, then what its own entry says."""
    chosen = {name: getattr(grid(wildcards), name) for name in ("encoder", "scale")} | grid(wildcards).studies[study]
    words = [word for name, value in chosen.items() for word in ("-p", name, value if isinstance(value, str) else json.dumps(value))]
    return shlex.join(["-p", "dataset", wildcards.dataset, *words])


def metrics(wildcards, **chosen):
    """What the runs of the grid, or of some backbones and seeds, came to."""
    return [f"{folder}/metrics.json" for folder in grid(wildcards).folders(wildcards.dataset, **chosen)]


known_seconds = cache(measured)


def longest_first(stamp):
    """A priority: the seconds that earlier executions let expect, so that no long job is left for the end."""
    return lambda wildcards: estimate(stamp.format(**wildcards).removeprefix("runs/"), known_seconds()) or 0


def study(notebook):
    """What a study's notebook saves under its own name: the record that lies beside a figure or a table."""
    return f"figures/{{dataset}}/{notebook.partition('_')[2]}.json"


def everything(dataset):
    """All results and stamps of a dataset: Snakemake misses an absent file only when a target names it."""
    grid = GRIDS[dataset]
    results = {"01_data": "data_card.csv", "06_tables": "ranking.csv"}
    if grid.encoder != "none":
        results |= {"02_profiles": "profiles.csv", "03_text_vectors": "text_vectors.csv"}
        results |= {f"05_semantics_{name}": f"semantics_{name}.png" for name in grid.backbones}
    files = [own(notebook) for notebook in (*results, *grid.studies)] + [study(notebook) for notebook in grid.studies]
    files += [f"figures/{{dataset}}/{result}" for result in results.values()] + ["runs/{dataset}/index.done"]
    return expand(files, dataset=dataset) + expand(
        "{folder}/{file}", folder=grid.folders(dataset), file=["metrics.json", "notebook.done"]
    )


onstart:  # the system drops this lock when the process ends in any way, unlike Snakemake's own
    try:
        LOCK.acquire(timeout=0)
    except Timeout:
        raise WorkflowError("another make paper is running in this folder: wait for it, or end it first")


wildcard_constraints:
    dataset="|".join(map(re.escape, GRIDS)),
    name=r"[\w.-]+",
    backbone=r"\w+",
    alignment=r"[\w@+=.,]+",
    seed=r"\d+",


rule paper:
    input:
        everything("movielens-100k"),
        expand(own("00_tour"), dataset="movielens-100k"),


for dataset in GRIDS:

    rule:
        name:
            dataset
        input:
            everything(dataset),


rule fetch:
    input:
        lambda wildcards: glob(f"data/{wildcards.name}/*.*") + glob(f"data/weights/{wildcards.name}/*.*"),
    output:
        fetched("{name}"),
    priority: FIRST
    shell:
        shlex.quote(sys.executable) + " -m lib fetch {wildcards.name}"


rule tour:
    input:
        code=code("00_tour"),
        data=cell_files("movielens-100k", "lightgcn", "base", "minilm")
        + ["params/movielens-100k/lightgcn.yaml", *encoder_files("minilm")],
    output:
        results=[],
        done=own("00_tour"),
    params:
        values="",
    shell:
        run("00_tour", own("00_tour"))


rule data:
    input:
        code=code("01_data"),
        data=lambda wildcards: dataset_files(wildcards.dataset),
    output:
        results=update("figures/{dataset}/data_card.csv"),
        done=own("01_data"),
    params:
        values=values("dataset", "scale"),
    shell:
        run("01_data", own("01_data"))


rule profiles:
    input:
        code=code("02_profiles"),
        data=lambda wildcards: dataset_files(wildcards.dataset),
    output:
        results=update("figures/{dataset}/profiles.csv"),
        done=own("02_profiles"),
    params:
        values=values("dataset", "scale"),
    priority: FIRST
    shell:
        run("02_profiles", own("02_profiles"))


rule text_vectors:
    input:
        "figures/{dataset}/profiles.csv",
        code=code("03_text_vectors"),
        data=lambda wildcards: dataset_files(wildcards.dataset) + encoder_files(grid(wildcards).encoder),
    output:
        results=update("figures/{dataset}/text_vectors.csv"),
        done=own("03_text_vectors"),
    params:
        values=values("dataset", "encoder", "scale"),
    priority: FIRST
    threads: workflow.cores
    resources:
        gpu=GPU,
    shell:
        run("03_text_vectors", own("03_text_vectors"))


rule train:
    input:
        "params/{dataset}/{backbone}.yaml",
        code=code("04_train"),
        data=lambda wildcards: cell_files(
            wildcards.dataset, wildcards.backbone, wildcards.alignment, grid(wildcards).encoder
        ),
    output:
        results=update(CELL + "/metrics.json"),
        done=CELL + "/notebook.done",
    params:
        values=values("alignment", "seed", "encoder", "scale"),
    priority: longest_first(CELL)
    threads: 1  # two runs side by side finish sooner than one after the other on two threads
    resources:
        gpu=GPU,
        mem_mb=3000,
    shell:
        run("04_train", CELL + "/notebook.done", "-f params/{wildcards.dataset}/{wildcards.backbone}.yaml")


rule semantics:
    input:
        "params/experiments.yaml",
        code=code("05_semantics"),
        data=lambda wildcards: [
            *metrics(wildcards, backbones=[wildcards.backbone]),
            f"figures/{wildcards.dataset}/text_vectors.csv",
        ],
    output:
        results=update("figures/{dataset}/semantics_{backbone}.png"),
        done=own("05_semantics_{backbone}"),
    params:
        values=values("dataset", "backbone", "encoder", "seed", "scale"),
    resources:
        mem_mb=3000,
    shell:
        run("05_semantics", own("05_semantics_{backbone}"))


rule tables:
    input:
        "params/experiments.yaml",
        code=code("06_tables"),
        data=lambda wildcards: [*metrics(wildcards), *sorted(glob("params/published/*.csv"))],
    output:
        results=update("figures/{dataset}/ranking.csv"),
        done=own("06_tables"),
    params:
        values=values("dataset", "encoder", "scale"),
    shell:
        run("06_tables", own("06_tables"))


for name in sorted({name for grid in GRIDS.values() for name in grid.studies}):

    rule:
        name:
            name.partition("_")[2]
        input:
            "params/experiments.yaml",
            code=code(name),
            data=lambda wildcards, name=name: [
                *metrics(wildcards),
                *study_files(wildcards.dataset, grid(wildcards), name),
                *sorted(glob("params/published/*.csv")),
            ],
        output:
            results=update(study(name)),
            done=own(name),
        params:
            notebook=name,  # the command is put together when a job starts, and by then the loop has ended
            values=lambda wildcards, name=name: settings(wildcards, name),
        resources:
            gpu=GPU,
            mem_mb=4000,
        shell:
            run("{params.notebook}", own("{params.notebook}"))


rule index:
    input:
        lambda wildcards: [
            own(name).format(dataset=wildcards.dataset) for name in ("06_tables", *grid(wildcards).studies)
        ],
    output:
        touch("runs/{dataset}/index.done"),
    shell:
        shlex.quote(sys.executable) + " -m lib index"
