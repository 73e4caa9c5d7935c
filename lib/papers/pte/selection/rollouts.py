"""Answers that a learning model draws in the lines of a profile, and which of their tokens it has chosen itself.

Labels, and line ends where a list is full, are put where they belong, as when profiles are recorded
(lib.papers.pte.profiling.sampling): a model of 135 million weights alone never keeps to the form, and would earn
nothing to learn from. What was put there is no choice of the model, so TRL leaves it out of the objective.
"""

import torch
from transformers import LogitsProcessor, LogitsProcessorList
from trl.models import unwrap_model_for_generation

from lib.papers.pte.profiling.contract import ProfileLines
from lib.papers.pte.profiling.sampling import Lines, SamplingLocal
from lib.papers.pte.selection.language_policy_settings import LanguagePolicySettings


class Rollouts:
    """What TRL calls to have prompts answered; `writer` holds the tokenizer, TRL's trainer the model as it is now."""

    def __init__(self, writer: SamplingLocal, parser: ProfileLines, how: LanguagePolicySettings):
        self.writer, self.parser, self.how = writer, parser, how

    def __call__(self, prompts: list[str], trainer) -> dict[str, list | None]:
        """Tokens of prompts and completions, and `env_mask`: 1 for tokens that the model chose, 0 for those put."""
        tokenizer, how = self.writer.tokenizer, self.how
        batch = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
        batch = batch.to(trainer.accelerator.device)
        length, free = batch.input_ids.shape[1], _Free()
        checkpointing = trainer.args.gradient_checkpointing_kwargs
        unwrapped = unwrap_model_for_generation(
            trainer.model_wrapped, trainer.accelerator, gradient_checkpointing_kwargs=checkpointing
        )
        with unwrapped as model, torch.no_grad():
            tokens = model.generate(
                **batch, do_sample=True, temperature=how.temperature, top_p=how.top_p, top_k=0,
                max_new_tokens=how.tokens, pad_token_id=tokenizer.pad_token_id,
                logits_processor=LogitsProcessorList([Lines(self.writer, self.parser, len(prompts)), free]),
            )[:, length:]  # fmt: skip
        chosen, ended = torch.stack(free.choices, dim=1), tokens == tokenizer.eos_token_id
        # all up to the first end, with it
        counts = ((ended.cumsum(dim=1) - ended.long()) == 0).sum(dim=1).tolist()
        asked = zip(batch.input_ids, batch.attention_mask.bool(), strict=True)
        return {
            "prompt_ids": [ids[there].tolist() for ids, there in asked],
            "completion_ids": [row[:count].tolist() for row, count in zip(tokens, counts, strict=True)],
            "logprobs": None,
            "env_mask": [row[:count].tolist() for row, count in zip(chosen.long(), counts, strict=True)],
        }


class _Free(LogitsProcessor):
    """Notes at each step which rows have more than one possible token left."""

    def __init__(self):
        self.choices = []

    def __call__(self, input_ids, scores):
        self.choices.append(torch.isfinite(scores).sum(dim=1) > 1)
        return scores
