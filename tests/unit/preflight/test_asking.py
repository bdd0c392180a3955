from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from include.preflight.asking import Check, guarded
from include.preflight.findings import Finding

TOLD = Finding("error", "role", "import", "something is wrong", "Mend it.")


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "No."}}, "GetRole")


def check(error: Exception | None) -> Check[str]:
    yield TOLD
    if error:
        raise error
    return "learnt"


def findings(error: Exception | None) -> list[Finding]:
    return list(guarded("role", "import", "iam:GetRole", check(error)))


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "403"])
def test_no_right_to_ask_is_a_warning_that_names_the_right(code: str) -> None:
    [told, warning] = findings(refused(code))
    assert told == TOLD
    assert (warning.severity, warning.remedy) == ("warning", "Grant iam:GetRole.")


def test_expired_credentials_are_an_error_with_that_remedy() -> None:
    [_, finding] = findings(refused("ExpiredToken"))
    assert finding.severity == "error"
    assert "Renew the credentials" in finding.remedy


def test_another_refusal_is_an_error_that_says_which() -> None:
    [_, finding] = findings(refused("ServiceFailure"))
    assert "GetRole answers ServiceFailure: No." in finding.found


def test_an_endpoint_out_of_reach_is_an_error() -> None:
    [_, finding] = findings(EndpointConnectionError(endpoint_url="http://127.0.0.1:9"))
    assert "http://127.0.0.1:9" in finding.found


def test_what_a_check_learns_is_passed_on() -> None:
    def outer() -> Check[str | None]:
        return (yield from guarded("role", "import", "", check(None)))

    asked = outer()
    assert next(asked) == TOLD
    with pytest.raises(StopIteration) as end:
        next(asked)
    assert end.value.value == "learnt"
