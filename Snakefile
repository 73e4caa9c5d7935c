"""Runs the notebooks of the papers over the grids of params/experiments.yaml.

    make paper                                every paper on movielens-100k, the default
    make paper PAPER=rlmrec DATASET=amazon    one paper, another dataset
    make plan                                 what would run, and why

Or directly: snakemake --cores 2 --workflow-profile params/workflow/default --config paper=rlmrec dataset=amazon

lib/workflow/pipeline.py lists the tasks; here each becomes a rule. Snakemake decides by file times which commands to
start; `python -m lib notebook` then decides by content whether to execute. So that the two fit together, every rule has
- results marked `update`: Snakemake would delete plain outputs before the command can find them up to date;
- `done`, a stamp that does go when a job starts: without it a failed job would count as finished, because its restored
  results are new files;
- no executed notebook among its outputs: that copy, beside the stamp, holds what the last run was made from and the
  evidence of a failure.
"""

import logging
import re
import shlex
import sys
from functools import cache

from filelock import FileLock, Timeout
from snakemake.exceptions import WorkflowError

from lib.core.errors import UserError
from lib.workflow import experiments, pipeline
from lib.workflow.durations import estimate, measured

# the notebooks say what happens; these two lines would stand between any two of theirs
logging.getLogger("snakemake.logging").addFilter(lambda record: not re.match("Select jobs|Execute ", record.getMessage()))

LOCK = FileLock(".snakemake/running")
URGENT = 10**6  # the priority of what trainings wait for
GPU = int(config.get("gpu", 0))  # GPUs that a training asks for; `make paper` looks whether this machine has one
INDEX = shlex.join([sys.executable, "-m", "lib", "index"])

try:
    CHOSEN = experiments.chosen(str(config.get("paper", "all")), str(config.get("dataset", "default")))
    TASKS = pipeline.tasks(CHOSEN, recorded=bool(int(config.get("recorded", 0))))
except UserError as error:
    raise WorkflowError(str(error))

earlier = cache(measured)


def priority_of(task):
    """Seconds that earlier executions let expect, so that no long task is left for the end."""
    return URGENT if task.urgent else int(estimate(task.name, earlier()) or 0)


onstart:  # the system drops this lock when the process ends in any way, unlike Snakemake's own
    try:
        LOCK.acquire(timeout=0)
    except Timeout:
        raise WorkflowError("another make paper is running in this folder: wait for it, or end it first")
    # its limit of 100 jobs a second, which nothing here comes near, is kept by timers that become more with every job:
    # they cost a fifth of a core for as long as jobs wait
    workflow.scheduler.job_rate_limiter = None


onsuccess:
    shell(INDEX)


onerror:  # what was made is listed, whatever failed beside it
    shell(INDEX)


localrules:
    paper,


rule paper:
    # results too: Snakemake misses an absent file only when a target names it
    input:
        [file for task in TASKS for file in (*task.makes, task.done)],


for task in TASKS:

    rule:
        name:
            task.name.replace("/", "_").replace(" ", "_")
        input:
            task.code,
            data=task.reads,
            after=ancient(task.after),
        output:
            results=update(task.makes),
            done=task.done,
        params:
            # not in `shell`, which is put together when a job starts: the loop has ended by then
            command=f"{task.command} && touch {shlex.quote(task.done)}" if task.job else task.command,
        priority: priority_of(task)
        threads: task.threads
        # where there is none, a cluster would refuse a task that asks for it
        resources:
            **{name: value if name != "gpu" else GPU for name, value in task.resources.items() if name != "gpu" or GPU},
        # the nodes of a cluster often reach no network
        localrule: task.job is None
        shell:
            "{params.command}"
