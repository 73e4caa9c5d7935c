"""Scores of Yes and No against a plain loop over transformers; memory that ends; what is on record and for whom."""

import json

import numpy as np
import pytest
import tiny_language_model as tiny
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, modeling_gguf_pytorch_utils

from lib.core.errors import UserError
from lib.language.yes_no import causal_model, token_batches
from lib.language.yes_no.prompts_as_tokens import Prompt, Tokens
from lib.language.yes_no.recorded_scores import RecordedScores
from lib.language.yes_no.scorer import Scorer, Scores


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("tiny"))


def plain(settings, prompts, answers=("Yes", "No"), cue=""):
    """z_yes, z_no and p_legacy by the book: one prompt at a time, all logits, sums of log-probabilities if need be."""
    tokenizer = AutoTokenizer.from_pretrained(settings.model)
    model = AutoModelForCausalLM.from_pretrained(settings.model).eval()
    rows = []
    for system, user in prompts:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        text = f"{system}\n\n{user}\nAnswer:"
        if tokenizer.chat_template:
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False).input_ids
        found = []
        for answer in answers:
            own = tokenizer(cue + answer, add_special_tokens=False).input_ids
            with torch.no_grad():
                logits = model(torch.tensor([ids + own])).logits[0].float()
            places = range(len(ids) - 1, len(ids) + len(own) - 1)
            logs = sum(logits[place].log_softmax(0)[token] for place, token in zip(places, own, strict=True))
            found.append((logits[len(ids) - 1, own[0]] if len(own) == 1 else logs, logs.exp()))
        (z_yes, p_yes), (z_no, p_no) = found
        rows.append([z_yes, z_no, torch.sigmoid(p_yes - p_no)])
    return np.array(rows, np.float32).T


def as_rows(scores: Scores):
    return np.stack([scores.z_yes, scores.z_no, scores.p_legacy])


@pytest.mark.parametrize("budget", [1, 200, 10**6])
def test_scores_are_those_of_a_plain_loop(settings, budget):
    """Whatever shares a batch, so neither order nor padding counts."""
    prompts = tiny.prompts(20)
    found = Scorer(settings, budget=budget).score(prompts)
    np.testing.assert_allclose(as_rows(found), plain(settings, prompts), atol=1e-5)
    assert found.z_yes.dtype == np.float32
    np.testing.assert_allclose(found.p, 1 / (1 + np.exp(-(found.z_yes - found.z_no))), atol=1e-6)
    assert ((found.p_legacy > 0.2689) & (found.p_legacy < 0.7311)).all()


@pytest.mark.parametrize("how", [{"single": False}, {"chat": False}, {"gpt2": True}, {"gpt2": True, "chat": False}])
def test_scores_of_other_models(tmp_path, how):
    """Answers of several tokens, models without a chat template, learnt positions."""
    settings, prompts = tiny.save(tmp_path, context=512, **how), tiny.prompts(7)
    cue = "" if how.get("chat", True) else " "
    scorer = Scorer(settings, budget=300)
    assert max(map(len, scorer.answers)) == (1 if how.get("single", True) else 3)
    np.testing.assert_allclose(as_rows(scorer.score(prompts)), plain(settings, prompts, cue=cue), atol=1e-5)


def test_only_the_last_position_goes_through_the_output_head(settings):
    scorer, seen = Scorer(settings), []
    scorer.model.lm_head.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[:-1]))
    scorer.score(tiny.prompts(6))
    assert seen == [(6,)]


def test_weights_are_read_without_a_bar_and_others_have_theirs(settings, monkeypatch, capsys):
    usual, load = modeling_gguf_pytorch_utils.tqdm, causal_model.load

    def read(*given):
        assert [*modeling_gguf_pytorch_utils.tqdm([1, 2], desc="Converting")] == [1, 2]
        return load(*given)

    monkeypatch.setattr(causal_model, "load", read)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    Scorer(settings)
    assert "Converting" not in capsys.readouterr().err
    monkeypatch.setattr(causal_model, "load", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Scorer(settings)
    assert modeling_gguf_pytorch_utils.tqdm is usual


def test_bfloat16_is_near(settings):
    prompts = tiny.prompts(10)
    exact, rounded = (Scorer(settings, precision=name).score(prompts) for name in ("float32", "bfloat16"))
    assert 0 < np.abs(exact.p - rounded.p).max() < 0.05
    # the output head is not rounded, or scores of a real model would have steps of an eighth
    assert (torch.from_numpy(rounded.z_yes).bfloat16().float().numpy() != rounded.z_yes).all()


def test_equal_answers_are_one_sentence(settings):
    with pytest.raises(UserError, match="same tokens for 'Yes' and 'Yes'"):
        Scorer(settings, answers=("Yes", "Yes"))


def test_a_prompt_longer_than_the_context(settings):
    scorer = Scorer(settings)
    assert scorer.context_length == 256
    long = Prompt("You know films.", "harbour " * 250)
    count = Tokens(settings).count([long])[0]
    assert count == len(plain_ids(settings, long))
    with pytest.raises(UserError, match=rf"1 of 2 prompts do not fit into the 256 .* \(the longest has {count}\)"):
        scorer.score([*tiny.prompts(1), long])


def plain_ids(settings, prompt):
    messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
    tokenizer = AutoTokenizer.from_pretrained(settings.model)
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True).input_ids


def test_a_template_that_refuses_a_system_turn(tmp_path):
    settings = tiny.save(tmp_path)
    tokens = Tokens(settings)
    refuse = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    tokens.tokenizer.chat_template = refuse + tiny.TEMPLATE
    assert tokens.text(Prompt("A.", "B?")) == "<|start|>user\nA.\n\nB?<|end|>\n<|start|>assistant\n"


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), RuntimeError("x not enough memory: y")])
def test_batches_halve_where_memory_ends(settings, monkeypatch, error):
    prompts, real, sizes = tiny.prompts(20), causal_model.next_token_scores, []

    def narrow(model, sequences, places):
        sizes.append(len(sequences))
        if len(sequences) > 3:
            raise error
        return real(model, sequences, places)

    monkeypatch.setattr(causal_model, "next_token_scores", narrow)
    with pytest.warns(UserWarning, match="out of memory with .* prompts .* half as many") as said:
        found = Scorer(settings).score(prompts)
    assert [str(one.message).split()[4] for one in said] == ["20", "10", "5"]
    np.testing.assert_allclose(as_rows(found), plain(settings, prompts), atol=1e-5)
    assert sum(size for size in sizes if size <= 3) == 20


def test_memory_for_not_even_one_prompt(settings, monkeypatch):
    def none(*_):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(causal_model, "next_token_scores", none)
    with pytest.raises(UserError, match="not enough memory for a prompt of"), pytest.warns(UserWarning):
        Scorer(settings).score(tiny.prompts(2))


def test_other_errors_are_not_taken_for_a_want_of_memory():
    def broken(_):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(token_batches.Memory(1).batches([1], broken))


def test_batches_stay_within_their_budget():
    lengths = np.random.default_rng(0).integers(5, 60, 200).tolist()
    batches = token_batches.by_length(lengths, 256)
    assert sorted(index for batch in batches for index in batch) == list(range(200))
    assert all(len(batch) * max(lengths[index] for index in batch) <= 256 for batch in batches)
    flat = [lengths[index] for batch in batches for index in batch]
    assert flat == sorted(lengths, reverse=True)
    padding = sum(max(lengths[i] for i in batch) * len(batch) for batch in batches) / sum(lengths)
    assert padding < 1.1


# Recordings


def test_what_is_recorded_is_found_again_and_asked_once(settings, tmp_path, monkeypatch):
    *prompts, new = tiny.prompts(13)
    record = RecordedScores(tmp_path, settings, command="make recording")
    with pytest.raises(UserError, match="no recorded score .* for 12 of 12 prompts: .* run make recording"):
        record.lookup(prompts)
    live = Scorer(settings)
    record.record([*prompts, prompts[0]], live)
    np.testing.assert_allclose(as_rows(record.lookup(prompts[::-1])), as_rows(live.score(prompts))[:, ::-1], atol=1e-5)
    monkeypatch.setattr(Scorer, "in_batches", lambda *_: pytest.fail("asked again"))
    before = record.path.read_bytes()
    record.record(prompts, live)
    assert record.path.read_bytes() == before
    assert record.missing([*prompts, new]) == [new]
    with pytest.raises(UserError, match="for 1 of 13 prompts"):
        record.lookup([*prompts, new])
    assert len(list(record.path.parent.iterdir())) == 1  # nothing waits


def test_one_sign_more_is_another_prompt(settings, tmp_path):
    record = RecordedScores(tmp_path, settings)
    record.record([Prompt("A", "B")], Scorer(settings))
    for other in (Prompt("A", "B "), Prompt("AB", ""), Prompt("", "AB")):
        with pytest.raises(UserError, match="1 of 1"):
            record.lookup([other])


def test_a_killed_recording_goes_on(settings, tmp_path):
    """After two batches, and with the third half-written."""
    prompts, scorer = tiny.prompts(30), Scorer(settings, budget=150)
    record, real, asked = RecordedScores(tmp_path, settings), scorer.in_batches, []

    def dying(wanted):
        for count, (indices, scores) in enumerate(real(wanted)):
            if count == 2:
                raise KeyboardInterrupt
            asked.extend(wanted[index] for index in indices)
            yield indices, scores

    scorer.in_batches = dying
    with pytest.raises(KeyboardInterrupt):
        record.record(prompts, scorer)
    (waiting,) = record.path.parent.glob("*/scores.jsonl")
    with open(waiting, "a") as file:
        file.write(json.dumps([prompts[0].key.hex(), 1.0, 2.0, 0.5])[:-9])
    first = list(asked)
    assert 0 < len(first) < 30
    assert not record.path.exists()

    def rest(wanted):
        assert set(wanted) == set(prompts) - set(first)
        return real(wanted)

    scorer.in_batches = rest
    record.record(prompts, scorer)
    np.testing.assert_allclose(as_rows(record.lookup(prompts)), plain(settings, prompts), atol=1e-5)


def test_live_asks_everything_again(settings, tmp_path):
    prompts, scorer = tiny.prompts(4), Scorer(settings)
    record = RecordedScores(tmp_path, settings)
    record.record(prompts, scorer)
    zeros = np.zeros(4, np.float32)
    scorer.in_batches = lambda wanted: iter([(list(range(4)), Scores(zeros, zeros, zeros))])
    record.record(prompts, scorer, live=True)
    assert not as_rows(record.lookup(prompts)).any()


def test_scores_of_another_model_or_precision_are_not_used(settings, tmp_path):
    prompts = tiny.prompts(3)
    RecordedScores(tmp_path / "r", settings).record(prompts, Scorer(settings))
    other = tiny.save(tmp_path / "other", seed=1)
    with pytest.raises(UserError, match="3 of 3 prompts: the record in .* is of another model: run"):
        RecordedScores(tmp_path / "r", other).lookup(prompts)
    with pytest.raises(UserError, match="3 of 3 prompts"):
        RecordedScores(tmp_path / "r", settings, precision="bfloat16").lookup(prompts)
    mine = RecordedScores(tmp_path / "r", settings)
    with pytest.raises(ValueError, match="not of this recording"):
        mine.record(tiny.prompts(4), Scorer(other))
    mine.path.write_bytes(b"PAR1")
    with pytest.raises(UserError, match="cannot be read"):
        mine.lookup(prompts)


def test_verification_tells_true_scores_from_false_ones(settings, tmp_path):
    prompts, scorer = tiny.prompts(10), Scorer(settings)
    record = RecordedScores(tmp_path, settings)
    record.record(prompts, scorer)
    found = record.verify(prompts, Scorer(settings, budget=1), count=6)
    assert (found.prompts, found.agrees) == (6, True)
    scores = scorer.score(prompts)
    wrong = Scores(scores.z_yes + 0.1, scores.z_no, scores.p_legacy)
    scorer.in_batches = lambda wanted: iter([(list(range(10)), wrong)])
    record.record(prompts, scorer, live=True)
    assert not record.verify(prompts, Scorer(settings), count=6).agrees
