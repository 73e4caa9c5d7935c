"""Settings of runs: every committed cell, and what a misspelt one is told."""

import shutil

import pytest
import yaml
from components import DATASETS, blocks

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.core.names import ALIGNMENTS, BACKBONES
from lib.training import run_settings

BLOCKS = blocks()


def test_every_dataset_that_is_shipped_has_a_block_for_every_cell():
    assert {(data, backbone, name) for data in DATASETS for backbone in BACKBONES for name in ALIGNMENTS} <= {*BLOCKS}


@pytest.mark.parametrize(("dataset", "backbone", "name"), BLOCKS, ids=lambda value: value)
def test_every_cell_resolves(dataset, backbone, name):
    settings = run_settings.resolve(dataset, backbone, name, scale="paper")
    assert (settings.dataset, settings.backbone) == (dataset, backbone)
    written = settings.backbone_settings | settings.alignment_settings
    assert BLOCKS[dataset, backbone, name].items() <= written.items()
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
        (dict(base=3), "hyperparameters: base: write a block for each alignment, as in .*, got 3"),
        (dict(base={**BASE, "layers": 10**30}), "layers: .*less than or equal to 100, got a number of about 30 digits"),
        (dict(base={**BASE, "reg_weight": float("inf")}), "reg_weight: input should be a finite number, got inf"),
        (dict(base={**BASE, 3: 1}), "unknown key '3'"),
    ],
)
def test_wrong_block_is_one_sentence(copy, changes, message):
    known = yaml.safe_load((ROOT / "params/amazon/lightgcn.yaml").read_text())["hyperparameters"]
    tree = copy("amazon/lightgcn.yaml", hyperparameters=known | changes)
    with pytest.raises(UserError, match=message) as error:
        run_settings.resolve("amazon", "lightgcn", params=tree)
    assert "\n" not in str(error.value)
    assert "lightgcn.yaml" in str(error.value)


def test_protocol_is_checked(copy):
    tree = copy("protocol.yaml", tiny={"epoch": 3})
    with pytest.raises(UserError, match="did you mean 'epochs'"):
        run_settings.resolve("amazon", "lightgcn", params=tree)


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
        run_settings.resolve(**wanted)


def test_paper_scale_is_the_published_protocol():
    """The constants of docs/methods/rlmrec.md 2."""
    made = run_settings.protocol("paper")
    assert (made.embedding_size, made.batch_size, made.learning_rate) == (32, 4096, 1e-3)
    assert (made.epochs, made.evaluate_every, made.patience, made.ks) == (3000, 3, 5, (5, 10, 20))


def test_notebook_blocks_win_and_change_the_digest():
    usual = run_settings.resolve("amazon", "lightgcn")
    changed = run_settings.resolve("amazon", "lightgcn", hyperparameters={"base": {**BASE, "layers": 1}})
    assert changed.backbone_settings["layers"] == 1
    assert changed.digest != usual.digest
    assert usual.digest == run_settings.resolve("amazon", "lightgcn").digest


def test_tiny_runs_live_apart():
    assert run_settings.resolve("amazon", "lightgcn", scale="tiny").folder.parts[0] == "tiny"
    assert str(run_settings.resolve("amazon", "lightgcn", scale="paper").folder) == "amazon/none/lightgcn/base/seed2023"


def test_cell_file_of_another_dataset_is_one_sentence(copy):
    tree = copy("amazon/lightgcn.yaml", dataset="yelp")
    with pytest.raises(UserError, match="says dataset: yelp; it must say dataset: amazon"):
        run_settings.resolve("amazon", "lightgcn", params=tree)


def test_wrong_seed_is_one_sentence():
    with pytest.raises(UserError, match="seed: .*greater than or equal to 0, got -1"):
        run_settings.resolve("amazon", "lightgcn", seed=-1)


def test_matched_base_takes_the_backbone_settings_of_the_other():
    """GCCF's base has self-loops and its contrastive variant none (Q1): matched, only the alignment differs."""
    matched = run_settings.resolve("amazon", "gccf", "base@contrastive")
    contrastive = run_settings.resolve("amazon", "gccf", "contrastive")
    assert matched.backbone_settings == contrastive.backbone_settings
    assert matched.backbone_settings != run_settings.resolve("amazon", "gccf").backbone_settings
    assert (matched.kind, matched.encoder, matched.alignment_settings) == ("base", "none", {})
    assert matched.folder.parts[-2] == "base@contrastive"
    assert run_settings.resolve("amazon", "gccf", "base@base") == run_settings.resolve("amazon", "gccf")


def test_misspelt_match_offers_the_nearest():
    with pytest.raises(UserError, match="unknown alignment 'contrastiv': did you mean 'contrastive'"):
        run_settings.resolve("amazon", "gccf", "base@contrastiv")


def test_an_unknown_key_is_told_from_the_fields_of_backbone_and_alignment(copy):
    """Both are checked together: 'weigth' is nearest to a field of the alignment, 'keep_rat' to one of the backbone."""
    known = yaml.safe_load((ROOT / "params/amazon/lightgcn.yaml").read_text())["hyperparameters"]
    for wrong, nearest in (("weigth", "weight"), ("keep_rat", "keep_rate")):
        changed = known | {"contrastive": known["contrastive"] | {wrong: 1}}
        tree = copy("amazon/lightgcn.yaml", hyperparameters=changed)
        with pytest.raises(UserError, match=f"unknown key '{wrong}': did you mean '{nearest}'"):
            run_settings.resolve("amazon", "lightgcn", "contrastive", params=tree)


def test_a_new_alignment_needs_one_file_and_one_block(copy, tmp_path, monkeypatch):
    """No list of alignments is to be edited: the module is found, and its block is read."""
    from lib.models import alignment

    module = "from pydantic import Field\n\nfrom lib.models import alignment\n\n\n"
    module += "class Settings(alignment.Settings):\n    pull: float = Field(gt=0)\n\n\n"
    module += "class Alignment(alignment.Alignment):\n    Settings = Settings\n"
    (tmp_path / "pulling.py").write_text(module)
    monkeypatch.setattr(alignment, "__path__", [*alignment.__path__, str(tmp_path)])
    known = yaml.safe_load((ROOT / "params/amazon/lightgcn.yaml").read_text())["hyperparameters"]
    tree = copy("amazon/lightgcn.yaml", hyperparameters=known | {"pulling": known["base"] | {"pull": 0.5}})
    settings = run_settings.resolve("amazon", "lightgcn", "pulling", params=tree)
    assert settings.alignment_settings == {"pull": 0.5} and settings.folder.parts[-2] == "pulling"


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(ks=[]), "ks: .*at least 1 item"),
        (dict(ks=[0]), "ks.0: input should be greater than or equal to 1, got 0"),
        (dict(ks=[20, 5]), "ks: write every cut-off once, the smallest first, .* got \\[20, 5\\]"),
        (dict(ks=[5, 5, 20]), "ks: write every cut-off once"),
        (dict(ks=[10**12]), "ks.0: input should be less than or equal to 10000"),
        (dict(embedding_size=10**11), "embedding_size: input should be less than or equal to 100000, got 100000000000"),
        (dict(learning_rate=float("nan")), "learning_rate: .*finite"),
    ],
)
def test_a_protocol_that_nobody_can_mean_is_one_sentence(copy, changes, message):
    tree = copy("protocol.yaml", tiny=changes)
    with pytest.raises(UserError, match=f"protocol.yaml \\(tiny\\): {message}"):
        run_settings.protocol("tiny", tree)


@pytest.mark.parametrize("scale", ["paper", "tiny"])
def test_a_scale_that_is_no_block_is_one_sentence(copy, scale):
    with pytest.raises(UserError, match=f"protocol.yaml: {scale} should be a block of 'key: value', got 3"):
        run_settings.protocol("tiny", copy("protocol.yaml", **{scale: 3}))


def test_a_seed_that_no_generator_takes_is_one_sentence():
    with pytest.raises(UserError, match="seed: input should be less than 4294967296, got a number of about 30 digits"):
        run_settings.resolve("amazon", "lightgcn", seed=10**30)


def test_hyperparameters_that_are_no_blocks_are_one_sentence(copy):
    with pytest.raises(UserError, match="lightgcn.yaml: hyperparameters: write a block for each alignment.*, got 3"):
        run_settings.resolve("amazon", "lightgcn", params=copy("amazon/lightgcn.yaml", hyperparameters=3))
