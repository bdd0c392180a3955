"""Log probabilities as the body formats write them: Bedrock's own, and those of OpenAI and vLLM."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from include.local_aws.bedrock.inference import Token

Tokens = Sequence[Token]
PromptTokens = Sequence[Token | None]


def by_token_id(tokens: PromptTokens | None) -> list[dict[str, float] | None] | None:
    """Return Bedrock's form: for each token its log probability by its id, which is text as in all JSON."""
    if tokens is None:
        return None
    return [None if token is None else {str(token.id): token.logprob} for token in tokens]


def completion_logprobs(tokens: Tokens | None) -> dict[str, Any] | None:
    """Return the form of OpenAI's completions."""
    if tokens is None:
        return None
    texts = [token.text for token in tokens]
    return {
        "text_offset": list(accumulate((len(text) for text in texts[:-1]), initial=0)) if texts else [],
        "token_logprobs": [token.logprob for token in tokens],
        "tokens": texts,
        "top_logprobs": [{one.text: one.logprob for one in _with_alternatives(token)} for token in tokens],
    }


def chat_logprobs(tokens: Tokens | None) -> dict[str, Any] | None:
    """Return the form of OpenAI's chat completions."""
    if tokens is None:
        return None
    return {"content": [_chat_token(token) | {"top_logprobs": _alternatives(token)} for token in tokens]}


def prompt_logprobs(tokens: PromptTokens | None) -> list[dict[str, Any] | None] | None:
    """Return vLLM's form for the tokens of a prompt."""
    if tokens is None:
        return None
    return [
        None if token is None else {str(one.id): _ranked(one) for one in _with_alternatives(token)} for token in tokens
    ]


def _with_alternatives(token: Token) -> tuple[Token, ...]:
    return (token, *(other for other in token.alternatives if other.id != token.id))


def _alternatives(token: Token) -> list[dict[str, Any]]:
    return [_chat_token(other) for other in token.alternatives]


def _chat_token(token: Token) -> dict[str, Any]:
    return {"token": token.text, "logprob": token.logprob, "bytes": list(token.text.encode())}


def _ranked(token: Token) -> dict[str, Any]:
    return {"logprob": token.logprob, "rank": token.rank, "decoded_token": token.text}
