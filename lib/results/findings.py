"""What the committed tables come to: each claim of a paper, what it says, what is found here, and the verdict.

Every number and word is read from the csv files and records below figures/ or from params/published, so that a page
says what the tables say. A finding whose tables are not there is left out.
"""

import contextlib
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lib.analysis.published import published_table
from lib.core.names import ALIGNMENTS, DEFAULT_DATASET
from lib.evaluation.verdicts.claims_on_ranking import claim_verdict
from lib.evaluation.verdicts.rules import PRIMARY, conclusion
from lib.results import display_names
from lib.results.pages import link
from lib.results.records import BELOW, sidecar
from lib.results.writers import signed, to_markdown

ALIGNED = ALIGNMENTS[1:]
AS_IN_THE_REPORT = {"vectors": "ego", "items": "first3000", "neighbours": 100}  # of its Table 1
PLAIN = {"supported": "yes", "not supported": "no", "inconclusive": "no difference beyond chance"}
IN_PARTS = PLAIN | {"inconclusive": "inconclusive"}  # where the parts of a claim are counted beside it
METRIC = display_names.metric(PRIMARY)


class Finding(NamedTuple):
    """One row of the findings, and its answer in plain words."""

    claim: str  # the question, as in params/questions.yaml
    paper: str
    ours: str
    verdict: str
    link: str  # below figures/
    said: str


def front(figures: Path) -> list[Finding]:
    """The four questions that most readers have, of the default dataset; tables of another form count as not there."""
    findings = []
    for finding in (_ranking, _meaning, _wording, _noise):
        with contextlib.suppress(FileNotFoundError, LookupError):
            findings.append(finding(Path(figures)))
    return findings


def in_plain_words(found: list[Finding]) -> str:
    """A line for each question with its answer, as Markdown."""
    return "\n".join(f"- **{one.claim}** {one.said[0].upper()}{one.said[1:]}." for one in found)


def findings_table(found: list[Finding], up: str = "") -> str:
    """Claims with the paper's numbers, ours and the verdict, as Markdown; up: from the page to figures/."""
    rows = [
        {"claim": link(one.claim, up + one.link), "the paper": one.paper, "here": one.ours, "verdict": one.verdict}
        for one in found
    ]
    return to_markdown(pd.DataFrame(rows))


def _ranking(figures: Path) -> Finding:
    table = having(csv(figures / default_place("rlmrec/pooled")), against="base")
    rows = {name: own.iloc[0] for name, own in by_alignment(table).items()}
    alone = by_alignment(having(csv(figures / default_place("rlmrec/significance")), against="base"))
    changes = {name: f"{with_interval(row)}{_by_themselves(alone[name])}" for name, row in rows.items()}
    published = published_table("rlmrec_table1").query("metric == 'recall' and k == 20 and backbone != 'semantic_only'")
    verdicts = {name: claim_verdict(row["verdict"]) for name, row in rows.items()}
    backbones = f"on average of {max(int(row['backbones']) for row in rows.values())} backbones"
    return Finding(
        "Does alignment raise ranking?",
        f"above base: {each(_above_base(published, 'value'))} cells",
        f"{METRIC} {backbones}: {each(changes)}",
        judged(verdicts),
        default_place("rlmrec/pooled.md"),
        f"{said({name: PLAIN[verdict] for name, verdict in verdicts.items()})} ({backbones}, over users and seeds)",
    )


def _meaning(figures: Path) -> Finding:
    table = having(csv(figures / default_place("report/report_overlap")), **AS_IN_THE_REPORT)
    rows = by_alignment(table)
    verdicts = {name: concluded(own["verdict"], "supported", "not supported") for name, own in rows.items()}
    counts = {name: shown(own["verdict"], "supported") for name, own in rows.items()}
    gains = {name: f"in {of} ({spread(rows[name]['gain_pct'] / 100)})" for name, of in counts.items()}
    return Finding(
        "Does alignment put text meaning into the vectors?",
        "overlap with the text above base: "
        f"{each(_above_base(published_table('report_table1_overlap'), 'mean_jaccard'))} rows",
        f"overlap clearly above base: {each(gains)} backbones",
        judged(verdicts),
        default_place("report/report_overlap.md"),
        said({name: f"{IN_PARTS[verdicts[name]]}, in {of} backbones" for name, of in counts.items()}),
    )


def _wording(figures: Path) -> Finding:
    place = first(figures, default_place("rlmrec/texts_*_shuffled.csv"))
    backbone = place.stem.split("_")[1]
    model = display_names.backbone(backbone)
    table = having(csv(place), metric=PRIMARY)
    rows = {name: own.iloc[0] for name, own in by_alignment(table).items()}
    changes = {name: with_interval(row, "relative", row["base"]) for name, row in rows.items()}
    overlap = csv(place.with_name(f"texts_{backbone}_overlap")).set_index("vectors")
    encoder = table["encoder"].iloc[0]
    true, other = (overlap.loc[f"contrastive {name}"] for name in (encoder, f"{encoder}+shuffled"))
    apart = true["ci_low"] > other["ci_high"]
    verdict = concluded(table["verdict"])
    return Finding(
        "Does it matter what the text says?",
        _papers(place.with_name(f"texts_{backbone}")),
        f"true against shuffled text, {model}: {METRIC} {each(changes)}; overlap of contrastive vectors with the "
        f"text {true['mean_jaccard']:.4f} against {other['mean_jaccard']:.4f}",
        f"ranking: {verdict}; vectors: {'supported' if apart else 'inconclusive'} (intervals over items)",
        below(figures, place.with_suffix(".md")),
        f"for ranking, {PLAIN[verdict]}; contrastive vectors hold {'more' if apart else 'no more'} of the text where "
        f"it is the true one ({model}, by intervals over items)",
    )


def _noise(figures: Path) -> Finding:
    place = first(figures, default_place("rlmrec/noise_*_gains.csv"))
    model = display_names.backbone(place.stem.split("_")[1])
    table = having(csv(place), metric=PRIMARY)
    rows = {name: table[table["alignment"] == name] for name in ALIGNED if name in set(table["alignment"])}
    verdicts = {name: concluded(own["verdict"]) for name, own in rows.items()}
    counts = {name: shown(own["verdict"], "better") for name, own in rows.items()}
    gains = {name: f"{spread(rows[name]['relative'])}, clearly better at {of}" for name, of in counts.items()}
    return Finding(
        "Does it hold when interactions are noisy?",
        _papers(place.with_name(place.stem.removesuffix("_gains"))),
        f"{METRIC} of {model} against base: {each(gains, '; ')} levels of noise",
        judged(verdicts),
        below(figures, place.with_suffix(".md")),
        said(
            {name: f"{IN_PARTS[verdicts[name]]}, clearly better at {of} levels of noise" for name, of in counts.items()}
        ),
    )


def _above_base(published: pd.DataFrame, value: str) -> dict[str, str]:
    """'in 18 of 18' for each alignment: printed cells above base's."""
    wide = published.pivot(index=["dataset", "backbone"], columns="alignment", values=value)
    return {name: f"in {(wide[name] > wide['base']).sum()} of {len(wide)}" for name in ALIGNED}


def _by_themselves(rows: pd.DataFrame) -> str:
    """In how many backbones a difference shows; nothing where in none."""
    counts = {word: int((rows["verdict"] == word).sum()) for word in ("better", "worse")}
    found = ", ".join(f"{word} in {count}" for word, count in counts.items() if count)
    return f" (clearly {found} of {len(rows)})" if found else ""


def _papers(stem: Path) -> str:
    """What the paper has to say on an artefact, by its record."""
    return (sidecar(stem.parent / BELOW / f"{stem.name}.json") or {}).get("paper", "")


# Words and places


def default_place(name: str) -> str:
    """'rlmrec/pooled' in the folder of the default dataset."""
    paper, _, artefact = name.partition("/")
    return f"{paper}/{DEFAULT_DATASET}/{artefact}"


def below(figures: Path, path: Path) -> str:
    """A path as a link from figures/."""
    return path.relative_to(figures).as_posix()


def csv(path: Path) -> pd.DataFrame:
    """The table of an artefact, by any of its files or its stem."""
    return pd.read_csv(path.with_suffix(".csv"))


def having(table: pd.DataFrame, **values) -> pd.DataFrame:
    """The rows whose columns have these values."""
    return table[(table[list(values)] == pd.Series(values)).all(axis=1)]


def by_alignment(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each alignment that is there; raises FileNotFoundError where none is."""
    rows = {name: table[table["alignment"] == name] for name in ALIGNED}
    return dict(some([(name, own) for name, own in rows.items() if len(own)]))


def some(found: list) -> list:
    """A list as it is; raises FileNotFoundError for an empty one, so that its finding is left out."""
    if not found:
        raise FileNotFoundError
    return found


def first(figures: Path, pattern: str) -> Path:
    """The first file that fits; raises FileNotFoundError where none does."""
    return some(sorted(figures.glob(pattern)))[0]


def with_interval(row: pd.Series, column: str = "difference", unit: float = 1) -> str:
    """'+1.2% [−1.4%, +3.9%]' of a relative effect; unit: what its interval has to be divided by to be relative too."""
    return signed(f"{row[column]:+.1%} [{row['ci_low'] / unit:+.1%}, {row['ci_high'] / unit:+.1%}]")


def spread(values: pd.Series) -> str:
    """'−0.4% to +12.4%'."""
    return signed(f"{values.min():+.1%} to {values.max():+.1%}")


def shown(verdicts: pd.Series, word: str) -> str:
    """In how many rows a verdict stands: '4 of 6'."""
    return f"{int((verdicts == word).sum())} of {len(verdicts)}"


def concluded(verdicts: pd.Series, above: str = "better", below: str = "worse") -> str:
    """What a family of verdicts says of a claim on all of them, by lib.evaluation.verdicts.rules.conclusion."""
    return conclusion((verdicts == above).sum(), (verdicts == below).sum(), len(verdicts))


def each(texts: dict[str, str], between: str = ", ") -> str:
    """'contrastive in 6 of 6, generative in 4 of 6'."""
    return between.join(f"{name} {text}" for name, text in texts.items())


def said(answers: dict[str, str]) -> str:
    """'contrastive: yes; generative: inconclusive'; one answer where both have the same."""
    alike = set(answers.values())
    return f"with either alignment, {alike.pop()}" if len(alike) == 1 else "; ".join(map(": ".join, answers.items()))


def judged(verdicts: dict[str, str]) -> str:
    """One word where all are judged alike, else each with its own."""
    alike = set(verdicts.values())
    return alike.pop() if len(alike) == 1 else "; ".join(f"{name}: {verdict}" for name, verdict in verdicts.items())
