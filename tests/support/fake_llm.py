"""Language models that cost nothing, and a question that has nothing to do with profiles."""

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lib.language.llm import language_models
from lib.language.llm.request_and_answer import Parser, Request

SMOLLM2 = language_models.load("smollm2")


class Echo:
    """A writer that answers with the fallback text; interrupts itself after `limit` answers."""

    settings = SMOLLM2

    def __init__(self, limit=10**9):
        self.asked, self.limit = [], limit

    def write(self, requests, parser):
        for request in requests:
            if len(self.asked) == self.limit:
                raise KeyboardInterrupt
            self.asked.append(request)
            yield request.answered(f"Echo of {request.fallback}", "ok")


class YesOrNo(Parser):
    """Takes a single word."""

    form = "yes or no"
    stop = "!"
    unwanted = ("maybe!",)

    def parse(self, reply):
        word = (reply or "").strip(" .!").lower()
        if word not in ("yes", "no"):
            raise ValueError("this is neither yes nor no")
        return word


def pairs(count: int) -> list[Request]:
    """Whether a user will like an item, asked `count` times."""
    system, fallback = "You know what people like.", "no"
    ask = [f"Will user {index} like item {index}?" for index in range(count)]
    return [Request("pair", index, system, ask[index], "", fallback, version=1) for index in range(count)]


class TinyTokenizer(PreTrainedTokenizerFast):
    """Its words are the given ones, of which the last two end a text and stand for all others; `seen` is what came."""

    def __init__(self, words: list[str]):
        known = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token=words[-1]))
        known.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        super().__init__(tokenizer_object=known, eos_token=words[-2], unk_token=words[-1])
        self.chat_template = "{% for message in messages %}{{ message.content }} {% endfor %}"
        self.seen = []

    def __call__(self, texts, **how):
        self.seen += texts
        return super().__call__(texts, **how)


def tiny_model(words: int):
    """A transformer that likes all its words equally: greedy decoding writes the first one that is allowed."""
    size = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=words, bos_token_id=None, eos_token_id=words - 2, **size))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model.eval()
