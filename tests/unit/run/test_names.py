from __future__ import annotations

import re
from functools import cache

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_import.adoption import numbered
from include.config.names import ROLE_ARN
from include.run import names as naming
from include.run.identity import ImportIdentity, forced_identity
from include.run.names import NameInvalidError, import_names

CONTENT = "0123456789abcdef" * 4
FIRST = ImportIdentity(CONTENT, CONTENT)
MODEL_NAMES = st.from_regex(naming.MODEL_NAME_PATTERN, fullmatch=True).filter(
    lambda name: len(name) <= naming.MODEL_NAME_MAX_LENGTH
)


@cache
def _shape(operation: str, *members: str) -> tuple[str, int]:
    shape = botocore.session.get_session().get_service_model("bedrock").operation_model(operation).input_shape
    for member in members:
        shape = shape.members[member]
    return shape.metadata["pattern"], shape.metadata["max"]


@pytest.mark.parametrize(
    ("pattern", "members"),
    [
        (naming.JOB_NAME, ("jobName",)),
        (naming.IMPORTED_MODEL_NAME, ("importedModelName",)),
        (ROLE_ARN, ("roleArn",)),
        (naming.CLIENT_REQUEST_TOKEN, ("clientRequestToken",)),
        (naming.S3_URI, ("modelDataSource", "s3DataSource", "s3Uri")),
    ],
)
@pytest.mark.parametrize(
    "text",
    ["a", "a-b", "a--b", "a_b", "-a", "a-", "a.b", "a+b", "é", "",
     "s3://bucket/a/", "s3://bucket/a//b", "s3://b/a", "s3://bucket/a=b",
     "arn:aws:iam::123456789012:role/x", "arn:aws-cn:iam::123456789012:role/a/b", "arn:aws:iam::1:role/x",
     "mistral-7b-v0.3"],
)  # fmt: skip
def test_our_patterns_accept_exactly_what_the_service_model_accepts(
    pattern: re.Pattern[str], members: tuple[str, ...], text: str
) -> None:
    service_pattern, _ = _shape("CreateModelImportJob", *members)
    assert bool(pattern.fullmatch(text)) == bool(re.fullmatch(service_pattern, text))


@given(MODEL_NAMES, st.sampled_from([FIRST, forced_identity(CONTENT, "a run")]))
def test_every_model_name_that_is_accepted_gives_names_the_service_accepts(
    model_name: str, identity: ImportIdentity
) -> None:
    names = import_names(model_name, identity, "a-bucket", "models/team")
    for value, members in (
        (names.job_name, ("jobName",)),
        (names.imported_model_name, ("importedModelName",)),
        (names.client_request_token, ("clientRequestToken",)),
        (names.s3_uri, ("modelDataSource", "s3DataSource", "s3Uri")),
    ):
        pattern, longest = _shape("CreateModelImportJob", *members)
        assert re.fullmatch(pattern, value)
        assert len(value) <= longest


@pytest.mark.parametrize("model_name", ["mistral-7b-v0.3", "Capitals", "a_b", "a--b", "", "-a", "x" * 41])
def test_a_model_name_the_service_would_refuse_is_refused_before_any_work(model_name: str) -> None:
    with pytest.raises(NameInvalidError, match="Expected"):
        import_names(model_name, FIRST, "a-bucket", "models")


@pytest.mark.parametrize("prefix", ["a=b", "a b", "a//b", "a#b"])
def test_a_prefix_bedrock_cannot_read_is_refused(prefix: str) -> None:
    with pytest.raises(NameInvalidError, match="S3 URI"):
        import_names("capitals", FIRST, "a-bucket", prefix)


def test_manifest_and_reports_lie_beside_the_imported_prefix_and_not_in_it() -> None:
    names = import_names("capitals", FIRST, "a-bucket", "")
    assert names.s3_uri == "s3://a-bucket/capitals/0123456789ab/checkpoint/"
    assert names.manifest_key == "capitals/0123456789ab/manifest.json"
    assert not names.evaluation_prefix.startswith("capitals/0123456789ab/checkpoint")


@given(MODEL_NAMES, st.sampled_from([FIRST, forced_identity(CONTENT, "a run")]), st.integers(1, 12))
def test_a_models_name_is_read_out_of_the_name_of_any_import_of_it(
    model_name: str, identity: ImportIdentity, attempt: int
) -> None:
    job_name = numbered(import_names(model_name, identity, "a-bucket", "").job_name, attempt, naming.MAX_NAME_LENGTH)
    assert naming.model_name_of(job_name) == model_name
