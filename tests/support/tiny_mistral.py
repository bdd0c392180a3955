"""A Mistral checkpoint of random weights, small enough to make in a test: printable text, the same at every making."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message.role == 'user' %}[INST] {{ message.content }} [/INST]"
    "{% elif message.role == 'assistant' %}{{ message.content }}{{ eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant messages.') }}{% endif %}{% endfor %}"
)
SPECIAL_TOKENS = ["<unk>", "<s>", "</s>"]
ALPHABET = [*string.ascii_letters, *string.digits, *string.punctuation, "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}"]


def save_tiny_mistral(folder: Path, chat_template: str | None = CHAT_TEMPLATE, **config: Any) -> Path:
    """Write the checkpoint into a folder and return the folder; `config` changes what MistralConfig is given."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(), unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    tokenizer.chat_template = chat_template
    tokenizer.save_pretrained(folder)
    _model(len(tokenizer), config).save_pretrained(folder)
    return folder


def change_json(path: Path, **changes: Any) -> None:
    """Change members of a JSON file; None removes one."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(special_tokens=SPECIAL_TOKENS, initial_alphabet=ALPHABET, show_progress=False)
    tokenizer.train_from_iterator([], trainer)
    return tokenizer


def _model(vocabulary: int, config: dict[str, Any]) -> MistralForCausalLM:
    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "initializer_range": 0.5,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    torch.manual_seed(7)
    return MistralForCausalLM(MistralConfig(**sizes | config))
