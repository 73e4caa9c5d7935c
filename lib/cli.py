"""The command line: python -m lib doctor | fetch | profiles | train | recheck | plan | index | schema | site | why."""

import argparse
import os
import sys
from pathlib import Path

from lib.files import ROOT, UserError, sha256, unknown, write_json
from lib.status import exit_status

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
        added = commands.add_parser(
            function.__name__, help=function.__doc__.partition(";")[0], description=function.__doc__
        )
        added.set_defaults(command=function)
        return added.add_argument

    command(doctor)

    add = command(fetch)
    add("names", nargs="+", metavar="NAME", help="a dataset of params/, or weights: minilm, smollm2")
    add("--from", dest="local", type=Path, metavar="FOLDER", help="take this folder or archive instead")

    add = command(profiles)
    add("dataset")
    add("--model", help="a file of params/language_models; default: the dataset's own")
    add("--live", action="store_true", help="ask again what is recorded already")
    add("--threads", type=int, help="processor cores for a local model")
    add("--estimate", action="store_true", help="only say how much there is to ask and what it costs")

    add = command(train)
    add("dataset")
    add("backbone")
    add("alignment", help="base, contrastive or generative; base@contrastive: with the backbone settings of the other")
    add("--seed", type=int, default=2023)
    add("--encoder", help="default: that of params/experiments.yaml")
    add("--scale", help="tiny, quick or paper; default: that of params/experiments.yaml")
    add("-p", dest="values", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="notebook parameter")

    add = command(recheck)
    add("folders", nargs="*", type=Path, metavar="FOLDER", default=[ROOT / "runs"], help="default: all of runs/")
    add("--epochs", type=int, default=4, help="trained again for each run; default: 4")

    add = command(plan)
    add("targets", nargs="*", default=["paper"], help="paper, or datasets of params/experiments.yaml")

    command(index)
    command(schema)
    command(site)("--to", dest="folder", type=Path, default=ROOT / "site", help="default: site/")
    command(why)("file", type=Path, help="a figure or table below figures/")
    return parser, commands.choices


def doctor() -> None:
    """Versions, engine, device, memory, disk; and what is here already."""
    from lib import doctor

    print(doctor.report())


def fetch(names: list[str], local: Path | None) -> None:
    """Get datasets or weights and check them; does nothing for what is there."""
    from lib import datasets
    from lib.datasets import sources
    from lib.doctor import weights as known_weights
    from lib.workflow import fetched

    weights = known_weights()
    for name in names:
        if name in weights:
            folder = ROOT / weights[name].model
            origin = sources.fetch(weights[name].sources, folder, local=local)
        elif name in datasets.names():
            folder = ROOT / "data" / name
            origin = datasets.fetch(name, local)
        else:
            raise unknown("dataset or weights", name, [*datasets.names(), *weights])
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "source.json"]
        write_json(ROOT / fetched(name), {path.relative_to(folder).as_posix(): sha256(path) for path in files})
        print(f"{name}: {len(files)} files in {folder.relative_to(ROOT)} from {origin.get('source', 'your own copy')}")


def profiles(dataset: str, model: str | None, live: bool, threads: int | None, estimate: bool) -> None:
    """Let a language model write the profiles of a dataset; records its answers and goes on where it stopped."""
    from lib import datasets
    from lib import profiles as writing

    model = model or datasets.settings(dataset).language_model
    if model is None:
        raise UserError(f"the profiles of {dataset} came with its data: name another writer with --model")
    settings, interactions = writing.models.load(model), datasets.load(dataset)
    pending = writing.pending(interactions, settings, live=live)
    print(writing.estimate(pending, settings) if pending else f"all answers of {model} are recorded")
    if estimate:
        return
    answers = writing.write(interactions, settings, live=live, threads=threads)["answers"]
    for side, counts in answers.items():
        print(f"{side}: " + ", ".join(f"{count} {status}" for status, count in counts.items()))


def train(dataset: str, backbone: str, alignment: str, seed: int, encoder, scale, values: list) -> int:
    """Train one cell of the tables by executing 04_train into its run folder; does nothing when it is up to date."""
    from lib import notebook, params, variants, workflow
    from lib.experiments import experiments

    plain = variants.name(dataset)
    grid = experiments().get(plain)
    settings = params.resolve(
        dataset,
        backbone,
        alignment,
        seed,
        scale or (grid.scale if grid else "quick"),
        encoder or (grid.encoder if grid else "minilm"),
    )
    folder = Path("runs") / settings.folder
    files = workflow.cell_files(plain, backbone, alignment, variants.name(settings.encoder))
    job = notebook.Job(
        Path("notebooks/04_train.ipynb"),
        folder / "notebook.ipynb",
        (f"params/{plain}/{backbone}.yaml",),
        {
            **({} if dataset == plain else {"dataset": dataset}),
            "alignment": alignment,
            "seed": str(seed),
            "encoder": settings.encoder,
            "scale": settings.scale,
            **dict(values),
        },
        [file for file in files if (ROOT / file).exists()],
        (folder / "metrics.json",),
    )
    os.chdir(ROOT)
    return notebook.main(job)


def recheck(folders: list[Path], epochs: int) -> None:
    """Keep trained runs after an edit of code that changes no number; their first epochs must come out bit for bit."""
    from lib import recheck

    for run in recheck.finished(folders):
        print(f"{run}: {recheck.recheck(run, epochs)}", flush=True)


def plan(targets: list[str]) -> None:
    """What make paper would run and why; with the time that earlier runs took, here or for the committed results."""
    from lib import workflow

    print(workflow.summary(workflow.plan(*targets), os.cpu_count()))


def index() -> None:
    """Write figures/INDEX.md anew: every figure and table with its claim, its command and what came out."""
    from lib import provenance

    print(f"written: {provenance.index(ROOT / 'figures').relative_to(ROOT)}")


def schema() -> None:
    """Write params/schema anew; with it an editor completes and checks the yaml files of params/."""
    from lib import schema

    print(f"written: {len(schema.write())} schemas")


def site(folder: Path) -> None:
    """Write the executed notebooks, figures and tables as web pages; renders only what changed."""
    from lib import site

    print(f"written: {site.build(folder)}")


def why(file: Path) -> None:
    """Where a figure or table comes from; down to the hashes of the data."""
    from lib import provenance

    print(provenance.why(file), end="")
