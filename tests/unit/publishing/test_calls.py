"""When a canary has failed, and how an application shares its calls."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.consumer import Champion
from include.publishing.calls import Calls


@pytest.mark.parametrize(
    ("succeeded", "failed", "fails"),
    [(0, 0, False), (0, 2, False), (0, 3, True), (97, 3, True), (147, 3, False), (98, 2, False), (9900, 100, False)],
)
def test_a_canary_fails_with_three_failed_calls_that_are_more_than_its_share(
    succeeded: int, failed: int, fails: bool
) -> None:
    assert Calls(succeeded, failed).fail_more_than(0.02) == fails


class Services:
    """A session whose parameter names version 1 and a canary of version 2, of which some do not answer."""

    def __init__(self, share: float, broken: tuple[str, ...] = (), **of_new: str) -> None:
        new = {"version": 2, "imported_model_arn": "new", "region_name": "r", "body_format": "A", **of_new}
        old = {"version": 1, "imported_model_arn": "old", "region_name": "r", "body_format": "A"}
        self._text = json.dumps({**old, "canary": {"share": share, "champion": new}})
        self._broken = broken
        self.called: list[tuple[str, dict[str, Any]]] = []

    def client(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(get_parameter=self._get_parameter, invoke_model=self._invoke_model)

    def _get_parameter(self, **_: Any) -> Any:
        return {"Parameter": {"Value": self._text}}

    def _invoke_model(self, **request: Any) -> Any:
        self.called.append((request["modelId"], json.loads(request["body"])))
        if request["modelId"] in self._broken:
            error: Any = {"Error": {"Code": "ValidationException", "Message": "no"}}
            raise ClientError(error, "InvokeModel")
        return {"body": io.BytesIO(b"{}")}


def test_calls_are_shared_between_both_versions_of_a_canary() -> None:
    services = Services(share=0.25)
    champion = Champion("m", session=services)
    for _ in range(400):
        champion.ask({})
    new = sum(model == "new" for model, _ in services.called)
    assert len(services.called) == 400
    assert 60 <= new <= 140  # 4.6 standard deviations around 100


def test_a_call_that_the_new_version_does_not_answer_is_answered_by_the_former_one() -> None:
    services = Services(share=1.0, broken=("new",))
    assert Champion("m", session=services).ask({}) == {}
    assert [model for model, _ in services.called] == ["new", "old"]


def test_a_body_that_is_made_already_is_not_sent_to_a_version_that_is_asked_in_another_way() -> None:
    services = Services(share=1.0, body_format="B")
    champion = Champion("m", session=services)
    champion.ask({"prompt": "?"})
    champion.ask(lambda pointer: {"format": pointer["body_format"]})
    assert services.called == [("old", {"prompt": "?"}), ("new", {"format": "B"})]
