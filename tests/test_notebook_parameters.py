"""Parameters of a notebook: declared types, files, values, mistakes."""

import pytest

from lib.core.errors import UserError
from lib.workflow import notebook_parameters
from notebooks import make_repository, write


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository with a lib of its own."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # its lib, not the installed one
    return make_repository(tmp_path)


def test_values_take_their_declared_type(root):
    given = {"dataset": "off", "seed": "7", "rate": "1e-3", "settings": "{weight: 0.1}", "encoder": "null"}
    expected = {"dataset": "off", "seed": 7, "rate": 1e-3, "settings": {"weight": 0.1}, "encoder": None}
    assert notebook_parameters.parameters(write(root / "a.ipynb"), values=given) == expected
    assert notebook_parameters.parameters(write(root / "a.ipynb"), values={"rate": 1, "settings": None}) == {
        "rate": 1.0,
        "settings": None,
    }


def test_files_then_values(root):
    (root / "p.yaml").write_text("seed: 1\nrate: 1e-2\nsettings: {layers: 2}\n")
    values = notebook_parameters.parameters(write(root / "a.ipynb"), [root / "p.yaml"], {"seed": "3"})
    assert values == {"seed": 3, "rate": 0.01, "settings": {"layers": 2}}


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("sede", "1", "did you mean 'seed'"),
        (
            "seed",
            "many",
            "parameter 'seed' of .* must be int, not 'many'; it is declared as `seed: int = 2023  # random",
        ),
        ("seed", "1.5", "must be int"),
        ("seed", True, "must be int"),
        ("seed", "null", "must be int"),
        ("rate", "fast", "must be float"),
        ("settings", "[1]", "must be dict"),
        ("dataset", 3, "must be str"),
    ],
)
def test_wrong_parameters_are_one_sentence(root, name, value, said):
    with pytest.raises(UserError, match=said) as caught:
        notebook_parameters.parameters(write(root / "a.ipynb"), values={name: value})
    assert "\n" not in str(caught.value)


def test_wrong_notebook(root):
    write(root / "tour.ipynb")
    with pytest.raises(UserError, match="did you mean .*tour.ipynb"):
        notebook_parameters.declared(root / "tuor.ipynb")
    (root / "text.ipynb").write_text("no json")
    with pytest.raises(UserError, match="is not a notebook"):
        notebook_parameters.declared(root / "text.ipynb")
