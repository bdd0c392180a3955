from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    ProxyConnectionError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from include.evaluation.errors import DatasetUnreadableError
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


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed"])
def test_a_signature_that_does_not_match_points_to_the_clock(code: str) -> None:
    assert "Synchronise this machine's clock" in findings(refused(code))[-1].remedy


def test_another_refusal_is_an_error_that_says_which() -> None:
    [_, finding] = findings(refused("ServiceFailure"))
    assert "GetRole answers ServiceFailure: No." in finding.found


@pytest.mark.parametrize("right", ["sts:GetCallerIdentity", "s3:ListBucket", "bedrock:ListImportedModels"])
def test_an_endpoint_out_of_reach_is_an_error_where_a_run_needs_the_service(right: str) -> None:
    unreachable = EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
    [_, finding] = guarded("check", "which", right, check(unreachable))
    assert (finding.severity, finding.cause) == ("error", unreachable)
    assert "http://127.0.0.1:9" in finding.found


@pytest.mark.parametrize("right", ["iam:GetRole", "kms:DescribeKey"])
@pytest.mark.parametrize(
    "error", [EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), ResponseParserError("a proxy's page")]
)
def test_an_iam_or_kms_out_of_reach_is_a_warning_since_a_closed_network_stays_closed(
    right: str, error: Exception
) -> None:
    [_, finding] = guarded("check", "which", right, check(error))
    assert (finding.severity, finding.cause) == ("warning", None)
    assert finding.found.startswith("not checked")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (NoRegionError(), "model_import_region_name"),
        (NoCredentialsError(), "Give the Airflow connection credentials"),
        (ProfileNotFound(profile="p"), "Correct profile_name"),
        (UnauthorizedSSOTokenError(), "aws sso login"),
        (ProxyConnectionError(proxy_url="http://proxy"), "Check proxies in the connection's config_kwargs"),
    ],
)
def test_a_request_that_was_not_sent_has_a_remedy_of_its_own(error: Exception, remedy: str) -> None:
    [_, finding] = guarded("credentials", "aws", "sts:GetCallerIdentity", check(error))
    assert (finding.severity, remedy in finding.remedy) == ("error", True)


@pytest.mark.parametrize(
    "error", [refused("Throttling"), refused("ExpiredToken"), ConnectionClosedError(endpoint_url="http://127.0.0.1:9")]
)
def test_a_fault_that_passes_is_noted_in_the_finding(error: Exception) -> None:
    [_, finding] = findings(error)
    assert finding.cause is error


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidClientTokenId", "NoSuchEntity"])
def test_a_refusal_that_would_come_back_has_no_passing_cause(code: str) -> None:
    assert findings(refused(code))[-1].cause is None


def test_a_passing_fault_is_found_in_the_error_that_wraps_it() -> None:
    throttled, unreadable = refused("SlowDown"), DatasetUnreadableError("s3://b/k", "slow down")
    unreadable.__cause__ = throttled
    [_, finding] = findings(unreadable)
    assert finding.cause is throttled
    unreadable.__cause__ = refused("AccessDenied")
    with pytest.raises(DatasetUnreadableError):
        findings(unreadable)


def test_what_a_check_learns_is_passed_on() -> None:
    def outer() -> Check[str | None]:
        return (yield from guarded("role", "import", "", check(None)))

    asked = outer()
    assert next(asked) == TOLD
    with pytest.raises(StopIteration) as end:
        next(asked)
    assert end.value.value == "learnt"
