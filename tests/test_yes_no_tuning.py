"""An adapter learns what a plain training loop would teach it, changes nothing else, and survives kills bit for bit."""

import json

import numpy as np
import pandas as pd
import pytest
import tiny_language_model as tiny
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from lib.core.errors import UserError
from lib.language.yes_no import adapters, causal_model, tuning, tuning_state
from lib.language.yes_no.adapters import AdapterSettings
from lib.language.yes_no.recorded_scores import RecordedScores
from lib.language.yes_no.scorer import Scorer
from lib.language.yes_no.tuning import Example, Learning, TuningSettings, tune


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("tiny"))


def examples(count, seed=0):
    """Those about deserts are liked."""
    prompts = tiny.prompts(count, seed)
    return [Example(*prompt, "Yes." if "desert" in prompt.user else "No.") for prompt in prompts]


def how(**changes):
    values = dict(batch_size=8, epochs=3, learning_rate=0.01, adapter=AdapterSettings(dropout=0.1))
    return TuningSettings(**values | changes)


def plain_loss(model, settings, chosen):
    """Mean loss of answer and end, one example at a time with all logits, labels of the prompt masked by hand."""
    tokenizer = AutoTokenizer.from_pretrained(settings.model)
    total, count = 0, 0
    for system, user, answer in chosen:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True).input_ids
        own = [*tokenizer(answer, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
        labels = torch.tensor([[-100] * len(ids) + own])
        found = model(input_ids=torch.tensor([ids + own]), labels=labels).loss
        total, count = total + found * len(own), count + len(own)
    return total / count


@pytest.mark.parametrize("budget", [1, 300, 10**6])
def test_a_step_is_that_of_a_plain_loop(settings, budget):
    """The same loss and, since AdamW follows, the same adapter as transformers' masked labels and backward()."""
    chosen, quiet = examples(9), how(adapter=AdapterSettings(dropout=0))
    learning, other = Learning(settings, quiet, budget=budget), Learning(settings, quiet)
    loss = learning.step(0, 3, learning.encoded(chosen), lambda _: None)
    expected = plain_loss(other.model.train(), settings, chosen)
    assert loss == pytest.approx(expected.item(), abs=1e-5)
    expected.backward()
    torch.nn.utils.clip_grad_norm_(other.parameters, 1.0)
    torch.optim.AdamW(other.parameters, lr=0.01, weight_decay=0).step()
    for ours, theirs in zip(learning.parameters, other.parameters, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=1e-3)
    second = learning.step(1, 3, learning.encoded(chosen), lambda _: None)
    assert second == pytest.approx(plain_loss(other.model, settings, chosen).item(), abs=1e-4)
    assert second < loss


def test_exactly_answer_and_end_are_learnt(settings):
    learning = Learning(settings, how())
    (tokens, count), tokenizer = learning.encoded(examples(1))[0], learning.tokens.tokenizer
    assert tokenizer.decode(tokens[-count:]) in ("Yes.<|end|>", "No.<|end|>")
    assert tokenizer.decode(tokens[:-count]) == learning.tokens.text(tiny.prompts(1)[0])
    assert tokens.count(tokenizer.bos_token_id) == 3  # system, user, assistant: none is doubled


def test_only_the_adapter_changes_and_only_answers_reach_the_output_head(settings):
    learning, seen = Learning(settings, how()), []
    learning.model.get_output_embeddings().register_forward_hook(lambda *found: seen.append(found[2].shape[0]))
    before = {name: value.clone() for name, value in learning.model.state_dict().items()}
    learning.step(0, 1, learning.encoded(examples(5)), lambda _: None)
    changed = {name for name, value in learning.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(".lora_" in name for name in changed)
    assert {name.split(".")[-4] for name in changed} == {"q_proj", "v_proj"}
    assert seen == [5 * 3]


def test_it_learns_and_the_scorer_reads_what_was_learnt(settings, tmp_path):
    told, chosen = tiny.prompts(40, seed=1), examples(60)
    about = tune(settings, chosen, chosen, how(epochs=12, adapter=AdapterSettings(rank=8)), tmp_path / "a")
    history = pd.read_csv(tmp_path / "a" / "history.csv")
    losses = history.validation_loss.dropna()
    assert losses.iloc[-1] < 0.7 * losses.iloc[0]
    assert history.validation_auc.dropna().iloc[-1] > history.validation_auc.iloc[0] + 0.2
    assert about.tuned["validation_loss"] == losses.min()
    assert history.step.tolist() == list(range(12 * 8 + 1))
    # against peft's own way, beside the weights and not added to them
    wrapped = adapters.attached(AutoModelForCausalLM.from_pretrained(settings.model), settings, tmp_path / "a").eval()
    tuned, untuned = Scorer(settings, tmp_path / "a"), Scorer(settings)
    sequences = tuned.tokens.of_prompts(told)
    with torch.no_grad():
        logits = torch.stack([wrapped(torch.tensor([one])).logits[0, -1] for one in sequences])
    found = tuned.score(told)
    np.testing.assert_allclose(found.z_yes, logits[:, tuned.answers[0][0]], atol=1e-4)
    assert np.abs(found.p - untuned.score(told).p).max() > 0.1
    # the adapter on disk is that of the lowest loss
    lowest = plain_loss(wrapped, settings, chosen).item()
    assert lowest == pytest.approx(losses.min(), abs=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_killed_tuning_goes_on_to_the_same_bits(settings, tmp_path, monkeypatch, precision):
    """Killed inside a step, inside a validation and while the state is written."""
    arguments = settings, examples(20), examples(9, seed=1), how(precision=precision)
    tune(*arguments, tmp_path / "whole")
    real, calls = causal_model.next_token_scores, []

    def dying(*inputs):
        calls.append(1)
        if len(calls) in (3, 9, 14):
            raise KeyboardInterrupt
        return real(*inputs)

    monkeypatch.setattr(causal_model, "next_token_scores", dying)
    kills = 0
    for _ in range(9):
        try:
            tune(*arguments, tmp_path / "killed", budget=2048)
            break
        except KeyboardInterrupt:
            kills += 1
    assert kills == 3
    for name in ("adapter.safetensors", "history.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        "adapter.json",
        "adapter.safetensors",
        "history.csv",
    ]


def test_it_goes_on_and_does_not_start_again(settings, tmp_path, monkeypatch):
    arguments = settings, examples(20), examples(9, seed=1), how()
    real, steps = Learning.step, []

    def dying(self, number, *rest):
        steps.append(number)
        if len(steps) == 5:
            raise KeyboardInterrupt
        return real(self, number, *rest)

    monkeypatch.setattr(Learning, "step", dying)
    with pytest.raises(KeyboardInterrupt):
        tune(*arguments, tmp_path)
    tune(*arguments, tmp_path)
    assert steps == [0, 1, 2, 3, 4, 4, 5, 6, 7, 8]
    monkeypatch.setattr(tuning, "Learning", lambda *_: pytest.fail("tuned again"))
    assert tune(*arguments, tmp_path) == adapters.description(tmp_path)


def test_it_ends_when_validation_gets_no_better(settings, tmp_path, monkeypatch):
    losses = iter([3.0, 2.0, 1.0, 1.5, 1.25, 0.1])
    seen = []

    def validate(self, *_):
        seen.append([parameter.detach().clone() for parameter in self.parameters])
        return next(losses), 0.5

    monkeypatch.setattr(Learning, "validate", validate)
    about = tune(settings, examples(8), examples(3), how(epochs=20, patience=2), tmp_path)
    assert (about.tuned["steps"], about.tuned["best_step"], len(seen)) == (4, 2, 5)
    kept = load_file(tmp_path / "adapter.safetensors")
    assert {value.sum().item() for value in kept.values()} == {value.sum().item() for value in seen[2]}


def test_memory_that_ends_changes_no_gradient(settings, monkeypatch):
    chosen, quiet = examples(12), how(adapter=AdapterSettings(dropout=0))
    whole, narrow = Learning(settings, quiet), Learning(settings, quiet)
    whole.step(0, 1, whole.encoded(chosen), lambda _: None)
    real = torch.autograd.grad

    def failing(loss, parameters):
        found = real(loss, parameters)
        if narrow.memory.budget > 300:
            raise torch.OutOfMemoryError("full")
        return found

    monkeypatch.setattr(torch.autograd, "grad", failing)
    with pytest.warns(UserWarning, match="out of memory"):
        narrow.step(0, 1, narrow.encoded(chosen), lambda _: None)
    for ours, theirs in zip(narrow.parameters, whole.parameters, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=1e-3)


def test_validation_is_a_plain_loop_without_dropout(settings):
    from sklearn.metrics import roc_auc_score

    learning, chosen = Learning(settings, how(adapter=AdapterSettings(dropout=0.5)), budget=200), examples(20)
    loss, auc = learning.validate(learning.encoded(chosen), lambda _: None)
    plain = AutoModelForCausalLM.from_pretrained(settings.model)
    with torch.no_grad():
        assert loss == pytest.approx(plain_loss(plain, settings, chosen).item(), abs=1e-5)
    said = Scorer(settings).score(tiny.prompts(20)).p
    assert auc == pytest.approx(roc_auc_score([one.answer == "Yes." for one in chosen], said))
    only = [one for one in chosen if one.answer == "No."]
    assert np.isnan(learning.validate(learning.encoded(only), lambda _: None)[1])


# Adapters


@pytest.fixture(scope="module")
def tuned(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    tune(settings, examples(8), examples(4), how(epochs=1), folder)
    return folder


def test_an_adapter_for_another_model_is_one_sentence(tuned, tmp_path):
    other = tiny.save(tmp_path, seed=1)
    with pytest.raises(UserError, match="is for another model .* tune one for this model"):
        Scorer(other, tuned)


@pytest.mark.parametrize("gpt2", [False, True])
def test_an_adapter_is_small_and_names_no_place_on_this_machine(tmp_path, gpt2):
    settings = tiny.save(tmp_path / "model", gpt2=gpt2)
    tune(settings, examples(8), examples(4), how(epochs=1), tmp_path / "adapter")
    content = json.loads((tmp_path / "adapter" / "adapter.json").read_text())
    assert str(tmp_path) not in json.dumps(content)
    kept = load_file(tmp_path / "adapter" / "adapter.safetensors")
    # two layers; GPT-2 has four linear layers in each, none called q_proj
    assert len(kept) == 2 * 2 * (4 if gpt2 else 2)
    assert np.isfinite(Scorer(settings, tmp_path / "adapter").score(tiny.prompts(3)).p).all()


def test_no_layer_of_that_name(settings):
    with pytest.raises(UserError, match="no adapter for nowhere"):
        Learning(settings, how(adapter=AdapterSettings(targets=["nowhere"])))


@pytest.mark.parametrize("damage", ["no folder", "no weights", "half the weights", "other layers", "no description"])
def test_damaged_adapters_are_one_sentence(settings, tuned, tmp_path, damage):
    folder = tmp_path / "a"
    if damage != "no folder":
        matrices, about = load_file(tuned / "adapter.safetensors"), json.loads((tuned / "adapter.json").read_text())
        if damage == "other layers":
            matrices = {name.replace("q_proj", "k_proj"): value for name, value in matrices.items()}
        adapters.save(folder, matrices, how().adapter, settings, about["tuned"])
        content = (folder / "adapter.safetensors").read_bytes()
        if damage == "no weights":
            (folder / "adapter.safetensors").unlink()
        if damage == "half the weights":
            (folder / "adapter.safetensors").write_bytes(content[: len(content) // 2])
        if damage == "no description":
            (folder / "adapter.json").write_text("[]")
    with pytest.raises(UserError, match="tune"):
        Scorer(settings, folder)


def test_scores_of_another_adapter_are_not_used(settings, tuned, tmp_path):
    prompts = tiny.prompts(3)
    RecordedScores(tmp_path, settings, tuned).record(prompts)
    assert len(RecordedScores(tmp_path, settings, tuned).lookup(prompts)) == 3
    with pytest.raises(UserError, match=r"untuned.*3 of 3"):
        RecordedScores(tmp_path, settings).lookup(prompts)
    other = tmp_path / tuned.name
    tune(settings, examples(8), examples(4), how(epochs=1, seed=1), other)
    with pytest.raises(UserError, match="the record in .* is of another adapter"):
        RecordedScores(tmp_path, settings, other).lookup(prompts)


def test_examples_that_are_too_long_or_none(settings, tmp_path):
    with pytest.raises(UserError, match="does not fit into the 256 tokens"):
        tune(settings, [Example("", "harbour " * 300, "Yes.")], examples(1), how(), tmp_path)
    with pytest.raises(UserError, match="at least one example"):
        tune(settings, [], examples(1), how(), tmp_path)


def test_a_damaged_state_starts_again(tmp_path):
    (tmp_path / "state.safetensors").write_bytes(b"half")
    assert tuning_state.load(tmp_path / "state.safetensors", [], None) == tuning_state.State()
