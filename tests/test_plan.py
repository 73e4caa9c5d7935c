"""What `make plan` says: which tasks would do something, why and how long, judged by content and not by file times."""

import json
import os
from dataclasses import replace

import pytest

from lib.workflow import durations, experiments, notebook_jobs, pipeline, plan, to_train
from lib.workflow.pipeline import Task
from notebooks import edit, make_repository, write


@pytest.fixture
def two_tasks(tmp_path, monkeypatch):
    """A repository of its own with a first notebook and one that reads its result; both have been run."""
    root = make_repository(tmp_path)
    (root / "a.csv").write_text("1")
    tasks = []
    for name, reads, makes in (("first", "a.csv", "b.csv"), ("second", "b.csv", "c.csv")):
        write(root / f"{name}.ipynb", "from lib import tools")
        (root / makes).write_text("made")
        job = notebook_jobs.Job(
            root / f"{name}.ipynb", root / f"runs/{name}.ipynb", inputs=(reads,), outputs=(makes,), root=root
        )
        job.out.parent.mkdir(exist_ok=True)
        job.out.write_text(json.dumps({"cells": [], "metadata": {"reprec": {"content": job.content}}}))
        tasks.append(Task(name, "command", [reads], f"runs/{name}.done", [makes], job=job))
    monkeypatch.setattr(experiments, "chosen", lambda *_: [])
    monkeypatch.setattr(plan, "measured", dict)

    def fresh(*_):  # a job remembers its content
        return [replace(task, job=replace(task.job)) for task in tasks]

    monkeypatch.setattr(pipeline, "tasks", fresh)
    return root


def steps():
    return [(step.name, step.why) for step in plan.plan()]


def test_file_times_are_nothing(two_tasks):
    for path in two_tasks.rglob("*.*"):
        path.touch()
    assert steps() == []


def test_a_changed_input_is_named_and_what_follows_too(two_tasks):
    (two_tasks / "a.csv").write_text("2")
    assert steps() == [("first", "changed: a.csv"), ("second", "follows from the above")]


def test_changed_code_is_named(two_tasks):
    edit(two_tasks, "lib/deep.py", "41", "42")
    assert steps() == [("first", "changed: lib/deep.py"), ("second", "follows from the above")]


def test_comments_change_nothing(two_tasks):
    edit(two_tasks, "lib/deep.py", "return 41", "return 41  # why")
    assert steps() == []


def test_many_changes_are_counted(two_tasks):
    for name in ("lib/deep.py", "lib/tools.py", "lib/__init__.py"):
        (two_tasks / name).write_text("x = 1\n")
    (two_tasks / "a.csv").write_text("2")
    assert steps()[0][1] == "changed: a.csv, lib/__init__.py, lib/deep.py and 1 more"


def test_what_is_missing_or_failed_is_told(two_tasks):
    (two_tasks / "c.csv").unlink()
    assert steps() == [("second", "to be made")]
    (two_tasks / "runs/second.failure.md").write_text("")
    assert steps() == [("second", "failed last time")]
    (two_tasks / "runs/first.ipynb").unlink()
    assert steps()[0] == ("first", "to be made")


def test_data_that_are_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    (tmp_path / "own.csv").write_text("1")
    fetch = Task("fetch toy", "command", ["own.csv"], "noted.json")
    assert plan._reason(fetch, set()) == "to be fetched"
    (tmp_path / "noted.json").write_text("{}")
    assert plan._reason(fetch, set()) == ""
    os.utime(tmp_path / "own.csv", (2e9, 2e9))
    assert plan._reason(fetch, set()) == "changed: own.csv"


def test_a_finished_training_whose_notebook_is_out_of_date(monkeypatch):
    """The real plan of amazon, with every training taken as finished."""
    monkeypatch.setattr(plan, "_is_trained", lambda task: True)
    monkeypatch.setattr(plan, "_only_code_changed", lambda task: True)
    found = [step for step in plan.plan("rlmrec", "amazon") if "/seed" in step.name]
    assert found
    assert all(step.seconds == plan.REREAD and step.why.startswith("trained, only its notebook") for step in found)


def test_only_changed_code_leaves_a_training_as_it_is(two_tasks):
    first = pipeline.tasks([])[0]
    assert plan._only_code_changed(first)
    edit(two_tasks, "lib/deep.py", "41", "42")
    assert plan._only_code_changed(pipeline.tasks([])[0])
    (two_tasks / "a.csv").write_text("2")
    assert not plan._only_code_changed(pipeline.tasks([])[0])


def test_results_of_an_experiment_that_is_no_longer_planned(tmp_path):
    (tmp_path / "rlmrec/gone").mkdir(parents=True)
    (tmp_path / "rlmrec/gone/cost.csv").write_text("backbone,alignment,seconds\ngccf,base,60\n")
    assert durations.committed(tmp_path) == {}


def test_a_training_task_names_its_run(monkeypatch):
    from lib.workflow import cells

    asked = []
    monkeypatch.setattr(cells, "finished_by_this_code", asked.append)
    tasks = [task for task in pipeline.tasks(experiments.chosen("rlmrec", "amazon")) if "/seed" in task.name][:5]
    for task in tasks:
        plan._is_trained(task)
    assert [f"runs/{cell.settings.folder}" for cell in asked] == [task.job.out.parent.as_posix() for task in tasks]


def test_a_run_without_vectors_is_trained_only_where_they_are_not_needed(monkeypatch):
    from lib.workflow import cells

    monkeypatch.setattr(cells, "finished_by_this_code", lambda cell: True)
    monkeypatch.setattr(cells, "is_whole", lambda cell: False)
    (entry,) = experiments.chosen("rlmrec", "amazon")
    of_grid = {cell.folder.removeprefix("runs/") for cell in entry.grid.named("amazon")}
    for recorded in (True, False):
        tasks = pipeline.tasks([entry], recorded)
        assert {plan._is_trained(task) for task in tasks if task.name in of_grid} == {recorded}
        assert all(plan._is_trained(task) for task in tasks if "/seed" in task.name and task.name not in of_grid)


def test_trainings_in_the_record_are_counted(monkeypatch):
    """The real plan of amazon, as if the record had every contrastive run."""
    monkeypatch.setattr(plan, "_is_trained", lambda task: False)
    (own,) = experiments.chosen("rlmrec", "amazon")
    of_grid = {cell.folder.removeprefix("runs/") for cell in own.grid.named("amazon")}
    monkeypatch.setattr(to_train, "is_recorded", lambda cell: False)
    named = {task.name for task in pipeline.tasks([own]) if "/contrastive/" in task.name}
    monkeypatch.setattr(to_train, "is_recorded", lambda cell: "/contrastive/" in cell.folder)
    for recorded in (False, True):
        found = plan.plan("rlmrec", "amazon", recorded)
        there = {step.name for step in found if step.recorded}
        assert there == {step.name for step in found if "/contrastive/" in step.name}
        assert there == (set() if recorded else named & of_grid)
        taken, more = plan.taken("rlmrec", "amazon", recorded), len(there)
        assert taken == len(named) - more > 0
        said = plan.summary(found, 2, taken).splitlines()[-2:]
        assert f"{taken} of the trainings come from data/recorded" in said
        assert bool(more) == said[-1].startswith(f"{more} of those that are to be trained are in data/recorded: make")
    assert "data/recorded" not in plan.summary([plan.Step("a", "x", 1)], 2)


def test_a_recorded_training_is_told_by_its_manifest(tmp_path, monkeypatch):
    from lib.workflow import cells, recorded_runs

    task = next(task for task in pipeline.tasks(experiments.chosen("rlmrec", "amazon")) if "/seed" in task.name)
    monkeypatch.setattr(to_train, "ROOT", tmp_path)
    assert not plan._is_recorded(task)
    record = tmp_path / f"data/recorded/amazon/runs/{task.name}.zip"
    record.parent.mkdir(parents=True)
    record.write_text("")
    cell = plan._cell(task)
    inputs = {"interactions": "a"}
    for key, same in ((cells.key_of(cell, inputs), True), ("of older code", False)):
        asked, answer = [], {"inputs": inputs, "key": key}
        monkeypatch.setattr(recorded_runs, "manifest", lambda *a, answer=answer, asked=asked: asked.append(a) or answer)
        assert plan._is_recorded(task) is same
        assert [path.name for (path,) in asked] == [record.name]


# How long it takes


EARLIER = {
    "toy/none/gccf/base/seed1": 10.0,
    "toy/none/gccf/base/seed2": 20.0,
    "toy/none/lightgcn/base/seed1": 90.0,
    "big/none/gccf/base/seed1": 5000.0,
    "toy/notebooks/report/05_semantics_gccf": 30.0,
    "toy/notebooks/rlmrec/06_tables": 7.0,
}


@pytest.mark.parametrize(
    "place, seconds",
    [
        ("toy/none/gccf/base/seed1", 10),  # this very run
        ("toy/none/gccf/base/seed3", 15),  # other seeds of the cell
        ("toy/minilm/lightgcn/contrastive/seed3", 90),  # the backbone
        ("toy/notebooks/report/05_semantics_lightgcn", 30),
        ("toy/notebooks/02_data", None),
        ("huge/none/gccf/base/seed1", None),
    ],
)
def test_estimate_goes_by_the_most_similar_runs(place, seconds):
    assert durations.estimate(place, EARLIER) == seconds


def test_history_takes_trainings_from_manifests(tmp_path):
    (tmp_path / "toy/none/gccf/base/seed1").mkdir(parents=True)
    (tmp_path / "toy/none/gccf/base/seed1/manifest.json").write_text('{"seconds": 12.5}')
    (tmp_path / "toy/notebooks/rlmrec").mkdir(parents=True)
    (tmp_path / "toy/notebooks/02_data.ipynb").write_text('{"metadata": {"reprec": {"seconds": 3.5}}}')
    (tmp_path / "toy/notebooks/rlmrec/06_tables.ipynb").write_text('{"metadata": {"reprec": {"seconds": 4.5}}}')
    (tmp_path / "toy/notebooks/03_texts.ipynb").write_text('{"metadata": {}}')  # failed
    expected = {"toy/none/gccf/base/seed1": 12.5, "toy/notebooks/02_data": 3.5, "toy/notebooks/rlmrec/06_tables": 4.5}
    assert durations.history(tmp_path) == expected


def test_committed_costs_stand_in_for_runs_not_made_here(tmp_path):
    (tmp_path / "rlmrec/amazon").mkdir(parents=True)
    (tmp_path / "rlmrec/amazon/cost.csv").write_text("backbone,alignment,seconds\ngccf,base,60\ngccf,contrastive,600\n")
    known = durations.committed(tmp_path)
    assert known == {"amazon/none/gccf/base/seed": 60, "amazon/minilm/gccf/contrastive/seed": 600}
    assert durations.estimate("amazon/minilm/gccf/contrastive/seed2023", known) == 600
    own = known | {"amazon/minilm/gccf/contrastive/seed2023": 100.0}
    assert durations.estimate("amazon/minilm/gccf/contrastive/seed2023", own) == 100


def test_summary():
    step = plan.Step
    assert plan.summary([], 2) == "nothing to do: everything is up to date"
    assert plan.summary([step("fetch", "to be made", None)], 2).endswith("1 steps, and nothing like them ran before")
    text = plan.summary([step("a", "x", 100), step("bb", "y", 400), step("c", "z", None)], 2)
    assert text.splitlines()[1] == "bb     7 min  y"
    assert text.splitlines()[-1] == "3 steps, about 7 min on 2 cores, not counting 1 of which no time is known"
    assert "about 250 s" not in text  # the longest step bounds the whole
