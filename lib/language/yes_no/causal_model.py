"""A causal language model with or without an adapter, asked for what comes next at chosen places only."""

from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from lib.core.progress import without_widgets
from lib.language.llm.language_models import LocalModel, Precision
from lib.language.yes_no import adapters
from lib.language.yes_no.token_batches import padded


def load(settings: LocalModel, adapter: Path | None = None, precision: Precision = "float32", device: str = "cpu"):
    """The transformers model, with the adapter in that folder added into its weights.

    Raises UserError when either is not there or the adapter is another model's.
    """
    with without_widgets():
        from lib.language.llm.local import load_model  # imports transformers, which takes seconds

    dtype = getattr(torch, precision)
    if adapter is None:
        return load_model(settings, dtype).to(device)
    # added in float32 and rounded once: an adapter changes weights by less than a step of bfloat16
    model = adapters.attached(load_model(settings), settings, adapter)
    return model.merge_and_unload().eval().to(device, dtype)


def context_length(model) -> int | None:
    """How many tokens the model can read; None where its settings do not say."""
    return _context_length(model.config)


def context_of(settings: LocalModel) -> int | None:
    """The same of a model that is not loaded."""
    with without_widgets():
        from lib.language.llm.local import load_config  # imports transformers, which takes seconds

    return _context_length(load_config(settings))


def _context_length(config) -> int | None:
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def next_token_scores(model, sequences: list[list[int]], places: list[list[int]]) -> Tensor:
    """What the model gives each token as the next one, float32 [total places, vocabulary], unnormalised.

    `places` are positions in each sequence, counted from 0: the scores are for the token after each of them.
    """
    device = model.get_input_embeddings().weight.device
    rows = torch.tensor([row for row, own in enumerate(places) for _ in own], device=device)
    columns = torch.tensor([place for own in places for place in own], device=device)
    with _only_at(model, rows, columns):
        return model(input_ids=padded(sequences, device), use_cache=False).logits.float()


@contextmanager
def _only_at(model, rows: Tensor, columns: Tensor):
    """Let only these places of a batch through the output head, which otherwise takes a fifth of a small model's time.

    The `logits_to_keep` of transformers keeps the same positions for every row. What the head gives is float32 whatever
    the model is: near 16, where scores are, bfloat16 has steps of an eighth, which move a probability by 0.03.
    """
    head = model.get_output_embeddings()

    def exact(module, inputs, output):
        if output.dtype == torch.float32:
            return output
        bias = getattr(module, "bias", None)
        return functional.linear(inputs[0].float(), module.weight.float(), None if bias is None else bias.float())

    hooks = [
        head.register_forward_pre_hook(lambda _, inputs: (inputs[0][rows, columns],)),
        head.register_forward_hook(exact),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
