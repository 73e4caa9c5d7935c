"""The writer as the policy: what its completions are worth against loops, and TRL's training of a random tiny model.

The trainings need TRL, which is an extra (pip install -e '.[policy]') and does not ask the network for anything here.
"""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file
from test_pte_profiling_loop import encode, run, study

from lib import cli
from lib.core.errors import UserError
from lib.language.yes_no import adapters
from lib.papers.pte.profiling.contract import ProfileLines, serialised, written
from lib.papers.pte.selection import language_policy, language_policy_settings
from lib.papers.pte.selection import settings as selection_settings
from tests.support import tiny_language_model
from tests.support.mock_profiles import MockWriter

RULES = selection_settings.load()
HOW = language_policy_settings.load()
SHORT = HOW.model_copy(update={"steps": 2, "prompts": 2, "completions": 4, "tokens": 60, "learning_rate": 1e-3})
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
        assert not any(reward.titles[probe] in request.user for probe in reward.side.probes.hidden[row].indices)
        visible = reward.side.rewarded.shown[row].indices
        assert any(reward.titles[item] in request.user for item in visible)


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


# The training, by TRL


class AnyLines(ProfileLines):
    """Takes every reply, as a random model's are none: its words become the summary and one interest."""

    def parse(self, reply):
        return written({"summary": reply, self.fields[1].key: reply.split()[-1:]}, self.side)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A random model of two layers."""
    return tiny_language_model.save(tmp_path_factory.mktemp("tiny"), context=2048)


@pytest.fixture
def offline(monkeypatch):
    """TRL without network; skips where it is not installed."""
    pytest.importorskip("trl", reason="TRL is not installed: pip install -e '.[policy]'")
    monkeypatch.setattr("os.fsync", lambda handle: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def trained(recorded, tiny, folder, how=SHORT):
    """A training on three users whose replies all count; the adapter's matrices."""
    _, _, tasks = recorded
    task = tasks["user"]
    parser = AnyLines("user", task.parser.lines)
    reward = language_policy.CompletionRewards(
        task.reward.side, task.reward.references, parser, task.reward.titles, encode, RULES.reward
    )
    todo = language_policy.Task(task.requests[:3], parser, reward)
    said = language_policy.tune(todo, tiny, how, folder, "key")
    assert said.endswith(f"written: {folder}")
    return load_file(folder / adapters.WEIGHTS)


@pytest.mark.parametrize("package", ["trl"])
def test_two_steps_move_the_adapter_and_the_same_seed_gives_the_same_bytes(offline, recorded, tiny, tmp_path, package):
    first = trained(recorded, tiny, tmp_path / "one")
    moved = {name: value for name, value in first.items() if "lora_B" in name}
    assert len(moved) == 4 and all(np.abs(value).max() > 1e-5 for value in moved.values())  # they start as zeros
    trained(recorded, tiny, tmp_path / "two")
    one, two = ((tmp_path / place / adapters.WEIGHTS).read_bytes() for place in ("one", "two"))
    assert one == two
    other = trained(recorded, tiny, tmp_path / "three", SHORT.model_copy(update={"seed": 7}))
    assert any((first[name] != other[name]).any() for name in first)
    about = adapters.description(tmp_path / "one")
    assert about.tuned["settings"]["steps"] == 2 and about.tuned["versions"]["trl"] and about.model == "tiny"
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "adapter.json", "adapter.safetensors", "history.csv",
    ]  # fmt: skip


def test_a_killed_training_goes_on_to_the_same_bytes(offline, recorded, tiny, tmp_path, monkeypatch):
    how = SHORT.model_copy(update={"steps": 3})
    trained(recorded, tiny, tmp_path / "whole", how)
    asked, usual = [], language_policy.CompletionRewards.__call__

    def killed(self, completions, row, **more):
        asked.append(row)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return usual(self, completions, row, **more)

    monkeypatch.setattr(language_policy.CompletionRewards, "__call__", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(recorded, tiny, tmp_path / "cut", how)
    assert (tmp_path / "cut" / "unfinished-key" / "checkpoint-2").is_dir()
    trained(recorded, tiny, tmp_path / "cut", how)
    assert len(asked) == 4  # one step was left
    whole, cut = ((tmp_path / place / adapters.WEIGHTS).read_bytes() for place in ("whole", "cut"))
    assert whole == cut
    assert len((tmp_path / "cut" / "history.csv").read_text().splitlines()) == 4


def test_what_was_put_into_an_answer_is_no_choice_of_the_model(offline, recorded, tiny):
    """Labels and the end, which the parser prescribes, are left out of the objective; the rest is sampled."""
    from trl.models import utils  # noqa: F401  (that the version has what rollouts import)

    from lib.papers.pte.profiling.sampling import SamplingLocal
    from lib.papers.pte.selection.rollouts import Rollouts

    task = recorded[2]["user"]
    writer = SamplingLocal(tiny, 0.9, 0.9)
    trainer = SimpleNamespace(
        accelerator=SimpleNamespace(device="cpu", unwrap_model=lambda model, **_: model, state=Counter()),
        args=SimpleNamespace(gradient_checkpointing_kwargs=None), model_wrapped=writer.model,
    )  # fmt: skip
    trainer.accelerator.state = SimpleNamespace(deepspeed_plugin=None)
    how = SHORT.model_copy(update={"tokens": 250})
    found = Rollouts(writer, task.parser, how)(["Ask. Summary:", "Ask for more. Summary:"], trainer)
    assert [writer.tokenizer.decode(ids) for ids in found["prompt_ids"]] == ["Ask. Summary:", "Ask for more. Summary:"]
    for ids, mask in zip(found["completion_ids"], found["env_mask"], strict=True):
        put = writer.tokenizer.decode([one for one, own in zip(ids, mask, strict=True) if not own])
        assert all(line in put for line in task.parser.lines[1:]) and put.endswith("<|end|>")
        chosen = writer.tokenizer.decode([one for one, own in zip(ids, mask, strict=True) if own])
        assert chosen and not any(line in chosen for line in task.parser.lines[1:])


def test_a_prompt_beyond_the_context_is_told(offline, recorded, tmp_path):
    small = tiny_language_model.save(tmp_path / "small", context=64)
    with pytest.raises(UserError, match="a prompt of .* tokens and an answer of 60 are more than the 64 that tiny"):
        trained(recorded, small, tmp_path / "out")
