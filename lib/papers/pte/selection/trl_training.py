"""TRL's GRPOTrainer on a local language model: prompts and a reward go in, a LoRA adapter and its history come out.

This module and rollouts import `trl`, which is an extra of this package: pip install -e '.[policy]'.
"""

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from lib.core.errors import UserError
from lib.core.progress import Progress
from lib.language.llm.language_models import LocalModel
from lib.language.llm.quiet_loading import without_bar
from lib.language.yes_no import adapters
from lib.language.yes_no.causal_model import context_length
from lib.language.yes_no.tuning_settings import AdapterSettings
from lib.papers.pte.profiling.contract import ProfileLines
from lib.papers.pte.profiling.rendering import Draw
from lib.papers.pte.profiling.sampling import SamplingLocal
from lib.papers.pte.selection.language_policy_settings import LanguagePolicySettings
from lib.papers.pte.selection.rollouts import Rollouts


class Trained(NamedTuple):
    """The adapter's matrices by name, its settings with the layers that it sits at, and what TRL told of each step."""

    matrices: dict[str, torch.Tensor]
    adapter: AdapterSettings
    history: list[dict]


def train(
    base: LocalModel,
    requests: list[Draw],
    parser: ProfileLines,
    reward: Callable,
    how: LanguagePolicySettings,
    place: Path,
) -> Trained:
    """Tune a new adapter of `base` on what is asked of it; `reward` is called as TRL does, with the column `row`.

    Request r has row r. TRL's checkpoints are in the folder `place`, where a killed training goes on; on a processor
    the same seed gives the same bytes. Raises UserError for a prompt beyond the context and for a broken loss.
    """
    with without_bar():
        writer = SamplingLocal(base, how.top_p, how.temperature)
    tokenizer = writer.tokenizer
    prompts = [_prompt(tokenizer, request, parser) for request in requests]
    _fit(tokenizer, prompts, how.tokens, context_length(writer.model), base.name)
    adapter = LoraConfig(
        r=how.adapter.rank, lora_alpha=how.adapter.alpha, lora_dropout=how.adapter.dropout,
        target_modules=how.adapter.targets, task_type="CAUSAL_LM",
    )  # fmt: skip
    rows = _order(len(prompts), how)
    with Progress(how.steps, f"policy ({base.name})", "step") as progress, warnings.catch_warnings():
        # what transformers, peft and TRL tell about each other's names, about GGUF files and about rollouts
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", message="Could not find a config file|You are using 'rollout_func'")
        trainer = _Trainer(
            model=writer.model,
            reward_funcs=reward,
            args=_arguments(how, len(prompts), place),
            train_dataset=Dataset.from_dict({"prompt": [prompts[row] for row in rows], "row": rows}),
            processing_class=tokenizer,
            callbacks=[_Told(progress)],
            peft_config=adapter,
            rollout_func=Rollouts(writer, parser, how),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=_last_checkpoint(place))
    targets = sorted(trainer.model.peft_config["default"].target_modules)
    history = [entry for entry in trainer.state.log_history if "reward" in entry]
    return Trained(adapters.weights(trainer.model), how.adapter.model_copy(update={"targets": targets}), history)


def _arguments(how: LanguagePolicySettings, n_prompts: int, place: Path) -> GRPOConfig:
    """The settings in TRL's words: one group at a time goes through the model, an update sees `prompts` of them."""
    return GRPOConfig(
        output_dir=str(place), seed=how.seed, max_steps=how.steps, learning_rate=how.learning_rate,
        num_generations=how.completions, per_device_train_batch_size=how.completions,
        gradient_accumulation_steps=min(how.prompts, n_prompts), max_completion_length=how.tokens,
        temperature=how.temperature, top_p=how.top_p, beta=how.beta, epsilon=how.epsilon,
        loss_type="grpo", scale_rewards="group", shuffle_dataset=False, bf16=False, dataloader_pin_memory=False,
        save_steps=1, save_total_limit=2, logging_steps=1, disable_tqdm=True, report_to="none",
    )  # fmt: skip


def _order(n_prompts: int, how: LanguagePolicySettings) -> list[int]:
    """The rows of all steps: every prompt once, in an order drawn anew, then again.

    TRL's own shuffling would begin again with the first order when a training that was killed goes on.
    """
    count, rng = how.steps * min(how.prompts, n_prompts), np.random.default_rng(how.seed)
    return np.concatenate([rng.permutation(n_prompts) for _ in range(-(-count // n_prompts))])[:count].tolist()


def _prompt(tokenizer, request: Draw, parser: ProfileLines) -> str:
    """The chat up to where the model goes on."""
    chat = tokenizer.apply_chat_template(request.messages, tokenize=False, add_generation_prompt=True)
    return chat + parser.begun(request.opening)


def _fit(tokenizer, prompts: list[str], tokens: int, context: int | None, name: str) -> None:
    """Raise UserError where a prompt and an answer of so many tokens are more than the model reads."""
    longest = max(len(tokenizer(prompt, add_special_tokens=False).input_ids) for prompt in prompts)
    if context and longest + tokens > context:
        raise UserError(
            f"a prompt of {longest} tokens and an answer of {tokens} are more than the {context} that {name} reads: "
            "lower history, neighbours or audience of profiling in params/papers/pte.yaml and record anew"
        )


def _last_checkpoint(place: Path) -> str | None:
    """The newest checkpoint that was written to its end, of which trainer_state.json is the last file."""
    found = [path.parent for path in Path(place).glob("checkpoint-*/trainer_state.json")]
    return str(max(found, key=lambda folder: int(folder.name.rpartition("-")[2]))) if found else None


class _Trainer(GRPOTrainer):
    """TRL's, without the message to the Hugging Face hub that it is in use."""

    def _send_telemetry(self):
        pass


class _Told(TrainerCallback):
    """Shows progress, and stops where a gradient is no number."""

    def __init__(self, progress: Progress):
        self.progress = progress

    def on_train_begin(self, args, state, control, **_):
        self.progress.skip(state.global_step)

    def on_log(self, args, state, control, logs=None, **_):
        if "reward" not in logs:
            return
        if not math.isfinite(logs["grad_norm"]):
            raise UserError(f"the gradient of step {state.global_step} is not finite: lower the policy's learning_rate")
        self.progress.update(note=f"reward {logs['reward']:.3f}, kl {logs.get('kl', 0):.4f}")
