"""TRL's GRPOTrainer on a local language model: prompts and a reward go in, a LoRA adapter and its history come out.

The one module that imports `trl`, which is an extra of this package: pip install -e '.[policy]'.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from lib.core.errors import UserError
from lib.core.progress import Progress
from lib.language.llm.language_models import LocalModel
from lib.language.llm.local import load_model, load_tokenizer
from lib.language.llm.request_and_answer import Parser
from lib.language.yes_no import adapters
from lib.language.yes_no.causal_model import context_length
from lib.language.yes_no.tuning_settings import AdapterSettings
from lib.papers.pte.profiling.rendering import Draw
from lib.papers.pte.selection.language_policy_settings import LanguagePolicySettings


class Trained(NamedTuple):
    """The adapter's matrices by name, its settings with the layers that it sits at, and what TRL told of each step."""

    matrices: dict[str, torch.Tensor]
    adapter: AdapterSettings
    history: list[dict]


def train(
    base: LocalModel,
    requests: list[Draw],
    parser: Parser,
    reward: Callable,
    how: LanguagePolicySettings,
    place: Path,
) -> Trained:
    """Tune a new adapter of `base` on what is asked of it; `reward` is called as TRL does, with the column `row`.

    Request r has row r. TRL's checkpoints are in the folder `place`, where a killed training goes on; on a processor
    the same seed gives the same bytes. Raises UserError for a prompt beyond the context and for a broken loss.
    """
    tokenizer, model = load_tokenizer(base), load_model(base)
    prompts = [_prompt(tokenizer, request, parser) for request in requests]
    longest, context = max(len(tokenizer(one).input_ids) for one in prompts), context_length(model)
    if context and longest + how.tokens > context:
        raise UserError(
            f"a prompt of {longest} tokens and an answer of {how.tokens} are more than the {context} that {base.name} "
            "reads: lower history, neighbours or audience of profiling in params/papers/pte.yaml and record anew"
        )
    adapter = LoraConfig(
        r=how.adapter.rank, lora_alpha=how.adapter.alpha, lora_dropout=how.adapter.dropout,
        target_modules=how.adapter.targets, task_type="CAUSAL_LM",
    )  # fmt: skip
    with Progress(how.steps, f"policy ({base.name})", "step") as progress:
        trainer = _Trainer(
            model=model,
            reward_funcs=reward,
            args=_arguments(how, len(prompts), place),
            train_dataset=Dataset.from_dict({"prompt": prompts, "row": [*range(len(prompts))]}),
            processing_class=tokenizer,
            callbacks=[_Told(progress)],
            peft_config=adapter,
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
        loss_type="grpo", scale_rewards="group", bf16=False, dataloader_pin_memory=False,
        save_steps=1, save_total_limit=2, logging_steps=1, disable_tqdm=True, report_to="none",
    )  # fmt: skip


def _prompt(tokenizer, request: Draw, parser: Parser) -> str:
    """The chat up to where the model goes on, without what the tokenizer itself puts before a text."""
    chat = tokenizer.apply_chat_template(request.messages, tokenize=False, add_generation_prompt=True)
    return chat.removeprefix(tokenizer.decode(tokenizer("").input_ids)) + parser.begun(request.opening)


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
