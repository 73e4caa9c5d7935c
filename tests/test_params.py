import shutil

import pytest
import yaml

from lib import alignment, backbones, params
from lib.files import ROOT, UserError

CELLS = [path for path in (ROOT / "params").glob("*/*.yaml") if path.stem in backbones.names()]


@pytest.mark.parametrize("path", CELLS, ids=lambda path: f"{path.parent.name}/{path.stem}")
@pytest.mark.parametrize("name", alignment.NAMES)
def test_every_committed_cell_resolves(path, name):
    settings = params.resolve(path.parent.name, path.stem, name, scale="paper")
    content = yaml.safe_load(path.read_text())
    assert (content["dataset"], content["backbone"]) == (path.parent.name, path.stem)
    written = settings.backbone_settings | settings.alignment_settings
    assert content[name].items() <= written.items()
    assert settings.encoder == ("none" if name == "base" else "minilm")


@pytest.fixture
def copy(tmp_path):
    """A params tree that a test may break, and a function that changes one cell of it."""
    shutil.copytree(ROOT / "params", tmp_path / "params")

    def change(path, **changes):
        file = tmp_path / "params" / path
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **changes}))
        return tmp_path / "params"

    return change


BASE = dict(layers=3, reg_weight=1e-6, keep_rate=0.8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(base={**BASE, "keep_rat": 0.8}), "unknown key 'keep_rat': did you mean 'keep_rate'"),
        (dict(base={**BASE, "layers": "three"}), "layers: .*integer.* got 'three'"),
        (dict(base={**BASE, "keep_rate": 1.5}), "keep_rate: .*less than or equal to 1"),
        (dict(base={"layers": 3, "reg_weight": 1e-6}), "keep_rate: field required"),
        (dict(base=None), "no block 'base'"),
    ],
)
def test_wrong_block_is_one_sentence(copy, changes, message):
    tree = copy("amazon/lightgcn.yaml", **changes)
    with pytest.raises(UserError, match=message) as error:
        params.resolve("amazon", "lightgcn", params=tree)
    assert "\n" not in str(error.value)
    assert "lightgcn.yaml" in str(error.value)


def test_protocol_is_checked(copy):
    tree = copy("protocol.yaml", tiny={"epoch": 3})
    with pytest.raises(UserError, match="did you mean 'epochs'"):
        params.resolve("amazon", "lightgcn", params=tree)


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [
        ("dataset", "amazn", "amazon"),
        ("backbone", "lightgc", "lightgcn"),
        ("alignment", "generativ", "generative"),
        ("scale", "quik", "quick"),
    ],
)
def test_unknown_names_offer_the_nearest(name, value, nearest):
    wanted = dict(dataset="amazon", backbone="lightgcn", alignment="base", scale="tiny") | {name: value}
    with pytest.raises(UserError, match=f"unknown {name} '{value}': did you mean '{nearest}'"):
        params.resolve(**wanted)


def test_paper_scale_is_the_published_protocol():
    """Spec rlmrec 2, constants."""
    made = params.protocol("paper")
    assert (made.embedding_size, made.batch_size, made.learning_rate) == (32, 4096, 1e-3)
    assert (made.epochs, made.evaluate_every, made.patience, made.ks) == (3000, 3, 5, (5, 10, 20))


def test_notebook_blocks_win_and_change_the_digest():
    usual = params.resolve("amazon", "lightgcn")
    changed = params.resolve("amazon", "lightgcn", blocks={"base": {**BASE, "layers": 1}})
    assert changed.backbone_settings["layers"] == 1
    assert changed.digest != usual.digest
    assert usual.digest == params.resolve("amazon", "lightgcn").digest


def test_tiny_runs_live_apart():
    assert params.resolve("amazon", "lightgcn", scale="tiny").folder.parts[0] == "tiny"
    assert str(params.resolve("amazon", "lightgcn", scale="paper").folder) == "amazon/none/lightgcn/base/seed2023"


def test_cell_file_of_another_dataset_is_one_sentence(copy):
    tree = copy("amazon/lightgcn.yaml", dataset="yelp")
    with pytest.raises(UserError, match="says dataset: yelp; it must say dataset: amazon"):
        params.resolve("amazon", "lightgcn", params=tree)


def test_wrong_seed_is_one_sentence():
    with pytest.raises(UserError, match="seed: .*greater than or equal to 0, got -1"):
        params.resolve("amazon", "lightgcn", seed=-1)


@pytest.mark.parametrize("encoder", ["minilm", "sentence-transformers/all-mpnet-base-v2", "data/mine/vectors.npy"])
def test_grid_and_run_agree_on_the_folder(copy, encoder):
    tree = copy("experiments.yaml")
    for settings in params.grid("amazon", encoder=encoder, params=tree):
        plan = params.experiments(tree)["amazon"].model_copy(update={"encoder": encoder})
        assert f"runs/{settings.folder}" in plan.folders("amazon")


def test_more_cells_beside_the_grid(copy):
    tree = copy("experiments.yaml")
    grid = {"scale": "quick", "encoder": "none", "backbones": ["gccf", "sgl"], "alignments": ["base"], "seeds": [1]}
    more = [{"seeds": [2]}, {"backbones": ["sgl"], "alignments": ["base@generative"], "seeds": [1, 3]}]
    (tree / "experiments.yaml").write_text(yaml.safe_dump({"amazon": grid | {"more": more}}))

    def cells(**chosen):
        found = params.grid("amazon", params=tree, **chosen)
        return {(cell.backbone, cell.alignment, cell.seed) for cell in found}

    matched = {("sgl", "base@generative", 1), ("sgl", "base@generative", 3)}
    assert cells() == {(name, "base", seed) for name in ("gccf", "sgl") for seed in (1, 2)} | matched
    assert cells(backbones=["gccf"]) == {("gccf", "base", 1), ("gccf", "base", 2)}
    assert cells(alignments=["base"], seeds=[2]) == {("gccf", "base", 2), ("sgl", "base", 2)}
    assert cells(backbones=["sgl"], alignments=["base@generative"], seeds=[9]) == {("sgl", "base@generative", 9)}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"backbones": ["lightgnc"]}, r"amazon\): unknown backbone 'lightgnc': did you mean 'lightgcn'"),
        ({"alignments": ["generativ+patience=9"]}, r"gccf\): unknown alignment 'generativ': did you mean 'generative'"),
    ],
)
def test_a_misspelt_name_among_the_further_cells(copy, more, message):
    grid = yaml.safe_load((ROOT / "params/experiments.yaml").read_text())["amazon"]
    tree = copy("experiments.yaml", amazon=grid | {"more": [more]})
    with pytest.raises(UserError, match=message):
        params.experiments(tree)


def test_matched_base_takes_the_backbone_settings_of_the_other():
    """GCCF's base has self-loops and its contrastive variant none (Q1): matched, only the alignment differs."""
    matched = params.resolve("amazon", "gccf", "base@contrastive")
    contrastive = params.resolve("amazon", "gccf", "contrastive")
    assert matched.backbone_settings == contrastive.backbone_settings
    assert matched.backbone_settings != params.resolve("amazon", "gccf").backbone_settings
    assert (matched.kind, matched.encoder, matched.alignment_settings) == ("base", "none", {})
    assert matched.folder.parts[-2] == "base@contrastive"
    assert params.resolve("amazon", "gccf", "base@base") == params.resolve("amazon", "gccf")


def test_without_an_encoder_a_grid_is_base_only(copy):
    tree = copy("experiments.yaml")
    text = (tree / "experiments.yaml").read_text()
    (tree / "experiments.yaml").write_text(text.replace("  encoder: minilm", "  encoder: none", 1))
    with pytest.raises(UserError, match="without an encoder the alignments must be base"):
        params.experiments(tree)


def test_misspelt_match_offers_the_nearest():
    with pytest.raises(UserError, match="unknown alignment 'contrastiv': did you mean 'contrastive'"):
        params.resolve("amazon", "gccf", "base@contrastiv")


def test_matched_cells_in_a_grid(copy):
    tree = copy("experiments.yaml")
    chosen = {"alignments": ["base", "base@generative"]}
    cells = params.grid("amazon", **chosen, params=tree)
    assert {f"runs/{cell.folder}" for cell in cells} == set(
        params.experiments(tree)["amazon"].folders("amazon", **chosen)
    )
    assert {cell.encoder for cell in cells} == {"none"}
