"""The comparison on cold-start users: which recommenders are trained, what they reach, and how far from Base.

Ranks are of test targets among all items, `Ranks[model][seed]` [n], over the same rows for all models.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.analysis.comparisons import differences
from lib.core.files import ROOT
from lib.core.names import metric_and_k, runs_of
from lib.data.sequences.rows import SplitRows
from lib.data.sequences.user_sequences import Sequences
from lib.evaluation.target_rank import metrics_of_ranks
from lib.evaluation.verdicts.rules import decided
from lib.models.sequential import items as kinds
from lib.papers.pte.published import published
from lib.training.sequence_run import SequenceRun
from lib.training.sequence_settings import SequenceSettings, resolve
from lib.workflow import sequence_cells

BASE, PRIMARY = "identity", "ndcg@10"
METRICS = ("ndcg@10", "mrr@10", "ndcg@20", "mrr@20")  # those that are published
DIFFUSION = "diffusion"
PUBLISHED_LOSS = {"sasrec": "infonce", "dreamrec": DIFFUSION}
# our methods by the names of published rows; what is published as RLMRec-Con has no contrast in it
NAMES = {"base": BASE, "llminit": "llm_init", "rlmrec_con": "rlmrec_align", "idreamrec": "fixed_text"}


class Model(NamedTuple):
    """What tells a recommender apart, but for the seed."""

    backbone: str
    method: str
    loss: str
    encoder: str

    @property
    def base(self) -> "Model":
        """Base of the same backbone, trained with the same loss."""
        return Model(self.backbone, BASE, self.loss, sequence_cells.NONE)


Ranks = Mapping[Model, Mapping[int, np.ndarray]]


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


def trained(
    settings: Iterable[SequenceSettings], sequences: Sequences, rows: SplitRows, root: Path = ROOT
) -> list[SequenceRun]:
    """The run of each, trained unless it is finished or recorded."""
    texts = {}
    for own in settings:
        if own.text_encoder not in (*texts, sequence_cells.NONE):
            texts[own.text_encoder] = sequence_cells.item_texts(sequences, own.text_encoder)
    return [
        sequence_cells.ensure(own, sequences, rows, texts.get(own.text_encoder), runs=Path(root) / runs_of(own.scale))
        for own in settings
    ]


def ranks_of(runs: Iterable[SequenceRun]) -> dict[Model, dict[int, np.ndarray]]:
    """The ranks behind runs."""
    found = {}
    for run in runs:
        own = run.settings
        model = Model(own.backbone, own.method, own.loss, own.text_encoder)
        found.setdefault(model, {})[own.seed] = run.ranks["rank"].to_numpy()
    return found


# Results


def results(ranks: Ranks, dataset: str, scale: str = "paper") -> pd.DataFrame:
    """Every metric of every model and seed: dataset, *Model, seed, metric, k, value, published, comparable.

    published stands beside the loss with which it was made. comparable: the same data, trained at the scale `paper`,
    and no text vectors, which are others here (docs/methods/pte-recommenders.md 4), nor another width, as on DreamRec.
    """
    rows = [
        (dataset, *model, seed, *metric_and_k(name), values.mean())
        for model, by_seed in ranks.items()
        for seed, own in by_seed.items()
        for name, values in metrics_of_ranks(own).items()
    ]
    table = pd.DataFrame(rows, columns=["dataset", *Model._fields, "seed", "metric", "k", "value"])
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
    pairs = [(model, model.base) for model in ranks if model.method != BASE and model.base in ranks]
    table = _compared(ranks, pairs)
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
    table = _compared(ranks, [pair for pair in pairs if pair[1] in ranks])
    table = table[table["metric"] + "@" + table["k"].astype(str) == PRIMARY]
    return decided(table).reset_index(drop=True)


def _compared(ranks: Ranks, pairs: list[tuple[Model, Model]]) -> pd.DataFrame:
    """`comparisons.differences` of pairs, named by the first model."""
    models = {model: [_frame(own) for own in by_seed.values()] for model, by_seed in ranks.items()}
    columns = [*Model._fields, "metric", "k"]
    if not pairs:
        numbers = ("seeds", "base_seeds", "mean", "base", "relative", "difference", "error", "freedom")
        return pd.DataFrame(columns=[*columns, *numbers, "ci_low", "ci_high", "p"])
    found = differences(models, pairs)
    names = pd.DataFrame([(*pairs[row.pair][0], *metric_and_k(row.metric)) for row in found.itertuples()])
    names.columns = columns
    return pd.concat([names, found.drop(columns=["pair", "metric"])], axis=1)


def _frame(ranks: np.ndarray) -> pd.DataFrame:
    """Metrics of each test row, which is a user."""
    values = metrics_of_ranks(ranks, (10, 20))
    return pd.DataFrame({"user": np.arange(len(ranks))} | {name: values[name] for name in METRICS})


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
