"""Text vectors mapped into the collaborative space (Eq. 5, 6).

    t_i = g(e_text_i),  loss = symmetric InfoNCE of t and the fixed collaborative vectors c,  e_ssl = t

g has two layers with a ReLU between. Where the printed equation swaps its arguments in the second term, the perceptron
would be applied to the collaborative vector, which has another width: here it acts on the text side in both directions.
All items with both vectors are one batch, less those held out, whose recall picks the epoch. Vectors come out for all
items with text: also for those that nobody rated, which is what the mapping is for.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.core.errors import UserError
from lib.core.progress import Progress
from lib.models.linear import Linear
from lib.models.symmetric_info_nce import symmetric_info_nce
from lib.papers.rallrec.settings import AlignmentSettings


class Aligned(NamedTuple):
    """Vectors e_ssl [n_items, d] float32, the items held out of the training, and how it went.

    `history` has one row per epoch, in which `epoch` 0 is the untrained perceptron: loss of the training items (NaN
    at 0), alignment and uniformity of the held-out ones, their recall. `untrained` are the vectors at epoch 0.
    """

    vectors: np.ndarray
    held_out: np.ndarray
    history: pd.DataFrame
    untrained: np.ndarray


def aligned_vectors(
    text: np.ndarray, collaborative: np.ndarray, settings: AlignmentSettings, seed: int, label: str = "alignment"
) -> Aligned:
    """Train g on items whose `text` [n_items, T] and `collaborative` [n_items, d] vectors are not zero.

    An item without text has zeros. Raises UserError when too few items have both to hold some out.
    """
    has_text = text.any(axis=1)
    both = np.flatnonzero(has_text & collaborative.any(axis=1))
    shuffled = np.random.default_rng(seed).permutation(both)
    held_out, trained = np.split(shuffled, [round(settings.held_out * len(both))])
    if not len(held_out) or len(trained) < 2:
        raise UserError(
            f"{label}: only {len(both)} items have both a text and a collaborative vector, so none can be held out: "
            "use more data or raise held_out"
        )
    inputs, targets = _tensor(standardised(text, has_text)), _tensor(collaborative)
    model = perceptron(inputs.shape[1], settings.hidden, targets.shape[1], torch.Generator().manual_seed(seed))
    untrained = _vectors(model, inputs, has_text)
    history = _train(model, inputs, targets, np.sort(trained), np.sort(held_out), both, settings, label)
    return Aligned(_vectors(model, inputs, has_text), np.sort(held_out), history, untrained)


def standardised(text: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Each dimension with mean 0 and deviation 1 over the `known` rows; a constant one, and unknown rows, are 0."""
    mean, deviation = text[known].mean(axis=0), text[known].std(axis=0)
    # what rounding leaves of a constant dimension is no signal
    usable = deviation > 1e-6 * (np.abs(mean) + 1e-6)
    scaled = np.where(usable, (text - mean) / np.where(usable, deviation, 1), 0)
    return np.where(known[:, None], scaled, 0).astype(np.float32)


def perceptron(inputs: int, hidden: int, outputs: int, generator: torch.Generator) -> nn.Sequential:
    """Two linear layers with a ReLU between, [n, inputs] -> [n, outputs]; Xavier's weights, no shift at first."""
    layers = nn.Sequential(Linear(inputs, hidden), nn.ReLU(), Linear(hidden, outputs))
    for linear in (layers[0], layers[2]):
        nn.init.xavier_uniform_(linear.weight, generator=generator)
        nn.init.zeros_(linear.bias)
    return layers


def _train(model, inputs, targets, trained, held_out, candidates, settings, label) -> pd.DataFrame:
    """Train until the held-out recall stops improving, leave the best weights in `model`; one row per epoch."""
    optimizer = torch.optim.Adam(model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    column, history, waited = f"recall@{settings.cut_off}", [], 0
    best, kept = -1.0, {}
    with Progress(settings.epochs, label, "epochs at most") as progress:
        for epoch in range(settings.epochs + 1):
            # epoch 0 only measures; the others measure after their step
            loss = _step(model, optimizer, inputs, targets, trained, settings.temperature) if epoch else np.nan
            row = {"epoch": epoch, "loss": loss, **_measures(model, inputs, targets, held_out, candidates, settings)}
            history.append(row)
            waited += 1
            if row[column] > best:
                best, waited = row[column], 0
                kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            progress.update(bool(epoch), note=f"loss {loss:.3f}, held-out {column} {row[column]:.3f}, best {best:.3f}")
            if waited == settings.patience:
                break
    model.load_state_dict(kept)
    return pd.DataFrame(history)


def _step(model, optimizer, inputs: Tensor, targets: Tensor, items: np.ndarray, temperature: float) -> float:
    """One update on all training items; the loss before it. Raises UserError when that is not finite."""
    loss = symmetric_info_nce(model(inputs[items]), targets[items], temperature)
    if not torch.isfinite(loss):
        raise UserError("the alignment's loss is not finite: lower its learning_rate or raise its temperature")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


@torch.no_grad()
def _measures(model, inputs, targets, held_out, candidates, settings) -> dict[str, float]:
    """Recall, alignment and uniformity of the held-out items."""
    mapped = model(inputs[held_out])
    return {
        f"recall@{settings.cut_off}": float((_ranks(mapped, targets, held_out, candidates) < settings.cut_off).mean()),
        "alignment": alignment(mapped, targets[held_out]),
        "uniformity": uniformity(mapped),
    }


def recall_curve(vectors: np.ndarray, collaborative: np.ndarray, items: np.ndarray, ks) -> pd.DataFrame:
    """Recall from text to collaborative vectors: columns k, recall, chance.

    For each of `items` all items with a collaborative vector are ordered by its cosine to `vectors` [n_items, d];
    recall@k is the share of items whose own collaborative vector is among the first k, chance that of a random order.
    """
    candidates = np.flatnonzero(collaborative.any(axis=1))
    ranks = _ranks(_tensor(vectors[items]), _tensor(collaborative), items, candidates)
    ks = np.asarray(ks)
    recall = (ranks[:, None] < ks).mean(axis=0)
    return pd.DataFrame({"k": ks, "recall": recall, "chance": np.minimum(ks / len(candidates), 1)})


def _ranks(mapped: Tensor, targets: Tensor, items: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """How many of the candidates' vectors are nearer to each mapped vector than the item's own: [len(items)]."""
    unit = F.normalize(targets)
    cosines = F.normalize(mapped) @ unit[candidates].T
    own = (F.normalize(mapped) * unit[items]).sum(1, keepdim=True)
    # the own vector is among the candidates: only what is nearer by more than rounding comes before it
    return (cosines > own + 1e-6).sum(1).numpy()


def alignment(x: Tensor, y: Tensor) -> float:
    """Mean squared distance of paired unit vectors (Wang and Isola 2020): 0 is a perfect match."""
    return float((F.normalize(x) - F.normalize(y)).square().sum(1).mean())


def uniformity(x: Tensor) -> float:
    """log mean exp(-2 |x_i - x_j|^2) over pairs of unit vectors (Wang and Isola 2020): lower is more spread out."""
    distances = torch.pdist(F.normalize(x)).square()
    return float((-2 * distances).exp().mean().log()) if len(distances) else 0.0


@torch.no_grad()
def _vectors(model, inputs: Tensor, known: np.ndarray) -> np.ndarray:
    return np.where(known[:, None], model(inputs).numpy(), 0).astype(np.float32)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
