"""Tuning a language model and recording what it answers, with the time that it will take told first."""

import time
from collections.abc import Iterator

import torch

from lib.core.errors import UserError
from lib.data import datasets
from lib.language.yes_no.scorer import Scorer
from lib.language.yes_no.tuning import Learning
from lib.papers.rallrec.answers import Study, checked
from lib.papers.rallrec.questions import RALLREC, tunings

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
    if threads:
        torch.set_num_threads(threads)
    only = checked(only)
    study = Study(dataset, model, encoder, None if descriptions == "none" else descriptions, scale)
    yield estimate(study, only, live)
    if study.shortened:
        yield f"{study.shortened} prompts show fewer than K items, as many as {study.limit} tokens hold"
    if not only_estimate:
        yield from study.tune(only, live)
        yield from study.ask(only, live)


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
    """Of all prompts about test samples that are not recorded; all of an adapter that does not exist yet are missing.

    Before there is an alpha by validation samples, the usual one stands for it: prompts are about as long.
    """
    try:
        alpha = study.alpha
    except UserError:
        alpha = study.settings.rerank.alpha
    total = 0
    for (name, seed, precision), asked in study.asked_of(only, alpha).items():
        exists = name is None or (name, seed) in study.tuned()
        missing = study.record_of(name, seed, precision).missing(asked) if exists and not live else asked
        total += sum(study.tokens.count(missing))
    return total


def speeds(study: Study) -> tuple[float, float]:
    """Tokens per second of learning and of answering, by a short trial of each."""
    asked = study.prompts(RALLREC, alpha=study.settings.rerank.alpha)[:TRIED]
    scorer = Scorer(study.model, None, study.settings.questions.precision)
    learning = Learning(study.model, study.settings.tuning)
    examples = learning.encoded(study.examples(RALLREC.adapter)[0][:TRIED])
    times = []
    for work in (lambda: learning.step(0, 1, examples, lambda count: None), lambda: scorer.score(asked)):
        work()  # the first time allocates
        start = time.monotonic()
        work()
        times.append(time.monotonic() - start)
    counts = sum(len(tokens) for tokens, _ in examples), sum(study.tokens.count(asked))
    return counts[0] / times[0], counts[1] / times[1]
