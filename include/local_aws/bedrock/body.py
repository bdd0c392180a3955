"""What every body format of InvokeModel has: parameters of the request, an answer, and pieces of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from include.local_aws.bedrock.inference import Finish, Inference, InferenceRequest
from include.local_aws.bedrock.structured_outputs import ResponseFormat, StructuredOutputs, constraint_of

STOP_REASONS = {Finish.END_OF_TURN: "stop", Finish.STOP_SEQUENCE: "stop", Finish.MAX_TOKENS: "length"}


@dataclass(frozen=True)
class Piece:
    """A part of a streamed answer. The first has the prompt's tokens, the last the inference that is now complete."""

    text: str
    tokens: int
    prompt_tokens: int | None = None
    whole: Inference | None = None

    @property
    def stop_reason(self) -> str | None:
        return STOP_REASONS[self.whole.finish] if self.whole else None


class Body(BaseModel, ABC):
    """A request body, read, that knows how its answer is written.

    Unknown parameters are ignored, as the User Guide says of imported models. Those of another format, and those that
    the stand-in does not emulate, are refused by `read_body`.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    #: Parameters of other formats, and what stands for each here.
    ELSEWHERE: ClassVar[Mapping[str, str]] = {}

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=0)
    stop: str | list[str] | None = None
    seed: int | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None

    @abstractmethod
    def request(self) -> InferenceRequest:
        """Return what is to be generated."""

    @abstractmethod
    def answer(self, inference: Inference, model: str) -> dict[str, Any]:
        """Return the whole answer of the model of this id."""

    @abstractmethod
    def piece(self, piece: Piece, model: str) -> dict[str, Any]:
        """Return one chunk of a streamed answer."""

    def _sampling(self) -> dict[str, Any]:
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "stop": tuple(sequence for sequence in stop if sequence),
            "seed": self.seed,
            "constraint": constraint_of(self.response_format, self.structured_outputs),
        }
