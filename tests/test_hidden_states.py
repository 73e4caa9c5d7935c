"""Text vectors from a causal language model's last states, against the model's own output one text at a time."""

import numpy as np
import pytest
import tiny_language_model as tiny
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from lib.core.errors import UserError
from lib.language import encoders, hidden_states
from lib.workflow import input_files

TEXTS = ["A desert.", "She rated these films: storm, harbour and the winter letter. " * 4, "", "No garden"]


@pytest.fixture(scope="module", params=[False, True], ids=["llama", "gpt2"])
def settings(request, tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("tiny"), gpt2=request.param)


def by_hand(settings, text, side="right", padding=0):
    """The mean over a text's tokens of the states after the last norm, with masked padding on a side if wished."""
    tokenizer, model = AutoTokenizer.from_pretrained(settings.model), AutoModel.from_pretrained(settings.model).eval()
    ids = tokenizer(text, add_special_tokens=False).input_ids
    empty, ones = [5] * padding, [1] * len(ids)
    left, right = (empty, []) if side == "left" else ([], empty)
    mask = torch.tensor([[0] * len(left) + ones + [0] * len(right)])
    places = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        out = model(input_ids=torch.tensor([left + ids + right]), attention_mask=mask, position_ids=places)
    return out.last_hidden_state[0][mask[0].bool()].double().mean(0).numpy()


def test_vectors_are_the_masked_mean_whatever_side_is_padded(settings):
    found = hidden_states.vectors(TEXTS, settings, normalise=False)
    assert found.dtype == np.float32 and not found[2].any()
    for index in (0, 1, 3):
        for side, padding in (("right", 0), ("right", 7), ("left", 7)):
            np.testing.assert_allclose(found[index], by_hand(settings, TEXTS[index], side, padding), atol=1e-5)


def test_they_are_what_the_output_head_reads(settings):
    found = hidden_states.vectors(["No"], settings, normalise=False)
    model = AutoModelForCausalLM.from_pretrained(settings.model).eval()
    ids = AutoTokenizer.from_pretrained(settings.model)("No", return_tensors="pt").input_ids
    assert ids.shape == (1, 1)
    with torch.no_grad():
        logits = model(ids).logits[0, -1]
        torch.testing.assert_close(model.get_output_embeddings()(torch.from_numpy(found[0])), logits)


def test_batches_do_not_count(settings, monkeypatch):
    texts = [" ".join(prompt) for prompt in tiny.prompts(20)]
    whole = hidden_states.vectors(texts, settings, normalise=False)
    monkeypatch.setattr(hidden_states, "BUDGET", 1)
    np.testing.assert_allclose(hidden_states.vectors(texts, settings, normalise=False), whole, atol=1e-5)


def test_a_first_token_is_read_but_not_counted(settings):
    """As Llama's tokenizer adds it."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    tokenizer = AutoTokenizer.from_pretrained(settings.model)
    inner, plain = tokenizer.backend_tokenizer, tokenizer("No garden").input_ids
    inner.post_processor = TemplateProcessing(single="<|start|> $A", special_tokens=[("<|start|>", 0)])
    folder = settings.model + "-first"
    PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<|start|>").save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(settings.model)
    model.save_pretrained(folder)
    found = hidden_states.vectors(["No garden", ""], settings.model_copy(update={"model": folder}), normalise=False)
    with torch.no_grad():
        states = model.eval().base_model(torch.tensor([[0, *plain]])).last_hidden_state[0]
    np.testing.assert_allclose(found[0], states[1:].mean(0), atol=1e-5)
    assert not found[1].any()


def test_as_an_encoder(settings, tmp_path, monkeypatch):
    chosen = encoders.EncoderSettings(name="h", kind="hidden", model=settings.model)
    found, about = encoders.encode(TEXTS[:2], chosen, tmp_path)
    expected = np.stack([by_hand(settings, text) for text in TEXTS[:2]])
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)
    assert about["pooling"] == "mean of last states" and about["normalised"] is True
    rounded, _ = encoders.encode(TEXTS[:2], chosen.model_copy(update={"precision": "bfloat16"}), tmp_path)
    assert 0 < np.abs(rounded - found).max() < 0.02
    monkeypatch.setattr(hidden_states, "vectors", lambda *_: pytest.fail("computed again"))
    again, _ = encoders.encode(TEXTS[:2], chosen, tmp_path)
    np.testing.assert_array_equal(again, found)


def test_the_settings_that_come_with_the_repository_name_a_language_model():
    chosen = encoders.settings("smollm2-hidden")
    assert (chosen.kind, encoders._language_model(chosen).name) == ("hidden", "smollm2")
    assert input_files.encoder_files("smollm2-hidden+shuffled") == [
        "params/encoders/smollm2-hidden.yaml",
        "params/language_models/smollm2.yaml",
        input_files.fetched("smollm2"),
    ]


@pytest.mark.parametrize(("model", "said"), [("smolm2", "did you mean 'smollm2'"), ("gpt-4o-mini", "an endpoint")])
def test_a_model_that_is_none_or_not_here(model, said, tmp_path):
    with pytest.raises(UserError, match=said):
        encoders.encode(["a"], encoders.EncoderSettings(name="h", kind="hidden", model=model), tmp_path)
