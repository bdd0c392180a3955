"""Faults that a test scripts: through POST /_local_aws/bedrock/<name> with a JSON object; see ../COVERAGE.md."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any

from pydantic import ValidationError

from include.local_aws.bedrock.errors import (
    SCRIPTABLE,
    BedrockError,
    ExpiredTokenError,
    InvalidRequestError,
    ModelNotReadyError,
    ResourceNotFoundError,
)
from include.local_aws.bedrock.scripts import (
    EVERY_MODEL,
    CallFault,
    Cold,
    EvaluationFailure,
    EvaluationScores,
    ExpiredKey,
    FixedAnswer,
    Guardrail,
    ImportFailure,
    Judge,
    LegacyBodyFormat,
    Nothing,
    RefusedConverse,
    Script,
    UnknownResource,
)


@dataclass
class _Period:
    """A fault that lasts until a time of the monotonic clock, and how many calls it has seen."""

    until: float
    fault: CallFault
    seen: int = 0

    def next_fault(self) -> CallFault | None:
        self.seen += 1
        return self.fault if self.seen % self.fault.every == 0 else None


class Faults:
    """What is scripted at the moment. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.imports_released = Event()
        self.evaluations_released = Event()
        self.clear()

    def clear(self) -> None:
        """Forget every script and let held jobs go on."""
        with self._lock:
            self._import_failures: deque[str] = deque()
            self._call_faults: list[CallFault] = []
            self._periods: list[_Period] = []
            self._expired_keys: set[str] = set()
            self._cold_until = 0.0
            self.fixed_answer: FixedAnswer | None = None
            self._legacy_models: tuple[str, ...] = ()
            self._refused_by_converse: tuple[str, ...] = ()
            self._unknown_resource = ResourceNotFoundError.code
            self._guardrails: dict[tuple[str, str], Guardrail] = {}
            self._judges: dict[str, Judge] = {}
            self._judged = 0
            self._evaluation_failures: deque[tuple[str, ...]] = deque()
            self.evaluation_scores = EvaluationScores()
        self.imports_released.set()
        self.evaluations_released.set()

    def take_import_failure(self) -> str | None:
        """Return the message with which the job being created is to fail, once."""
        with self._lock:
            return self._import_failures.popleft() if self._import_failures else None

    def take_evaluation_failure(self) -> tuple[str, ...]:
        """Return the messages with which the evaluation job being created is to fail, once; none if it is not to."""
        with self._lock:
            return self._evaluation_failures.popleft() if self._evaluation_failures else ()

    def take_call_fault(self, operation: str, model: str | None = None) -> CallFault | None:
        """Return the fault of this call, if one is scripted, and count it as used."""
        now = time.monotonic()
        with self._lock:
            meant = (fault for fault in self._call_faults if fault.is_of(operation, model))
            fault = next(meant, None)
            if fault is not None:
                self._call_faults.remove(fault)
                return fault
            lasting = (period for period in self._periods if now < period.until)
            period = next((period for period in lasting if period.fault.is_of(operation, model)), None)
            return period.next_fault() if period else None

    def check_key(self, access_key_id: str) -> None:
        """Raises ExpiredTokenError for a key that is scripted to have expired."""
        if access_key_id in self._expired_keys:
            raise ExpiredTokenError("The security token included in the request is expired")

    def check_warm(self) -> None:
        """Raises ModelNotReadyError while the models are scripted to be cold."""
        if time.monotonic() < self._cold_until:
            raise ModelNotReadyError("The model is not ready for inference: a test keeps it cold.")

    def is_legacy(self, name: str, arn: str) -> bool:
        """Whether this model speaks the older body format."""
        return bool({EVERY_MODEL, name, arn} & set(self._legacy_models))

    def refuses_converse(self, name: str, arn: str) -> bool:
        """Return whether Converse is scripted to refuse this model."""
        return bool({EVERY_MODEL, name, arn} & set(self._refused_by_converse))

    def unknown_resource(self, message: str) -> BedrockError:
        """Return the error for a job or model that does not exist."""
        return SCRIPTABLE[self._unknown_resource](message)

    def guardrail(self, identifier: str | None, version: str | None) -> Guardrail | None:
        """Return the guardrail that a call names, if it names one. Raises InvalidRequestError when there is none."""
        if not identifier and not version:
            return None
        if not identifier or not version:
            raise InvalidRequestError("A guardrail needs both its identifier and its version.")
        found = self._guardrails.get((identifier.rpartition("/")[2], version))
        if found is None:
            raise InvalidRequestError(f"There is no guardrail {identifier} of version {version}.")
        return found

    def judge(self, model_id: str) -> Judge | None:
        """Return the judge of this id or ARN, if one is scripted."""
        return self._judges.get(model_id.rpartition("/")[2])

    def count_judgement(self) -> int:
        """Count a reply of any judge, and return its number."""
        with self._lock:
            self._judged += 1
            return self._judged

    def script(self, name: str, body: Mapping[str, Any]) -> None:
        """Carry out one request of a test. Raises InvalidRequestError for an unknown name or a bad body."""
        if name not in self._scripts:
            raise InvalidRequestError(f"There is no fault {name!r}; there are {', '.join(self._scripts)}.")
        kind, apply = self._scripts[name]
        try:
            script = kind.model_validate(body)
        except ValidationError as error:
            raise InvalidRequestError(f"The body of the fault {name!r} is not valid: {error}") from error
        apply(script)

    @property
    def _scripts(self) -> Mapping[str, tuple[type[Script], Callable[[Any], None]]]:
        return {
            "fail-next-import": (ImportFailure, self._fail_next_import),
            "hold-imports": (Nothing, lambda _: self.imports_released.clear()),
            "release-imports": (Nothing, lambda _: self.imports_released.set()),
            "fail-next-evaluation": (EvaluationFailure, self._fail_next_evaluation),
            "hold-evaluations": (Nothing, lambda _: self.evaluations_released.clear()),
            "release-evaluations": (Nothing, lambda _: self.evaluations_released.set()),
            "evaluation-scores": (EvaluationScores, self._set_evaluation_scores),
            "fail-calls": (CallFault, self._fail_calls),
            "expire-key": (ExpiredKey, lambda script: self._expired_keys.add(script.access_key_id)),
            "cold": (Cold, self._cool),
            "fixed-answer": (FixedAnswer, self._fix_answer),
            "guardrail": (Guardrail, self._add_guardrail),
            "judge": (Judge, self._add_judge),
            "legacy-body-format": (LegacyBodyFormat, self._set_legacy),
            "refuse-converse": (RefusedConverse, self._refuse_converse),
            "unknown-resource": (UnknownResource, self._set_unknown_resource),
            "clear-faults": (Nothing, lambda _: self.clear()),
        }

    def _fail_next_import(self, script: ImportFailure) -> None:
        with self._lock:
            self._import_failures.append(script.message)

    def _fail_next_evaluation(self, script: EvaluationFailure) -> None:
        with self._lock:
            self._evaluation_failures.append(script.messages)

    def _set_evaluation_scores(self, script: EvaluationScores) -> None:
        self.evaluation_scores = script

    def _fail_calls(self, script: CallFault) -> None:
        with self._lock:
            if script.seconds is None:
                self._call_faults.extend([script] * script.calls)
            else:
                self._periods.append(_Period(time.monotonic() + script.seconds, script))

    def _cool(self, script: Cold) -> None:
        self._cold_until = time.monotonic() + script.seconds

    def _fix_answer(self, script: FixedAnswer) -> None:
        self.fixed_answer = script if script.text is not None else None

    def _add_guardrail(self, script: Guardrail) -> None:
        self._guardrails[script.identifier, script.version] = script

    def _add_judge(self, script: Judge) -> None:
        self._judges[script.model] = script

    def _set_legacy(self, script: LegacyBodyFormat) -> None:
        self._legacy_models = script.models

    def _refuse_converse(self, script: RefusedConverse) -> None:
        self._refused_by_converse = script.models

    def _set_unknown_resource(self, script: UnknownResource) -> None:
        self._unknown_resource = script.code
