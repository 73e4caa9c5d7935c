"""Collaborative item vectors: this repository's LightGCN on a graph of who rated what (Eq. 4).

    E[l+1] = A E[l],  Z = (E[0] + ... + E[L]) / (L + 1),  loss = BPR(Z) + w/B * sum over the batch's rows of |E[0]|^2

RLMRec's settings are for another form of it: layers summed, edges dropped, and the squared norm of whole tables in
place of the rows of the batch. So the backbone is taken over with a forward and a loss of its own.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from pydantic import Field

from lib.core.errors import UserError
from lib.data.interactions import Interactions, matrix
from lib.models.alignment import Alignment
from lib.models.alignment import Settings as NoAlignment
from lib.models.backbones import BackboneSettings, lightgcn
from lib.models.graph import bipartite
from lib.models.losses import bpr, squared_norm
from lib.papers.rallrec.settings import CollaborativeSettings
from lib.training.devices import pick_device
from lib.training.fit import fit
from lib.training.recommender import Recommender
from lib.training.run_settings import Protocol


class Collaborative(NamedTuple):
    """Vectors [n_items, d] float32, zero for an item without edges; whether it has any [n_items]; the training."""

    vectors: np.ndarray
    known: np.ndarray
    history: pd.DataFrame  # one row per epoch: loss terms, recall of held-out edges where it was evaluated


class MeanSettings(BackboneSettings):
    """LightGCN's settings, with the weight that the original regularises by."""

    batch_reg_weight: float = Field(ge=0, description="weight of the squared lengths of a batch's rows, over its size")


class MeanLightGCN(lightgcn.Backbone):
    """LightGCN as He et al. define it: the mean of layers, the whole graph in every step."""

    Settings = MeanSettings

    def forward(self, ego):
        return super().forward(ego) / (self.settings.layers + 1)

    def losses(self, ego, batch):
        final = self(ego)
        rows = self.triples(ego, batch)
        penalty = self.settings.batch_reg_weight / len(batch.users) * squared_norm(rows)
        return final, {"bpr": bpr(*self.triples(final, batch)), "squared length": penalty}


def collaborative_vectors(
    edges: tuple[np.ndarray, np.ndarray],
    n_users: int,
    n_items: int,
    settings: CollaborativeSettings,
    seed: int,
    name: str = "",
    device: str = "auto",
    checkpoint: Path | None = None,
    key: str = "",
) -> Collaborative:
    """Train LightGCN on `edges`, users and items of the same length; every rating is one, whatever its stars.

    The epoch is picked by the recall of one held-out edge of each user that has several. With `checkpoint` a killed
    training goes on where it was, if `key` is the same. Raises UserError when there is nothing to hold out.
    """
    data = split_edges(edges, n_users, n_items, settings.held_out_from, seed, name)
    model = untrained(data, settings, seed, device)
    named = settings.model_dump(
        include={"embedding_size", "batch_size", "learning_rate", "epochs", "evaluate_every", "patience"}
    )
    protocol = Protocol(**named, ks=(settings.cut_off,))
    state = fit(model, data, protocol, seed, checkpoint, key, f"{name} collaborative vectors".strip())
    known = np.diff(data.train.tocsc().indptr) > 0
    # an item without edges has kept its random start
    vectors = np.where(known[:, None], model.final()[n_users:].cpu().numpy(), 0).astype(np.float32)
    return Collaborative(vectors, known, pd.DataFrame(state.history))


def untrained(data: Interactions, settings: CollaborativeSettings, seed: int, device: str = "auto") -> Recommender:
    """The model before its first step, as lib/training/recommender.py builds those of the registry."""
    generator, device = torch.Generator().manual_seed(seed), pick_device(device)
    own = MeanSettings(layers=settings.layers, reg_weight=0, batch_reg_weight=settings.reg_weight)
    size = settings.embedding_size
    backbone = MeanLightGCN(bipartite(data.train, device=device), own, size, generator)
    return Recommender(backbone, Alignment(NoAlignment(), None, data.n_users, size, size, generator)).to(device)


def split_edges(
    edges: tuple[np.ndarray, np.ndarray], n_users: int, n_items: int, held_out_from: int, seed: int, name: str = ""
) -> Interactions:
    """Interactions whose validation split has one edge of each user with at least `held_out_from`.

    Every item keeps one train edge, so that holding out leaves no item without a vector; no edge is in `test`.
    """
    pairs = pd.DataFrame({"user": edges[0], "item": edges[1]})
    distinct = pairs.drop_duplicates().sort_values(["user", "item"]).reset_index(drop=True)
    shuffled = distinct.iloc[np.random.default_rng(seed).permutation(len(distinct))]
    last_of_item = ~shuffled.duplicated("item")
    many = shuffled.groupby("user").item.transform("size") >= held_out_from
    free = shuffled[many & ~last_of_item]
    held_out = free[~free.duplicated("user")]
    if held_out.empty:
        raise UserError(
            f"{name or 'the graph'}: none of {n_users} users has {held_out_from} rated items in the train period, so "
            "no edge can be held out for early stopping: use more ratings or lower held_out_from"
        )
    splits = [distinct.drop(held_out.index), held_out, held_out[:0]]
    return Interactions(name, *(matrix(part, (n_users, n_items)) for part in splits))
