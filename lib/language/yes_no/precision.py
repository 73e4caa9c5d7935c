"""What rounding to bfloat16 changes in the probabilities of Yes."""

from dataclasses import dataclass

import numpy as np

from lib.language.yes_no.scorer import Scores


@dataclass(frozen=True)
class Rounding:
    """How far the probabilities of two precisions are apart, and the AUC of each (NaN without labels of both kinds)."""

    prompts: int
    largest: float
    mean: float
    auc_exact: float
    auc_rounded: float

    def __str__(self) -> str:
        apart = f"p(yes) differs by at most {self.largest:.4f}, {self.mean:.4f} on average over {self.prompts} prompts"
        return f"{apart}; AUC {self.auc_exact:.4f} in float32, {self.auc_rounded:.4f} in bfloat16"


def rounding(exact: Scores, rounded: Scores, labels: np.ndarray | None = None) -> Rounding:
    """Compare scores of the same prompts in float32 and in bfloat16; `labels` [n] are 1 where Yes was right."""
    apart = np.abs(exact.p - rounded.p)
    aucs = [float("nan")] * 2
    if labels is not None and 0 < np.sum(labels) < len(labels):
        from sklearn.metrics import roc_auc_score  # takes a second to import

        aucs = [float(roc_auc_score(labels, scores.p)) for scores in (exact, rounded)]
    return Rounding(len(apart), float(apart.max()), float(apart.mean()), *aucs)
