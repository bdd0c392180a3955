from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from airflow.providers.amazon.aws.utils.waiter_with_logging import RETRIABLE_ERROR_CODES
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from aws_waits.aws_errors import AWS_ERRORS, TRANSIENT_CODES, is_transient
from include.aws.transient import is_worth_repeating, transient_cause, transient_fault
from include.errors import ModelImportError
from tests.support.raw_server import listening

URL = "http://127.0.0.1:9"


def answer(code: str, status: int = 400) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetRole")


def test_what_botocore_and_the_providers_waiters_try_again_is_transient() -> None:
    botocore = {*ThrottledRetryableChecker._THROTTLED_ERROR_CODES, *TransientRetryableChecker._TRANSIENT_ERROR_CODES}
    known = botocore | RETRIABLE_ERROR_CODES
    assert {code for code in known if not is_worth_repeating(answer(code))} == set()


def test_what_the_waits_of_the_import_try_again_is_transient_for_all_tasks() -> None:
    assert {code for code in TRANSIENT_CODES if not transient_cause(answer(code))} == set()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_a_status_is_enough_whatever_the_code(status: int) -> None:
    assert is_worth_repeating(answer(str(status), status))
    assert is_transient(answer(str(status), status))


def test_a_gateways_page_in_place_of_an_answer_is_transient_for_the_waits_too() -> None:
    page = ResponseParserError("Unable to parse response")
    assert isinstance(page, AWS_ERRORS)
    assert is_transient(page)


@pytest.mark.parametrize(
    ("operation", "fault"), [("HeadObject", "expired"), ("HeadBucket", "expired"), ("GetRole", None)]
)
def test_the_answer_to_head_has_no_code_so_its_400_counts_as_expired_credentials(
    operation: str, fault: str | None
) -> None:
    response: Any = {"Error": {"Code": "400"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    assert transient_fault(ClientError(response, operation)) == fault


@pytest.mark.parametrize(
    ("code", "status"),
    [("AccessDenied", 403), ("ValidationException", 400), ("NoSuchBucket", 404), ("InvalidClientTokenId", 403)],
)
def test_a_refusal_that_would_come_back_is_not_transient(code: str, status: int) -> None:
    assert transient_cause(answer(code, status)) is None


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_expired_credentials_are_for_the_next_try_not_for_the_same_client(code: str) -> None:
    assert transient_fault(answer(code, 403)) == "expired"
    assert not is_worth_repeating(answer(code, 403))


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ReadTimeoutError(endpoint_url=URL), "unavailable"),
        (ConnectionClosedError(endpoint_url=URL), "unavailable"),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), "unavailable"),
        (ConnectTimeoutError(endpoint_url=URL), "unreachable"),
        (EndpointConnectionError(endpoint_url=URL), "unreachable"),
        (ResponseParserError("a gateway's page"), "unavailable"),
        (CredentialRetrievalError(provider="iam-role", error_msg="no"), "expired"),
        (NoCredentialsError(), None),
        (ValueError("no"), None),
    ],
)
def test_failures_without_an_answer_are_told_by_their_class(error: Exception, fault: str | None) -> None:
    assert transient_fault(error) == fault


def raised(raising: Callable[[], None]) -> BaseException:
    with pytest.raises(ModelImportError) as caught:
        raising()
    return caught.value


def test_a_transient_error_is_found_however_often_it_was_wrapped() -> None:
    def twice() -> None:
        try:
            try:
                raise answer("SlowDown", 503)
            except ClientError as error:
                raise ModelImportError("unreadable") from error
        except ModelImportError:
            raise ModelImportError("no checkpoint")  # noqa: B904  (only the context holds the cause)

    cause = transient_cause(raised(twice))
    assert isinstance(cause, ClientError)


def test_what_an_error_hides_on_purpose_is_not_its_cause() -> None:
    def hidden() -> None:
        try:
            raise answer("SlowDown", 503)
        except ClientError:
            raise ModelImportError("the name is wrong") from None

    assert transient_cause(raised(hidden)) is None


def failed_call(port: int) -> BotoCoreError:
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5)
    sts = boto3.client(
        "sts",
        endpoint_url=f"https://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=once,
    )
    with pytest.raises(BotoCoreError) as caught:
        sts.get_caller_identity()
    return caught.value


def test_a_certificate_that_is_refused_now_is_refused_later(tmp_path: Path) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "pem").write_bytes(private + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")

    def handshake(connection: socket.socket) -> None:
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            return

    with listening(handshake) as port:
        error = failed_call(port)
    assert isinstance(error, SSLError)
    assert transient_cause(error) is None


def test_a_connection_that_ends_amid_the_handshake_is_transient() -> None:
    with listening(lambda connection: connection.recv(1)) as port:
        assert transient_cause(failed_call(port)) is not None
