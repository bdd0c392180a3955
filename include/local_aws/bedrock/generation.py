"""Text from an imported model, by transformers' own generate(). Import this module late: it brings torch."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from jinja2 import TemplateError
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from include.local_aws.bedrock.errors import InvalidRequestError
from include.local_aws.bedrock.followers import Follower, LogprobRecord, prompt_tokens
from include.local_aws.bedrock.inference import (
    DEFAULT_MAX_TOKENS,
    Finish,
    Inference,
    InferenceRequest,
    TextAssembler,
    Token,
)
from include.local_aws.bedrock.loaded_model import LoadedModel
from include.local_aws.bedrock.streaming import OnText


def encode_prompt(loaded: LoadedModel, request: InferenceRequest) -> list[int]:
    """Return the prompt's token ids: a prompt with the tokenizer's special tokens, messages through the chat template.

    Raises InvalidRequestError when there is no template, it refuses the messages, or the context is too short.
    """
    ids = _chat_ids(loaded, request) if request.messages else list(loaded.tokenizer(request.prompt)["input_ids"])
    needed = len(ids) + (request.max_tokens or 1)
    if not ids or needed > loaded.context_length:
        raise InvalidRequestError(
            f"The model's context is {loaded.context_length} tokens; the prompt has {len(ids)} and "
            f"{request.max_tokens or 1} more are to be generated. The prompt must have at least one token."
        )
    return ids


def generate(loaded: LoadedModel, ids: list[int], request: InferenceRequest, on_text: OnText) -> Inference:
    """Return the generated text. `on_text` is given each new piece and the tokens so far; False ends the generation.

    Raises InvalidRequestError as `followers_of` does.
    """
    return generate_followed(loaded, ids, request, followers_of(loaded, request), on_text)


def followers_of(loaded: LoadedModel, request: InferenceRequest) -> list[Follower]:
    """Return what a generation is to be followed by. Raises InvalidRequestError for an unusable constraint."""
    followers: list[Follower] = []
    if request.logprobs is not None:
        followers.append(LogprobRecord(loaded.tokenizer, request.logprobs))
    if request.constraint is not None:
        from include.local_aws.bedrock.constrained import ConstrainedText

        followers.append(ConstrainedText(loaded, request.constraint))
    return followers


def generate_followed(
    loaded: LoadedModel, ids: list[int], request: InferenceRequest, followers: list[Follower], on_text: OnText
) -> Inference:
    """Return the generated text, as `generate` does, followed by these."""
    start = 1 if loaded.model.config.is_encoder_decoder else len(ids)
    watch = _Watch(loaded.tokenizer, start, TextAssembler(request.stop), on_text, followers)
    prompt = torch.tensor([ids])
    with loaded.turn, torch.inference_mode():
        if request.seed is not None:
            torch.manual_seed(request.seed)
        output = loaded.model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            generation_config=_generation_config(loaded, len(ids), request),
            logits_processor=LogitsProcessorList(followers),
            stopping_criteria=StoppingCriteriaList([watch]),
        )
        asked = request.prompt_logprobs
        of_prompt = None if asked is None else prompt_tokens(loaded, ids, asked)
    inference = watch.finish(output[0], loaded.end_tokens, len(ids))
    return replace(inference, tokens=_recorded(followers, loaded.end_tokens), prompt=of_prompt)


def _recorded(followers: list[Follower], end_tokens: frozenset[int]) -> tuple[Token, ...] | None:
    for follower in followers:
        if isinstance(follower, LogprobRecord):
            return tuple(token for token in follower.tokens if token.id not in end_tokens)
    return None


class _Watch(StoppingCriteria):  # type: ignore[misc]
    """Sees every new token: passes its text on and stops at a stop sequence."""

    def __init__(
        self, tokenizer: Any, start: int, assembler: TextAssembler, on_text: OnText, followers: list[Follower]
    ) -> None:
        self._tokenizer = tokenizer
        self._followers = followers
        self._complete = False
        self._start = start
        self._assembler = assembler
        self._on_text = on_text
        self._pieces: list[str] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        complete = [follower.take(int(input_ids[0, -1])) for follower in self._followers]
        self._complete = any(complete)
        wanted = self._pass_on(self._assembler.grow(self._decode(input_ids[0])), len(input_ids[0]) - self._start)
        return torch.tensor([self._complete or self._assembler.stopped or not wanted])

    def finish(self, output: torch.Tensor, end_tokens: frozenset[int], prompt_tokens: int) -> Inference:
        generated = output[self._start :].tolist()
        self._pass_on(self._assembler.end(self._decode(output)), len(generated))
        if self._assembler.stopped:
            finish = Finish.STOP_SEQUENCE
        else:
            ended = self._complete or generated[-1] in end_tokens
            finish = Finish.END_OF_TURN if ended else Finish.MAX_TOKENS
        return Inference("".join(self._pieces), finish, prompt_tokens, len(generated))

    def _pass_on(self, piece: str, tokens: int) -> bool:
        if not piece:
            return True
        self._pieces.append(piece)
        return self._on_text(piece, tokens)

    def _decode(self, ids: torch.Tensor) -> str:
        return str(
            self._tokenizer.decode(ids[self._start :], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )


def _chat_ids(loaded: LoadedModel, request: InferenceRequest) -> list[int]:
    if loaded.chat_template is None:
        raise InvalidRequestError("The model has no chat template, so it takes a prompt and no messages.")
    try:
        ids = loaded.tokenizer.apply_chat_template(
            list(request.messages), chat_template=loaded.chat_template, tokenize=True, add_generation_prompt=True
        )
    except TemplateError as error:
        raise InvalidRequestError(f"The model's chat template refuses the messages: {error}") from error
    return list(ids)


def _generation_config(loaded: LoadedModel, prompt_tokens: int, request: InferenceRequest) -> GenerationConfig:
    """The checkpoint's generation_config.json with the request's choices; temperature 0 is greedy."""
    config = copy.deepcopy(loaded.model.generation_config)
    set_in_file = config.to_diff_dict()
    temperature = _first(request.temperature, set_in_file.get("temperature"), 1.0)
    greedy = temperature == 0
    config.update(
        max_new_tokens=request.max_tokens or min(DEFAULT_MAX_TOKENS, loaded.context_length - prompt_tokens),
        do_sample=not greedy,
        temperature=1.0 if greedy else temperature,
        top_p=1.0 if greedy else _first(request.top_p, set_in_file.get("top_p"), 1.0),
        top_k=50 if greedy else _first(request.top_k, set_in_file.get("top_k"), 0),
        pad_token_id=_first(config.pad_token_id, min(loaded.end_tokens, default=None)),
    )
    return config


def _first(*choices: Any) -> Any:
    return next((choice for choice in choices if choice is not None), None)
