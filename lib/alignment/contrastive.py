"""RLMRec-Con: final vectors are drawn to their projected text (paper Eq. 16-17, spec rlmrec 3.1)."""

import torch
from pydantic import Field

from lib import alignment
from lib.losses import info_nce


class Settings(alignment.Settings):
    """The contrastive alignment's yaml keys."""

    weight: float = Field(gt=0, description="weight of the alignment term")
    temperature: float = Field(gt=0, description="InfoNCE temperature")
    negative_items: bool = Field(True, description="also align the sampled negatives; AutoCF leaves them out")


class Alignment(alignment.Alignment):
    """RLMRec-Con: InfoNCE from final vectors to projected text vectors (paper Eq. 16-17, spec rlmrec 3.1)."""

    Settings = Settings

    def __init__(self, settings, text, n_users, ego_size, output_size, generator):
        super().__init__(settings, text, n_users, ego_size, output_size, generator)
        self.register_buffer("text", text, persistent=False)
        self.project = alignment.perceptron(text.shape[1], output_size, generator)

    def losses(self, final, batch, masked):
        total = self._users(final, batch) + self._items(final, batch)
        return {"alignment": self.settings.weight / len(batch.users) * total}

    def _users(self, final, batch):
        """Candidates are all users, not the batch (spec rlmrec Q4)."""
        users, _, counts = batch.distinct(batch.users)
        text = self.project(self.text[: self.n_users])
        pair = final.index_select(0, users), text.index_select(0, users)
        return info_nce(*pair, text, self.settings.temperature, anchor_counts=counts)

    def _items(self, final, batch):
        """Candidates are the batch's own items, repeats included, positives and negatives apart (spec rlmrec Q4)."""
        lists = [batch.positives, batch.negatives][: 1 + self.settings.negative_items]
        items, places, _ = batch.distinct(torch.cat(lists))  # each item is projected once for both lists
        nodes = self.n_users + items
        vectors, text = final.index_select(0, nodes), self.project(self.text.index_select(0, nodes))
        total = 0
        for here in places.split(len(batch.users)):
            rows, _, counts = batch.distinct(here)
            chosen = (x.index_select(0, rows) for x in (vectors, text, text))
            total += info_nce(*chosen, self.settings.temperature, counts, counts)
        return total
