"""Text that matches a constraint, by the library that vLLM uses for it, too. Import this module late."""

from __future__ import annotations

import torch
from llguidance import LLMatcher, LLTokenizer, grammar_from
from llguidance.hf import from_tokenizer

from include.local_aws.bedrock.errors import InvalidRequestError
from include.local_aws.bedrock.followers import Follower
from include.local_aws.bedrock.inference import Constraint
from include.local_aws.bedrock.loaded_model import LoadedModel


class ConstrainedText(Follower):
    """Leaves only tokens with which the text can still match a constraint. Raises InvalidRequestError."""

    def __init__(self, loaded: LoadedModel, constraint: Constraint) -> None:
        self._matcher = LLMatcher(_tokenizer(loaded), _grammar(constraint), log_level=0)
        if self._matcher.is_error():
            raise _unusable(constraint, self._matcher.get_error())

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        allowed = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8).bool()
        return scores.masked_fill(~allowed[: scores.shape[-1]], float("-inf"))

    def take(self, token_id: int) -> bool:
        self._matcher.consume_token(token_id)
        return bool(self._matcher.is_stopped())


def _tokenizer(loaded: LoadedModel) -> LLTokenizer:
    vocabulary = int(loaded.model.config.get_text_config().vocab_size)
    ends = sorted(loaded.end_tokens) or None
    try:
        return from_tokenizer(loaded.tokenizer, n_vocab=vocabulary, eos_token=ends)
    except ValueError as error:
        raise InvalidRequestError(
            f"The stand-in cannot constrain the text of this model's tokenizer: {error}"
        ) from error


def _grammar(constraint: Constraint) -> str:
    try:
        return str(grammar_from(constraint.kind.value, constraint.text))
    except ValueError as error:
        raise _unusable(constraint, str(error)) from error


def _unusable(constraint: Constraint, why: str) -> InvalidRequestError:
    return InvalidRequestError(f"The constraint of kind {constraint.kind.value} cannot be used: {why.strip()}")
