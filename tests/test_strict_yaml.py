"""YAML of users: every mistake is one sentence with key and line, and whatever is valid means what PyYAML says."""

import pytest
import yaml

from lib.core.errors import UserError
from lib.core.files import read_yaml
from lib.core.strict_yaml import parse

DOUBLED = "".join(
    f"{letter}: &{letter} [{', '.join(['*' + before] * 9)}]\n"
    for before, letter in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key 'a' stands in line 1 already"),
        ("x:\n  yes: 1\n  true: 2", "line 3, column 3: the key 'true' stands in line 2 already"),
        ("a: [1, 2", "line 1, column 9: while parsing a flow sequence, expected"),
        ("a: b\0", "holds the sign"),
        ("a: 2024-13-01", "it has a value that cannot be read .*month"),
        ("a: !!int x", "it has a value that cannot be read"),
        ("a: " + "[" * 3000, "nested too deeply"),
        ("a: " + "9" * 5000, "a number of 5000 digits"),
        ("a: 0x" + "f" * 5000, "a number of 5002 digits"),
        ("a: &a [*a]", "line 1, column 4: it refers to a value that holds itself"),
        ("a: &a [1]\n" + DOUBLED, "line 6, .* more than 100,000 values"),
        ("a: !!python/object/apply:os.system [x]", "line 1, column 4: could not determine a constructor"),
        ("a: 1\n---\nb: 1", "line 2, column 1: expected a single document"),
    ],
)
def test_each_mistake_is_one_sentence_with_its_line(tmp_path, text, sentence):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError, match=sentence) as caught:
        read_yaml(tmp_path / "a.yaml")
    assert str(caught.value).startswith(f"{tmp_path}/a.yaml is not valid YAML: ") and len(str(caught.value)) < 400
    assert "unicode string" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "a: 1", "- 1", "x: &a {b: 1}\ny: {<<: *a, b: 2}\nz: {<<: *a}", "1: a\n'1': b", "a: {b: 1}\nc: {b: 1}"]
)
def test_valid_texts_mean_what_they_mean_elsewhere(text):
    assert parse(text, "text") == yaml.safe_load(text)


def test_other_encodings_and_folders_are_one_sentence(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("title: a\nb: José\n".encode("latin-1"))
    with pytest.raises(UserError, match="latin.yaml is no UTF-8 text, first in line 2: save it"):
        read_yaml(tmp_path / "latin.yaml")
    (tmp_path / "marked.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(tmp_path / "marked.yaml") == {"a": 1}
    with pytest.raises(UserError, match="cannot be read .*directory"):
        read_yaml(tmp_path)
