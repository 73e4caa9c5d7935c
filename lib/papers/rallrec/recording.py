"""Tuning a language model and recording what it answers, with the time that it will take told first."""

import time
from collections.abc import Iterator

import torch

from lib.core.errors import UserError, unknown
from lib.data import datasets
from lib.language.yes_no import adapters, tuning
from lib.language.yes_no.scorer import Scorer
from lib.language.yes_no.tuning import Learning
from lib.papers.rallrec import augmentation
from lib.papers.rallrec.answers import EXACT, Study
from lib.papers.rallrec.questions import RALLREC, UNTUNED, everything, tunings

TRIED = 8  # prompts by which the machine's speed is measured


def record(
    dataset: str, model: str | None, descriptions: str | None, encoder: str, scale: str,
    only: list[str] | None, live: bool, threads: int | None, only_estimate: bool,
) -> Iterator[str]:  # fmt: skip
    """Tune and ask for what is missing; yields what there is to do and, unless only_estimate, what came of it.

    model: that is tuned and asked; descriptions: the model that described the items, `none` for titles alone; only:
    names of adapters, or `untuned`; live: for everything again. Raises UserError where no model is named.
    """
    own = datasets.settings(dataset).language_model
    if (model := model or own) is None:
        raise UserError(f"{dataset} names no language model of its own: say which one answers with --model")
    descriptions = descriptions or own or "none"
    if threads is not None:
        if threads < 1:
            raise UserError(f"--threads {threads}: name at least one processor core")
        torch.set_num_threads(threads)
    only = checked(only)
    study = Study(dataset, model, encoder, None if descriptions == "none" else descriptions, scale)
    yield estimate(study, only, live)
    if study.shortened:
        yield f"{study.shortened} prompts show fewer than K items, as many as {study.limit} tokens hold"
    if not only_estimate:
        yield from tune(study, only, live)
        alpha_known(study, only)
        yield from ask(study, only, live)


def estimate(study: Study, only: list[str] | None, live: bool) -> str:
    """How many tokens there are to learn from and to answer, and how long that takes at this machine's speed."""
    learnt, answered = tokens_to_learn(study, only, live), tokens_to_answer(study, only, live)
    if not learnt + answered:
        return f"everything of {study.model.name} on {study.samples.name} is recorded"
    seconds = sum(count / speed for count, speed in zip((learnt, answered), speeds(study), strict=True) if count)
    said = f"{learnt:,} tokens to learn from and {answered:,} to answer"
    return f"{study.model.name} on {study.samples.name}: {said}, about {seconds / 60:.0f} minutes at this speed"


def tokens_to_learn(study: Study, only: list[str] | None, live: bool) -> int:
    """Of all tunings that are not finished, validations included, if none stops early."""
    total = 0
    for name, seed in tunings(study.settings):
        if ((name, seed) not in study.tuned() or live) and (not only or name in only):
            train, validation = (sum(study.count([one.user for one in part])) for part in study.examples(name))
            epochs = study.how(name, seed).epochs
            total += epochs * train + (epochs + 1) * validation
    return total


def tokens_to_answer(study: Study, only: list[str] | None, live: bool) -> int:
    """Of all prompts that are not recorded; all of an adapter that does not exist yet are missing.

    Before there is an alpha by validation samples, the usual one stands for it: prompts are about as long.
    """
    try:
        alpha = study.alpha
    except UserError:
        alpha = study.settings.rerank.alpha
    waiting = list(study.asked_of(only, alpha).items())
    if study.settings.questions.alphas and (not only or RALLREC.adapter in only):
        usual = RALLREC.adapter, study.settings.questions.seeds[0], study.settings.questions.precision
        waiting += [(usual, asked) for asked in study.prompts_of_alphas().values()]
    total = 0
    for (name, seed, precision), asked in waiting:
        exists = name is None or (name, seed) in study.tuned()
        missing = study.record_of(name, seed, precision).missing(asked) if exists and not live else asked
        total += sum(study.tokens.count(missing))
    return total


def speeds(study: Study) -> tuple[float, float]:
    """Tokens per second of learning and of answering, by a short trial of each."""
    asked = study.prompts(RALLREC, alpha=study.settings.rerank.alpha)[:TRIED]
    scorer = Scorer(study.model, None, study.settings.questions.precision, study.device)
    learning = Learning(study.model, study.settings.tuning, study.device)
    examples = learning.encoded(study.examples(RALLREC.adapter)[0][:TRIED])
    times = []
    for work in (lambda: learning.step(0, 1, examples, lambda count: None), lambda: scorer.score(asked)):
        work()  # the first time allocates
        start = time.monotonic()
        work()
        times.append(time.monotonic() - start)
    counts = sum(len(tokens) for tokens, _ in examples), sum(study.tokens.count(asked))
    return counts[0] / times[0], counts[1] / times[1]


def tune(study: Study, only: list[str] | None = None, live: bool = False) -> Iterator[str]:
    """Teach every adapter that is not there yet, or those in `only`, with `live` all; yields a sentence on each.

    Raises UserError for one that is there and was tuned with other settings.
    """
    for name, seed in tunings(study.settings):
        if not only or name in only:
            if live or (name, seed) not in study.tuned():
                how, place = study.how(name, seed), study.adapter(name, seed)
                tuning.tune(study.model, *study.examples(name), how, place, study.device, again=live)
            made = adapters.description(study.checked_adapter(name, seed))
            loss, step = made.tuned["validation_loss"], made.tuned["best_step"]
            yield f"adapter {name} (seed {seed}): lowest validation loss {loss:.4f} after {step} steps"


def ask(study: Study, only: list[str] | None = None, live: bool = False) -> Iterator[str]:
    """Record the answers that are missing, with `live` all of them; yields a sentence on each file."""
    if study.settings.questions.alphas and (not only or RALLREC.adapter in only):
        asked = [prompt for prompts in study.prompts_of_alphas().values() for prompt in prompts]
        record = study.record_of(RALLREC.adapter, study.settings.questions.seeds[0])
        record.record(asked, live=live, device=study.device)
        for old in ("alpha", "validated_alphas"):  # of what was recorded before
            study.__dict__.pop(old, None)
        yield f"alpha {study.alpha:.2f} is the best of {study.settings.questions.alphas} on validation samples"
    for who, asked in study.asked_of(only).items():
        record = study.record_of(*who)
        record.record(asked, live=live, device=study.device)
        yield f"{record.path.stem}: {len(asked)} answers are recorded"


def alpha_known(study: Study, only: list[str] | None) -> None:
    """Raises UserError where the answers of `only` need an alpha that answers of another adapter choose.

    After tuning, which needs none: what was tuned is kept for the next try.
    """
    reranked = {question.adapter or UNTUNED for question, _ in everything(study.settings) if question.items == "rerank"}
    if only and RALLREC.adapter not in only and (reranked | {EXACT}) & set(only):
        try:
            study.prompts(RALLREC)
        except UserError as error:
            said = f"alpha of the reranking is chosen by answers of {RALLREC.adapter}, which are not recorded"
            raise UserError(f"{said}: name {RALLREC.adapter} too ({error})") from None


def checked(only: list[str] | None) -> list[str] | None:
    """Names of adapters, untuned for the model as it is, float32 for exact answers; raises UserError for any other."""
    known = [*augmentation.MIXES, UNTUNED, EXACT]
    for name in only or []:
        if name not in known:
            raise unknown("adapter", name, known)
    return only
