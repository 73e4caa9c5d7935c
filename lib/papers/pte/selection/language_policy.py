"""The writer of profiles itself as the policy: TRL's GRPO tunes a language model by the rewards of what it writes.

An extra beside the selection among recorded candidates (docs/methods/pte-selection.md 9); no result table uses it.
"""

import shutil
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.core.files import ROOT, atomic_path, digest
from lib.core.progress import without_widgets
from lib.data import datasets
from lib.language import encoders
from lib.language.llm import language_models
from lib.language.llm.language_models import LocalModel
from lib.language.yes_no import adapters
from lib.papers.pte.profiling import candidates
from lib.papers.pte.profiling.candidates import Study
from lib.papers.pte.profiling.contract import ProfileLines
from lib.papers.pte.profiling.rendering import Draw
from lib.papers.pte.profiling.replay import replay
from lib.papers.pte.selection import language_policy_settings, settings
from lib.papers.pte.selection.completion_rewards import CompletionRewards
from lib.papers.pte.selection.language_policy_settings import LanguagePolicySettings
from lib.papers.pte.selection.recorded_sides import recorded_sides
from lib.papers.pte.selection.settings import SelectionSettings

RUNS = ROOT / "runs" / "pte-policy"
HISTORY = "history.csv"


class Task(NamedTuple):
    """What is asked about each rewarded entity of a side, what reads the replies, and what they are worth."""

    requests: list[Draw]
    parser: ProfileLines
    reward: CompletionRewards


def task(
    about: Study, profiles: pd.DataFrame, side: str, encode, encode_replies, rules: SelectionSettings, seed: int
) -> Task:
    """The prompts of a recording (Loop.profiles) that hide probes and tell all else, one of each rewarded entity.

    encode(texts) gives the vectors of what is recorded, encode_replies those of completions. Raises what replay and
    recorded_sides do.
    """
    asked, _ = replay(about, profiles, encode)
    sides = recorded_sides(about, profiles, encode, rules, seed)
    own, other, of = (
        (sides.users, sides.items, sides.of_users) if side == "user" else (sides.items, sides.users, sides.of_items)
    )
    last = asked[asked["probed"] & asked["side"].eq(side) & asked["candidate"].eq(0)]
    last = last[last["round"].eq(last["round"].max())].set_index("index")["request"]
    titles = np.array(about.renderer.names, dtype=object)[sides.of_items - 1] if side == "user" else None
    parser, references = about.parser(side), other.final.vectors[:, 0]
    reward = CompletionRewards(own, references, parser, titles, encode_replies, rules.reward)
    return Task(last.loc[of[own.rewarded.entity]].tolist(), parser, reward)


def record(
    dataset: str, model: str | None, scale: str, side: str, steps: int | None, live: bool, threads: int | None,
    only_estimate: bool,
) -> Iterator[str]:  # fmt: skip
    """Tune an adapter of the model that wrote a recording; yields what there is to do and what came of it.

    live: again, though it is there; threads: processor cores. Raises UserError where `trl` or the recording is
    missing, the model is behind an endpoint, or a number makes no sense.
    """
    how = language_policy_settings.load()
    for name, number in (("steps", steps), ("threads", threads)):
        if number is not None and number < 1:
            raise UserError(f"--{name} {number}: it must be at least 1")
    how = how.model_copy(update={"steps": steps}) if steps else how
    model = model or datasets.settings(dataset).language_model
    if model is None:
        raise UserError(f"{dataset} names no language model of its own: say which one learns with --model")
    if not only_estimate:
        check_installed()
    base, rules = language_models.load_local(model), settings.load()
    about, profiles = candidates.study(dataset, scale), candidates.load(dataset, scale, base.name)
    folder = RUNS / dataset / scale / base.name / side
    encoder, cache = about.settings.encoder, folder / "unfinished-vectors"
    encode, encode_replies = candidates.unit_vectors(encoder), candidates.unit_vectors(encoder, cache)
    todo = task(about, profiles, side, encode, encode_replies, rules, how.seed)
    key = identity(todo, about, profiles, base, how, rules)
    if not live and (folder / adapters.ABOUT).is_file() and adapters.description(folder).tuned.get("key") == key:
        yield f"this policy is there: {folder}"
        return
    yield cost(len(todo.requests), side, how)
    if not only_estimate:
        if threads:
            import torch  # takes a second

            torch.set_num_threads(threads)
        yield tune(todo, base, how, folder, key)
        shutil.rmtree(cache, ignore_errors=True)


def tune(todo: Task, base: LocalModel, how: LanguagePolicySettings, folder: Path, key: str) -> str:
    """Train, and write the adapter, history.csv and what made them into `folder`; returns a sentence on the rewards.

    After a kill the same call goes on at the last step that TRL has kept.
    """
    check_installed()
    with without_widgets():
        from lib.papers.pte.selection.trl_training import train  # imports trl

    place = folder / f"unfinished-{key}"
    found = train(base, todo.requests, todo.parser, todo.reward, how, place)
    with atomic_path(folder / HISTORY) as temporary:
        pd.DataFrame(found.history).to_csv(temporary, index=False)
    made = {package: version(package) for package in ("trl", "transformers", "torch", "peft")}
    about = {"key": key, "settings": how.model_dump(mode="json"), "prompts": len(todo.requests), "versions": made}
    adapters.save(folder, found.matrices, found.adapter, base, about)
    shutil.rmtree(place)
    first, last = found.history[0], found.history[-1]
    return f"reward {first['reward']:.3f} at the first step, {last['reward']:.3f} at the last; written: {folder}"


def check_installed() -> None:
    """Raise UserError where TRL is not installed."""
    if find_spec("trl") is None:
        raise UserError("a policy that writes needs TRL, which is not installed: run: pip install -e '.[policy]'")


def identity(
    todo: Task, about: Study, profiles: pd.DataFrame, base: LocalModel, how: LanguagePolicySettings,
    rules: SelectionSettings,
) -> str:  # fmt: skip
    """Content hash of all that decides the adapter."""
    data = about.prompts, profiles["text"].tolist(), [request.key for request in todo.requests]
    encoder = encoders.identity(encoders.settings(about.settings.encoder))
    settings = how.model_dump(), rules.probes.model_dump(), rules.reward.model_dump()
    return digest(todo.parser.side, *data, encoder, language_models.weights_digest(base), *settings)


def cost(n_prompts: int, side: str, how: LanguagePolicySettings) -> str:
    """What a training has to write."""
    answers = how.steps * min(how.prompts, n_prompts) * how.completions
    said = f"{n_prompts} prompts about {side}s; {how.steps} steps, {answers:,} completions"
    return f"{said} of at most {how.tokens} tokens, {answers * how.tokens:,} in all"
