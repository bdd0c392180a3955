"""What follows a generation token by token, such as a record of its log probabilities.

Import this module late: it brings torch.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import LogitsProcessor

from include.local_aws.bedrock.errors import InvalidRequestError
from include.local_aws.bedrock.inference import Token
from include.local_aws.bedrock.loaded_model import LoadedModel


class Follower(LogitsProcessor):  # type: ignore[misc]
    """Sees the scores before each token, and then the token."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return scores

    def take(self, token_id: int) -> bool:
        """Take notice of the token; return whether the text is complete with it."""
        return False


class LogprobRecord(Follower):
    """Keeps the log probability of each token, as the model had it before sampling and constraints."""

    def __init__(self, tokenizer: Any, alternatives: int) -> None:
        self._tokenizer = tokenizer
        self._alternatives = alternatives
        self.tokens: list[Token] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self._logprobs = scores[0].float().log_softmax(-1)
        return scores

    def take(self, token_id: int) -> bool:
        self.tokens.append(_token(self._tokenizer, self._logprobs, token_id, self._alternatives))
        return False


def prompt_tokens(loaded: LoadedModel, ids: list[int], alternatives: int) -> tuple[Token | None, ...]:
    """Return the prompt's tokens with their log probabilities; the first has none.

    Raises InvalidRequestError for a model that reads its prompt at once.
    """
    if loaded.model.config.is_encoder_decoder:
        raise InvalidRequestError("This model has an encoder, so there are no log probabilities of a prompt.")
    with torch.inference_mode():
        logprobs = loaded.model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    rest = (
        _token(loaded.tokenizer, before, token_id, alternatives)
        for before, token_id in zip(logprobs, ids[1:], strict=False)
    )
    return (None, *rest)


def _token(tokenizer: Any, logprobs: torch.Tensor, token_id: int, alternatives: int) -> Token:
    def one(found: int, others: tuple[Token, ...] = ()) -> Token:
        logprob = float(logprobs[found])
        rank = int((logprobs > logprobs[found]).sum()) + 1
        return Token(found, tokenizer.decode([found], clean_up_tokenization_spaces=False), logprob, rank, others)

    best = logprobs.topk(min(alternatives, len(logprobs))).indices.tolist() if alternatives else []
    return one(token_id, tuple(one(other) for other in best))
