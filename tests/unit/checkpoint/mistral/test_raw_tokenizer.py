"""The converted tokenizers against Mistral's own encoder."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import mistral_common
import pytest
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from transformers import AutoTokenizer

from include.checkpoint.errors import RawTokenizerError
from include.checkpoint.mistral.raw_tokenizer import files_of_tekken, tokenizer_files

DATA = Path(mistral_common.__file__).parent / "data"
FILES = {
    "v1": ("tokenizer.model.v1", "tokenizer.model"),
    "v2": ("mistral_instruct_tokenizer_240216.model.v2", "tokenizer.model"),
    "v3": ("mistral_instruct_tokenizer_240323.model.v3", "tokenizer.model.v3"),
    "v7": ("mistral_instruct_tokenizer_241114.model.v7", "tokenizer.model.v7"),
    "tekken": ("tekken_240911.json", "tekken.json"),
}
TEXTS = (
    "Hello",
    " Hi there\n\n  x",
    "a  b\tc\r\n",
    " ",
    "1234567 + 89 don't I'LL",
    "naïve café — “quotes” …",
    "你好,世界。こんにちは 안녕하세요",
    "Привет, мир! مرحبا שלום",
    "😀👩‍👩‍👧 e\u0301 \u200b zero width",
    "def f(x):\n\treturn x  # ok\n\n\n",
    '{"a": [1, 2.5e-3], "b": null}',
    "https://example.org/?q=a%20b&c=d",
    "x" * 300,
)  # fmt: skip
CHATS: tuple[list[tuple[str, str]], ...] = (
    [("user", "Hi")],
    [("user", "Hi"), ("assistant", "yo man"), ("user", " x ")],
    [("system", "Be brief."), ("user", "Hi"), ("assistant", " yo "), ("user", "x\n")],
    [("system", "Be brief."), ("user", "What is the capital of Norway?")],
)
ROLES = {"system": SystemMessage, "user": UserMessage, "assistant": AssistantMessage}


@pytest.fixture(scope="module", params=FILES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Our tokenizer as 4.51.3 loads it, and Mistral's own."""
    source, name = FILES[request.param]
    raw, converted = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("converted")
    shutil.copy(DATA / source, raw / name)
    files, _ = tokenizer_files(raw)
    for file, data in files.items():
        (converted / file).write_bytes(data)
    return AutoTokenizer.from_pretrained(converted), MistralTokenizer.from_file(str(DATA / source))


def test_text_has_the_tokens_that_mistral_common_gives(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    encode = theirs.instruct_tokenizer.tokenizer.encode
    assert [ours.encode(text) for text in TEXTS] == [encode(text, bos=True, eos=False) for text in TEXTS]


def test_a_chat_has_the_tokens_that_mistral_common_gives(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    for chat in CHATS:
        messages = [ROLES[role](content=content) for role, content in chat]
        wanted = theirs.encode_chat_completion(ChatCompletionRequest(messages=messages)).tokens
        assert ours.apply_chat_template([{"role": role, "content": content} for role, content in chat]) == wanted


@pytest.mark.parametrize(
    "change",
    [
        {"default_num_special_tokens": 10**12},
        {"default_num_special_tokens": 1e400},
        {"default_vocab_size": None},
        {"pattern": "("},
    ],
    ids=str,
)
def test_a_damaged_tekken_file_is_refused_at_once(change: dict[str, Any]) -> None:
    config = {"default_num_special_tokens": 20, "default_vocab_size": 21, "pattern": "a"}
    with pytest.raises(RawTokenizerError):
        files_of_tekken({"config": config | change, "vocab": [{"token_bytes": "AA=="}]})


def test_a_token_too_long_to_be_cut_in_every_way_is_refused() -> None:
    config = {"default_num_special_tokens": 20, "default_vocab_size": 21, "pattern": "a"}
    with pytest.raises(RawTokenizerError, match="999"):
        files_of_tekken({"config": config, "vocab": [{"token_bytes": base64.b64encode(b"a" * 999).decode()}]})


def test_tokens_turn_back_into_their_text(pair: tuple[Any, Any]) -> None:
    ours, _ = pair
    assert [ours.decode(ours.encode(text), skip_special_tokens=True).strip() for text in TEXTS] == [
        text.strip() for text in TEXTS
    ]
