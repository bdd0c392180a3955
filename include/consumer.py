"""Call a model's champion, whichever imported model that is at the moment.

Copy this file into your application: it needs boto3 alone. See docs/publishing.md.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import boto3  # noqa: TID253  # this file is for applications; nothing here imports it
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger(__name__)

Body = dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any]]
#: What a body depends on.
ASKED_BY = ("body_format", "prompt_template", "system_prompt")
PASSING = ("ModelNotReadyException", "ThrottlingException", "ServiceUnavailableException", "InternalServerException")


class Champion:
    """The champion that a model's DAGs publish. One object may be used from several threads.

    Args:
        model_name: the model, as its file in dags/models names it.
        believed_seconds: how long the champion is remembered before the parameter is read again.
        session: a boto3 session; the default one without it.
    """

    def __init__(self, model_name: str, believed_seconds: float = 5, session: Any = None) -> None:
        self._parameter, self._believed_seconds = f"/model-import/{model_name}/champion", believed_seconds
        self._session = session or boto3.Session()
        self._ssm, self._lock = self._session.client("ssm"), threading.Lock()
        self._read_at = 0.0
        self._pointer: dict[str, Any] = {}
        self._runtimes: dict[str, Any] = {}

    def pointer(self, *, again: bool = False) -> dict[str, Any]:
        """Return what the parameter says: imported_model_arn, body_format, prompt_template and others."""
        with self._lock:
            if again or not self._pointer or time.monotonic() - self._read_at > self._believed_seconds:
                try:
                    self._pointer = json.loads(self._ssm.get_parameter(Name=self._parameter)["Parameter"]["Value"])
                except (BotoCoreError, ClientError):
                    if not self._pointer:  # otherwise keep using the last known champion
                        raise
                self._read_at = time.monotonic()
            return self._pointer

    def ask(self, body: Body, seconds: float = 600) -> Any:
        """Return the answer to a body of InvokeModel; a cold or busy champion is asked again for so many seconds.

        During a canary, the new champion gets its share of the calls. It is asked once; if it does not answer, the
        former one is asked.

        Args:
            body: or a function that makes it from the pointer. A body that is already made is sent to the new champion
                only if that has the same body format and prompts as the former one.
            seconds: after which the error of the last call is raised.
        """
        deadline = time.monotonic() + seconds
        if newcomer := _newcomer(self.pointer(), body):
            try:
                return self._invoke(newcomer, body)
            except (BotoCoreError, ClientError) as error:
                log.warning("Version %s did not answer: %s", newcomer["version"], error)
        while True:
            pointer = self.pointer()
            try:
                return self._invoke(pointer, body)
            except ClientError as error:
                passes = error.response["Error"]["Code"] in PASSING and time.monotonic() < deadline
                if not passes and self.pointer(again=True)["imported_model_arn"] == pointer["imported_model_arn"]:
                    raise
                time.sleep(1 if passes else 0)

    def _invoke(self, pointer: dict[str, Any], body: Body) -> Any:
        return json.load(self._runtime(pointer["region_name"]).invoke_model(**_request(pointer, body))["body"])

    def _runtime(self, region_name: str) -> Any:
        with self._lock:
            if region_name not in self._runtimes:
                config = Config(read_timeout=300, retries={"total_max_attempts": 1}, max_pool_connections=50)
                self._runtimes[region_name] = self._session.client("bedrock-runtime", region_name, config=config)
            return self._runtimes[region_name]


def _newcomer(pointer: dict[str, Any], body: Body) -> dict[str, Any] | None:
    """Return the new champion of a canary, for its share of the calls."""
    canary = pointer.get("canary")
    if canary is None or random.random() >= canary["share"]:
        return None
    newcomer: dict[str, Any] = canary["champion"]
    fits = callable(body) or all(newcomer.get(member) == pointer.get(member) for member in ASKED_BY)
    return newcomer if fits else None


def _request(pointer: dict[str, Any], body: Body) -> dict[str, Any]:
    request = {"modelId": pointer["imported_model_arn"], "body": json.dumps(body(pointer) if callable(body) else body)}
    if pointer.get("guardrail_id"):
        request |= {
            "guardrailIdentifier": pointer["guardrail_id"],
            "guardrailVersion": pointer["guardrail_version"],
        }
    return request
