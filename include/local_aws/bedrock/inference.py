"""What a request for text asks for and what comes out, whatever the format of its body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

DEFAULT_MAX_TOKENS = 512

ChatMessage = Mapping[str, str]


class Finish(Enum):
    """Why a generation ended."""

    END_OF_TURN = "end of turn"
    STOP_SEQUENCE = "stop sequence"
    MAX_TOKENS = "max tokens"


class ConstraintKind(Enum):
    """In which form a constraint is given."""

    JSON = "json"
    REGEX = "regex"
    CHOICE = "choice"
    GRAMMAR = "grammar"


@dataclass(frozen=True)
class Constraint:
    """What an answer must match, as text: a JSON schema, a pattern, a JSON list of choices, a Lark or GBNF grammar."""

    kind: ConstraintKind
    text: str


@dataclass(frozen=True)
class Token:
    """A token, its log probability and rank among all, and the most likely tokens in its place."""

    id: int
    text: str
    logprob: float
    rank: int
    alternatives: tuple[Token, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InferenceRequest:
    """A prompt or chat messages, and how to sample; None leaves a choice to the model's generation_config.json.

    `logprobs` and `prompt_logprobs` are how many alternatives of each token are asked for; None asks for no log
    probabilities.
    """

    prompt: str = ""
    messages: tuple[ChatMessage, ...] = ()
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    constraint: Constraint | None = None
    logprobs: int | None = None
    prompt_logprobs: int | None = None


@dataclass(frozen=True)
class Inference:
    """The generated text, without the stop sequence; tokens as the model counts them, the final one included.

    `tokens` and `prompt` hold log probabilities where the request asked for them. The end token is not among them, and
    the first of the prompt is None: nothing comes before it.
    """

    text: str
    finish: Finish
    prompt_tokens: int
    generated_tokens: int
    tokens: tuple[Token, ...] | None = None
    prompt: tuple[Token | None, ...] | None = None


class TextAssembler:
    """Decides how much of a growing text may be sent: no half characters, and no beginning of a stop sequence."""

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._stop = stop
        self._sent = 0
        self.stopped = False

    def grow(self, text: str) -> str:
        """Return what may be sent in addition, given the whole text so far."""
        found = [position for position in map(text.find, self._stop) if position >= 0]
        if found:
            self.stopped = True
            return self._take(text, min(found))
        return self._take(text, self._safe_length(text.rstrip("\N{REPLACEMENT CHARACTER}")))

    def end(self, text: str) -> str:
        """Return what remains to be sent of the final text."""
        return "" if self.stopped else self._take(text, len(text))

    def _take(self, text: str, length: int) -> str:
        piece = text[self._sent : length]
        self._sent = max(self._sent, length)
        return piece

    def _safe_length(self, text: str) -> int:
        longest = max(map(len, self._stop), default=1) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(sequence.startswith(text[-size:]) for sequence in self._stop):
                return len(text) - size
        return len(text)
