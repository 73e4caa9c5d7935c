"""The writer as the policy: what its completions are worth against loops, and TRL's training of a random tiny model.

The trainings need TRL, which is an extra (pip install -e '.[policy]') and does not ask the network for anything here.
"""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from lib import cli
from lib.core.errors import UserError
from lib.language.llm.local import load_model
from lib.language.yes_no import adapters
from lib.papers.pte.profiling.contract import ProfileLines, serialised, written
from lib.papers.pte.selection import language_policy, language_policy_settings
from lib.papers.pte.selection import settings as selection_settings
from lib.papers.pte.selection.completion_rewards import CompletionRewards
from tests.support import tiny_language_model
from tests.support.mock_profiles import MockWriter
from tests.test_pte_profiling_loop import encode, run, study

RULES = selection_settings.load()
HOW = language_policy_settings.load()
SHORT = HOW.model_copy(update={"steps": 2, "prompts": 2, "completions": 3, "tokens": 24, "learning_rate": 1e-3})
GOOD = " war and space at night, and little else.\nInterests: war, space\nIdentities: fans of war\nAvoids: love"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A study, its recording by a mock and the tasks of both sides."""
    about = study()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda handle: None)
        profiles = run(tmp_path_factory.mktemp("recording"), about, MockWriter())[2]
    tasks = {
        side: language_policy.task(about, profiles, side, encode, encode, RULES, seed=0) for side in ("user", "item")
    }
    return about, profiles, tasks


def completion(side, text=GOOD):
    """A good completion in the labels of a side."""
    labels = {"item": ("Appeal", "Audience", "Not for")}.get(side, ("Interests", "Identities", "Avoids"))
    for known, label in zip(("Interests", "Identities", "Avoids"), labels, strict=True):
        text = text.replace(known, label)
    return text


# Rewards


@pytest.mark.parametrize("side", ["user", "item"])
def test_a_completion_is_worth_what_the_formulas_say(recorded, side):
    """R = R_col + R_dis / 2 + R_fmt / 5, by loops over probes, negatives and neighbours."""
    _, _, tasks = recorded
    task, row = tasks[side], 1
    own, references = task.reward.side, task.reward.references
    parser = task.parser
    text = serialised(parser.parse(parser.lines[0] + completion(side)), side)
    assert "war, space." in text and 6 <= len(text.split()) <= 150

    def cosine(one, other):
        return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))

    vector, entity = encode([text])[0], own.rewarded.entity[row]
    shares = []
    for probe in own.probes.hidden[row].indices:
        ahead = [
            cosine(vector, references[probe]) - cosine(vector, references[other]) for other in own.probes.negatives[row]
        ]
        shares.append(np.mean([1.0 if gap > 1e-6 else 0.5 if gap > -1e-6 else 0.0 for gap in ahead]))
    among = [entity, *(other for other in own.neighbours[entity][: RULES.reward.neighbours] if other >= 0)]
    chances = np.exp([cosine(vector, own.content[other]) / RULES.reward.temperature for other in among])
    parts = {"r_col": np.mean(shares), "r_dis": chances[0] / chances.sum(), "r_fmt": 1.0}
    found = task.reward.parts([completion(side)], np.array([row]))
    assert {name: value[0] for name, value in found.items()} == pytest.approx(parts, abs=1e-5)
    expected = parts["r_col"] + 0.5 * parts["r_dis"] + 0.2 * parts["r_fmt"]
    assert task.reward([completion(side)], [row]) == pytest.approx([expected], abs=1e-5)
    assert 0 < parts["r_dis"] < 1 and len(set(among)) > 2


def test_what_does_not_parse_is_worth_least_whoever_it_is_about(recorded):
    reward, told = recorded[2]["user"].reward, {}
    replies = [completion("user"), " war.", "", " war and space at night, and little else.\nNothing more"]
    rows = [0, 0, 1, 2]
    values = reward(replies, rows, log_metric=told.__setitem__)
    assert values[1:] == [0, 0, 0] and values[0] > 0.2
    assert told["r_fmt"] == 0.25 and set(told) == {"r_col", "r_dis", "r_fmt"}


def test_the_title_of_a_probe_costs_the_form(recorded):
    about, _, tasks = recorded
    reward = tasks["user"].reward
    probe = reward.side.probes.hidden[0].indices[0]
    named = completion("user").replace(" at night", f" as in {reward.titles[probe]}")
    plain, told = reward.parts([completion("user"), named], np.array([0, 0]))["r_fmt"]
    assert (plain, told) == (1, 0) and reward.titles[probe] in about.renderer.names


def test_a_prompt_is_of_the_entity_that_its_reward_is_of_and_hides_the_probes(recorded):
    about, _, tasks = recorded
    for side, task in tasks.items():
        assert len(task.requests) == len(task.reward.side.rewarded) > 3
        assert {request.side for request in task.requests} == {side}
        assert len({request.index for request in task.requests}) == len(task.requests)
    reward = tasks["user"].reward
    for row, request in enumerate(tasks["user"].requests):
        told = set(re.findall(r"(?m)^- (Night \w+ Number\d+)", request.user))
        side = reward.side
        assert told and told <= {reward.titles[item] for item in side.rewarded.shown[row].indices}
        assert not told & {reward.titles[probe] for probe in side.probes.hidden[row].indices}


# The command


def test_without_trl_one_sentence_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr(language_policy, "find_spec", lambda name: None)
    assert cli.main(["policy", "movielens-100k", "--scale", "tiny", "--steps", "2"]) == 2
    said = capsys.readouterr().err
    assert said == "error: a policy that writes needs TRL, which is not installed: run: pip install -e '.[policy]'\n"


def test_no_steps_are_told(capsys):
    assert cli.main(["policy", "movielens-100k", "--steps", "0"]) == 2
    assert "--steps 0: it must be at least 1" in capsys.readouterr().err


def test_the_cost_counts_what_is_written():
    how = HOW.model_copy(update={"steps": 3, "prompts": 4, "completions": 5, "tokens": 100})
    assert language_policy.cost(2, "item", how).endswith("3 steps, 30 completions of at most 100 tokens, 3,000 in all")
    assert "60 completions" in language_policy.cost(9, "item", how)


def test_a_policy_that_is_there_is_not_trained_again(recorded, tiny, tmp_path, monkeypatch):
    about, profiles, _ = recorded
    monkeypatch.setattr(language_policy, "RUNS", tmp_path)
    monkeypatch.setattr(language_policy, "check_installed", lambda: None)
    monkeypatch.setattr(language_policy.language_models, "load_local", lambda name: tiny)
    stands_in = {"study": lambda *_: about, "load": lambda *_: profiles, "unit_vectors": lambda *_: encode}
    for name, function in stands_in.items():
        monkeypatch.setattr(language_policy.candidates, name, function)

    def tune(todo, base, how, folder, key):
        adapters.save(folder, {"matrix": torch.zeros(1)}, how.adapter, base, {"key": key})
        return f"{how.steps} steps for {len(todo.requests)} {todo.parser.side}s"

    monkeypatch.setattr(language_policy, "tune", tune)

    def said(steps, live=False, only_estimate=False):
        return [*language_policy.record("films", "tiny", "tiny", "item", steps, live, None, only_estimate)][-1]

    count = len(recorded[2]["item"].requests)
    assert said(2, only_estimate=True).startswith(f"{count} prompts about items; 2 steps") and not [*tmp_path.iterdir()]
    assert said(2) == f"2 steps for {count} items"
    assert said(2) == f"this policy is there: {tmp_path / 'films/tiny/tiny/item'}"
    assert said(3) == f"3 steps for {count} items"  # takes the place of the other
    assert said(3, live=True) == f"3 steps for {count} items"


# The training, by TRL


class AnyLines(ProfileLines):
    """Takes every reply, as a random model's are none: its words become the summary and one interest."""

    def parse(self, reply):
        return written({"summary": reply, self.fields[1].key: reply.split()[-1:]}, self.side)


@pytest.fixture(scope="module")
def offline():
    """TRL without network; skips where it is not installed."""
    pytest.importorskip("trl", reason="TRL is not installed: pip install -e '.[policy]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda handle: None)
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        yield


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A random model of two layers."""
    return tiny_language_model.save(tmp_path_factory.mktemp("tiny"), context=2048)


def trained(recorded, tiny, folder, how=SHORT):
    """A training on three users whose replies all count and whose prompts are cut short; the adapter's matrices."""
    task = recorded[2]["user"]
    requests = [replace(request, system="Ask.", user=request.user[:60]) for request in task.requests[:3]]
    known, parser = task.reward, AnyLines("user", task.parser.lines)
    reward = CompletionRewards(known.side, known.references, parser, known.titles, encode, RULES.reward)
    said = language_policy.tune(language_policy.Task(requests, parser, reward), tiny, how, folder, "key")
    assert said.endswith(f"written: {folder}")
    return load_file(folder / adapters.WEIGHTS)


@pytest.fixture(scope="module")
def whole(offline, recorded, tiny, tmp_path_factory):
    """The folder of a training of two steps."""
    folder = tmp_path_factory.mktemp("whole")
    trained(recorded, tiny, folder)
    return folder


def test_two_steps_move_the_adapter_and_the_same_seed_gives_the_same_bytes(whole, recorded, tiny, tmp_path):
    first = load_file(whole / adapters.WEIGHTS)
    moved = [value for name, value in first.items() if "lora_B" in name]
    assert len(moved) == 4 and all(np.abs(value).max() > 1e-5 for value in moved)  # they start as zeros
    trained(recorded, tiny, tmp_path / "again")
    assert (whole / adapters.WEIGHTS).read_bytes() == (tmp_path / "again" / adapters.WEIGHTS).read_bytes()
    other = trained(recorded, tiny, tmp_path / "other", SHORT.model_copy(update={"seed": 7, "steps": 1}))
    assert all((first[name] != other[name]).any() for name in first)


def test_an_adapter_says_what_made_it_and_can_be_attached_again(whole, tiny):
    about, history = adapters.description(whole), pd.read_csv(whole / "history.csv")
    assert about.tuned["settings"]["steps"] == 2 and about.tuned["versions"]["trl"] and about.model == "tiny"
    assert {path.name for path in whole.iterdir()} == {"adapter.json", "adapter.safetensors", "history.csv"}
    assert history["step"].tolist() == [1, 2] and {"reward", "kl", "r_col", "r_dis", "r_fmt"} <= set(history)
    assert (history["reward"] - (history["r_col"] + history["r_dis"] / 2 + history["r_fmt"] / 5)).abs().max() < 1e-4
    again = adapters.weights(adapters.attached(load_model(tiny), tiny, whole))
    assert all((again[name].numpy() == value).all() for name, value in load_file(whole / adapters.WEIGHTS).items())


def test_a_killed_training_goes_on_to_the_same_bytes(whole, recorded, tiny, tmp_path, monkeypatch):
    asked, usual = [], CompletionRewards.__call__

    def killed(self, completions, row, **more):
        asked.append(row)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return usual(self, completions, row, **more)

    monkeypatch.setattr(CompletionRewards, "__call__", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(recorded, tiny, tmp_path)
    kept = tmp_path / "unfinished-key"
    assert (kept / "checkpoint-1").is_dir() and not (tmp_path / adapters.WEIGHTS).exists()
    (kept / "checkpoint-2").mkdir()  # what a kill in the midst of writing leaves
    trained(recorded, tiny, tmp_path)
    assert len(asked) == 3  # one step was left
    for name in (adapters.WEIGHTS, adapters.ABOUT):
        assert (whole / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_was_put_into_an_answer_is_no_choice_of_the_model(offline, recorded, tiny):
    """Labels and the end, which the parser prescribes, are left out of the objective; the rest is sampled."""
    from lib.papers.pte.profiling.sampling import SamplingLocal
    from lib.papers.pte.selection.rollouts import Rollouts

    parser, writer = recorded[2]["user"].parser, SamplingLocal(tiny, 0.9, 0.9)
    state = SimpleNamespace(deepspeed_plugin=None)
    accelerator = SimpleNamespace(device="cpu", state=state, unwrap_model=lambda model, **_: model)
    arguments = SimpleNamespace(gradient_checkpointing_kwargs=None)
    trainer = SimpleNamespace(accelerator=accelerator, args=arguments, model_wrapped=writer.model)
    prompts = ["Ask. Summary:", "Ask for more. Summary:"]
    found = Rollouts(writer, parser, SHORT.model_copy(update={"tokens": 250}))(prompts, trainer)
    decode = writer.tokenizer.decode
    assert [decode(ids) for ids in found["prompt_ids"]] == prompts
    for ids, mask in zip(found["completion_ids"], found["env_mask"], strict=True):
        put = decode([one for one, own in zip(ids, mask, strict=True) if not own])
        chosen = decode([one for one, own in zip(ids, mask, strict=True) if own])
        assert all(line in put for line in parser.lines[1:]) and put.endswith("<|end|>")
        assert chosen and not any(line in chosen for line in parser.lines[1:])


def test_a_prompt_beyond_the_context_is_told(offline, recorded, tmp_path):
    small = tiny_language_model.save(tmp_path / "small", context=64)
    with pytest.raises(UserError, match="a prompt of .* tokens and an answer of 24 are more than the 64 that tiny"):
        trained(recorded, small, tmp_path / "out")
