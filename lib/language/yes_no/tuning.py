"""Teaches an adapter the right answers to prompts: LoRA, with a loss of the answer's tokens alone."""

import shutil
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from lib.core.errors import UserError
from lib.core.files import atomic_path, digest
from lib.core.progress import Progress
from lib.language.llm.language_models import LocalModel, weights_digest
from lib.language.llm.quiet_loading import without_bar
from lib.language.yes_no import adapters, causal_model, tuning_state
from lib.language.yes_no.adapters import Adapter
from lib.language.yes_no.prompts_as_tokens import Prompt, Tokens
from lib.language.yes_no.scorer import ANSWERS
from lib.language.yes_no.token_batches import Memory
from lib.language.yes_no.tuning_settings import TuningSettings

HISTORY = "history.csv"


class Example(NamedTuple):
    """A prompt with the answer that is right, such as 'Yes.'."""

    system: str
    user: str
    answer: str


class Learning:
    """A model with an adapter that learns; `budget` is the number of tokens that are computed together.

    Raises UserError for an example that is longer than the context.
    """

    def __init__(self, settings: LocalModel, how: TuningSettings, device: str = "cpu", budget: int = 2048):
        self.settings, self.how, self.memory = settings, how, Memory(budget)
        self.tokens = Tokens(settings)
        with without_bar():
            model = causal_model.load(settings, precision=how.precision, device=device)
        self.model = adapters.add(model, how.adapter, how.seed)
        self.parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        # the rate of each step is set before it
        self.optimizer = torch.optim.AdamW(self.parameters, lr=0.0, weight_decay=how.weight_decay)

    def encoded(self, examples: list[Example]) -> list[tuple[list[int], int]]:
        """Each example's tokens with the end of its answer, and how many of them are the answer and the end."""
        prompts = self.tokens.of_prompts([Prompt(system, user) for system, user, _ in examples])
        end = [self.tokens.tokenizer.eos_token_id]
        answers = {answer: self.tokens.of_answer(answer) + end for answer in {one.answer for one in examples}}
        most, found = causal_model.context_length(self.model), []
        for prompt, example in zip(prompts, examples, strict=True):
            found.append((prompt + answers[example.answer], len(answers[example.answer])))
        if most and (longest := max(len(tokens) for tokens, _ in found)) > most + 1:
            said = f"an example of {longest} tokens does not fit into the {most} tokens of {self.settings.name}"
            raise UserError(f"{said}: show fewer items in the prompts")
        return found

    def step(self, number: int, total: int, examples: list[tuple[list[int], int]], progress) -> float:
        """One step of the optimizer, the `number`th of `total`, counted from 0; its loss per token of the answers."""
        answer_tokens, loss = sum(count for _, count in examples), 0.0
        sums = [torch.zeros_like(parameter) for parameter in self.parameters]

        def gradients(indices: list[int]):
            part = self._losses([examples[index] for index in indices])[0].sum() / answer_tokens
            # not backward(), which would leave half of a sum behind where memory ends
            return part.item(), torch.autograd.grad(part, self.parameters)

        self.model.train()
        with torch.random.fork_rng():
            torch.manual_seed(int(np.random.SeedSequence([self.how.seed, number]).generate_state(1)[0]))  # dropout
            for indices, (part, found) in self.memory.batches([len(tokens) for tokens, _ in examples], gradients):
                loss += part
                torch._foreach_add_(sums, list(found))
                progress(sum(len(examples[index][0]) for index in indices))
        for parameter, gradient in zip(self.parameters, sums, strict=True):
            parameter.grad = gradient
        torch.nn.utils.clip_grad_norm_(self.parameters, self.how.gradient_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.how.learning_rate * (1 - number / total)
        self.optimizer.step()
        return loss

    @torch.no_grad()
    def validate(self, examples: list[tuple[list[int], int]], progress) -> tuple[float, float]:
        """Loss per token of the answers, and AUC of Yes against No as first token (NaN without both)."""
        yes, no = (answer[0] for answer in self.tokens.of_answers(ANSWERS))
        total, said, labels = 0.0, np.empty(len(examples)), np.empty(len(examples), int)

        def found(indices: list[int]):
            losses, first = self._losses([examples[index] for index in indices])
            return losses.sum().item(), (first[:, yes] - first[:, no]).cpu().numpy()

        self.model.eval()
        for indices, (part, difference) in self.memory.batches([len(tokens) for tokens, _ in examples], found):
            total, said[indices] = total + part, difference
            labels[indices] = [examples[index][0][-examples[index][1]] == yes for index in indices]
            progress(sum(len(examples[index][0]) for index in indices))
        from sklearn.metrics import roc_auc_score  # takes a second to import

        measurable = yes != no and 0 < labels.sum() < len(labels)
        auc = roc_auc_score(labels, said) if measurable else float("nan")
        return total / sum(count for _, count in examples), float(auc)

    def _losses(self, examples: list[tuple[list[int], int]]):
        """Losses of all answer tokens, and the scores [B, vocabulary] of each answer's first token."""
        # the last token predicts nothing
        places = [[*range(len(tokens) - 1 - count, len(tokens) - 1)] for tokens, count in examples]
        scores = causal_model.next_token_scores(self.model, [tokens[:-1] for tokens, _ in examples], places)
        right = torch.tensor([token for tokens, count in examples for token in tokens[-count:]], device=scores.device)
        firsts = np.cumsum([0, *(count for _, count in examples[:-1])])
        return functional.cross_entropy(scores, right, reduction="none"), scores[torch.from_numpy(firsts)]


def tune(
    settings: LocalModel,
    train: list[Example],
    validation: list[Example],
    how: TuningSettings,
    folder: Path,
    device: str = "cpu",
    budget: int = 2048,
    again: bool = False,
) -> Adapter:
    """Teach an adapter the answers of `train` and write that of the lowest validation loss, with history.csv.

    There is a validation before the first step and after every epoch. After a kill the same call goes on with the step
    that was cut off, on a processor to the same bits; an adapter that was made from the very same stays as it is,
    unless `again`.
    Raises UserError for an example that is longer than the context.
    """
    if not train or not validation:
        raise UserError("a tuning needs at least one example to learn from and one to validate with: give it more rows")
    key = digest(how.model_dump(), weights_digest(settings), train, validation)
    if not again and (Path(folder) / adapters.ABOUT).is_file() and adapters.description(folder).tuned.get("key") == key:
        return adapters.description(folder)
    place = Path(folder) / f"unfinished-{key}"
    learning = Learning(settings, how, device, budget)
    state = _run(learning, learning.encoded(train), learning.encoded(validation), place / "state.safetensors")
    with atomic_path(Path(folder) / HISTORY) as temporary:
        pd.DataFrame(state.history).to_csv(temporary, index=False)
    about = {"key": key, "settings": how.model_dump(), "steps": state.step, "best_step": state.best_step}
    about |= {"validation_loss": state.lowest, "seconds": round(state.seconds), "examples": len(train)}
    adapters.save(folder, state.best, how.adapter, settings, about)
    shutil.rmtree(place)
    return adapters.description(folder)


def _run(learning: Learning, train: list, validation: list, path: Path) -> tuning_state.State:
    """All steps from where `path` says until the epochs or the patience end."""
    how, per_epoch = learning.how, -(-len(train) // learning.how.batch_size)
    state = tuning_state.load(path, learning.parameters, learning.optimizer)
    with Learned(state, train, validation, how.epochs, per_epoch, learning.settings.name) as learned:
        if not state.history:
            state.history.append({"step": 0, "epoch": 0, "train_loss": float("nan")})
            state.validated(*learning.validate(validation, learned.tokens), adapters.weights(learning.model))
            learned.save(path, learning)
        while state.step < how.epochs * per_epoch and state.misses < how.patience:
            epoch, part = divmod(state.step, per_epoch)
            order = np.random.default_rng([how.seed, epoch]).permutation(len(train))
            chosen = [train[index] for index in order[part * how.batch_size : (part + 1) * how.batch_size]]
            loss = learning.step(state.step, how.epochs * per_epoch, chosen, learned.tokens)
            if not np.isfinite(loss):
                raise UserError(f"the loss of step {state.step + 1} of the tuning is {loss}: lower learning_rate")
            state.step += 1
            state.history.append({"step": state.step, "epoch": epoch + 1, "train_loss": loss})
            if part + 1 == per_epoch:
                state.validated(*learning.validate(validation, learned.tokens), adapters.weights(learning.model))
            learned.save(path, learning)
    return state


class Learned:
    """Progress of a tuning in tokens, and the time that its state counts."""

    def __init__(self, state, train: list, validation: list, epochs: int, per_epoch: int, name: str):
        self.state, self.start, self.done = state, time.monotonic(), 0
        one, other = (sum(len(tokens) for tokens, _ in examples) for examples in (train, validation))
        self.progress = Progress(other + epochs * (one + other), f"tuning ({name})", "tokens", scale=True)
        whole, part = divmod(state.step, per_epoch)
        if state.history:
            self.progress.skip(other + whole * (one + other) + one * part // per_epoch)

    def __enter__(self):
        self.progress.__enter__()
        return self

    def __exit__(self, *error):
        self.progress.__exit__(*error)

    def tokens(self, count: int) -> None:
        """Count tokens that were computed."""
        self.done += count
        known = [row for row in self.state.history if "validation_loss" in row]
        note = f", validation loss {known[-1]['validation_loss']:.4f}" if known else ""
        self.progress.update(count, f"{self.done / (time.monotonic() - self.start):,.0f} tokens/s{note}")

    def save(self, path: Path, learning: Learning) -> None:
        """Write the state with the seconds since the last time."""
        self.state.seconds += time.monotonic() - self.start
        self.start, self.done = time.monotonic(), 0
        self.state.save(path, learning.parameters, learning.optimizer)
