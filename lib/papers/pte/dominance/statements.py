"""What the tables of the case study say of PtE's three sentences, each as one sentence of ours."""

import pandas as pd

from lib.papers.pte.dominance.garbling import isi_matrix

ESTIMATORS = {"in-sample": ("in", "closed form, unshrunk"), "held-out": ("held_out", "gaussian")}


def beside_published(table: pd.DataFrame, published: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """ISI matrices by title: the published one, and those of a `garbling_table` that is read in two ways.

    In-sample is the estimator that can give what is printed, fitted and read on the same items; held-out is the one to
    read (docs/methods/pte-dominance.md 3). published: source, target, value.
    """
    names = list(dict.fromkeys(published["source"]))
    found = {"published": published.pivot(index="source", columns="target", values="value").loc[names, names]}
    return found | {f"ours, {name}": isi_matrix(table, *how) for name, how in ESTIMATORS.items()}


def of_garbling(table: pd.DataFrame, first: str, second: str) -> str:
    """Held-out ISI of two tables for one another with its intervals, and whether these overlap.

    No verdict: ISI for two targets compares only roughly, as its shrinkage differs (docs/methods/pte-dominance.md 3).
    """
    rows = table.query("estimator == 'gaussian' and measure == 'isi' and sample == 'held_out' and pairing == 'true'")
    rows = rows.set_index(["source", "target"])
    one, other = rows.loc[(first, second)], rows.loc[(second, first)]
    apart = one["ci_low"] > other["ci_high"] or other["ci_low"] > one["ci_high"]
    numbers = f"held-out ISI {first} to {second} {_interval(one)}, back {_interval(other)}"
    return f"{numbers}: the intervals {'do not overlap' if apart else 'overlap'}"


def of_risk(differences: pd.DataFrame, first: str, second: str) -> str:
    """In which splits the first table predicts better, worse or neither, by a table of `bayes_risk.differences`."""
    return f"{first} against {second}: {_grouped(differences)}"


def of_roc(verdicts: pd.DataFrame, first: str, second: str) -> str:
    """Blackwell's order of two tables in every split, by the verdicts of `roc_order.roc_order`."""
    return f"ROC of {first} against {second}: {_grouped(verdicts)}"


def of_fusion(verdicts: pd.DataFrame) -> str:
    """Whether what IDs add to texts is gone with more pairs, by the verdicts of `fusion.increments`."""
    said = "; ".join(f"{row.verdict} ({row.probe})" for row in verdicts.itertuples())
    return f"fusion only eases optimisation: {said}"


def answer(roc: pd.DataFrame, risk: pd.DataFrame) -> str:
    """One sentence on the claim that texts dominate IDs: where the ROC order holds, and what risks say.

    roc: verdicts of texts against IDs, of `roc_order.roc_order`; risk: of `bayes_risk.differences` of the same.
    """
    ordered, risks = (table["verdict"].value_counts() for table in (roc, risk))
    above, below, alike = (ordered.get(name, 0) for name in ("dominates", "dominated", "equivalent"))
    return (
        f"texts dominate IDs in {above} of {len(roc)} ROC comparisons, are dominated in {below} and equivalent in "
        f"{alike}; they predict better in {risks.get('better', 0)} of {len(risk)} and worse in {risks.get('worse', 0)}"
    )


def _interval(row: pd.Series) -> str:
    return f"{row['value']:.2f} ({row['ci_low']:.2f} to {row['ci_high']:.2f})"


def _grouped(table: pd.DataFrame) -> str:
    """'worse in warm, tail items; inconclusive in cold users (IDs by zero)'; with the probe where there are several."""
    several = table["probe"].nunique() > 1
    places: dict[str, list[str]] = {}
    for row in table.itertuples():
        details = [*([f"IDs by {row.cold}"] if row.cold != "own" else []), *([row.probe] if several else [])]
        places.setdefault(row.verdict, []).append(row.split + (f" ({', '.join(details)})" if details else ""))
    return "; ".join(f"{verdict} in {', '.join(names)}" for verdict, names in places.items())
