"""Tokens per second of scoring prompts and of tuning an adapter, beside a plain loop over transformers.

python -m benchmarks.scoring [--model smollm2] [--adapter FOLDER] [--prompts 64] [--shown 10] [--turns 2]

The plain loop is what one writes first: float32, one prompt at a time as they come, scores of every token at every
position. All implementations read the same prompts, in turns. Who else uses the processor slows the seconds down, so
tokens per second of processor time are told as well. What rounding to bfloat16 does to p(yes) and AUC is told too.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks import report
from lib.core.errors import UserError, exit_status
from lib.core.files import ROOT
from lib.core.progress import Progress
from lib.language.llm import language_models
from lib.language.yes_no import adapters, causal_model
from lib.language.yes_no.adapters import AdapterSettings
from lib.language.yes_no.precision import rounding
from lib.language.yes_no.prompts_as_tokens import Prompt, Tokens
from lib.language.yes_no.scorer import Scorer
from lib.language.yes_no.tuning import Example, Learning, TuningSettings
from lib.results.writers import to_markdown
from lib.training.devices import pick_device

SYSTEM = "You are a helpful assistant who judges what a viewer will like."
FILMS = ROOT / "data" / "movielens-100k"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and save; returns the exit status. A user's mistake is one sentence on stderr and status 2."""
    options = parser().parse_args(arguments)
    return exit_status(lambda: measure_and_save(options))


def measure_and_save(options) -> None:
    """The whole command."""
    device = pick_device(options.device)
    prompts, labels = drawn(options.prompts, options.shown)
    table, said = run(options, prompts, labels, device)
    print(to_markdown(table))
    print(said)
    if options.out:
        best = table[(table.implementation == "ours") & (table.precision == "bfloat16")]
        report.save_table(
            options.out / f"scoring-{device.partition(':')[0]}",
            table,
            "scoring",
            layout=table,
            claim="tokens per second of scoring and tuning beside a plain loop over transformers, by turns in one run",
            command=f"python -m benchmarks.scoring --prompts {options.prompts} --shown {options.shown}",
            ours="; ".join(f"{row.work}: {row.times_plain:.1f} times as fast" for row in best.itertuples())
            + f"; {said}",
            settings={"device": device, "threads": torch.get_num_threads(), "model": options.model},
        )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.scoring", description=__doc__.splitlines()[0])
    made.add_argument("--model", default="smollm2", help="name in params/language_models, folder or hub name")
    made.add_argument("--adapter", type=Path, help="folder of an adapter, for what rounding does")
    made.add_argument("--prompts", type=int, default=64)
    made.add_argument("--plain", type=int, default=8, help="of them, those that the plain loop reads")
    made.add_argument("--shown", type=int, default=10, help="films in a prompt")
    made.add_argument("--turns", type=int, default=2, help="the fastest counts")
    made.add_argument("--device", default="auto")
    made.add_argument("--out", type=Path, default=report.RESULTS, metavar="FOLDER")
    return made


def drawn(count: int, shown: int, seed: int = 0) -> tuple[list[Prompt], np.ndarray]:
    """Prompts from the latest tenth of MovieLens-100K with the last `shown` ratings, and whether it was liked [count].

    Raises UserError when the data are not there.
    """
    if not (FILMS / "ml-100k.inter").is_file():
        raise UserError("the prompts are made of movielens-100k: run: python -m lib fetch movielens-100k")
    ratings = pd.read_csv(FILMS / "ml-100k.inter", sep="\t", names=["user", "item", "stars", "time"], header=0)
    titles = pd.read_csv(FILMS / "ml-100k.item", sep="\t", index_col=0, encoding="latin-1").iloc[:, 0]
    ratings = ratings.sort_values(["time", "user", "item"], kind="stable", ignore_index=True)
    place = ratings.groupby("user").cumcount()
    late = ratings.index[(ratings.index >= 0.9 * len(ratings)) & (place >= shown)]
    chosen = np.random.default_rng(seed).choice(late, count, replace=False)
    by_user = {user: own.index.to_numpy() for user, own in ratings.groupby("user")}
    prompts = []
    for row in chosen:
        before = by_user[ratings.user[row]][: place[row]][-shown:]
        told = ", ".join(f"{titles[ratings.item[i]]} ({ratings.stars[i]:.0f} stars)" for i in before)
        question = f"Will they like {titles[ratings.item[row]]}? Reply with yes or no only."
        prompts.append(Prompt(SYSTEM, f"The viewer rated these films: {told}.\nAbove 3 stars is liked. {question}"))
    return prompts, (ratings.stars[chosen] > 3).to_numpy(int)


def run(options, prompts: list[Prompt], labels: np.ndarray, device: str) -> tuple[pd.DataFrame, str]:
    """The table of all implementations, and in words what bfloat16 does."""
    settings, rows = language_models.load_local(options.model), []
    few = prompts[: options.plain]
    answers = ["Yes." if label else "No." for label in labels]
    scorers = {name: Scorer(settings, options.adapter, name, device) for name in ("float32", "bfloat16")}
    learners = {name: learner(settings, name, device) for name in ("float32", "bfloat16")}
    plain = scorers["float32"].model
    wrapped = adapters.add(causal_model.load(settings, device=device), AdapterSettings(), seed=0)
    rows = [
        ("scoring", "plain", "float32", few, lambda: plain_scores(plain, scorers["float32"].tokens, few)),
        ("tuning", "plain", "float32", few, lambda: plain_step(wrapped, scorers["float32"].tokens, few, answers)),
    ]
    for name in ("float32", "bfloat16"):
        part = prompts if name == "bfloat16" else prompts[: 2 * options.plain]
        rows.append(("scoring", "ours", name, part, lambda name=name, part=part: scorers[name].score(part)))
        rows.append(("tuning", "ours", name, part, lambda name=name, part=part: step(learners[name], part, answers)))
    best = {}
    with Progress(len(rows) * options.turns, "benchmark", "turns") as progress:
        for _ in range(options.turns):
            for work, who, precision, part, task in rows:
                tokens = sum(scorers["float32"].tokens.count(part))
                wall, processor = time.perf_counter(), time.process_time()
                task()
                speeds = tokens / (time.perf_counter() - wall), tokens / (time.process_time() - processor)
                progress.update(note=f"{work} {who} {precision}: {speeds[0]:.0f} tokens/s")
                best[work, who, precision] = np.maximum(speeds, best.get((work, who, precision), 0))
    scores = {name: scorer.score(prompts) for name, scorer in scorers.items()}
    return tidy(best, torch.get_num_threads()), str(rounding(scores["float32"], scores["bfloat16"], labels))


def tidy(best: dict, threads: int) -> pd.DataFrame:
    """Tokens per second of each (work, implementation, precision), and how many times that of the plain loop."""
    lines = []
    for (work, who, precision), (wall, processor) in sorted(best.items()):
        base = best[work, "plain", "float32"]
        line = {"work": work, "implementation": who, "precision": precision, "threads": threads}
        line |= {"tokens_per_s": round(wall), "times_plain": round(wall / base[0], 2)}
        lines.append(line | {"per_cpu_s": round(processor), "times_plain_cpu": round(processor / base[1], 2)})
    return pd.DataFrame(lines)


@torch.no_grad()
def plain_scores(model, tokens: Tokens, prompts: list[Prompt]) -> list[float]:
    """Differences of the scores of Yes and No by the plain loop."""
    yes, no = (answer[0] for answer in tokens.of_answers(("Yes", "No")))
    found = []
    for prompt in prompts:
        batch = tokens.tokenizer(tokens.text(prompt), return_tensors="pt", add_special_tokens=not tokens.chat)
        logits = model(**batch.to(model.device)).logits[0, -1]
        found.append((logits[yes] - logits[no]).item())
    return found


def plain_step(model, tokens: Tokens, prompts: list[Prompt], answers: list[str]) -> None:
    """Gradients of the same loss by the plain loop: one example at a time, labels masked, scores of all positions."""
    model.train()
    for prompt, answer in zip(prompts, answers, strict=False):
        (ids,) = tokens.of_prompts([prompt])
        own = [*tokens.of_answer(answer), tokens.tokenizer.eos_token_id]
        labels = torch.tensor([[-100] * len(ids) + own], device=model.device)
        model(input_ids=torch.tensor([ids + own], device=model.device), labels=labels).loss.backward()
    model.zero_grad()


def learner(settings, precision: str, device: str) -> Learning:
    """A model with a new adapter."""
    return Learning(settings, TuningSettings(precision=precision), device)


def step(learning: Learning, prompts: list[Prompt], answers: list[str]) -> None:
    """One step of the optimizer over all prompts."""
    told = [Example(*prompt, answer) for prompt, answer in zip(prompts, answers, strict=False)]
    learning.step(0, 1, learning.encoded(told), lambda _: None)


if __name__ == "__main__":
    sys.exit(main())
