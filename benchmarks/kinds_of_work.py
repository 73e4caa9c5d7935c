"""The kinds of work that benchmarks.faults interrupts: each the library's own, on something small."""

import json
import os
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch
import yaml
from nbformat import v4

from benchmarks import generated
from lib.core.files import ROOT
from lib.data import row_order
from lib.results import index
from lib.training.run_settings import resolve
from lib.workflow import cells, execution, failures, notebook_jobs, recording  # noqa: F401  a job imports them when it runs, in every fork anew
from lib.workflow.graph_cells import GraphCell

WIDTH = 16  # of the made-up text vectors


class Work:
    """Something that a process does in the folder `place`; `results` are patterns of the files it makes there."""

    results: ClassVar[tuple[str, ...]]

    def __init__(self, place: Path):
        self.place = place

    def prepare(self) -> None:
        """What is needed beforehand, made once; also what would only be imported in a fork, once for every kill."""

    def reset(self) -> None:
        """Back to the state before the work; by default what it makes is gone."""
        for pattern in self.results:
            for path in self.place.glob(pattern):
                path.unlink()

    def do(self) -> None:
        """The work, in a process of its own."""

    def files(self) -> dict[str, bytes]:
        """What stands under its final name, by that name."""
        found = {}
        for path in sorted(path for pattern in self.results for path in self.place.glob(pattern)):
            found[path.relative_to(self.place).as_posix()] = self.content(path)
        return found

    def content(self, path: Path) -> bytes:
        """What must be the same, whatever was killed."""
        return without_seconds(path)


class Training(Work):
    """LightGCN with contrastive alignment, to the last epoch; what a finished run has."""

    results = (
        "runs/**/metrics.json",
        "runs/**/per_user.parquet",
        "runs/**/embeddings.safetensors",
        "runs/**/history.csv",
    )
    pairs, epochs, evaluate_every = 1500, 12, 2

    def prepare(self):
        settings = dict(dataset="made", backbone="lightgcn", hyperparameters=blocks())
        write_yaml(self.place / "params/made/lightgcn.yaml", settings)
        write_yaml(self.place / "params/made/dataset.yaml", dict(name="made", title="Made up"))
        protocol = dict(embedding_size=16, batch_size=256, learning_rate=0.01, epochs=self.epochs, patience=self.epochs)
        protocol |= dict(evaluate_every=self.evaluate_every, ks=[5, 10, 20])
        write_yaml(self.place / "params/protocol.yaml", dict(paper=protocol))
        data = generated.interactions(self.pairs)
        tested = data.test.tocoo()
        half = np.arange(tested.nnz) % 2 == 0  # generated data have none to validate
        (self.place / "data/made").mkdir(parents=True)
        for name, chosen in (("validation", half), ("test", ~half)):
            part = sp.csr_matrix((tested.data[chosen], (tested.row[chosen], tested.col[chosen])), tested.shape)
            sp.save_npz(self.place / f"data/made/{name}.npz", part)
        sp.save_npz(self.place / "data/made/train.npz", data.train)
        rng = np.random.default_rng(0)
        text = rng.normal(size=(data.n_users + data.n_items, WIDTH)).astype(np.float32)
        np.save(self.place / "vectors.npy", text)
        row_order.write(data, self.place / "vectors.order.csv")
        torch.set_num_threads(1)  # before a fork: threads do not survive it
        cells.environment = clean_environment  # what was made with uncommitted changes is never recorded
        cells.ensure(self.cell("contrastive"), "cpu")

    def reset(self):
        shutil.rmtree(self.place / "runs", ignore_errors=True)

    def do(self):
        cells.ensure(self.cell("contrastive"), "cpu")

    def cell(self, alignment: str, seed: int = 1) -> GraphCell:
        """The cell of an alignment here."""
        params, text = self.place / "params", str(self.place / "vectors.npy")
        settings = resolve("made", "lightgcn", alignment, seed, "paper", text, params=params)
        return GraphCell(settings, self.place / "runs", params, self.place / "data")


class Evaluation(Training):
    """Base for two epochs on so many items that ranking them takes most of the time."""

    pairs, epochs, evaluate_every = 12_000, 2, 1

    def do(self):
        cells.ensure(self.cell("base"), "cpu")


class Recording(Training):
    """Packing runs into data/recorded, where one of them stands already."""

    results = ("data/recorded/made/runs/**/*.zip",)

    def prepare(self):
        super().prepare()
        grid = dict(scale="paper", encoder=str(self.place / "vectors.npy"), backbones=["lightgcn"], seeds=[1, 2])
        grid |= dict(alignments=["base", "contrastive"])
        write_yaml(self.place / "params/experiments.yaml", {"rlmrec": {"made": dict(grid=grid, notebooks={})}})
        runs = [("base", 1), ("base", 2), ("contrastive", 1), ("contrastive", 2)]
        for number, run in enumerate(runs):
            cells.ensure(self.cell(*run), "cpu")
            if number == 0:
                self.do()
                (self.place / "data/recorded/made/runs").rename(self.place / "older")
        self.reset()

    def reset(self):
        super().reset()
        shutil.copytree(self.place / "older", self.place / "data/recorded/made/runs", dirs_exist_ok=True)

    def do(self):
        places = (self.place / name for name in ("runs", "params", "data"))
        recording.record("made", recording.Places(*places))


class Index(Work):
    """Writing figures/README.md, where one of fewer results stands already."""

    results = ("figures/README.md",)

    def prepare(self):
        sources = sorted((ROOT / "figures").glob("*/*/files/*.json"))
        for source in sources:
            target = self.place / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
            if source == sources[len(sources) // 2]:
                index.write(self.place / "figures")
                shutil.copy(self.place / self.results[0], self.place / "older.md")
        self.reset()

    def reset(self):
        shutil.copy(self.place / "older.md", self.place / self.results[0])

    def do(self):
        index.write(self.place / "figures")


class Notebook(Work):
    """Executing a notebook that writes a result; a copy that is there must be a whole one."""

    results = ("figures/result.json", "runs/out.ipynb")

    def prepare(self):
        parameters = v4.new_code_cell('name: str = ""  # of the result', metadata={"tags": ["parameters"]})
        work = "from pathlib import Path\nfrom lib.core.files import write_json\n"
        work += "write_json(Path('figures/result.json'), {name: list(range(1000))})"
        notebook = v4.new_notebook(cells=[parameters, *(v4.new_code_cell(f"{n} ** {n}") for n in range(9))])
        notebook["cells"].append(v4.new_code_cell(work))
        (self.place / "figures").mkdir()
        (self.place / "work.ipynb").write_text(json.dumps(notebook))

    def do(self):
        values = dict(name="x")
        job = notebook_jobs.Job(Path("work.ipynb"), Path("runs/out.ipynb"), values=values, root=self.place)
        os.chdir(self.place)
        notebook_jobs.run(notebook_jobs.Job(**vars(job) | {"outputs": ("figures/result.json",)}))

    def content(self, path):
        if path.suffix != ".ipynb":
            return path.read_bytes()
        # a copy tells times of execution; what counts is that it can be read and which results it holds
        executed = json.loads(path.read_text())
        shown = [cell.get("outputs") for cell in executed["cells"]]
        return json.dumps([executed["metadata"]["reprec"].get("content"), shown]).encode()


KINDS = {"training": Training, "evaluation": Evaluation, "notebook": Notebook, "recording": Recording, "index": Index}


def blocks() -> dict[str, dict]:
    """Hyper-parameters of LightGCN for made-up data."""
    base = dict(layers=2, reg_weight=1e-5, keep_rate=0.8)
    return {"base": base, "contrastive": base | dict(weight=0.1, temperature=0.2)}


def without_seconds(path: Path) -> bytes:
    """The bytes of a file of a run; of a learning curve those without what each epoch took."""
    if path.name != "history.csv":
        return path.read_bytes()
    rows = [line.split(b",") for line in path.read_bytes().splitlines()]
    taken = rows[0].index(b"seconds")
    return b"\n".join(b",".join(row[:taken] + row[taken + 1 :]) for row in rows)


def write_yaml(path: Path, content: dict) -> None:
    """Write a yaml file, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))


def clean_environment() -> dict:
    """What a manifest says of a commit without changes."""
    return {"git": {"commit": "0" * 40, "dirty": False}, "threads": 1}
