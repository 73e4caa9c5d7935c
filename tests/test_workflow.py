"""The Snakefile with lib.notebook: what runs, what does not, and what the plan says of it."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from test_notebook import write

from lib import notebook, workflow
from lib.experiments import experiments
from lib.files import ROOT

# ---------------------------------------------------------------- a repository of stubs

CARD = "from lib.files import write_text"
SAVE = "write_text(f'figures/{dataset}/data_card.csv', scale)"
TARGETS = ["figures/movielens-100k/data_card.csv", "runs/movielens-100k/notebooks/01_data.done"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The real Snakefile, lib and params with notebooks that do next to nothing, and data that count as fetched."""
    root = tmp_path_factory.mktemp("repository")
    for name in ("lib", "params", "Snakefile"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    (root / "notebooks").mkdir()
    for rule in sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")):
        write(
            root / "notebooks" / f"{rule}.ipynb", CARD, SAVE, parameters='dataset: str = ""  # x\nscale: str = ""  # x'
        )
    for name in ("movielens-100k", "minilm"):
        (root / workflow.fetched(name)).parent.mkdir(parents=True, exist_ok=True)
        (root / workflow.fetched(name)).write_text("{}")
    return root


def snakemake(root, *targets, options=()):
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "params/workflow/default", "--cores", "2"]
    home = {**os.environ, "PYTHONPATH": str(root), "HOME": str(root / "home"), "XDG_CACHE_HOME": ""}
    done = subprocess.run([*command, *options, "--", *targets], cwd=root, env=home, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_life_of_a_rule(repository):
    """One test, because every step needs the state that the one before left."""
    copy = "runs/movielens-100k/notebooks/01_data.ipynb"
    status, said = snakemake(repository, *TARGETS)
    assert status == 0 and f"done: {copy}" in said, said
    assert (repository / TARGETS[0]).read_text() == "quick"
    assert not list((repository / "home").rglob("*snakemake*")), "the user's home is not ours"

    status, said = snakemake(repository, *TARGETS)
    assert status == 0 and "Nothing to be done" in said, said

    # a fresh checkout: new file times, no records of Snakemake; lib.notebook knows better
    shutil.rmtree(repository / ".snakemake")
    for path in [*repository.rglob("*.py"), *repository.glob("notebooks/*")]:
        path.touch()
    status, said = snakemake(repository, *TARGETS)
    assert status == 0 and f"up to date: {copy}" in said, said

    # a failure is reported, its copy and the old result stay, and it is not forgotten
    good = (repository / "notebooks/01_data.ipynb").read_text()
    (repository / "notebooks/01_data.ipynb").write_text(good.replace(SAVE, "1 / 0"))
    for _ in range(2):
        status, said = snakemake(repository, *TARGETS)
        assert status == 1 and "ZeroDivisionError" in said and "01_data.failure.md" in said, said
    assert "ZeroDivisionError" in (repository / copy).read_text()
    assert (repository / TARGETS[0]).read_text() == "quick"

    (repository / "notebooks/01_data.ipynb").write_text(good)
    (repository / TARGETS[0]).unlink()
    status, said = snakemake(repository, *TARGETS)
    assert status == 0 and f"done: {copy}" in said and (repository / TARGETS[0]).exists(), said


def test_a_study_runs_its_own_notebook(repository):
    """Commands are put together when jobs start, after the loop over the studies has ended."""
    study, saves = "08_case_studies", "write_text(f'figures/{dataset}/case_studies.json', encoder)"
    parameters = "".join(f'{name}: str = ""  # x\n' for name in ("dataset", "encoder", "scale"))
    write(repository / f"notebooks/{study}.ipynb", CARD, saves, parameters=parameters)
    cells = experiments(repository / "params")["movielens-100k"].folders("movielens-100k")
    touch(repository / "figures/movielens-100k/text_vectors.csv")  # before the runs, which would be older than it else
    for folder in cells:
        touch(repository / folder / "metrics.json")

    status, said = snakemake(repository, f"runs/movielens-100k/notebooks/{study}.done")
    assert status == 0 and f"done: runs/movielens-100k/notebooks/{study}.ipynb" in said, said
    assert (repository / "figures/movielens-100k/case_studies.json").read_text() == "minilm"


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")


def test_long_trainings_start_first_after_what_they_wait_for(repository):
    touch(costs := repository / "figures/movielens-100k/cost.csv")
    costs.write_text("backbone,alignment,seconds\ngccf,base,5\nautocf,base,90\ndccf,contrastive,400\n")
    dry = ("--dry-run", "--forceall", "--quiet", "host", "progress")
    _, said = snakemake(repository, "movielens-100k", options=dry)
    priorities, job = {}, r"rule (\w+):\n(?:    .*\n)*?    wildcards: (.*)\n    priority: (.*)\n"
    for rule, place, priority in re.findall(job, said):
        priorities.setdefault(rule, {})[place] = float(priority)
    cell = "dataset=movielens-100k, encoder={}, backbone={}, alignment={}, seed=2023"
    expected = {("none", "gccf", "base"): 5, ("none", "autocf", "base"): 90, ("minilm", "dccf", "contrastive"): 400}
    assert expected == {names: priorities["train"][cell.format(*names)] for names in expected}
    for rule in ("fetch", "profiles", "text_vectors"):
        assert min(priorities[rule].values()) > max(priorities["train"].values())


def test_two_at_once(repository):
    from filelock import FileLock

    with FileLock(repository / ".snakemake/running"):
        status, said = snakemake(repository, "runs/movielens-100k/notebooks/02_profiles.done")
    assert status == 1 and "another make paper is running in this folder" in said


# ---------------------------------------------------------------- the real one


@pytest.fixture(scope="module")
def planned():
    """Every notebook job of every experiment."""
    text = "".join(map(workflow._dry_run, experiments()))
    commands = re.findall(r"(?m)^Shell command: (.*)$", text)
    return [job for job in map(workflow._job, commands) if job]


@pytest.fixture(scope="module", autouse=True)
def at_the_root():
    before = os.getcwd()
    os.chdir(ROOT)
    yield
    os.chdir(before)


def test_rules_and_notebooks_agree_on_parameters(planned):
    for job in planned:
        assert job.parameters  # strict: raises for a name that the notebook lacks, or a wrong type


def test_all_cells_of_the_grids_are_planned_or_done(planned):
    cells = {job.out.parent.as_posix() for job in planned if job.notebook.stem == "04_train"}
    for dataset, grid in experiments().items():
        for folder in grid.folders(dataset):
            assert folder in cells or (ROOT / folder / "notebook.done").exists()


def test_studies_read_every_cell_and_the_encoders_they_name(planned):
    for dataset, grid in experiments().items():
        studies = {job.notebook.stem: job for job in planned if job.out.parts[1] == dataset}
        assert set(grid.studies) <= {*studies, *(name for name in grid.studies if done(dataset, name))}
        for name in set(grid.studies) & set(studies):
            cells = {file for file in studies[name].inputs if file.endswith("metrics.json")}
            assert cells == {f"{folder}/metrics.json" for folder in grid.folders(dataset)}
            assert studies[name].outputs == [f"figures/{dataset}/{name.partition('_')[2]}.json"]
            assert studies[name].parameters["dataset"] == dataset
    texts = workflow.study_files("amazon", experiments()["amazon"], "13_texts")
    assert {"params/encoders/wordllama.yaml", workflow.fetched("wordllama"), "params/encoders/tfidf.yaml"} <= set(texts)
    assert workflow.fetched("tfidf") not in texts


def done(dataset, name) -> bool:
    return (ROOT / f"runs/{dataset}/notebooks/{name}.done").exists()


def test_a_dataset_without_text_has_no_notebook_that_reads_text(planned):
    own = {job.notebook.stem for job in planned if job.out.parts[1] == "yelp"}
    assert own <= {"01_data", "04_train", "06_tables"}


def test_base_runs_need_no_text(planned):
    for job in planned:
        if job.notebook.stem == "04_train":
            assert ("none" in job.out.parts) == (not any("text_vectors" in file for file in job.inputs))


def test_train_makes_the_job_that_the_workflow_makes(planned, monkeypatch):
    """Otherwise `python -m lib train` and `make paper` would each find the other's run out of date."""
    from test_cli import trained

    for job in planned:
        if job.notebook.stem == "04_train":
            _, dataset, _, backbone, alignment, seed, _ = job.out.parts
            own = trained(monkeypatch, dataset, backbone, alignment, "--seed", seed.removeprefix("seed"))
            assert (own.out, own.parameters) == (job.out, job.parameters)
            assert set(own.inputs) == {file for file in job.inputs if (ROOT / file).exists()}


# ---------------------------------------------------------------- plan

DRY_RUN = """
[Fri Nov 20 04:23:16 2026]
rule data:
    input: a.csv, lib/files.py
    output: figures/toy/data_card.csv (update), runs/toy/notebooks/01_data.done
    jobid: 1
    reason: {reason}
    wildcards: dataset=toy
Shell command: python -m lib.notebook {folder}/n.ipynb {folder}/copy.ipynb --input {folder}/a.csv && touch x

[Fri Nov 20 04:23:16 2026]
rule train:
    input: figures/toy/data_card.csv
    output: runs/toy/none/gccf/base/seed1/metrics.json (update), runs/toy/none/gccf/base/seed1/notebook.done
    jobid: 2
    reason: Input files updated by another job: figures/toy/data_card.csv
    wildcards: dataset=toy, encoder=none, backbone=gccf, alignment=base, seed=1
Shell command: python -m lib.notebook {folder}/n.ipynb {folder}/train.ipynb --input {folder}/a.csv && touch x

[Fri Nov 20 04:23:16 2026]
rule paper:
    input: runs/toy/none/gccf/base/seed1/metrics.json
    jobid: 0
    reason: Input files updated by another job: x
Shell command: None
Reasons:
    updated input files:
        train
"""


@pytest.fixture
def dry_run(tmp_path, monkeypatch):
    """A plan of two jobs whose copies are up to date, and a function to set the first one's reason."""
    write(tmp_path / "n.ipynb", "1")
    (tmp_path / "a.csv").write_text("1")
    for name in ("copy", "train"):
        job = notebook.Job(tmp_path / "n.ipynb", tmp_path / f"{name}.ipynb", inputs=(f"{tmp_path}/a.csv",))
        job.out.write_text(f'{{"cells": [], "metadata": {{"reprec": {{"digest": "{job.state}"}}}}}}')
    monkeypatch.setattr(workflow, "history", dict)
    monkeypatch.setattr(workflow, "published", dict)

    def because(reason):
        monkeypatch.setattr(workflow, "_dry_run", lambda *targets: DRY_RUN.format(reason=reason, folder=tmp_path))
        return workflow.plan("paper")

    return because


def test_plan_sees_through_file_times(dry_run):
    steps = dry_run("Updated input files: lib/files.py")
    assert [step.name for step in steps] == ["data toy", "train toy none gccf base 1"]
    assert [(step.seconds, step.why) for step in steps] == [(0, "only file times changed, nothing to execute")] * 2


def test_plan_names_what_changed_and_what_follows(dry_run, tmp_path):
    (tmp_path / "copy.ipynb").unlink()
    steps = dry_run("Updated input files: lib/files.py, b, c, d")
    assert [step.why for step in steps] == ["changed: lib/files.py, b, c and 1 more", "follows from the above"]
    assert dry_run("Missing output files: x; Input files updated by another job: y")[0].why == "to be made"
    (tmp_path / "copy.failure.md").write_text("")
    assert dry_run("Missing output files: x")[0].why == "failed last time"


def test_plan_knows_a_finished_training_whose_notebook_is_out_of_date(monkeypatch):
    """The real plan of amazon, with every training taken as finished."""
    monkeypatch.setattr(workflow, "_trained", lambda job: True)
    monkeypatch.setattr(workflow, "_up_to_date", lambda job: False)
    steps = [step for step in workflow.plan("amazon") if step.name.startswith("train ")]
    assert all(step.seconds == workflow.REREAD and step.why.startswith("trained, only its notebook") for step in steps)


def test_a_training_job_names_its_run(planned, monkeypatch):
    from lib import runs

    asked = []
    monkeypatch.setattr(runs, "trained", asked.append)
    jobs = [job for job in planned if job.notebook.stem == "04_train"][:5]
    for job in jobs:
        workflow._trained(job)
    assert [f"runs/{settings.folder}" for settings in asked] == [job.out.parent.as_posix() for job in jobs]


EARLIER = {
    "toy/none/gccf/base/seed1": 10.0,
    "toy/none/gccf/base/seed2": 20.0,
    "toy/none/lightgcn/base/seed1": 90.0,
    "big/none/gccf/base/seed1": 5000.0,
    "toy/notebooks/05_semantics_gccf": 30.0,
    "toy/notebooks/06_tables": 7.0,
}


@pytest.mark.parametrize(
    "place, seconds",
    [
        ("toy/none/gccf/base/seed1", 10),  # this very run
        ("toy/none/gccf/base/seed3", 15),  # other seeds of the cell
        ("toy/minilm/lightgcn/contrastive/seed3", 90),  # the backbone
        ("toy/notebooks/05_semantics_lightgcn", 30),
        ("toy/notebooks/01_data", None),
        ("huge/none/gccf/base/seed1", None),
    ],
)
def test_estimate_goes_by_the_most_similar_runs(place, seconds):
    assert workflow.estimate(place, EARLIER) == seconds


def test_history_takes_trainings_from_manifests(tmp_path):
    (tmp_path / "toy/none/gccf/base/seed1").mkdir(parents=True)
    (tmp_path / "toy/none/gccf/base/seed1/manifest.json").write_text('{"seconds": 12.5}')
    (tmp_path / "toy/notebooks").mkdir()
    (tmp_path / "toy/notebooks/01_data.ipynb").write_text('{"metadata": {"reprec": {"seconds": 3.5}}}')
    (tmp_path / "toy/notebooks/02_profiles.ipynb").write_text('{"metadata": {}}')  # failed
    assert workflow.history(tmp_path) == {"toy/none/gccf/base/seed1": 12.5, "toy/notebooks/01_data": 3.5}


def test_published_costs_stand_in_for_runs_not_made_here(tmp_path):
    (tmp_path / "amazon").mkdir()
    (tmp_path / "amazon/cost.csv").write_text("backbone,alignment,seconds\ngccf,base,60\ngccf,contrastive,600\n")
    known = workflow.published(tmp_path)
    assert known == {"amazon/none/gccf/base/seed": 60, "amazon/minilm/gccf/contrastive/seed": 600}
    assert workflow.estimate("amazon/minilm/gccf/contrastive/seed2023", known) == 600
    own = known | {"amazon/minilm/gccf/contrastive/seed2023": 100.0}
    assert workflow.estimate("amazon/minilm/gccf/contrastive/seed2023", own) == 100


def test_plan_of_the_whole_published_grid():
    names = {step.name.split()[1] for step in workflow.plan("amazon", "yelp") if step.name.startswith("train ")}
    assert names <= {"amazon", "yelp"}


def test_summary():
    step = workflow.Step
    assert workflow.summary([], 2) == "nothing to do: everything is up to date"
    assert workflow.summary([step("fetch", "to be made", None)], 2).endswith(
        "1 steps, and nothing like them ran before"
    )
    text = workflow.summary([step("a", "x", 100), step("bb", "y", 400), step("c", "z", None)], 2)
    assert text.splitlines()[1] == "bb     7 min  y"
    assert text.splitlines()[-1] == "3 steps, about 7 min on 2 cores, not counting 1 of which no time is known"
    assert "about 250 s" not in text  # the longest step bounds the whole
