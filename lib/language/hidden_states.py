"""Texts to vectors by a causal language model: the mean of its last states over the tokens of a text."""

import numpy as np
import torch

from lib.core.progress import Progress
from lib.language.llm.language_models import LocalModel, Precision
from lib.language.yes_no import causal_model
from lib.language.yes_no.token_batches import Memory, padded

BUDGET = 4096  # tokens of a batch: more is no faster on a processor


def vectors(
    texts: list[str], settings: LocalModel, normalise: bool, precision: Precision = "float32", device: str = "cpu"
) -> np.ndarray:
    """Vectors float32 [N, width of the model], the states after the last norm; zeros for a text without any token.

    Tokens that the tokenizer adds, such as a first one, are read but are no part of the mean. A text that is longer
    than the context is cut. Raises UserError when the model is not there.
    """
    from lib.language.llm.local import load_tokenizer  # imports transformers, which takes seconds

    model, tokenizer = causal_model.load(settings, precision=precision, device=device), load_tokenizer(settings)
    most = causal_model.context_length(model)
    read = tokenizer(texts, truncation=most is not None, max_length=most, return_special_tokens_mask=True)
    own = [[1 - added for added in mask] for mask in read["special_tokens_mask"]]
    lengths = [len(tokens) if any(mask) else 0 for tokens, mask in zip(read["input_ids"], own, strict=True)]
    found = np.zeros((len(texts), model.config.get_text_config().hidden_size), np.float32)
    some = np.flatnonzero(lengths)

    @torch.inference_mode()
    def means(batch: list[int]) -> np.ndarray:
        indices = some[batch]
        states = model.base_model(input_ids=padded([read["input_ids"][index] for index in indices], device))
        mask = padded([own[index] for index in indices], device)[:, :, None]
        return ((states.last_hidden_state.float() * mask).sum(1) / mask.sum(1)).cpu().numpy()

    sizes = [lengths[index] for index in some]
    with Progress(sum(sizes), f"text vectors ({settings.name})", "tokens", scale=True) as progress:
        for batch, part in Memory(BUDGET).batches(sizes, means):
            found[some[batch]] = part
            progress.update(sum(sizes[index] for index in batch))
    if normalise:
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return found
