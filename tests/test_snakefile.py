"""The Snakefile with `python -m lib notebook`: what runs, what does not, and what stays when something fails."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from filelock import FileLock

from lib.core.files import ROOT
from lib.workflow import experiments
from lib.workflow.input_files import fetched
from lib.workflow.notebook_parameters import declared
from notebooks import write

CARD = "from lib.core.files import write_text"
SAVE = "write_text(f'figures/shared/{dataset}/files/data_card.json', scale)"
COPY = "runs/movielens-100k/notebooks/02_data.ipynb"
TARGETS = ["figures/shared/movielens-100k/files/data_card.json", "runs/movielens-100k/notebooks/02_data.done"]
TRAIN = 'dataset: str = ""  # x\nbackbone: str = ""  # x\nalignment: str = ""  # x\nseed: int = 0  # x\n'
TRAIN += 'encoder: str = ""  # x\nscale: str = ""  # x\nhyperparameters: dict = None  # x'


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The real Snakefile, lib and params with notebooks that do next to nothing, and data that count as fetched."""
    root = tmp_path_factory.mktemp("repository")
    for name in ("lib", "params", "Snakefile"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        parameters = TRAIN if path.stem == "04_train" else 'dataset: str = ""  # x\nscale: str = ""  # x'
        if path.stem != "04_train" and "backbone" in declared(path):  # what it declares decides which runs it needs
            parameters = "\n".join(parameter.line for parameter in declared(path).values())
        write(root / path.relative_to(ROOT), CARD, SAVE, parameters=parameters)
    for name in ("movielens-100k", "minilm", "smollm2"):
        touch(root / fetched(name), "{}")
    return root


def touch(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def snakemake(root, *targets, options=(), profile="default"):
    profiles = ["--workflow-profile", f"params/workflow/{profile}"]
    command = [sys.executable, "-m", "snakemake", *profiles, *(["--cores", "2"] if profile == "default" else [])]
    home = {**os.environ, "PYTHONPATH": str(root), "HOME": str(root / "home"), "XDG_CACHE_HOME": ""}
    done = subprocess.run([*command, *options, "--", *targets], cwd=root, env=home, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_life_of_a_rule(repository):
    """One test, because every step needs the state that the one before left."""
    status, said = snakemake(repository, *TARGETS)
    assert status == 0 and f"done: {COPY}" in said, said
    assert (repository / TARGETS[0]).read_text() == "quick"
    assert (repository / "figures/README.md").exists(), "the list of results is written at the end"
    assert not list((repository / "home").rglob("*snakemake*")), "the user's home is not ours"

    status, said = snakemake(repository, *TARGETS)
    assert status == 0 and "Nothing to be done" in said, said

    # a fresh checkout: new file times, no records of Snakemake; the command knows better
    shutil.rmtree(repository / ".snakemake")
    for path in [*repository.rglob("*.py"), *repository.rglob("notebooks/*.ipynb")]:
        path.touch()
    status, said = snakemake(repository, *TARGETS)
    assert status == 0 and f"up to date: {COPY}" in said, said

    # a failure is reported, its copy and the old result stay, and it is not forgotten
    good = (repository / "notebooks/02_data.ipynb").read_text()
    (repository / "notebooks/02_data.ipynb").write_text(good.replace(SAVE, "1 / 0"))
    (repository / "figures/README.md").unlink()
    for _ in range(2):
        status, said = snakemake(repository, *TARGETS)
        assert status == 1 and "ZeroDivisionError" in said and "02_data.failure.md" in said, said
    assert "ZeroDivisionError" in (repository / COPY).read_text()
    assert (repository / TARGETS[0]).read_text() == "quick"
    assert (repository / "figures/README.md").exists(), "what was made is listed, whatever failed"

    (repository / "notebooks/02_data.ipynb").write_text(good)
    (repository / TARGETS[0]).unlink()
    status, said = snakemake(repository, *TARGETS)
    assert status == 0 and f"done: {COPY}" in said and (repository / TARGETS[0]).exists(), said


def test_every_rule_runs_a_command_of_its_own(repository):
    """Rules are made in a loop, and their commands are put together when they start: after the loop has ended."""
    name, saves = "report/08_case_studies", "write_text(f'figures/report/{dataset}/files/case_studies.json', encoder)"
    parameters = "".join(f'{name}: str = ""  # x\n' for name in ("dataset", "encoder", "scale"))
    write(repository / f"notebooks/{name}.ipynb", CARD, saves, parameters=parameters)
    grid = experiments.load(repository / "params")["report", "movielens-100k"].grid
    for folder in grid.folders("movielens-100k"):
        touch(repository / folder / "metrics.json")

    done = f"runs/movielens-100k/notebooks/{name}.done"
    options = ("--allowed-rules", "movielens-100k_notebooks_report_08_case_studies")
    status, said = snakemake(repository, done, options=options)
    assert status == 0 and f"done: runs/movielens-100k/notebooks/{name}.ipynb" in said, said
    assert (repository / "figures/report/movielens-100k/files/case_studies.json").read_text() == "minilm"


def test_long_trainings_start_first_after_what_they_wait_for(repository):
    costs = "backbone,alignment,seconds\ngccf,base,5\nautocf,base,90\ndccf,contrastive,400\n"
    touch(repository / "figures/rlmrec/movielens-100k/cost.csv", costs)
    _, said = snakemake(repository, "paper", options=("--dry-run", "--forceall", "--quiet", "host", "progress"))
    priorities = dict(re.findall(r"rule (\S+):\n(?:    .*\n)*?    priority: (.*)\n", said))
    cells = {"none_gccf_base": 5, "none_autocf_base": 90, "minilm_dccf_contrastive": 400}
    for cell, seconds in cells.items():
        assert float(priorities[f"movielens-100k_{cell}_seed2023"]) == seconds
    trainings = [float(value) for name, value in priorities.items() if "seed" in name]
    for name in ("fetch_movielens-100k", "movielens-100k_notebooks_03_texts"):
        assert float(priorities[name]) > max(trainings)


@pytest.mark.parametrize(
    ("paper", "own", "other"), [("rlmrec", "09_significance", "07_report"), ("report", "07_report", "09_")]
)
def test_one_paper_alone(repository, paper, own, other):
    _, said = snakemake(
        repository, options=("--dry-run", "--forceall", "--quiet", "host", "progress", "--config", f"paper={paper}")
    )
    assert f"notebooks_{paper}_{own}" in said and other not in said and "gccf_base_seed2023" in said


def test_an_unknown_name_is_told(repository):
    status, said = snakemake(repository, options=("--dry-run", "--config", "dataset=amazn"))
    assert status == 1 and "unknown dataset of params/experiments.yaml 'amazn': did you mean 'amazon'?" in said


def test_two_at_once(repository):
    with FileLock(repository / ".snakemake/running"):
        status, said = snakemake(repository, "runs/movielens-100k/notebooks/03_texts.done")
    assert status == 1 and "another make paper is running in this folder" in said


def test_the_profile_for_clusters_without_a_cluster(repository):
    """All of it but the executor: no cores are named, and what fails leaves committed results."""
    options = ("--executor", "local", "--latency-wait", "1")
    status, said = snakemake(repository, *TARGETS, options=options, profile="slurm")
    assert status == 0, said
    good = (repository / "notebooks/02_data.ipynb").read_text()
    (repository / "notebooks/02_data.ipynb").write_text(good.replace(SAVE, "1 / 0"))
    status, said = snakemake(repository, *TARGETS, options=options, profile="slurm")
    (repository / "notebooks/02_data.ipynb").write_text(good)
    assert status == 1 and said.count("ZeroDivisionError") >= 2, "it is tried again"
    assert (repository / TARGETS[0]).read_text() == "quick"


@pytest.mark.parametrize("gpus", [0, 1])
def test_only_where_there_is_a_gpu_does_a_task_ask_for_one(repository, gpus):
    options = ("--dry-run", "--forceall", "--quiet", "host", "progress", "--config", f"gpu={gpus}")
    _, said = snakemake(repository, options=options)
    resources = dict(re.findall(r"rule (\S+):\n(?:    .*\n)*?    resources: (.*)\n", said))
    assert "mem_mb=8000" in resources["movielens-100k_none_gccf_base_seed2023"]
    assert {"gpu=1" in asked for name, asked in resources.items() if "seed2023" in name} == {bool(gpus)}
    assert "gpu" not in resources["movielens-100k_notebooks_02_data"]


def test_jobs_are_chosen_when_one_has_ended_and_not_all_the_time(repository):
    """Snakemake's limit of jobs a second looks every second, and once more for every job that has ended."""
    targets = [f"runs/movielens-100k/notebooks/{name}" for name in ("02_data", "03_texts")]
    for target, result in zip(targets, ("data_card", "profiles"), strict=True):
        saves = SAVE.replace("data_card", result)
        code = "import time; time.sleep(3)"
        parameters = 'dataset: str = ""  # x\nscale: str = ""  # x'
        write(repository / f"notebooks/{target.rpartition('/')[2]}.ipynb", CARD, code, saves, parameters=parameters)
        (repository / f"{target}.done").unlink(missing_ok=True)
    options = ("--cores", "1", "--verbose")
    status, said = snakemake(repository, *(f"{target}.done" for target in targets), options=options)
    assert status == 0 and said.count("done: runs/") == 2, said
    assert said.count("Ready jobs: ") == 2, said
