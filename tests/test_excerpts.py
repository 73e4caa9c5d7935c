"""Source of lib beside a formula."""

import ast
import inspect

import pytest

from lib.core.files import ROOT
from lib.models import losses
from lib.models.backbones import lightgcn
from lib.results.excerpts import excerpt, without_docstring


def test_it_is_the_code_that_runs_without_its_docstring():
    said = excerpt(losses.bpr).data
    head, code = said.removesuffix("```").split("```python\n")
    assert head == "`bpr` in [lib/models/losses.py](../lib/models/losses.py)\n\n"
    function = ast.parse(inspect.getsource(losses.bpr)).body[0]
    del function.body[0]
    assert ast.unparse(ast.parse(code)) == ast.unparse(function) and '"""' not in code


def test_several_stand_under_one_another_and_links_lead_somewhere():
    said = excerpt(losses.unit, lightgcn.Backbone.losses, up="").data
    assert said.index("`unit`") < said.index("`Backbone.losses` in [lib/models/backbones/lightgcn.py]")
    assert "\ndef losses(self, ego, batch):\n    # one draw" in said, "a method starts at the left, comments stay"
    assert (ROOT / "lib/models/backbones/lightgcn.py").is_file()


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ('def f():\n    """One line."""\n    return 1\n', "def f():\n    return 1\n"),
        ('def f():\n    """Two.\n\n    Lines.\n    """\n\n    return 1\n', "def f():\n    return 1\n"),
        ('def f(x="""a"""):\n    return x\n', 'def f(x="""a"""):\n    return x\n'),
        ('class A:\n    """Text."""\n\n    b = 1\n', "class A:\n    b = 1\n"),
    ],
)
def test_only_the_docstring_goes(source, left):
    assert without_docstring(source) == left
