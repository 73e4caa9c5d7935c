"""Every task of the committed experiments: what it reads, makes and waits for."""

import re
from dataclasses import replace

import pytest
from components import DATASETS

from lib import cli
from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.core.fingerprints import source_of
from lib.core.names import DEFAULT_DATASET, reads_text
from lib.data import datasets
from lib.data.readers import table
from lib.workflow import experiments, notebook_jobs, pipeline, to_train
from lib.workflow.executions import left_out, needs_vectors
from lib.workflow.input_files import encoder_files, fetched
from lib.workflow.notebook_parameters import defaults

EXPERIMENTS = experiments.chosen("all", " ".join(DATASETS[:2] + DATASETS[3:]))  # steam has none
with pytest.MonkeyPatch.context() as patch:  # every training, whatever is recorded
    patch.setattr(to_train, "is_recorded", lambda cell: False)
    TASKS = pipeline.tasks(EXPERIMENTS)
TRAININGS = [task for task in TASKS if task.job and task.job.notebook.stem == "04_train"]


def notebooks_of(paper, dataset) -> dict:
    """The tasks of a paper's notebooks on a dataset, by the name of their copy."""
    return {
        task.job.out.stem: task
        for task in TASKS
        if task.job and task.job.out.parts[1:4] == (dataset, "notebooks", paper)
    }


def test_there_is_something_to_look_at():
    assert len(TRAININGS) > 50 and len(TASKS) > len(TRAININGS) + 20


def test_notebooks_take_their_parameters():
    for task in TASKS:
        if task.job and task.job.notebook.stem not in ("00_tour", "01_method"):
            assert task.job.parameters, task.name  # strict: raises for a name that the notebook lacks, or a wrong type


def test_all_cells_of_the_grids_are_trained_and_those_of_studies():
    trained = {task.job.out.parent.as_posix() for task in TRAININGS}
    grids = {folder for own in EXPERIMENTS for folder in own.grid.folders(own.dataset)}
    assert grids < trained
    beside = {folder.removeprefix("runs/") for folder in trained - grids}
    # one of each study, by the names that docs/methods/rlmrec.md 12 gives to what it does
    assert {
        "movielens-100k+noise=0.25/minilm/simgcl/contrastive/seed2023",
        "movielens-100k/minilm+metadata/simgcl/generative/seed2023",
        "movielens-100k/minilm/simgcl/kar/seed2023",
        "movielens-100k+early/minilm/simgcl/contrastive/seed2023",
        "movielens-100k+late/none/simgcl/base+initial=contrastive/seed2023",
        "movielens-100k/minilm/simgcl/generative+mask_ratio=0.4/seed2023",
        "amazon/none/lightgcn/base+embedding_size=64/seed2023",
    } <= beside
    assert not any(place.startswith("yelp") for place in beside)


def test_a_training_that_starts_from_another_reads_it():
    task = next(task for task in TRAININGS if "initial=contrastive" in task.name)
    assert "runs/movielens-100k+early/minilm/simgcl/contrastive/seed2023/metrics.json" in task.reads
    assert task.job.parameters["encoder"] == "minilm"


def test_a_study_waits_for_its_runs_and_the_base_models_only():
    reads = notebooks_of("rlmrec", "movielens-100k")["12_noise_simgcl"].reads
    runs = {file.removeprefix("runs/").removesuffix("/metrics.json") for file in reads if "metrics" in file}
    assert (
        "movielens-100k+noise=0.1/none/simgcl/base/seed2023" in runs
        and "movielens-100k/none/gccf/base/seed2024" in runs
    )
    assert not any("gccf/contrastive" in run or "initial" in run for run in runs)


@pytest.mark.parametrize("own", EXPERIMENTS, ids=lambda own: f"{own.paper} {own.dataset}")
def test_notebooks_of_a_paper_read_every_cell_and_the_encoders_they_name(own):
    tasks, expected = notebooks_of(own.paper, own.dataset), set()
    for name, chosen in own.notebooks.items():
        which = chosen.get("backbone", defaults(ROOT / f"notebooks/{own.paper}/{name}.ipynb").get("backbone"))
        backbones = own.grid.backbones if which == "each" else [which] if isinstance(which, str) else which
        expected |= {f"{name}_{backbone}" for backbone in backbones} if which else {name}
    assert set(tasks) == expected and expected
    for task in tasks.values():
        cells = {file for file in task.reads if file.endswith("metrics.json")}
        backbone = task.job.out.stem.removeprefix(task.job.notebook.stem).removeprefix("_")
        chosen = {"backbones": [backbone]} if backbone else {}
        assert cells >= {f"{folder}/metrics.json" for folder in own.grid.folders(own.dataset, **chosen)}
        # how far seeds spread is told by all base models
        assert cells >= {f"{folder}/metrics.json" for folder in own.grid.folders(own.dataset, alignments=["base"])}
        assert task.job.parameters["dataset"] == own.dataset
        assert task.makes[0].startswith(f"figures/{own.paper}/{own.dataset}/files/")
        assert set(task.reads) == set(task.job.inputs)


def test_a_notebook_is_executed_for_each_backbone_that_is_named():
    own = experiments.load()["rlmrec", "amazon"]
    several = replace(own, notebooks={"12_noise": {"backbone": ["gccf", "dccf"], "shares": [0, 0.1]}})
    tasks = {task.done: task for task in pipeline.tasks([several])}
    for backbone in ("gccf", "dccf"):
        task = tasks[f"runs/amazon/notebooks/rlmrec/12_noise_{backbone}.done"]
        assert task.job.parameters["backbone"] == backbone and task.job.parameters["shares"] == [0, 0.1]
        assert task.makes == [f"figures/rlmrec/amazon/files/noise_{backbone}.json"]
        assert f"runs/amazon+noise=0.1/minilm/{backbone}/generative/seed2023/notebook.done" in tasks


def test_encoders_that_a_notebook_names_are_read():
    texts = notebooks_of("rlmrec", "amazon")["13_texts_lightgcn"].reads
    assert {"params/encoders/wordllama.yaml", fetched("wordllama"), "params/encoders/tfidf.yaml"} <= set(texts)
    assert fetched("tfidf") not in texts


def test_results_that_a_task_makes_are_those_that_its_notebook_saves():
    """A name that no notebook saves would be made again for ever."""
    for task in TASKS:
        if task.makes and task.job.notebook.stem != "04_train":
            source = (ROOT / task.job.notebook).read_text()
            name = task.makes[0].rpartition("/")[2].removesuffix(".json")
            backbone = task.job.out.stem.rpartition("_")[2]
            assert name in source or name.replace(backbone, "{backbone}") in source, task.name


def test_a_dataset_without_text_has_no_notebook_that_reads_text():
    own = {task.job.notebook.stem for task in TASKS if task.job and task.job.out.parts[1] == "yelp"}
    assert own == {"02_data", "04_train", "06_tables"}


def test_only_aligned_runs_read_text_and_wait_for_its_vectors():
    for task in TRAININGS:
        aligned = reads_text(task.job.parameters["alignment"])
        assert ("none" not in task.job.out.parts) == aligned
        assert any("encoders" in file for file in task.reads) == aligned
        assert any("03_texts" in file for file in task.after) == aligned
        assert not [file for file in (*task.reads, *task.after) if file.startswith("figures/")]  # results train nothing


def test_shared_tasks_stand_once_and_come_before_what_waits_for_them():
    done = [task.done for task in TASKS]
    assert len(done) == len(set(done))
    made = {file: place for place, task in enumerate(TASKS) for file in (task.done, *task.makes)}
    for place, task in enumerate(TASKS):
        for file in (*task.reads, *task.after):
            assert made.get(file, -1) < place, f"{task.name} comes before {file}"


def test_everything_that_is_fetched_is_a_task():
    fetches = {task.done for task in TASKS if not task.job}
    assert {fetched(name) for name in ("movielens-100k", "amazon", "yelp", "minilm", "wordllama")} <= fetches
    assert {file for task in TASKS for file in task.reads if "cache/fetched" in file} <= fetches


def test_code_behind_a_task_holds_what_its_notebook_imports():
    task = next(task for task in TRAININGS if "gccf" in task.name)
    assert {"notebooks/04_train.ipynb", "lib/workflow/cells.py", "lib/models/graph.py"} <= set(task.code)
    assert "lib/models/backbones/gccf.py" in task.reads  # picked by name, so no import statement shows it


def test_train_makes_the_job_that_the_workflow_makes(monkeypatch):
    """Otherwise `python -m lib train` and `make paper` would each find the other's run out of date."""
    jobs = []
    monkeypatch.setattr(notebook_jobs, "main", lambda job: jobs.append(job) or 0)
    monkeypatch.chdir(ROOT)
    for task in TRAININGS:
        _, dataset, encoder, backbone, alignment, seed, _ = task.job.out.parts
        encoder = ["--encoder", encoder] if encoder != "none" else []
        assert cli.main(["train", dataset, backbone, alignment, "--seed", seed.removeprefix("seed"), *encoder]) == 0
        own = jobs.pop()
        # a run of a study that one trains and the other takes from data/recorded is the same run
        asked = {name: value for name, value in task.job.parameters.items() if name != "vectors"}
        assert (own.out, own.parameters) == (task.job.out, asked)
        assert set(own.inputs) == {file for file in task.job.inputs if (ROOT / file).exists()}


def test_files_of_ready_made_vectors_are_read(tmp_path):
    assert encoder_files("org/model") == []  # a name on the hub has no file
    assert encoder_files("minilm+shuffled") == encoder_files("minilm") != []


def test_a_misspelt_parameter_of_a_notebook_is_told():
    own = experiments.load()["rlmrec", "movielens-100k"]
    wrong = replace(own, notebooks={"11_cost": {"repeets": 9}})
    (task,) = [task for task in pipeline.tasks([wrong]) if "11_cost" in task.name]
    with pytest.raises(UserError, match="unknown parameter 'repeets': did you mean 'repeats'"):
        assert task.job.parameters


def test_another_dataset_in_the_experiments_leaves_notebooks_as_they_are():
    """The file starts their commands, which find by content that nothing of theirs has changed."""
    task = notebooks_of("rlmrec", "movielens-100k")["06_tables"]
    assert "params/experiments.yaml" in task.code and "params/experiments.yaml" not in task.job.inputs


# Any grid


@pytest.fixture
def own(monkeypatch):
    """An experiment on amazon by its grid's changes, which all that reads params/experiments.yaml then finds."""

    def made(notebooks, **changes):
        known = experiments.load()
        grid = known["rlmrec", "amazon"].grid.model_copy(update={"more": [], "seeds": [7], **changes})
        entry = experiments.Experiment("rlmrec", "amazon", grid, dict.fromkeys(notebooks, {}))
        known = {key: other for key, other in known.items() if key[1] != "amazon"} | {("rlmrec", "amazon"): entry}

        def load(params=None, datasets=None):
            return {key: other for key, other in known.items() if datasets is None or key[1] in datasets}

        monkeypatch.setattr(experiments, "load", load)
        return entry

    return made


STUDIES = ("12_noise", "13_texts", "15_sensitivity")


def test_a_grid_without_generative_trains_none_and_no_other_seed(own):
    entry = own(STUDIES, alignments=["base", "contrastive"])
    cells = [task.job.parameters for task in pipeline.tasks([entry]) if "/seed" in task.name]
    assert {cell["seed"] for cell in cells} == {7}
    kinds = {cell["alignment"].partition("+")[0] for cell in cells}
    assert kinds == {"base", "contrastive", "kar"}  # the last beside the texts of 13, where a yaml file has it


def test_what_a_grid_of_base_models_cannot_have_is_left_out_and_told(own):
    entry = own(["09_significance", "10_groups", "11_cost", *STUDIES], alignments=["base"], encoder="none")
    tasks = pipeline.tasks([entry])
    made = {task.job.notebook.stem for task in tasks if task.job}
    assert made == {"02_data", "04_train", "09_significance", "10_groups", "12_noise", "15_sensitivity"}
    assert {task.job.parameters["alignment"].partition("+")[0] for task in tasks if "/seed" in task.name} == {"base"}
    why = "since the grid has base models only, and it compares alignments with them: add an alignment and an encoder"
    assert left_out([entry]) == [f"left out: rlmrec/{name} of amazon, {why}" for name in ("11_cost", "13_texts")]


@pytest.mark.parametrize(("head", "left"), [("user,item", 1), ("user,item,timestamp", 0)])
def test_halves_by_time_need_dates(own, head, left, monkeypatch, tmp_path):
    (tmp_path / "interactions.csv").write_text(f"{head}\n1,1,1\n")
    monkeypatch.setattr(datasets, "has_dates", lambda name: table.has_dates(tmp_path))
    entry = own(["14_pretraining"], alignments=["base"], encoder="none")
    said = left_out([entry])
    assert len(said) == left and all("amazon has no dates" in sentence for sentence in said)
    assert any("+early" in task.name for task in pipeline.tasks([entry])) == (not left)


def test_a_notebook_is_about_a_backbone_of_the_grid(own):
    entry = own(["12_noise"], backbones=["gccf"])  # the notebook's own default is another
    assert any(task.name.endswith("12_noise_gccf") for task in pipeline.tasks([entry]))
    assert not any("simgcl" in task.name for task in pipeline.tasks([entry]))


def test_nothing_of_a_first_try_lies_among_results(own):
    entry = own(["06_tables", "12_noise"], scale="tiny")
    tasks = [task for task in pipeline.tasks([entry]) if task.job]
    assert all(file.startswith("runs/tiny/") for task in tasks for file in (*task.makes, task.done))
    made = {file for task in tasks for file in task.makes}
    assert {file for task in tasks for file in task.reads if file.endswith("metrics.json")} <= made


# From data/recorded


@pytest.mark.parametrize("recorded", [True, False])
def test_studies_may_take_their_runs_from_there_and_grids_only_if_asked(recorded, monkeypatch):
    """The report reads the vectors of the grid; what studies compare are metrics, which records have."""
    monkeypatch.setattr(to_train, "is_recorded", lambda cell: False)
    entry = next(one for one in EXPERIMENTS if (one.paper, one.dataset) == ("rlmrec", DEFAULT_DATASET))
    of_grid = {cell.folder.removeprefix("runs/") for cell in entry.grid.named(entry.dataset)}
    trainings = [task for task in pipeline.tasks([entry], recorded) if "/seed" in task.name]
    assert of_grid < {task.name for task in trainings}
    for task in trainings:
        assert task.job.parameters.get("vectors", True) is (task.name in of_grid and not recorded), task.name


@pytest.mark.parametrize("recorded", [True, False])
def test_what_is_there_is_no_task(recorded, monkeypatch):
    """What reads a run waits for its training, or starts again with its record: it must name one of the two."""
    entry = next(one for one in EXPERIMENTS if (one.paper, one.dataset) == ("rlmrec", DEFAULT_DATASET))
    of_grid = {cell.folder.removeprefix("runs/") for cell in entry.grid.named(entry.dataset)}
    monkeypatch.setattr(to_train, "is_recorded", lambda cell: True)
    tasks = pipeline.tasks([entry], recorded)
    assert {task.name for task in tasks if "/seed" in task.name} == (set() if recorded else of_grid)
    made = {file for task in tasks for file in task.makes}
    read = {file for task in tasks for file in task.reads}
    assert {file for file in read if file.endswith("metrics.json")} <= made
    (noise,) = [task for task in tasks if "12_noise" in task.name]
    record = f"data/recorded/{DEFAULT_DATASET}/runs/{DEFAULT_DATASET}+noise=0.1/minilm/simgcl/contrastive/seed2023.zip"
    assert record in noise.reads and (ROOT / record).is_file()
    base = f"{DEFAULT_DATASET}/none/simgcl/base/seed2024"
    known = f"data/recorded/{DEFAULT_DATASET}/runs/{base}.zip" if recorded else f"runs/{base}/metrics.json"
    assert known in noise.reads


def test_a_training_that_starts_from_a_recorded_run_has_it_trained(monkeypatch):
    """Records have no vectors to start from."""
    monkeypatch.setattr(to_train, "is_recorded", lambda cell: cell.earlier is None)
    entry = next(one for one in EXPERIMENTS if (one.paper, one.dataset) == ("rlmrec", DEFAULT_DATASET))
    names = [task.name for task in pipeline.tasks([entry]) if "/seed" in task.name]
    early = f"{DEFAULT_DATASET}+early/minilm/simgcl/contrastive/seed2023"
    late = f"{DEFAULT_DATASET}+late/none/simgcl/base+initial=contrastive/seed2023"
    assert names.index(early) < names.index(late)
    assert not any("+noise" in name for name in names)


def test_recorded_tasks_are_those_without_vectors():
    """Which notebooks read vectors is held against their sources: `run.embeddings`, `run.final` or scoring by them."""
    reading = re.compile(r"\.embeddings\b|\brun\.final\b|rescored\(")
    left_out = set()
    for path in (ROOT / "notebooks").glob("*/*.ipynb"):
        source = "\n".join(source_of(path))
        assert bool(reading.search(source)) == needs_vectors(path), path
        left_out |= {f"{path.parent.name}/{path.stem}"} if needs_vectors(path) else set()
    names = {task.job.notebook.as_posix() for task in pipeline.tasks(EXPERIMENTS, recorded=True) if task.job}
    every = {task.job.notebook.as_posix() for task in pipeline.tasks(EXPERIMENTS) if task.job}
    assert every - names == {f"notebooks/{name}.ipynb" for name in left_out}
    assert {
        "rlmrec/06_tables",
        "rlmrec/09_significance",
        "rlmrec/10_groups",
        "report/07_report_overlap",
    } & left_out == set()
