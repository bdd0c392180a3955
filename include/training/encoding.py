"""Conversations as tokens, with a mark on those that count in the loss: the assistant's, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from include.training.conversations import ASSISTANT, Conversation
from include.training.errors import ChatTemplateRefusedError


class Turn(NamedTuple):
    """The tokens up to a turn of the assistant: as the model is asked, and with the answer."""

    asked: list[int]
    answered: list[int]

    @property
    def is_whole(self) -> bool:
        """Whether the answer comes after exactly the tokens that ask for it."""
        return len(self.asked) < len(self.answered) and self.answered[: len(self.asked)] == self.asked

    @property
    def span(self) -> tuple[int, int]:
        """Where the answer's tokens are, its end token among them."""
        return len(self.asked), len(self.answered)


class Example(NamedTuple):
    """Tokens, and the spans of those that are trained."""

    tokens: list[int]
    trained: tuple[tuple[int, int], ...]


class Encoded(NamedTuple):
    """The examples of one conversation, and what is not among them.

    ``lengths`` are the examples' lengths before anything was left out.
    """

    examples: tuple[Example, ...]
    lengths: tuple[int, ...]
    one_per_turn: bool = False
    shortened: bool = False
    unclear: bool = False


class Encoder:
    """Renders conversations with the tokenizer's chat template, and marks the tokens of the answers.

    The text is not searched: an answer is the tokens that follow those of its prompt.
    """

    def __init__(self, tokenizer: Any, uri: str, max_length: int) -> None:
        self._tokenizer, self._uri, self._max_length = tokenizer, uri, max_length

    def encode(self, conversations: Sequence[Conversation]) -> list[Encoded]:
        """Return the examples of each conversation.

        Raises:
            ChatTemplateRefusedError: names the record that the template does not render.
        """
        ends = [_answers(conversation) for conversation in conversations]
        pieces = [(each, end) for each, ends_of_it in zip(conversations, ends, strict=True) for end in ends_of_it]
        turns = self._turns(pieces)
        encoded = []
        for ends_of_it in ends:
            encoded.append(self._examples([next(turns) for _ in ends_of_it]))
        return encoded

    def _turns(self, pieces: Sequence[tuple[Conversation, int]]) -> Any:
        asked = self._tokens(pieces, asks=True)
        answered = self._tokens(pieces, asks=False)
        return map(Turn, asked, answered)

    def _tokens(self, pieces: Sequence[tuple[Conversation, int]], *, asks: bool) -> list[list[int]]:
        """Return the tokens of each conversation up to one of the assistant's messages, without it where it asks."""
        chats = [
            [message._asdict() for message in conversation.messages[: end if asks else end + 1]]
            for conversation, end in pieces
        ]
        try:
            texts = self._tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=asks)
        except Exception as error:  # whatever a template raises, it does not render
            self._refuse(pieces, chats, error)
        tokens: list[list[int]] = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        return tokens

    def _refuse(self, pieces: Sequence[tuple[Conversation, int]], chats: Sequence[Any], error: Exception) -> None:
        for (conversation, _), chat in zip(pieces, chats, strict=True):
            try:
                self._tokenizer.apply_chat_template(chat, tokenize=False)
            except Exception as its_own:
                where = f"{self._uri}, {conversation.place}"
                raise ChatTemplateRefusedError(where, f"{type(its_own).__name__}: {its_own}") from its_own
        raise error

    def _examples(self, turns: Sequence[Turn]) -> Encoded:
        whole = [turn for turn in turns if turn.is_whole]
        unclear = len(whole) < len(turns)
        if not whole:
            return Encoded((), (), unclear=True)
        last = turns[-1].answered
        if not unclear and all(last[: len(turn.answered)] == turn.answered for turn in turns):
            return self._one_example(turns)
        fitting = tuple(
            Example(turn.answered, (turn.span,)) for turn in whole if len(turn.answered) <= self._max_length
        )
        return Encoded(fitting, tuple(len(turn.answered) for turn in whole), one_per_turn=True, unclear=unclear)

    def _one_example(self, turns: Sequence[Turn]) -> Encoded:
        """All answers in one example, without the last turns where it would be too long."""
        fitting = [turn for turn in turns if len(turn.answered) <= self._max_length]
        length = (len(turns[-1].answered),)
        if not fitting:
            return Encoded((), length)
        example = Example(fitting[-1].answered, tuple(turn.span for turn in fitting))
        return Encoded((example,), length, shortened=len(fitting) < len(turns))


def _answers(conversation: Conversation) -> list[int]:
    return [index for index, message in enumerate(conversation.messages) if message.role == ASSISTANT]
