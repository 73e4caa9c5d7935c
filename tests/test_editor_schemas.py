"""The schemas that editors read: they accept every committed yaml file and refuse mistakes."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from lib.core.files import ROOT
from lib.core.names import BACKBONES
from lib.workflow import editor_schemas

EDITOR = json.loads((ROOT / ".vscode/settings.json").read_text())["yaml.schemas"]
SCHEMAS = editor_schemas.schemas()


def matched(globs):
    """The files that an editor gives a schema to: those of all patterns but the ones behind a '!'."""
    names, others = (
        {path for glob in globs if (glob[0] == "!") == no for path in ROOT.glob(glob.strip("!"))} for no in (0, 1)
    )
    return sorted(names - others)


FILES = [(Path(name).stem, path) for name, globs in EDITOR.items() for path in matched(globs)]


def test_the_editor_finds_a_schema_for_every_settings_file(tmp_path):
    known = {path for _, path in FILES}
    assert known == set((ROOT / "params").rglob("*.yaml")) - set((ROOT / "params/workflow").rglob("*.yaml"))
    assert len(known) == len(FILES)
    paths = editor_schemas.write(tmp_path)
    written = {path.relative_to(tmp_path).as_posix(): json.loads(path.read_text()) for path in paths}
    assert written == {f"{name}.json": content for name, content in SCHEMAS.items()}
    assert {f"params/schema/{name}" for name in written} == set(EDITOR)


@pytest.mark.parametrize(("name", "path"), FILES, ids=lambda value: str(value).removeprefix(f"{ROOT}/params/"))
def test_settings_files_are_accepted_and_a_misspelt_key_is_not(name, path):
    content = yaml.safe_load(path.read_text())
    jsonschema.validate(content, SCHEMAS[name])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content | {"misspelt": 1}, SCHEMAS[name])


@pytest.mark.parametrize("name", BACKBONES)
def test_wrong_misspelt_and_missing_settings_of_a_cell_are_marked(name):
    content = yaml.safe_load((ROOT / f"params/amazon/{name}.yaml").read_text())
    blocks = content["hyperparameters"]
    contrastive = blocks["contrastive"]
    wrong = [contrastive | {"weight": -1}, contrastive | {"layers": "three"}, contrastive | {"wieght": 1}]
    wrong.append({key: value for key, value in contrastive.items() if key != "temperature"})
    for block in wrong:
        with pytest.raises(jsonschema.ValidationError, match="weight|-1|three|wieght|temperature"):
            changed = content | {"hyperparameters": blocks | {"contrastive": block}}
            jsonschema.validate(changed, SCHEMAS["cell"])


def test_a_setting_of_another_backbone_is_marked():
    content = yaml.safe_load((ROOT / "params/amazon/gccf.yaml").read_text())
    with pytest.raises(jsonschema.ValidationError, match="noise"):
        blocks = content["hyperparameters"]
        changed = content | {"hyperparameters": blocks | {"base": blocks["base"] | {"noise": 0.1}}}
        jsonschema.validate(changed, SCHEMAS["cell"])


def test_a_setting_of_another_click_model_is_marked():
    content = yaml.safe_load((ROOT / "params/papers/click.yaml").read_text())
    deepfm = content["networks"]["deepfm"]
    for block in (deepfm | {"cross_layers": 3}, deepfm | {"dropout": 1}):
        with pytest.raises(jsonschema.ValidationError, match="cross_layers|dropout|maximum"):
            changed = content | {"networks": content["networks"] | {"deepfm": block}}
            jsonschema.validate(changed, SCHEMAS["click"])


def test_every_key_is_explained():
    for rule in SCHEMAS["cell"]["allOf"]:
        for block in rule["then"]["properties"]["hyperparameters"]["properties"].values():
            assert all(said.get("description") for said in block["properties"].values())
