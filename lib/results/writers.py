"""A frame as a table for people: Markdown by tabulate, LaTeX by pandas.

Cells are texts with two marks that both writers understand: **bold**, and \\* for a star.
"""

import re

import pandas as pd

from lib.results import display_names
from lib.results.short_tables import short

# what LaTeX would read as a command or does not have in a text font
LATEX = str.maketrans(
    {character: "\\" + character for character in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    | {"±": r"$\pm$", "−": "$-$", "<": "$<$", ">": "$>$"}
)


def to_markdown(frame: pd.DataFrame) -> str:
    """A frame as a Markdown table; columns of numbers are aligned to the right."""
    cells = _cells(frame)
    # no padding of texts, which some columns hold whole sentences of
    aligned = ["right" if numbers else "" for numbers in _holds_numbers(cells)]
    cells = cells.map(_markdown).rename(columns=lambda name: _markdown(str(name)))
    return cells.to_markdown(index=False, tablefmt="pipe", colalign=aligned, disable_numparse=True) + "\n"


def to_page(frame: pd.DataFrame, whole: str) -> str:
    """A frame as a Markdown table that fits on a screen, with display names, below a sentence on what is left out.

    whole: the file beside it that holds everything.
    """
    shown, sentences = short(_cells(frame))
    if len(shown) < len(frame) or shown.shape[1] < frame.shape[1]:
        sentences.append(f"[{whole}]({whole}) has everything.")
    above = " ".join(sentences)
    return (f"{above}\n\n" if above else "") + to_markdown(display_names.in_table(shown))


def to_latex(frame: pd.DataFrame) -> str:
    """A frame as a LaTeX tabular with booktabs rules; columns of numbers are aligned to the right."""
    cells = _cells(frame)
    aligned = "".join("r" if numbers else "l" for numbers in _holds_numbers(cells))
    # the cells are escaped here: pandas would escape the marks with the rest
    cells = cells.map(_latex).rename(columns=lambda name: _latex(str(name)))
    return cells.to_latex(index=False, escape=False, column_format=aligned)


def signed(text: str) -> str:
    """A text with minus signs in place of hyphens."""
    return text.replace("-", "\N{MINUS SIGN}")


def _cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as texts on one line each: four digits of a fraction, nothing for a missing value."""
    return frame.astype(object).map(_text)


def _text(value) -> str:
    # of a list pd.isna tells each element, which `if` cannot judge
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())


def _holds_numbers(cells: pd.DataFrame) -> list[bool]:
    """Which columns hold a number, bold or not, in every cell that is not empty."""
    return [all(re.match(r"\**[-+−]?\.?\d", cell) for cell in cells[name] if cell) for name in cells]


def _markdown(text: str) -> str:
    """A cell with the character that would end it escaped."""
    return text.replace("|", r"\|")


def _latex(text: str) -> str:
    """A cell with LaTeX's own characters escaped and the two marks turned into LaTeX."""
    parts, bold = [], False
    for part in re.split(r"(\\\*|\*\*)", text):
        if part == "**":
            parts.append("}" if bold else r"\textbf{")
            bold = not bold
        else:
            parts.append("$^{*}$" if part == r"\*" else part.translate(LATEX))
    return "".join(parts)
