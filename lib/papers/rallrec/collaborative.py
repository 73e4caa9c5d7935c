"""Collaborative item vectors: this repository's LightGCN on a graph of who rated what (Eq. 4).

    E[l+1] = A E[l],  Z = (E[0] + ... + E[L]) / (L + 1),  loss = BPR(Z) + w/B * sum over the batch's rows of |E[0]|^2

The backbone sums its layers and its regulariser is the squared norm of whole tables, as RLMRec's settings ask for. Both
become the loss above by the choice of three numbers:

- Mean instead of sum. A table that is L + 1 times smaller gives as sum what the mean gives. Adam's steps do not depend
  on the gradient's scale, so with a start and a learning rate divided by L + 1 and a weight multiplied by (L + 1)^2
  training is the same, step by step.
- Whole tables instead of the batch. A batch of B triples has 3 B rows; so an average node's vector is in
  3 B / (n_users + n_items) of them, and the squared norm of all nodes needs a weight of 3 w / (n_users + n_items) to
  pull as strongly. What is lost is that nodes with many edges are pulled more often.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from lib.core.errors import UserError
from lib.data.interactions import Interactions, matrix
from lib.papers.rallrec.settings import CollaborativeSettings
from lib.training.devices import pick_device
from lib.training.fit import fit
from lib.training.recommender import Recommender, build
from lib.training.run_settings import Protocol, RunSettings


class Collaborative(NamedTuple):
    """Vectors [n_items, d] float32, zero for an item without edges; whether it has any [n_items]; the training."""

    vectors: np.ndarray
    known: np.ndarray
    history: pd.DataFrame  # one row per epoch: loss terms, recall of held-out edges where it was evaluated


def collaborative_vectors(
    edges: pd.DataFrame,
    n_users: int,
    n_items: int,
    settings: CollaborativeSettings,
    seed: int,
    name: str = "",
    device: str = "auto",
    checkpoint: Path | None = None,
    key: str = "",
) -> Collaborative:
    """Train LightGCN on `edges` (columns user and item; every rating is one, whatever its stars).

    The epoch is picked by the recall of one held-out edge of each user that has several. With `checkpoint` a killed
    training goes on where it was, if `key` is the same. Raises UserError when there is nothing to hold out.
    """
    data = split_edges(edges, n_users, n_items, settings.held_out_from, seed, name)
    run = run_settings(data, settings, seed)
    model = scaled_down(build(run, data, None, pick_device(device)))
    label = f"{name} collaborative vectors".strip()
    state = fit(model, data, run.protocol, seed, checkpoint, key, label)
    known = np.diff(data.train.tocsc().indptr) > 0
    # the zeros are exact: a node without edges only keeps its start otherwise
    vectors = np.where(known[:, None], model.final()[n_users:].cpu().numpy(), 0).astype(np.float32)
    return Collaborative(vectors, known, pd.DataFrame(state.history))


def split_edges(
    edges: pd.DataFrame, n_users: int, n_items: int, held_out_from: int, seed: int, name: str = ""
) -> Interactions:
    """Interactions whose validation split has one edge of each user with at least `held_out_from`.

    Every item keeps one train edge, so that holding out leaves no item without a vector; no edge is in `test`.
    """
    distinct = edges[["user", "item"]].drop_duplicates().sort_values(["user", "item"], kind="stable")
    shuffled = distinct.iloc[np.random.default_rng(seed).permutation(len(distinct))]
    last_of_item = ~shuffled.duplicated("item")
    many = shuffled.groupby("user").item.transform("size") >= held_out_from
    free = shuffled[many & ~last_of_item]
    held_out = free[~free.duplicated("user")]
    if held_out.empty:
        raise UserError(
            f"{name or 'the graph'}: none of {n_users} users has {held_out_from} rated items in the train period, so no "
            "edge can be held out for early stopping: use more ratings or lower held_out_from"
        )
    kept = distinct.drop(held_out.index)
    shape = n_users, n_items
    splits = [matrix(part, shape) for part in (kept, held_out, held_out[:0])]
    return Interactions(name, *splits)


def run_settings(data: Interactions, settings: CollaborativeSettings, seed: int) -> RunSettings:
    """LightGCN's settings for the mean of layers and the pull of a batch (above)."""
    terms = settings.layers + 1
    protocol = Protocol(
        learning_rate=settings.learning_rate / terms,
        ks=(settings.cut_off,),
        **settings.model_dump(include={"embedding_size", "batch_size", "epochs", "evaluate_every", "patience"}),
    )
    reg_weight = settings.reg_weight * 3 / (data.n_users + data.n_items) * terms**2
    backbone = {"layers": settings.layers, "reg_weight": reg_weight, "keep_rate": 1.0}
    return RunSettings(
        dataset=data.name,
        backbone="lightgcn",
        alignment="base",
        encoder="none",
        seed=seed,
        scale="paper",
        protocol=protocol,
        backbone_settings=backbone,
        alignment_settings={},
    )


def scaled_down(model: Recommender) -> Recommender:
    """The model with its start divided by the number of layers that are summed."""
    model.backbone.ego.data /= model.backbone.settings.layers + 1
    return model
