"""Which runs the studies train: what conditions come to, and that the workflow and the notebooks mean the same ones."""

import ast
import importlib

import pytest

from lib.core.files import ROOT
from lib.core.fingerprints import source_of
from lib.core.names import ALIGNMENTS
from lib.papers.rlmrec.studies import noise, pretraining, sensitivity, texts
from lib.training.run_settings import resolve
from lib.workflow import experiments, grids, study_cells
from lib.workflow.experiments import CellName


def test_base_has_all_the_seeds_of_the_grid():
    conditions = [
        {"noise": 0, "alignment": "base"},
        {"noise": 0.1, "alignment": "base", "dataset": "amazon+noise=0.1"},
        {"noise": 0, "alignment": "contrastive"},
    ]
    cells = study_cells.under(conditions, "amazon", "lightgcn", "minilm", [7])
    assert [(labels["noise"], cell.alignment, cell.seed) for labels, cell in cells] == [
        (0, "base", 7), (0, "base", 2023), (0, "base", 2024), (0, "base", 2025), (0.1, "base", 7), (0, "contrastive", 7)
    ]  # fmt: skip


def test_cells_follow_their_conditions():
    conditions = [
        {"noise": 0.1, "alignment": "base", "dataset": "amazon+noise=0.1"},
        {"encoder": "tfidf", "alignment": "contrastive+weight=0.5"},
    ]
    cells = study_cells.under(conditions, "amazon", "lightgcn", "minilm", [1, 2])
    settings = grids.study(cells, "paper")
    assert [cell.seed for _, cell in cells] == [1, 2, 1, 2]
    (first, noisy), (last, weighed) = settings[0], settings[-1]
    assert first == {"alignment": "base", "noise": 0.1} and noisy.dataset == "amazon+noise=0.1"
    assert last == {"alignment": "contrastive", "encoder": "tfidf"}
    assert weighed == resolve("amazon", "lightgcn", "contrastive+weight=0.5", 2, "paper", "tfidf")
    for (_, name), (_, run) in zip(cells, settings, strict=True):
        assert name.folder == f"runs/{run.folder}"


def test_a_run_that_starts_from_another_names_it_and_its_text():
    cells = pretraining.cells("movielens-100k", "simgcl", "minilm", [3])
    found = {labels["start"]: (cell.earlier, cell.text) for labels, cell in cells}
    early = ("movielens-100k+early", "simgcl")
    assert found == {
        "nothing": (None, "none"),
        "base": (CellName(*early, "base", "minilm", 3), "none"),
        "contrastive": (CellName(*early, "contrastive", "minilm", 3), "minilm"),
        "generative": (CellName(*early, "generative", "minilm", 3), "minilm"),
    }
    for (_, name), (_, run) in zip(cells, grids.study(cells, "quick"), strict=True):
        # what the settings say is the run that training waits for
        assert (f"runs/{run.initial.folder}" if run.initial else None) == (name.earlier and name.earlier.folder)


def test_shares_of_noise_and_texts():
    found = noise.cells("amazon", "gccf", "minilm", [2023], [0, 0.05])
    assert {(labels["noise"], labels["alignment"]) for labels, _ in found} == {
        (x, k) for x in (0, 0.05) for k in ALIGNMENTS
    }
    assert {cell.dataset for labels, cell in found if labels["noise"]} == {"amazon+noise=0.05"}
    for backbone, kar in (("gccf", set()), ("sgl", {("minilm", "kar")})):  # gccf.yaml has no block of it
        found = texts.cells("amazon", backbone, "minilm", ["tfidf"], [2023])
        aligned = {(cell.encoder, cell.alignment) for _, cell in found if cell.alignment != "base"}
        read = {(name, kind) for name in ("minilm", "minilm+shuffled", "tfidf") for kind in ALIGNMENTS[1:]}
        assert aligned == read | kar


@pytest.mark.parametrize("backbone", ["simgcl", "autocf"])
def test_one_setting_at_a_time_moves(backbone):
    """Against the resolved settings: every run differs from the published one in what its labels say only."""
    values = dict(factors=[0.1], temperatures=[1.0], mask_ratios=[0.3], sizes=[16])
    cells = sensitivity.cells("movielens-100k", backbone, "minilm", [2023], scale="quick", **values)
    moved = 0
    for labels, run in grids.study(cells, "quick"):
        plain = resolve("movielens-100k", backbone, run.kind, run.seed, "quick", "minilm")
        of_run, of_plain = ({**one.protocol.model_dump(), **one.alignment_settings} for one in (run, plain))
        changed = {key: value for key, value in of_run.items() if value != of_plain[key]}
        expected = {} if labels["published"] else {labels["setting"]: pytest.approx(labels["value"])}
        assert changed == expected and run.backbone_settings == plain.backbone_settings
        assert of_run[labels["setting"]] == pytest.approx(labels["value"])
        moved += bool(changed)
    # weight and temperature of both alignments, mask ratio of one, size of all three
    assert moved == 2 + 2 + 1 + 3


def test_an_empty_list_leaves_a_setting_out():
    nothing = dict(factors=[], temperatures=[], mask_ratios=[])
    cells = sensitivity.cells("amazon", "lightgcn", "minilm", [2023], sizes=[16], scale="paper", **nothing)
    assert {labels["setting"] for labels, _ in cells} == {"embedding_size"}


def test_a_notebook_that_is_no_study_needs_nothing_beside_the_grid():
    assert study_cells.of_notebook("rlmrec", "06_tables", {}) == []


@pytest.mark.parametrize("path", sorted((ROOT / "lib/papers").glob("*/studies/[a-z]*.py")), ids=lambda path: path.stem)
def test_a_notebook_reads_the_cells_that_the_workflow_trains(path):
    """Its call of `cells` gives every parameter under its own name, and its list of runs comes from nothing else."""
    (notebook,) = (ROOT / "notebooks" / path.parts[-3]).glob(f"*_{path.stem}.ipynb")
    calls = [
        node
        for source in source_of(notebook)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{path.stem}.cells"
    ]
    assert len(calls) == 1
    wanted = study_cells.of_notebook(path.parts[-3], notebook.stem, {})
    module = importlib.import_module(f"lib.papers.{path.parts[-3]}.studies.{path.stem}")
    values = study_cells.defaults(notebook)
    values["settings"] = {key: values.get(key) for key in ("factors", "temperatures", "mask_ratios", "sizes")}
    assert eval(compile(ast.Expression(calls[0]), "call", "eval"), {path.stem: module, **values}) == wanted


def test_seeds_of_base_are_those_of_all_grids_of_a_dataset():
    assert experiments.seeds_of_base("movielens-100k", "sgl") == [2023, 2024]
    assert experiments.seeds_of_base("amazon", "sgl") == [2023, 2024, 2025]
    assert experiments.seeds_of_base("mine", "sgl") == []
