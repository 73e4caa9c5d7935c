"""The comparison on leave-one-out, where everybody is known: who gains on rare users and items?

Ranks of test targets are of three kinds, by their names in untrained.py: among all items, among those that the model
has not seen in its history, and among 100 drawn ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from lib.core.files import ROOT
from lib.core.names import metric_and_k
from lib.evaluation.verdicts.rules import decided
from lib.papers.pte import trained_models
from lib.papers.pte.cold_start import NAMES
from lib.papers.pte.published import published
from lib.papers.pte.trained_models import BASE, Ranks
from lib.training.sequence_run import SequenceRun
from lib.training.sequence_settings import SequenceSettings, resolve

PRESET = "llmesr"
KINDS = {"full": "rank", "full_masked": "rank_masked", "neg100": "rank_negatives"}
PRIMARY, JUDGED = "ndcg@10", "full_masked"  # the metric and the candidates of verdicts
METRICS = ("hr@10", "ndcg@10")  # those that are published, with 100 drawn candidates and this loss
PUBLISHED = {"candidates": "neg100", "loss": "bce"}


def wanted(
    dataset: str, encoder: str, methods: Iterable[str], losses: Iterable[str], seeds: Sequence[int],
    base_seeds: Sequence[int], scale: str, search: bool = False, params: Path = ROOT / "params",
) -> list[SequenceSettings]:  # fmt: skip
    """Settings of every training: methods on SASRec under each loss; Base with `base_seeds` too.

    `search`: settings are searched on validation rows first.
    """
    return [
        resolve(dataset, method, loss, encoder, seed, PRESET, search, scale, params)
        for loss, method in product(losses, methods)
        for seed in dict.fromkeys([*seeds, *(base_seeds if method == BASE else [])])
    ]


def ranks_of(runs: Iterable[SequenceRun]) -> dict[str, Ranks]:
    """The ranks behind runs, by candidates."""
    runs = list(runs)
    return {name: trained_models.ranks_of(runs, kind) for name, kind in KINDS.items()}


def in_group(ranks: Ranks, inside: pd.Series) -> Ranks:
    """The ranks of some test rows [n], which are true in `inside`."""
    return {model: {seed: own[inside] for seed, own in by_seed.items()} for model, by_seed in ranks.items()}


def results(ranks: Mapping[str, Ranks], groups: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """Every metric by candidates and group: dataset, candidates, group, *Model, seed, metric, k, value, published.

    ranks: by candidates; groups: those of long_tail.groups, of which the empty ones are left out.
    """
    parts = {
        (candidates, group): trained_models.means(in_group(own, inside.to_numpy()))
        for candidates, own in ranks.items()
        for group, inside in groups.items()
        if inside.any()
    }
    table = pd.concat(parts, names=["candidates", "group"]).reset_index(["candidates", "group"]).reset_index(drop=True)
    table.insert(0, "dataset", dataset)
    cells = published("long_tail").rename(columns={"value": "published"}).assign(**PUBLISHED)
    cells["method"] = cells["method"].map(NAMES).fillna(cells["method"])
    keys = ["dataset", "candidates", "group", "backbone", "method", "loss", "metric", "k"]
    return table.merge(cells[[*keys, "published"]], "left", on=keys, validate="many_to_one")


def against_base(ranks: Mapping[str, Ranks], groups: pd.DataFrame) -> pd.DataFrame:
    """Every method against Base of its loss, over the users of each group and seeds.

    Columns candidates, group, *Model, metric, k, those of `comparisons.differences`, p_holm, detectable and verdict.
    Verdicts (rules.decided) are on PRIMARY among JUDGED candidates; a family is a loss, with all methods and groups.
    """
    parts = {
        (candidates, group): trained_models.compared(own, trained_models.with_base(own), METRICS)
        for candidates, of_all in ranks.items()
        for group, inside in groups.items()
        if inside.sum() > 1  # one user has no spread
        for own in [in_group(of_all, inside.to_numpy())]
    }
    table = pd.concat(parts, names=["candidates", "group"]).reset_index(["candidates", "group"]).reset_index(drop=True)
    metric, k = metric_and_k(PRIMARY)
    counted = table[(table["candidates"] == JUDGED) & (table["metric"] == metric) & (table["k"] == k)]
    families = [decided(family)[["p_holm", "detectable", "verdict"]] for _, family in counted.groupby("loss")]
    columns = [*table.columns, "p_holm", "detectable", "verdict"]
    return table.join(pd.concat(families)) if families else table.reindex(columns=columns)


def counted(table: pd.DataFrame) -> str:
    """In words, how many methods were told apart from Base and where, by loss; table: that of `against_base`."""
    parts = []
    judged = table[table["verdict"].notna()]
    for loss, of_loss in judged.groupby("loss", sort=False):
        apart = of_loss[of_loss["verdict"] != "inconclusive"]
        counts = pd.crosstab(apart["group"], apart["verdict"]).reindex(columns=["better", "worse"], fill_value=0)
        rows = counts.reindex(apart["group"].unique()).itertuples()
        said = [f"{row.Index.replace('_', ' ')} {row.better} better, {row.worse} worse" for row in rows]
        where = f"under {loss}, of {of_loss['method'].nunique()} methods"
        parts.append(f"{where} against Base: {'; '.join(said)}" if said else f"{where} none is told apart from Base")
    return ". ".join(parts)
