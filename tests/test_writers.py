"""Writers of tables: Markdown against an independent parser, LaTeX against what its manual asks for."""

import re

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from lib.results.writers import signed, to_latex, to_markdown

FRAME = pd.DataFrame(
    {
        "name": ["a|b", "50% & x_1", "two\nlines"],
        "value": [1.23456, np.nan, -2.0],
        "best": [r"**0.5**\*", "0.4 ± 0.1", ""],
        "n": [1, 2, 3],
    }
)


def parsed(frame: pd.DataFrame) -> tuple[list[str], list[str], list[bool]]:
    """Heads and cells of a frame written as Markdown, and which columns are aligned to the right."""
    tokens = MarkdownIt("commonmark").enable("table").parse(to_markdown(frame))
    cells = ["".join(child.content for child in token.children) for token in tokens if token.type == "inline"]
    right = ["right" in str(token.attrs.get("style")) for token in tokens if token.type == "th_open"]
    return cells[: len(right)], cells[len(right) :], right


def test_markdown_is_read_as_the_same_cells():
    heads, cells, right = parsed(FRAME)
    assert heads == list(FRAME)
    assert cells == ["a|b", "1.235", "0.5*", "1", "50% & x_1", "", "0.4 ± 0.1", "2", "two lines", "-2", "", "3"]
    assert right == [False, True, True, True]


def test_markdown_of_a_long_text_does_not_pad_the_others():
    lines = to_markdown(pd.DataFrame({"claim": ["short", "a long one " * 30], "n": [1, 20]})).splitlines()
    assert lines[2] == "| short |   1 |"


@pytest.mark.parametrize("write", [to_markdown, to_latex])
def test_numbers_keep_four_digits_whatever_their_column_holds(write):
    text = write(pd.DataFrame({"a": [12345.678, 0.000123456], "b": [7, "0.10"], "c": ["1e5", None]}))
    assert {"1.235e+04", "0.0001235", "7", "0.10", "1e5"} < set(re.split(r"[ |&\n]+", text))
    assert "None" not in text and "nan" not in text


def test_heads_are_escaped_and_need_not_be_texts():
    assert parsed(pd.DataFrame({"a|b": ["x"], 3: [1]}))[0] == ["a|b", "3"]
    assert r"R\_20 \% & 3 \\" in to_latex(pd.DataFrame({"R_20 %": ["x"], 3: [1]}))


@pytest.mark.parametrize("write", [to_markdown, to_latex])
def test_a_table_without_rows_has_its_heads(write):
    lines = write(pd.DataFrame(columns=["model", "p"])).splitlines()
    assert any("model" in line and "p" in line for line in lines)


def test_latex_escapes_and_marks():
    lines = to_latex(FRAME).splitlines()
    assert lines[0] == r"\begin{tabular}{lrrr}" and lines[-1] == r"\end{tabular}"
    assert [lines[1], lines[3], lines[-2]] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert lines[4] == r"a|b & 1.235 & \textbf{0.5}$^{*}$ & 1 \\"
    assert lines[5] == r"50\% \& x\_1 &  & 0.4 $\pm$ 0.1 & 2 \\"


def test_latex_has_no_character_that_ends_a_table():
    cell = to_latex(pd.DataFrame({"a": [r"\{x}~^#$ < −1 **b_1** and **c**"]})).splitlines()[4]
    escaped = r"\textbackslash{}\{x\}\textasciitilde{}\textasciicircum{}\#\$ $<$ $-$1 \textbf{b\_1} and \textbf{c} \\"
    assert cell == escaped


def test_signed_texts_have_minus_signs():
    assert signed("-0.1 [-0.2, +0.3]") == "−0.1 [−0.2, +0.3]"
