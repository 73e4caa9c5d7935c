"""The comparison on cold-start users: which recommenders are trained, what they reach, and how far from Base.

Ranks are of test targets among all items.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from lib.core.files import ROOT
from lib.core.names import metric_and_k
from lib.evaluation.verdicts.rules import decided
from lib.models.sequential import items as kinds
from lib.papers.pte import trained_models
from lib.papers.pte.published import published
from lib.papers.pte.trained_models import BASE, Model, Ranks
from lib.training.sequence_settings import SequenceSettings, resolve

PRIMARY = "ndcg@10"
METRICS = ("ndcg@10", "mrr@10", "ndcg@20", "mrr@20")  # those that are published
DIFFUSION = "diffusion"
PUBLISHED_LOSS = {"sasrec": "infonce", "dreamrec": DIFFUSION}
# our methods by the names of published rows; what is published as RLMRec-Con has no contrast in it
NAMES = {"base": BASE, "llminit": "llm_init", "rlmrec_con": "rlmrec_align", "idreamrec": "fixed_text"}


# Trainings


def wanted(
    dataset: str, encoder: str, methods: Iterable[str], losses: Iterable[str], dreamrec: Iterable[str],
    seeds: Sequence[int], base_seeds: Sequence[int], scale: str, search: bool = False, params: Path = ROOT / "params",
) -> list[SequenceSettings]:  # fmt: skip
    """Settings of every training: methods on SASRec under each loss, those in `dreamrec` on DreamRec.

    Base is trained with `base_seeds` too, which tell how far a seed moves a number. `search`: settings of SASRec are
    searched on validation rows.
    """
    cells = [(method, loss, "alphafuse") for loss, method in product(losses, methods)]
    cells += [(method, DIFFUSION, "dreamrec") for method in dreamrec]
    return [
        resolve(dataset, method, loss, encoder, seed, preset, search and preset == "alphafuse", scale, params)
        for method, loss, preset in cells
        for seed in dict.fromkeys([*seeds, *(base_seeds if method == BASE else [])])
    ]


# Results


def results(ranks: Ranks, dataset: str, scale: str = "paper") -> pd.DataFrame:
    """Every metric of every model and seed: dataset, *Model, seed, metric, k, value, published, comparable.

    published stands beside the loss with which it was made. comparable: the same data, trained at the scale `paper`,
    and no text vectors, which are others here (docs/methods/pte-recommenders.md 4), nor another width, as on DreamRec.
    """
    table = trained_models.means(ranks)
    table.insert(0, "dataset", dataset)
    cell = ["backbone", "method", "loss", "metric", "k"]
    table = table.merge(published_cells(dataset), "left", on=cell, validate="many_to_one")
    plain = ~table["method"].map(lambda method: kinds.get(method).reads_text).astype(bool)
    comparable = table["published"].notna() & plain & (table["backbone"] == "sasrec") & (scale == "paper")
    return table.assign(comparable=comparable)


def published_cells(dataset: str) -> pd.DataFrame:
    """Published cells of a dataset by our names: backbone, method, loss, metric, k, published; none of other data."""
    cells = published("cold_start").query("dataset == @dataset").drop(columns="dataset")
    # ours that share a name with what is published as something else
    cells = cells.assign(method=cells["method"].map(NAMES).fillna(cells["method"]))
    return cells.assign(loss=cells["backbone"].map(PUBLISHED_LOSS)).rename(columns={"value": "published"})


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of the published metrics: *Model, metric, k, seeds, mean, sd, published, comparable.

    table: that of `results`. sd is between seeds, NaN with one.
    """
    named = table["metric"] + "@" + table["k"].astype(str)
    cell = [*Model._fields, "metric", "k"]
    groups = table[named.isin(METRICS)].groupby(cell, sort=False)
    first = groups[["published", "comparable"]].first()
    return groups["value"].agg(seeds="size", mean="mean", sd="std").join(first).reset_index()


# Against Base


def against_base(ranks: Ranks, dataset: str) -> pd.DataFrame:
    """Every method against Base of its backbone and loss, over users and seeds.

    Columns *Model, metric, k, seeds, base_seeds, mean, base, relative, difference, error, ci_low, ci_high (95%), p,
    p_holm, detectable, verdict, and `published`, the published difference. Verdicts (rules.decided) are on PRIMARY, one
    family for each backbone and loss; the other metrics stand beside it without one.
    """
    table = trained_models.compared(ranks, trained_models.with_base(ranks), METRICS)
    families = table[table["metric"] + "@" + table["k"].astype(str) == PRIMARY].groupby(["backbone", "loss"])
    judged = [decided(family)[["p_holm", "detectable", "verdict"]] for _, family in families]
    table = table.join(pd.concat(judged)) if judged else table.assign(p_holm=None, detectable=None, verdict=None)
    cells = published_cells(dataset)
    base = cells[cells["method"] == BASE].drop(columns="method").rename(columns={"published": "published_base"})
    cells = cells.merge(base, on=["backbone", "loss", "metric", "k"])
    cells["published_difference"] = cells["published"] - cells["published_base"]
    return table.merge(cells.drop(columns="published"), "left", on=["backbone", "method", "loss", "metric", "k"])


def between_losses(ranks: Ranks, first: str = "softmax", second: str = "infonce") -> pd.DataFrame:
    """Every method on SASRec trained with one loss, against itself with another: columns as `against_base`, decided."""
    pairs = [(model, model._replace(loss=second)) for model in ranks if model.loss == first]
    return decided(trained_models.compared(ranks, [pair for pair in pairs if pair[1] in ranks], [PRIMARY]))


def left_under(table: pd.DataFrame, loss: str = "softmax", of: str = "infonce") -> pd.DataFrame:
    """How much of each gain over Base on SASRec is left where all are trained with another loss.

    table: that of `against_base`. Columns method, then in percent of Base `published`, gain under `of` and gain under
    `loss`, the verdict of each, `left`: the gain under `loss` in percent of ours under `of`, and left_of_published: in
    percent of the published one, which was made with other text vectors. Both are empty where there is no such gain.
    """
    metric, k = metric_and_k(PRIMARY)
    rows = table[(table["backbone"] == "sasrec") & (table["metric"] == metric) & (table["k"] == k)]
    by_loss = {name: rows[rows["loss"] == name].set_index("method") for name in (of, loss)}
    found = pd.DataFrame({"published": 100 * by_loss[of]["published_difference"] / by_loss[of]["published_base"]})
    for name, part in by_loss.items():
        found[name], found[f"{name}_verdict"] = 100 * part["relative"], part["verdict"]
    for name, reference in {"left": found[of], "left_of_published": found["published"]}.items():
        found[name] = 100 * found[loss] / reference.where(reference > 0)
    return found.rename_axis("method").reset_index()


def counted(table: pd.DataFrame) -> str:
    """In words, how many methods were told apart from Base by backbone and loss; table: that of `against_base`."""
    parts = []
    for (backbone, loss), part in table[table["verdict"].notna()].groupby(["backbone", "loss"], sort=False):
        better, worse = ((part["verdict"] == word).sum() for word in ("better", "worse"))
        name = backbone if loss == DIFFUSION else f"{backbone} under {loss}"
        parts.append(f"{name}: {better} of {len(part)} methods are better than Base and {worse} worse")
    return "; ".join(parts)
