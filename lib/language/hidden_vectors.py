"""Text vectors from a causal language model: the mean of its last layer over the tokens of a text."""

from pathlib import Path

import numpy as np
import torch

from lib.core.files import ROOT, digest, sha256
from lib.core.progress import Progress
from lib.language.llm.language_models import LocalModel, load

TOKENS = 8192  # of a batch, padding included


def hidden_vectors(texts: list[str], model: LocalModel, longest: int = 512) -> np.ndarray:
    """Vectors float32 [N, T]: hidden states after the model's last norm, averaged over the tokens of each text.

    Of a longer text the first `longest` tokens are read. Padding stands behind a text and does not count.
    """
    from lib.language.llm.local import load_model, load_tokenizer  # transformers takes seconds to import

    tokenizer, network = load_tokenizer(model), load_model(model)
    tokens = [tokenizer(text, truncation=True, max_length=longest).input_ids or [0] for text in texts]
    order = sorted(range(len(texts)), key=lambda index: -len(tokens[index]))
    vectors = np.empty((len(texts), network.config.hidden_size), np.float32)
    with Progress(len(texts), f"text vectors ({model.name})", "text") as progress:
        while order:
            size = max(1, TOKENS // len(tokens[order[0]]))  # the longest come first
            batch, order = order[:size], order[size:]
            vectors[batch] = mean_states(network.base_model, [tokens[index] for index in batch])
            progress.update(len(batch))
    return vectors


@torch.inference_mode()
def mean_states(network, tokens: list[list[int]]) -> np.ndarray:
    """The mean hidden state of each list of tokens [n, T]; `network` is the model without its output head."""
    width = max(map(len, tokens))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in tokens])
    mask = torch.arange(width) < torch.tensor([len(row) for row in tokens])[:, None]
    states = network(input_ids=ids, attention_mask=mask.long()).last_hidden_state.float()
    return ((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).numpy()


def weights_of(name: str, params: Path = ROOT / "params") -> str:
    """What tells two versions of a language model apart: checksum of its source or files, or its revision."""
    model = load(name, params)
    if model.sources:
        return model.sources[0].sha256
    if (folder := ROOT / model.model).is_dir():
        return digest({path.name: sha256(path) for path in sorted(folder.glob("*")) if path.is_file()})
    return model.revision or "main"
