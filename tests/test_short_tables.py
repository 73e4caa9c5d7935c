"""Tables on pages fit on a screen, say what they leave out, and the csv beside them keeps everything."""

import json
import re

import pandas as pd
import pytest

from lib.core.files import ROOT, sha256
from lib.results import display_names
from lib.results.short_tables import ROWS, WIDTH, short
from lib.results.writers import to_markdown, to_page

PAGES = sorted(path for path in (ROOT / "figures").rglob("*.md") if path.name != "README.md")


def rows_of(page):
    """The cells of a page's table by an own reading, heads first, as they are seen."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [[cell.replace("**", "").replace("\\", "") for cell in row] for row in [cells[0], *cells[2:]]]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT / "figures").as_posix())
def test_committed_tables_are_at_most_a_screen_wide_and_long(page):
    rows = rows_of(page)
    assert len(rows) - 1 <= ROWS
    # a cell of words is broken between them, a number is not
    widths = [max(max(map(len, cell.split()), default=0) for cell in column) for column in zip(*rows, strict=True)]
    assert sum(widths) + 3 * len(widths) <= WIDTH
    assert json.loads((page.parent / f"files/{page.stem}.json").read_text())["files"][page.name] == sha256(page)


def comparisons(n: int) -> pd.DataFrame:
    """A wide table of n comparisons with four metrics each, one of which is judged."""
    metrics = ["recall@20", "ndcg@20", "recall@5", "ndcg@5"]
    rows = [(model, metric) for model in range(n) for metric in metrics]
    frame = pd.DataFrame(rows, columns=["model", "metric"])
    columns = ("dataset", "user_error", "seed_error", "difference", "ci_low", "ci_high", "p_holm", "freedom", "error")
    for number, name in enumerate(columns):
        frame[name] = "movielens-100k" if name == "dataset" else frame.index + number / 7
    frame["verdict"] = ["better" if metric == "recall@20" else None for metric in frame["metric"]]
    return frame


def test_a_small_table_is_shown_whole():
    frame = comparisons(2)[["model", "metric", "difference", "verdict"]]
    assert to_page(frame, "x.csv") == to_markdown(display_names.in_table(frame))


def test_judged_rows_stay_and_what_is_left_out_is_said():
    text = to_page(comparisons(15), "x.csv")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(lines) == 1 + 15 and "ndcg@20" not in text
    assert "Left out here: 45 of 60 rows" in text and "[x.csv](x.csv) has everything" in text
    assert to_page(comparisons(15), "x.csv") == text


def test_a_wide_table_says_once_what_repeats_and_keeps_the_verdict():
    cells = comparisons(4).astype(object).fillna("").map(str)
    cells = cells.assign(**{f"further_column_{number}": cells["difference"] for number in range(6)})
    cells["verdict"] = cells.pop("verdict")  # the last column, which would go first
    shown, sentences = short(cells)
    assert "dataset" not in shown and sentences[0] == "In every row: dataset MovieLens-100K."
    assert "verdict" in shown and "difference" in shown and "user_error" not in shown
    left = set(cells) - set(shown) - {"dataset"}
    assert all(re.search(rf"\b{name}\b", sentences[1]) for name in left)


def test_without_verdict_or_headline_the_first_rows_are_shown():
    shown, sentences = short(pd.DataFrame({"epoch": [str(n) for n in range(100)]}))
    assert shown["epoch"].tolist() == [str(n) for n in range(ROWS)] and sentences == ["Left out here: 60 of 100 rows."]


@pytest.mark.parametrize("rows", [0, 1])
def test_a_table_of_one_row_or_none_repeats_nothing(rows):
    wide = pd.DataFrame({f"a_long_column_name_{number}": ["x"] for number in range(9)}).head(rows)
    shown, sentences = short(wide)
    assert len(shown) == rows and not any("In every row" in sentence for sentence in sentences)


def test_two_tables_in_one_may_number_their_rows_alike():
    both = pd.concat([comparisons(40), comparisons(40)])
    shown, said = short(both.fillna("").astype(str))
    assert len(shown) == ROWS and set(shown["verdict"]) == {"better"} and "metric Recall@20" in said[0]
