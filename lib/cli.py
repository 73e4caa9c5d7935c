"""The command line: python -m lib COMMAND; `python -m lib --help` lists the commands."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from lib.core.errors import exit_status, unknown
from lib.core.files import ROOT
from lib.core.names import DEFAULT_DATASET
from lib.papers import model_options
from lib.workflow import notebook_jobs

# the commands import what they need: the help must not wait for torch


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit status. A user's mistake is one sentence on stderr and status 2."""
    return exit_status(lambda: _run(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: list[str]) -> int | None:
    parser, commands = _parser()
    if arguments and arguments[0][0] != "-" and arguments[0] not in commands:
        raise unknown("command", arguments[0], commands)
    options = vars(parser.parse_args(arguments))
    return options.pop("command")(**options)


def _parser() -> tuple[argparse.ArgumentParser, dict]:
    parser = argparse.ArgumentParser(prog="python -m lib", description="RepRec: papers that regenerate themselves")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(function):
        """Declare a command with the first words of its docstring as help; returns what adds its options."""
        added = commands.add_parser(
            function.__name__, help=function.__doc__.partition(";")[0], description=function.__doc__
        )
        added.set_defaults(command=function)
        return added.add_argument

    command(doctor)

    add = command(new)
    add("name", help="of the folders in data/ and params/")
    add("interactions", type=Path, help="csv, tsv or parquet with the columns user, item and perhaps rating, timestamp")
    add("--items", type=Path, metavar="FILE", help="a column item, a text of each in profile, perhaps title, genres")
    add("--users", type=Path, metavar="FILE", help="a column user, and perhaps a text of each in profile")
    add("--backbone", nargs="+", default=["lightgcn"], metavar="NAME", help="default: lightgcn")
    for setting in ("title", "core", "minimum_rating", "duplicates"):
        add(f"--{setting.replace('_', '-')}", dest=setting, help=f"{setting} of dataset.yaml")

    add = command(order)
    add("dataset")
    add("--to", type=Path, metavar="FILE", help="default: data/<dataset>/order.csv")

    add = command(fetch)
    add("names", nargs="+", metavar="NAME", help="a dataset of params/, or weights: minilm, smollm2")
    add("--from", dest="local", type=Path, metavar="FOLDER", help="take this folder or archive instead")

    for function in (profiles, answers, candidates, policy):
        model_options.add(function.__name__, command(function))

    add = command(train)
    add("dataset")
    add("backbone")
    add("alignment", help="base, contrastive or generative; base@contrastive: with the backbone settings of the other")
    add("--seed", type=int, default=2023)
    add("--encoder", help="default: that of params/experiments.yaml")
    add("--scale", help="tiny, quick or paper; default: that of params/experiments.yaml")
    add("-p", dest="values", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="notebook parameter")

    notebook_jobs.add_arguments(command(notebook))

    add = command(recheck)
    add("folders", nargs="*", type=Path, metavar="FOLDER", default=[ROOT / "runs"], help="default: all of runs/")
    add("--epochs", type=int, default=4, help="trained again for each run; default: 4")

    command(record)("dataset")

    for function in (paper, plan):
        add = command(function)
        add("--paper", default="all", help="papers of params/experiments.yaml; default: all")
        add("--dataset", default="default", help=f"datasets of params/experiments.yaml; default: {DEFAULT_DATASET}")
        add("--recorded", action="store_true", help="take runs from data/recorded; nothing that needs their vectors")
        if function is paper:
            add("--cores", type=int, default=os.cpu_count(), help="default: all")

    command(index)
    command(schema)
    command(site)("--to", dest="folder", type=Path, default=ROOT / "site", help="default: site/")
    command(why)("file", type=Path, help="a figure or table below figures/")
    return parser, commands.choices


def doctor() -> None:
    """Versions, engine, device, memory, disk; and what is here already."""
    from lib.workflow import doctor

    print(doctor.report())


def new(name: str, interactions: Path, items, users, backbone: list[str], **settings) -> None:
    """Make a dataset of your own tables; writes its folder in data/ and its settings in params/, replaces nothing."""
    from lib.workflow import own_data

    tables = {"interactions": interactions, "items": items, "users": users}
    print(own_data.make(name, tables, backbone, {key: value for key, value in settings.items() if value is not None}))


def order(dataset: str, to: Path | None) -> None:
    """Write the ids of a dataset's users and items in the order of their rows; for vectors made elsewhere."""
    from lib.data import datasets, row_order

    print(f"written: {row_order.write(datasets.load(dataset), to or ROOT / 'data' / dataset / 'order.csv')}")


def fetch(names: list[str], local: Path | None) -> None:
    """Get datasets or weights and check them; does nothing for what is there."""
    from lib.workflow import fetching

    _tell(fetching.fetch(names, local))


def profiles(**options) -> None:
    """Let a language model write the texts that a paper needs; records answers and goes on where it stopped."""
    from lib.papers import written_texts

    _tell(written_texts.write(**options))


def answers(**options) -> None:
    """Tune a language model for RALLRec and record what it answers; goes on where it stopped."""
    from lib.papers.rallrec import recording

    _tell(recording.record(**options))


def candidates(**options) -> None:
    """Let a language model write PtE's candidate profiles; tells the cost first and goes on where it stopped."""
    from lib.papers.pte.profiling import candidates

    _tell(candidates.record(**options))


def policy(**options) -> None:
    """Let TRL tune the writer of PtE's profiles by their rewards; needs an extra, goes on where it stopped."""
    from lib.papers.pte.selection import language_policy

    _tell(language_policy.record(**options))


def _tell(lines) -> None:
    for line in lines:
        print(line, flush=True)


def train(dataset: str, backbone: str, alignment: str, seed: int, encoder, scale, values: list) -> int:
    """Train one cell of the tables by executing 04_train into its run folder; does nothing when it is up to date."""
    from lib.workflow import one_cell

    task = one_cell.task(dataset, backbone, alignment, seed, encoder, scale, values)
    if lacking := one_cell.weights_to_fetch(task):
        fetch(lacking, None)
    os.chdir(ROOT)
    return notebook_jobs.main(one_cell.job(task))


def notebook(**options) -> int:
    """Execute one notebook with checked parameters; does nothing when its copy is up to date."""
    return notebook_jobs.main(notebook_jobs.Job(**options | {"values": dict(options["values"])}))


def recheck(folders: list[Path], epochs: int) -> None:
    """Keep trained runs after an edit of code that changes no number; their first epochs must come out bit for bit."""
    from lib.workflow import recheck

    for run in recheck.finished(folders):
        print(f"{run}: {recheck.recheck(run, epochs)}", flush=True)


def record(dataset: str) -> None:
    """Pack the finished runs of a dataset into data/recorded; all but vectors, for tables without training."""
    from lib.workflow import recording

    print(recording.record(dataset))


def paper(paper: str, dataset: str, recorded: bool, cores: int) -> None:
    """Make every table and figure of some papers and datasets; what `make paper` calls once everything is installed."""
    from lib.workflow import experiments
    from lib.workflow.executions import left_out

    # a misspelt name is told before Snakemake starts, which would add its own words
    chosen = experiments.chosen(paper, dataset)
    for sentence in left_out(chosen):
        print(sentence, flush=True)
    profile = ["--workflow-profile", "params/workflow/default", "--cores", str(cores)]
    command = [sys.executable, "-m", "snakemake", *profile, "--config", f"paper={paper}", f"dataset={dataset}"]
    command += ["recorded=1"] if recorded else []
    command += ["gpu=1"] if shutil.which("nvidia-smi") else []  # one training at a time on it
    os.chdir(ROOT)
    os.execv(sys.executable, command)


def plan(paper: str, dataset: str, recorded: bool) -> None:
    """What make paper would run and why; with the time that earlier runs took, here or for the committed results."""
    from lib.workflow import experiments, plan
    from lib.workflow.executions import left_out

    chosen = paper, dataset, recorded
    print(plan.summary(plan.plan(*chosen), os.cpu_count(), plan.taken(*chosen)))
    for sentence in left_out(experiments.chosen(paper, dataset)):
        print(sentence)


def index() -> None:
    """Write figures/README.md and the pages below it anew; and what README.md quotes of them."""
    from lib.results import index

    print(f"written: {index.write(ROOT / 'figures', ROOT / 'README.md').relative_to(ROOT)}")


def schema() -> None:
    """Write params/schema anew; with it an editor completes and checks the yaml files of params/."""
    from lib.workflow import editor_schemas

    print(f"written: {len(editor_schemas.write())} schemas")


def site(folder: Path) -> None:
    """Write README, results, documents and notebooks as web pages; `make site` installs what that needs."""
    from lib.papers.report import item_explorer
    from lib.results import web_pages

    first, faults = web_pages.build(folder, item_explorer.measured)
    print(*faults, sep="\n", end="\n" if faults else "", file=sys.stderr)
    print(f"written: {first}")


def why(file: Path) -> None:
    """Where a figure or table comes from; down to the hashes of the data."""
    from lib.results.why import why

    print(why(file), end="")
