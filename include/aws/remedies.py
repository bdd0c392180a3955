"""What to do when AWS could not be asked: botocore had no region or credentials, or reached no service."""

from __future__ import annotations

from botocore.exceptions import (
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)

_NETWORK = "Check the connection's endpoint and the network."
_CREDENTIALS = "Give the Airflow connection credentials: a login and password, a role_arn, or a profile_name."
_LOG_IN = "Log in again (aws sso login) where the workers run, or use credentials that renew themselves."
_REMEDIES: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((NoRegionError,), "Set region_name in the connection's extra, or the Airflow Variable model_import_region_name."),
    ((NoCredentialsError, NoAuthTokenError), _CREDENTIALS),
    ((PartialCredentialsError,), "Give the Airflow connection both parts of the access key."),
    ((ProfileNotFound,), "Correct profile_name in the connection's extra, or add the profile on every worker."),
    ((SSOError, TokenRetrievalError), _LOG_IN),
    ((CredentialRetrievalError, MetadataRetrievalError), "See why the credential source gave no credentials."),
    ((ProxyConnectionError,), "Check proxies in the connection's config_kwargs, and what the proxy lets through."),
    ((SSLError,), "Check verify in the connection's extra: the certificate authority of the endpoint or the proxy."),
)


def remedy_for_no_answer(error: BaseException) -> str:
    """Return what to do about an error of botocore that is not an answer of AWS."""
    return next((remedy for kinds, remedy in _REMEDIES if isinstance(error, kinds)), _NETWORK)
