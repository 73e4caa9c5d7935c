"""A causal language model of two layers with random weights and its own tokenizer, saved as real ones are."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lib.language.llm.language_models import LocalModel
from lib.language.yes_no.prompts_as_tokens import Prompt

TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message.role }}\n{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
WORDS = "She rated these films: storm, harbour, desert, winter, letter, garden. Would she like it? Answer: Yes. No."


def save(folder, seed=0, chat=True, single=True, gpt2=False, context=256) -> LocalModel:
    """Write a model and its tokenizer into `folder`; settings that name it.

    With `single` Yes and No are one token each, else every letter is one. `gpt2` has learnt positions and other names
    of layers.
    """
    tokenizer = _tokenizer(chat, single)
    tokenizer.save_pretrained(folder)
    sizes = dict(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if gpt2:
            model = GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=context, **sizes))
        else:
            heads = dict(num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=context)
            shape = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, initializer_range=0.2)
            model = LlamaForCausalLM(LlamaConfig(**sizes, **heads, **shape, tie_word_embeddings=True))
    model.save_pretrained(folder)
    return LocalModel(name="tiny", writer="local", model=str(folder))


def prompts(count: int, seed=0) -> list[Prompt]:
    """Questions of different lengths, no two the same."""
    generator = torch.Generator().manual_seed(seed)
    words = WORDS.split()
    lengths = torch.randint(3, 40, (count,), generator=generator)
    picks = [torch.randint(len(words), (length,), generator=generator) for length in lengths.tolist()]
    return [
        Prompt("You know films.", f"{index}: {' '.join(words[i] for i in own)} Would she?")
        for index, own in enumerate(picks)
    ]


def _tokenizer(chat: bool, single: bool) -> PreTrainedTokenizerFast:
    learnt = Tokenizer(models.BPE())
    learnt.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learnt.decoder = decoders.ByteLevel()
    special = ["<|start|>", "<|end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400 if single else len(alphabet) + 2, special_tokens=special, initial_alphabet=alphabet
    )
    learnt.train_from_iterator([WORDS, "Yes\nNo\nYes.\nNo.", " Yes No"] * 50, trainer)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=learnt, bos_token="<|start|>", eos_token="<|end|>")
    wrapped.chat_template = TEMPLATE if chat else None
    return wrapped
