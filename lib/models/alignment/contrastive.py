"""RLMRec-Con: final vectors are drawn to their projected text (paper Eq. 16-17, docs/methods/rlmrec.md 3.1).

    T    = perceptron(S)        S the text vectors of all nodes, fixed; T as wide as the final vectors Z
    loss = w/B * [ NCE(Z[u], T[u] | T of all users) + NCE(Z[i], T[i] | T[i]) + NCE(Z[j], T[j] | T[j]) ]

with u, i and j the users, positive and negative items of the batch. Where the paper says that all candidates are those
of the batch, the public code compares users with all users, and items with the items of their own list, repeated ones
included (docs/methods/rlmrec.md Q4).
"""

import torch
from pydantic import Field

from lib.models import alignment
from lib.models.losses import info_nce


class Settings(alignment.Settings):
    """The contrastive alignment's yaml keys."""

    weight: float = Field(gt=0, description="weight of the alignment term")
    temperature: float = Field(gt=0, description="InfoNCE temperature")
    negative_items: bool = Field(True, description="also align the sampled negatives; AutoCF leaves them out")


class Alignment(alignment.Alignment):
    """InfoNCE from final vectors to projected text vectors; one projection for users and items."""

    Settings = Settings

    def __init__(self, settings, text, n_users, ego_size, output_size, generator):
        super().__init__(settings, text, n_users, ego_size, output_size, generator)
        # moves to the device with the model, but is no weight and stays out of checkpoints
        self.register_buffer("text", text, persistent=False)
        self.project = alignment.perceptron(text.shape[1], output_size, generator)

    def losses(self, final, batch, masked):
        # InfoNCE is a sum over rows: divided by B it is a mean, of which users, positives and negatives each add one
        total = self._users(final, batch) + self._items(final, batch)
        return {"alignment": self.settings.weight / len(batch.users) * total}

    def _users(self, final, batch):
        """The users' term, []: candidates are the projected texts of all users."""
        # a user that stands in several rows is one anchor with that count
        users, _, counts = batch.distinct(batch.users)
        text = self.project(self.text[: self.n_users])
        anchors, positives = final.index_select(0, users), text.index_select(0, users)
        return info_nce(anchors, positives, text, self.settings.temperature, anchor_counts=counts)

    def _items(self, final, batch):
        """The items' terms, []: candidates are the projected texts of the same list, a repeated item as often as it is
        in the list.
        """
        lists = [batch.positives]
        if self.settings.negative_items:
            lists.append(batch.negatives)
        # the projection is the costly part: each item is projected once for both lists
        items, places, _ = batch.distinct(torch.cat(lists))
        nodes = self.n_users + items
        vectors, text = final.index_select(0, nodes), self.project(self.text.index_select(0, nodes))
        total = 0
        for places_of_list in places.split(len(batch.users)):
            # places among `items` are row numbers of `vectors` and `text`; the list's own repetitions become counts,
            # of anchors and of candidates alike
            rows, _, counts = batch.distinct(places_of_list)
            anchors = vectors.index_select(0, rows)
            # selected twice: see DCCF's _contrast (lib/models/backbones/dccf.py)
            positives, candidates = text.index_select(0, rows), text.index_select(0, rows)
            total = total + info_nce(anchors, positives, candidates, self.settings.temperature, counts, counts)
        return total
