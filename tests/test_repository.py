"""What people expect of a repository: links that lead, a valid citation file, workflow and container files."""

import re
from urllib.parse import unquote

import pytest
import yaml

from lib.core.files import ROOT

# what a visitor sees first; hidden files and what git ignores aside
TOP = {"CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "Dockerfile", "LICENSE", "Makefile", "README.md", "Snakefile"}
TOP |= {"benchmarks", "data", "docs", "environment.yml", "figures", "lib", "notebooks", "params", "pyproject.toml"}
TOP |= {"requirements.hashes", "requirements.lock", "tests"}
MADE = {"runs", "site", "sbom.cdx.json"}  # by commands; git ignores them
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *(ROOT / name for name in ("data/README.md",))])
PAGES += [ROOT / "params/README.md", ROOT / "params/published/README.md", ROOT / "benchmarks/README.md"]
CFF_TYPES = {"article", "book", "conference-paper", "data", "generic", "report", "software", "thesis", "unpublished"}
CFF_KEYS = {"type", "title", "authors", "year", "url", "journal", "volume", "issue", "start", "end", "notes", "doi"}
CFF_KEYS |= {"collection-title", "repository-code"}


def test_the_top_level_stays_calm():
    there = {path.name for path in ROOT.iterdir() if not path.name.startswith((".", "__"))}
    assert {name for name in there - MADE if not name.endswith((".egg-info", ".tar.gz"))} == TOP


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"(?m)^#+ (.*)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_link_is_dead(page):
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(file), f"{target} has no such heading"


def test_the_citation_file_is_valid():
    """By the fields of the Citation File Format 1.2.0."""
    content = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert content["cff-version"] == "1.2.0" and content["type"] in ("software", "dataset")
    assert {"message", "title", "authors"} <= set(content)
    for reference in [*content["references"]]:
        assert {"type", "title", "authors"} <= set(reference) <= CFF_KEYS, reference["title"]
        assert reference["type"] in CFF_TYPES and isinstance(reference["year"], int)
        for author in reference["authors"]:
            assert set(author) == {"name"} or {"family-names", "given-names"} <= set(author), reference["title"]
        for address in ("url", "repository-code"):
            assert re.match(r"https://\S+$", reference.get(address, "https://x"))


def test_everything_that_is_cited_has_bibtex_too():
    bibtex = (ROOT / "docs/citations.bib").read_text()
    titles = {re.sub(r"\s+", " ", title) for title in re.findall(r"(?m)^  title\s*= \{(.*)\},$", bibtex)}
    cited = {reference["title"] for reference in yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]}
    assert titles == cited
    assert bibtex.count("{") == bibtex.count("}")


def test_every_dataset_is_cited():
    """The first author and year of each citation in params/ are among the references."""
    references = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    known = {(author.get("family-names"), entry["year"]) for entry in references for author in entry["authors"]}
    for path in sorted((ROOT / "params").glob("*/dataset.yaml")):
        citation = yaml.safe_load(path.read_text()).get("citation", "")
        years = {int(year) for year in re.findall(r"\((\d{4})\)", citation)}
        assert all(any(name and name in citation for name, then in known if then == year) for year in years), path


def test_the_workflow_runs_what_is_run_here():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    steps = workflow["jobs"]["test"]["steps"]
    assert steps[-1] == {"run": ".ci/run"} and (ROOT / ".ci/run").stat().st_mode & 0o100
    assert {"push", "pull_request"} == set(workflow[True])  # YAML 1.1 reads the key `on` as true
    python = next(step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", ""))
    assert python == "3.11"


def test_container_and_binder_name_what_is_here():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "FROM python:3.11-slim" in dockerfile and "RUN make install" in dockerfile
    copied = [name for line in re.findall(r"(?m)^COPY --chown=reprec (.*) \S+$", dockerfile) for name in line.split()]
    assert len(copied) > 4 and all((ROOT / name).exists() for name in copied)
    binder = ROOT / ".binder"
    assert (binder / "runtime.txt").read_text().strip() == "python-3.11"
    assert "-r ../requirements.lock" in (binder / "requirements.txt").read_text().splitlines()
    assert (binder / "postBuild").stat().st_mode & 0o100


def test_the_limits_that_readme_states_are_those_of_the_grids():
    grids = yaml.safe_load((ROOT / "params/experiments.yaml").read_text())["rlmrec"]
    text = (ROOT / "README.md").read_text()
    default = grids["movielens-100k"]["grid"]
    base = {*default["seeds"], *(seed for more in default["more"] for seed in more["seeds"])}
    assert (len(default["seeds"]), len(base)) == (1, 2)
    assert "one seed of every aligned model and two of base" in text
    assert (
        grids["yelp"]["grid"]["alignments"] == ["base"]
        and "steam" not in grids
        and "Nothing is trained on steam" in text
    )
    assert "SmolLM2-135M" in text and default["encoder"] == "minilm" and "all-MiniLM-L6-v2" in text
    recorded = {path.parent.name for path in (ROOT / "data/recorded").glob("*/runs")}
    assert (
        "amazon" in recorded
        and "yelp" not in recorded
        and "some of amazon's are in" in text
        and "none of yelp's" in text
    )
