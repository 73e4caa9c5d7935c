"""Further claims of the papers and what the committed tables come to, as lib.results.findings has the first four."""

from pathlib import Path

import pandas as pd

from lib.core.names import DEFAULT_DATASET
from lib.evaluation.verdicts.claims_on_cost import MODERATE
from lib.evaluation.verdicts.rules import PRIMARY, conclusion
from lib.results.findings import Finding, below, concluded, csv, default_place, having, judged, present, shown, some
from lib.results.records import BELOW, sidecar


def further(figures: Path) -> list[Finding]:
    """Figure 2 of the report, reproduced base rows, sparse users and items, cost, RALLRec's retrieval, PtE's rows."""
    return present(figures, (_flat_base, _reproduction, _sparse, _cost, _retrieval, _audit))


def _flat_base(figures: Path) -> Finding:
    places = some(sorted((figures / "report" / DEFAULT_DATASET).glob("semantics_*_scores.csv")))
    own = pd.concat([_slopes(path) for path in places])
    base, steeper = (own[own["alignment"] == name] for name in ("base", "contrastive"))
    said = [sidecar(path.parent / BELOW / f"{path.stem}.json") or {} for path in places]
    rises = sum("not flat" in record.get("ours", "") for record in said)
    return Finding(
        "Is base flat, and do aligned vectors rise with the text?",
        "base flat, contrastive rises",
        f"base rises in {rises} of {len(base)} backbones (slope {base['value'].min():.2f} to "
        f"{base['value'].max():.2f}); contrastive is clearly steeper in {shown(steeper['verdict'], 'supported')[1]}",
        f"base flat: {conclusion(len(base) - rises, rises, len(base))}; "
        f"contrastive steeper: {concluded(steeper['verdict'], 'supported', 'not supported')}",
        default_place("report/README.md"),
    )


def _slopes(place: Path) -> pd.DataFrame:
    """The slopes of one backbone's ego vectors as in the report's figure; its file has other backbones' base too."""
    return having(csv(place), vectors="ego", measure="slope of bins", backbone=place.stem.split("_")[1])


def _reproduction(figures: Path) -> Finding:
    places = some(sorted(figures.glob("rlmrec/*/reproduction.csv")))
    rows = having(pd.concat([csv(path) for path in places]), metric="recall", k=20)
    within = (rows["verdict"] == "within").sum()
    return Finding(
        "Do base models come out as in the paper?",
        f"{len(rows)} cells of {', '.join(rows['dataset'].unique())}",
        f"{PRIMARY} of {within} within {rows['band'].max():.0%} of the paper or a public run of its code",
        "reproduced" if within == len(rows) else f"{within} of {len(rows)} reproduced",
        below(figures, places[0].with_suffix(".md")),
    )


def _sparse(figures: Path) -> Finding:
    folder = figures / default_place("rlmrec/files")
    records = {side: sidecar(folder / f"{side}_group_gains.json") for side in ("user", "item")}
    # 'against base: inconclusive: the sparse gain more in 1 of 12, fare worse in 0'
    parts = {f"{side}s": record["ours"].split(": ") for side, record in records.items() if record}
    return Finding(
        "Does alignment help where interactions are few?",
        "",
        "; ".join(f"{name}: {said[-1]}" for name, said in some(list(parts.items()))),
        judged({name: said[-2] for name, said in parts.items()}),
        default_place("rlmrec/sparse_dense.md"),
    )


def _cost(figures: Path) -> Finding:
    table = csv(figures / default_place("rlmrec/cost")).dropna(subset="ours")
    own, paper = (f"{table[name].min():.1f} to {table[name].max():.1f}" for name in ("ours", "paper"))
    return Finding(
        "What does alignment cost?",
        f"an epoch takes {paper} times base's, on a GPU",
        f"{own} times on {table['machine'].iloc[0]} with {table['threads'].iloc[0]} thread",
        f"moderate: {'supported' if table['ours'].max() <= MODERATE else 'not supported'}",
        default_place("rlmrec/cost.md"),
    )


def _retrieval(figures: Path) -> Finding:
    places = some(sorted(figures.glob(f"rallrec/*/{BELOW}/retrieval.json")))
    said = {path.parents[1].name: sidecar(path)["ours"].rpartition(": ")[2] for path in places}
    return Finding(
        "Which rated items say most about whether the target is liked?",
        "similar and recent ones, merged",
        f"clearly more telling than the most recent: {'; '.join(f'{name}: {text}' for name, text in said.items())}",
        f"in {sum(text != 'none' for text in said.values())} of {len(said)} datasets",
        below(figures, places[0].parents[1] / "README.md"),
    )


def _audit(figures: Path) -> Finding:
    place = some(sorted(figures.glob("pte/*/published_rows.csv")))[0]
    rows = csv(place)
    own = rows["method"] == "pte"
    counts = [f"{rows.loc[which, 'consistent'].sum()} of {which.sum()}" for which in (own, ~own)]
    return Finding(
        "Which published rows can be means over one test set?",
        f"{len(rows)} printed blocks",
        f"{counts[0]} of PtE's own blocks can be, {counts[1]} of the others",
        f"{(~rows.loc[own, 'consistent']).sum()} of {own.sum()} of PtE's cannot be",
        below(figures, place.with_suffix(".md")),
    )
