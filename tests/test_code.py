import json

from lib.code import code_digest


def digest_of(tmp_path, text, name="a.py"):
    (tmp_path / name).write_text(text)
    return code_digest([tmp_path / name])


def test_code_digest_is_blind_to_comments_docstrings_and_layout_only(tmp_path):
    plain = digest_of(tmp_path, "def f(x):\n    return x + 1\n")
    assert (
        digest_of(tmp_path, '"""Doc."""\n\n# why\ndef f( x ):\n    """Adds."""\n    return (x\n            + 1)\n')
        == plain
    )
    assert digest_of(tmp_path, "def f(x):\n    return x + 2\n") != plain
    assert digest_of(tmp_path, "def f(x):\n    'a' 'b'\n") == digest_of(tmp_path, "def f(x):\n    pass\n")


def test_code_digest_of_a_notebook_sees_code_cells_only(tmp_path):
    def notebook(*sources, output="1"):
        cells = [{"cell_type": "code", "source": [source], "outputs": [output]} for source in sources]
        return json.dumps({"cells": [{"cell_type": "markdown", "source": [output]}, *cells]})

    plain = digest_of(tmp_path, notebook("x = 1", "%time x"), "a.ipynb")
    assert digest_of(tmp_path, notebook("x = 1  # one", "%time x", output="2"), "a.ipynb") == plain
    assert digest_of(tmp_path, notebook("x = 1", "%time y"), "a.ipynb") != plain
    assert digest_of(tmp_path, notebook("x = 2", "%time x"), "a.ipynb") != plain
