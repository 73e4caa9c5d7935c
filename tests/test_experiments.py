"""params/experiments.yaml: which paper makes what of which dataset."""

import shutil

import pytest
import yaml
from components import DATASETS

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.core.names import ALIGNMENTS
from lib.workflow import experiments
from lib.workflow.grids import bases, grid

GRID = {"scale": "quick", "encoder": "none", "backbones": ["gccf", "sgl"], "alignments": ["base"], "seeds": [1]}


@pytest.fixture
def copy(tmp_path):
    """A params tree that a test may break, and a function that changes experiments of it: {(paper, dataset): entry}."""
    shutil.copytree(ROOT / "params", tmp_path / "params")

    def change(changes=None):
        file = tmp_path / "params/experiments.yaml"
        content = yaml.safe_load(file.read_text())
        for (paper, dataset), entry in (changes or {}).items():
            content.setdefault(paper, {})[dataset] = entry
        file.write_text(yaml.safe_dump(content))
        return tmp_path / "params"

    return change


def committed(paper, dataset) -> dict:
    return yaml.safe_load((ROOT / "params/experiments.yaml").read_text())[paper][dataset]


def test_a_paper_may_read_the_cells_of_another():
    known = experiments.load()
    assert known["report", "amazon"].grid == known["rlmrec", "amazon"].grid
    assert set(known["report", "amazon"].notebooks).isdisjoint(known["rlmrec", "amazon"].notebooks)


def test_cells_of_a_paper_that_has_none_on_that_dataset(copy):
    tree = copy({("report", "steam"): {"grid": "rlmrec"}})
    with pytest.raises(UserError, match=r"\(report, steam\): unknown grid 'rlmrec': known: none"):
        experiments.load(tree)


@pytest.mark.parametrize(
    ("paper", "dataset", "found"),
    [
        ("all", "default", {(paper, "movielens-100k") for paper in ("rlmrec", "report", "rallrec", "pte")}),
        ("rlmrec", "amazon yelp", {("rlmrec", "amazon"), ("rlmrec", "yelp")}),
        ("report", "all", {("report", "movielens-100k"), ("report", "amazon")}),
        ("all", "yelp", {("rlmrec", "yelp")}),
    ],
)
def test_choosing(paper, dataset, found):
    chosen = {(entry.paper, entry.dataset) for entry in experiments.chosen(paper, dataset)}
    assert {entry for entry in chosen if entry[1] in DATASETS} == found


@pytest.mark.parametrize(
    ("paper", "dataset", "message"),
    [
        ("rlmreq", "default", "unknown paper 'rlmreq': did you mean 'rlmrec'"),
        ("all", "amazn", "unknown dataset of params/experiments.yaml 'amazn': did you mean 'amazon'"),
        ("report", "yelp", "no experiment of report on yelp"),
    ],
)
def test_a_choice_that_is_not_there_is_one_sentence(paper, dataset, message):
    with pytest.raises(UserError, match=message):
        experiments.chosen(paper, dataset)


def test_a_grid_says_which_alignments_its_backbones_have(copy):
    """The plain ones; what `more` adds to one backbone is not another's."""
    more = [{"backbones": ["sgl"], "alignments": ["generative", "generative+weight=1", "base@generative"]}]
    own = GRID | {"encoder": "minilm", "alignments": ["base", "contrastive"], "more": more}
    tree = copy({("rlmrec", "amazon"): {"grid": own}, ("report", "amazon"): {"grid": "rlmrec"}})
    found = {name: experiments.alignments_of("rlmrec", "amazon", name, tree) for name in ("gccf", "sgl")}
    assert found == {"gccf": ["base", "contrastive"], "sgl": ["base", "contrastive", "generative"]}
    assert experiments.alignments_of("rlmrec", "steam", "gccf", tree) == [*ALIGNMENTS]  # without a grid: the paper's


def test_a_grid_needs_base(copy):
    tree = copy({("rlmrec", "amazon"): {"grid": GRID | {"encoder": "minilm", "alignments": ["contrastive"]}}})
    with pytest.raises(UserError, match="add base to the alignments of gccf: everything is compared with it"):
        experiments.load(tree)


def test_a_first_try_lies_apart_from_results(copy):
    tree = copy({("rlmrec", "yelp"): {"grid": GRID | {"scale": "tiny"}}})
    (own,) = experiments.chosen("rlmrec", "yelp", tree)
    folders = {f"runs/{settings.folder}" for settings in grid("rlmrec", "yelp", params=tree)}
    assert folders == set(own.grid.folders("yelp")) and all(name.startswith("runs/tiny/yelp/") for name in folders)


def test_names_with_any_signs_are_taken(copy):
    """The Makefile used to read the file with a pattern that knew neither '_' nor capitals nor dots."""
    name = "My_data.v2"
    tree = copy({("rlmrec", name): {"grid": GRID}})
    shutil.copytree(tree / "yelp", tree / name)
    assert [entry.dataset for entry in experiments.chosen("rlmrec", name, tree)] == [name]


@pytest.mark.parametrize("encoder", ["minilm", "sentence-transformers/all-mpnet-base-v2", "data/mine/vectors.npy"])
def test_grid_and_run_agree_on_the_folder(copy, encoder):
    tree = copy()
    own = experiments.load(tree)["rlmrec", "amazon"].grid.model_copy(update={"encoder": encoder})
    for settings in grid("rlmrec", "amazon", encoder=encoder, params=tree):
        assert f"runs/{settings.folder}" in own.folders("amazon")


def test_more_cells_beside_the_grid(copy):
    more = [{"seeds": [2]}, {"backbones": ["sgl"], "alignments": ["base@generative"], "seeds": [1, 3]}]
    tree = copy({("rlmrec", "amazon"): {"grid": GRID | {"more": more}}})

    def cells(**chosen):
        found = grid("rlmrec", "amazon", params=tree, **chosen)
        return {(cell.backbone, cell.alignment, cell.seed) for cell in found}

    matched = {("sgl", "base@generative", 1), ("sgl", "base@generative", 3)}
    assert cells() == {(name, "base", seed) for name in ("gccf", "sgl") for seed in (1, 2)} | matched
    assert cells(backbones=["gccf"]) == {("gccf", "base", 1), ("gccf", "base", 2)}
    assert cells(alignments=["base"], seeds=[2]) == {("gccf", "base", 2), ("sgl", "base", 2)}
    assert cells(backbones=["sgl"], alignments=["base@generative"], seeds=[9]) == {("sgl", "base@generative", 9)}


@pytest.mark.parametrize(("seed", "further"), [(2023, {2024, 2025}), (2024, {2023, 2025}), (7, {2023, 2024, 2025})])
def test_every_other_seed_of_base_in_the_grid_is_base_again(seed, further):
    found = bases("report", "amazon", "paper", "minilm", seed)
    own = committed("rlmrec", "amazon")["grid"]["backbones"]
    assert {name: found[name, "base"].seed for name in own} == dict.fromkeys(own, seed)
    assert {found["gccf", name].seed for of, name in found if of == "gccf"} == {seed} | further
    assert {cell.alignment for cell in found.values()} == {"base"}
    assert all(
        name == ("base" if cell.seed == seed else f"base again {cell.seed}") for (_, name), cell in found.items()
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"backbones": ["lightgnc"]}, r"amazon\): unknown backbone 'lightgnc': did you mean 'lightgcn'"),
        ({"alignments": ["generativ+patience=9"]}, r"gccf\): unknown alignment 'generativ': did you mean 'generative'"),
    ],
)
def test_a_misspelt_name_among_the_further_cells(copy, more, message):
    entry = committed("rlmrec", "amazon")
    tree = copy({("rlmrec", "amazon"): entry | {"grid": entry["grid"] | {"more": [more]}}})
    with pytest.raises(UserError, match=message):
        experiments.load(tree)


def test_without_an_encoder_a_grid_is_base_only(copy):
    entry = committed("rlmrec", "amazon")
    tree = copy({("rlmrec", "amazon"): entry | {"grid": entry["grid"] | {"encoder": "none"}}})
    with pytest.raises(UserError, match="without an encoder the alignments must be base"):
        experiments.load(tree)


def test_matched_cells_in_a_grid(copy):
    tree = copy()
    chosen = {"alignments": ["base", "base@generative"]}
    cells = grid("rlmrec", "amazon", **chosen, params=tree)
    own = experiments.load(tree)["rlmrec", "amazon"].grid
    assert {f"runs/{cell.folder}" for cell in cells} == set(own.folders("amazon", **chosen))
    assert {cell.encoder for cell in cells} == {"none"}


def test_grids_of_one_dataset_share_scale_and_encoder(copy):
    """Run folders have one place per cell, whatever paper asks for it."""
    entry = committed("rlmrec", "amazon")
    other = entry["grid"] | {"scale": "quick"}
    with pytest.raises(UserError, match="grids of amazon differ in scale or encoder"):
        experiments.load(copy({("report", "amazon"): {"grid": other}}))


def test_a_paper_without_datasets_is_one_sentence(copy):
    tree = copy()
    (tree / "experiments.yaml").write_text("rlmrec:\n")
    with pytest.raises(UserError, match=r"\(rlmrec\): name the datasets"):
        experiments.load(tree)


@pytest.mark.parametrize("file", ["dataset.yaml", "lightgcn.yaml"])
def test_a_broken_file_of_one_dataset_stops_no_other(copy, file):
    tree = copy()
    (tree / "yelp" / file).write_bytes("title: José".encode("latin-1"))
    assert [entry.dataset for entry in experiments.chosen("all", "amazon", tree)] == ["amazon", "amazon"]
    assert grid("rlmrec", "amazon", params=tree) and experiments.seeds_of_base("amazon", "gccf", tree)
    if file == "lightgcn.yaml":
        with pytest.raises(UserError, match="yelp/lightgcn.yaml is no UTF-8 text, first in line 1"):
            experiments.chosen("all", "yelp", tree)


def test_a_broken_entry_of_one_dataset_stops_no_other(copy):
    tree = copy({("rlmrec", "yelp"): {"grd": {}}})
    assert experiments.chosen("rlmrec", "amazon", tree)
    with pytest.raises(UserError, match="did you mean 'grid'"):
        experiments.chosen("rlmrec", "yelp", tree)


def test_a_block_that_is_none_is_told_as_such(copy):
    """And not as an unknown alignment: the name is right."""
    tree = copy()
    path = tree / "amazon" / "lightgcn.yaml"
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content | {"hyperparameters": content["hyperparameters"] | {"base": 3}}))
    with pytest.raises(UserError, match="lightgcn.yaml: hyperparameters: base: write a block .*, got 3"):
        experiments.load(tree)


def test_a_seed_that_no_generator_takes_is_one_sentence(copy):
    entry = committed("rlmrec", "amazon")
    with pytest.raises(UserError, match="grid.*seeds.0: .*a number of about 30 digits"):
        experiments.load(copy({("rlmrec", "amazon"): entry | {"grid": entry["grid"] | {"seeds": [10**30]}}}))


# A dataset's own file


def test_a_dataset_may_have_a_file_of_its_own(copy):
    tree = copy()
    shutil.copytree(tree / "yelp", tree / "mine")
    (tree / "mine/experiments.yaml").write_text(
        yaml.safe_dump({"rlmrec": {"grid": GRID}, "report": {"grid": "rlmrec"}})
    )
    known, common = experiments.load(tree), experiments.load()
    assert {key: known[key] for key in common} == common
    assert {key for key in known if key not in common} == {("rlmrec", "mine"), ("report", "mine")}
    assert known["report", "mine"].grid.backbones == GRID["backbones"]
    assert {own.file for key, own in known.items() if key not in common} == {"params/mine/experiments.yaml"}
    assert {entry.paper for entry in experiments.chosen("all", "mine", tree)} == {"rlmrec", "report"}
    (cell,) = known["rlmrec", "mine"].grid.named("mine", backbones=["sgl"])
    assert cell == ("mine", "sgl", "base", "none", 1, GRID["scale"])


def test_an_entry_in_both_files_is_refused(copy):
    tree = copy()
    (tree / "yelp/experiments.yaml").write_text(yaml.safe_dump({"rlmrec": {"grid": GRID}}))
    with pytest.raises(
        UserError, match=r"yelp/experiments.yaml \(rlmrec\): .*/experiments.yaml has an entry .*remove one"
    ):
        experiments.load(tree)


def test_a_mistake_in_a_file_of_its_own_names_it(copy):
    tree = copy()
    shutil.copytree(tree / "yelp", tree / "mine")
    for entry in ({"grid": GRID | {"seed": 1}}, {"grid": GRID | {"backbones": ["gcf"]}}):
        (tree / "mine/experiments.yaml").write_text(yaml.safe_dump({"rlmrec": entry}))
        with pytest.raises(UserError, match=r"mine/experiments.yaml \(.*did you mean"):
            experiments.load(tree)


def test_a_paper_without_a_grid_has_a_scale_and_trains_nothing(copy):
    tree = copy({("own", "amazon"): {"scale": "quick"}})
    own = experiments.load(tree)["own", "amazon"]
    assert (own.grid.cells(), own.grid.scale, own.grid.encodes) == ([], "quick", False)
    with pytest.raises(UserError, match=r"\(own, amazon\).*write either a grid or"):
        experiments.load(copy_of_entry(tree, {}))


def copy_of_entry(tree, entry):
    file = tree / "experiments.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"own": {"amazon": entry}}))
    return tree
