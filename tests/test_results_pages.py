"""figures/README.md, the pages below it and what README.md quotes: from records and tables alone, no dead link."""

import re
import shutil
from unittest import mock

import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.results import findings, index, questions, readme_parts, records

FIGURES = ROOT / "figures"
TABLE = pd.DataFrame({"name": ["b", "a"], "value": [0.1, 0.2]})


@mock.patch.object(records, "code_digest", lambda paths: "c0de")
def save(stem, claim, artefact=None, **changes):
    about = dict(notebook="notebooks/x.ipynb", command=f"make {stem.name}")
    records.save(TABLE if artefact is None else artefact, stem, claim=claim, **about | changes)


@pytest.fixture
def figures(tmp_path):
    """Results of a known paper on three datasets and of an unknown one."""
    place = tmp_path / "figures"
    picture = Figure()
    picture.subplots()
    default, *others = (place / "rlmrec" / name for name in ("movielens-100k", "amazon", "yelp"))
    save(default / "pooled", "It ranks better", ours="+1%", paper="yes")
    save(default / "significance", "It ranks better", ours="+1%")
    save(default / "forest", "It ranks better", picture, ours="+1%", table="pooled")
    save(default / "new_thing", "Is there something new?", ours="a thing")
    for other, count in zip(others, (6, 5), strict=True):
        save(other / "reproduction", "Base rows come out", ours=f"{count} of 6")
    save(place / "mine/toy/numbers", "Ours alone", ours="7 | 8")
    (default / "files/stray.json").write_text("[]")
    return place


def links_of(page):
    text = page.read_text()
    return re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text)


def test_every_link_of_every_page_leads_to_a_file(figures):
    first = index.write(figures)
    pages = [first, *sorted(figures.glob("*/*/README.md"))]
    assert len(pages) == 5
    for page in pages:
        found = [link for link in links_of(page) if not link.startswith("https://")]
        assert found and all((page.parent / link).is_file() for link in found), page


def test_a_question_is_asked_once_with_picture_answer_and_the_papers_value(figures):
    text = index.write(figures).read_text()
    assert text.count("**Does alignment raise ranking?**") == 1
    row = next(line for line in text.splitlines() if "**Does alignment raise ranking?**" in line)
    assert "(Table 1)" in row and "MovieLens-100K: +1%" in row and "| yes |" in row
    assert '<img src="rlmrec/movielens-100k/forest.png"' in row and "pooled.csv" in row
    row = next(line for line in text.splitlines() if "**Do base models come out as in the paper?**" in line)
    assert "Amazon-book: 6 of 6<br>Yelp: 5 of 6" in row, "every dataset that answers it"


def test_what_no_question_names_is_listed_by_its_claim(figures):
    text = index.write(figures).read_text()
    assert "**Is there something new?**" in text and "**Ours alone**" in text and "## mine" in text
    assert text.index("Does alignment raise ranking?") < text.index("Is there something new?")


def test_commands_are_folded_and_said_once(figures):
    save(figures / "rlmrec/movielens-100k/tests", "It ranks better", command="make pooled")
    text = index.write(figures).read_text()
    folded = "".join(re.findall(r"(?s)<details>.*?</details>", text))
    assert folded.count("make pooled\n") == 1 and "    make " not in text.replace(folded, "").split("<details>")[0]


def test_writing_twice_gives_the_same_bytes_and_pictures_stand_above_tables(figures):
    index.write(figures)
    before = {path: path.read_bytes() for path in figures.rglob("README.md")}
    index.write(figures)
    assert before == {path: path.read_bytes() for path in figures.rglob("README.md")}
    page = (figures / "rlmrec/movielens-100k/README.md").read_text()
    assert page.index("![forest]") < page.index("## Tables") < page.index("[pooled](pooled.md)")
    assert page.count("+1%") == 1, "an answer is said once"


def test_an_empty_folder_has_an_empty_list(tmp_path):
    assert index.write(tmp_path).read_text() == index.INTRO + "\n" or "##" not in (tmp_path / "README.md").read_text()


# The questions


def test_every_committed_artefact_belongs_to_a_question():
    """A new one may do without, but what is committed has a place on the pages."""
    known = questions.known()
    for artefact in questions.artefacts(FIGURES):
        paper = known[artefact.folder.parts[0]]
        asked = {question.question for question in paper.questions}
        if artefact.folder.parts[0] != "pte":  # its further notebooks are listed by their claims
            assert questions.answers([artefact], paper.questions)[0].question in asked, artefact.name


def test_a_mistake_in_the_questions_is_one_sentence(tmp_path):
    content = yaml.safe_load(questions.FILE.read_text())
    content["rlmrec"]["questions"][0]["artefact"] = ["x"]
    (tmp_path / "questions.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match="questions.yaml: rlmrec.*artefact.*artefacts"):
        questions.known(tmp_path / "questions.yaml")


# Findings, against the tables read in another way


def test_findings_say_what_the_tables_say():
    found = {finding.claim: finding for finding in findings.front(FIGURES)}
    pooled = pd.read_csv(FIGURES / "rlmrec/movielens-100k/pooled.csv", index_col="alignment")
    ranking = found["Does alignment raise ranking?"]
    for name in ("contrastive", "generative"):
        row = pooled.loc[name]
        numbers = [f"{100 * row[key]:+.1f}%".replace("-", "−") for key in ("difference", "ci_low", "ci_high")]
        assert f"{name} {numbers[0]} [{numbers[1]}, {numbers[2]}]" in ranking.ours
    assert ranking.verdict == "inconclusive" and set(pooled["verdict"]) == {"inconclusive"}
    assert "18 of 18" in ranking.paper and "16 of 18" in ranking.paper

    overlap = pd.read_csv(FIGURES / "report/movielens-100k/report_overlap.csv")
    overlap = overlap.query("vectors == 'ego' and neighbours == 100 and items == 'first3000'")
    for name, own in overlap[overlap["verdict"].notna()].groupby("alignment"):
        count = sum(verdict == "supported" for verdict in own["verdict"])
        assert f"{name} in {count} of {len(own)}" in found["Does alignment put text meaning into the vectors?"].ours

    noise = pd.read_csv(FIGURES / "rlmrec/movielens-100k/noise_simgcl_gains.csv").query("metric == 'recall@20'")
    better = noise.query("verdict == 'better'").groupby("alignment").size().reindex(["contrastive", "generative"])
    for name, count in better.fillna(0).items():
        assert f"better at {count:.0f} of 3" in found["Does it hold when interactions are noisy?"].said, name


def changed(tmp_path, name, change):
    """A copy of the results whose table `name` is changed."""
    copy = shutil.copytree(FIGURES, tmp_path / "figures", ignore=shutil.ignore_patterns("*.png", "*.pdf", "*.md"))
    table = pd.read_csv(copy / name)
    change(table)
    table.to_csv(copy / name, index=False)
    return copy


def test_another_table_gives_another_verdict(tmp_path):
    def better(table):
        table.loc[table["alignment"] == "contrastive", "verdict"] = "better"

    copy = changed(tmp_path, "rlmrec/movielens-100k/pooled.csv", better)
    first = findings.front(copy)[0]
    assert first.verdict == "contrastive: supported; generative: inconclusive"
    assert first.said.startswith("contrastive: yes; generative: no difference beyond chance")


def test_a_finding_without_its_tables_is_left_out(tmp_path):
    assert findings.front(tmp_path) == []
    claims = [finding.claim for finding in findings.front(FIGURES)]
    copy = changed(tmp_path, "rlmrec/movielens-100k/pooled.csv", lambda table: None)
    (copy / "rlmrec/movielens-100k/noise_simgcl_gains.csv").unlink()
    assert [finding.claim for finding in findings.front(copy)] == claims[:3]


def test_links_of_findings_lead_to_committed_pages():
    for finding in findings.front(FIGURES):
        assert (FIGURES / finding.link).is_file(), finding
        assert finding.ours and finding.verdict and "nan" not in "".join(finding)


# README.md


def test_readme_says_what_the_committed_tables_say(tmp_path):
    copy = shutil.copy(ROOT / "README.md", tmp_path)
    text = copy_text = (ROOT / "README.md").read_text()
    readme_parts.renew(tmp_path / "README.md", FIGURES, findings.front(FIGURES))
    assert (tmp_path / "README.md").read_text() == text, f"run python -m lib index, {copy} differs"
    for finding in findings.front(FIGURES):
        assert finding.ours in copy_text and finding.verdict in copy_text


def test_the_list_of_results_is_that_of_the_committed_records(tmp_path):
    copy = shutil.copytree(FIGURES, tmp_path / "figures")
    index.write(copy)
    for page in sorted(copy.rglob("README.md")):
        committed = FIGURES / page.relative_to(copy)
        assert page.read_text() == committed.read_text(), f"{committed}: run python -m lib index"


def test_only_marked_parts_are_written(tmp_path):
    page = tmp_path / "README.md"
    marks = "<!-- findings: written by python -m lib index -->\nold\n<!-- end of findings -->"
    page.write_text(f"before\n{marks}\nafter\n")
    readme_parts.renew(page, FIGURES, findings.front(FIGURES))
    text = page.read_text()
    assert text.startswith("before\n<!-- findings") and text.endswith("<!-- end of findings -->\nafter\n")
    assert "\nold\n" not in text and "Does alignment raise ranking?" in text
    page.write_text("no marks\n")
    readme_parts.renew(page, FIGURES, findings.front(FIGURES))
    assert page.read_text() == "no marks\n"


def test_without_results_readme_stays(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(text := "<!-- findings: written by python -m lib index -->\nold\n<!-- end of findings -->\n")
    readme_parts.renew(page, tmp_path, [])
    assert page.read_text() == text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(8.5e-6, "8.5 µs"), (0.0012, "1.2 ms"), (1.86, "1.9 s"), (53.1, "53 s"), (433, "7 min"), (3.63e-4, "360 µs")],
)
def test_durations_are_said_in_the_unit_that_people_choose(seconds, said):
    assert readme_parts._seconds(seconds) == said
