"""Classify failed calls: ask again, give up the question, or end the evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from botocore.exceptions import ClientError, ReadTimeoutError

from include.aws.transient import NO_ANSWER, TransientFault, error_code, transient_fault
from include.evaluation.errors import ResponseSchemaError
from include.evaluation.likelihood_errors import AnswerNotAChoiceError, LogprobsMissingError

#: throttled, cold, unreachable: wait and ask again until the deadline. timeout, error: ask again a few times.
#: refused: the record has an error. fatal: this client would get no question answered, so the evaluation ends.
Refusal = Literal["throttled", "cold", "unreachable", "timeout", "error", "refused", "fatal"]

#: Codes of InvokeModel and Converse whose handling does not follow from their being transient or not:
#: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
_BY_CODE: Mapping[str, Refusal] = {
    "ServiceUnavailableException": "throttled",
    "ServiceQuotaExceededException": "throttled",
    "ModelNotReadyException": "cold",
    "ModelTimeoutException": "timeout",
    "ModelErrorException": "error",
    "InternalServerException": "error",
    "ValidationException": "refused",
}

#: Responses that hold no usable answer, however often the question is asked.
UNUSABLE = (ResponseSchemaError, LogprobsMissingError, AnswerNotAChoiceError)

_BY_TYPE: tuple[tuple[type[Exception], Refusal], ...] = (
    (ReadTimeoutError, "timeout"),
    *((kind, "refused") for kind in UNUSABLE),
)

_BY_FAULT: Mapping[TransientFault, Refusal] = {
    "throttled": "throttled",
    "unavailable": "unreachable",
    "unreachable": "unreachable",
    "expired": "fatal",
}

NOT_ANSWERED = (ClientError, *NO_ANSWER, *UNUSABLE)


def refusal_of(error: Exception) -> Refusal:
    """Classify the failure of a call."""
    known = _BY_CODE.get(error_code(error)) or next((own for kind, own in _BY_TYPE if isinstance(error, kind)), None)
    fault = transient_fault(error)
    return known or (_BY_FAULT[fault] if fault else "fatal")
