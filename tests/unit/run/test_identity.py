from __future__ import annotations

import re
from collections.abc import Callable

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.aws.tags import model_source_tag_value, tag_value
from include.run.identity import ImportIdentity, forced_identity
from include.run.names import import_names

CONTENT = "0123456789abcdef" * 4
TAG_VALUE = botocore.session.get_session().get_service_model("bedrock").shape_for("TagValue").metadata
RUN = "import_capitals/manual__2026-11-22T10:00:00+00:00"


def test_a_forced_run_has_names_of_its_own_and_every_try_of_it_has_the_same() -> None:
    first = import_names("capitals", ImportIdentity(CONTENT, CONTENT), "a-bucket", "models")
    forced, again = (import_names("capitals", forced_identity(CONTENT, RUN), "a-bucket", "models") for _ in "12")
    assert forced == again
    assert first.model_name == forced.model_name
    assert all(one != other for one, other in zip(first[1:], forced[1:], strict=True))


def test_two_forced_runs_of_the_same_content_have_different_names() -> None:
    names = {import_names("capitals", forced_identity(CONTENT, run), "b-1", "").job_name for run in (RUN, RUN + "x")}
    assert len(names) == 2
    assert all(name.startswith(f"capitals-{CONTENT[:12]}-") for name in names)


@pytest.mark.parametrize("shortened", [tag_value, model_source_tag_value])
@given(text=st.text(max_size=600))
def test_whatever_a_source_is_called_its_tag_is_one_that_bedrock_takes(
    shortened: Callable[[str], str], text: str
) -> None:
    value = shortened(text)
    assert re.fullmatch(TAG_VALUE["pattern"], value)
    assert len(value) <= TAG_VALUE["max"]


def test_a_long_checkpoint_uri_is_shortened_as_sagemakers_sdk_does() -> None:
    uri = f"s3://a-bucket/{'x' * 300}/"
    # What normalize_tag_value() of sagemaker-serve 1.27.0 returned for it.
    assert model_source_tag_value(uri) == f"s3://a-bucket/{'x' * 210}-8df9286d997b5f127dae93f6faa31c4"


def test_a_long_source_keeps_its_beginning_and_its_end() -> None:
    value = tag_value(f"s3://a-bucket/{'x' * 300}/checkpoint-1200")
    assert value.startswith("s3://a-bucket/xxx")
    assert value.endswith("xxx/checkpoint-1200")
    assert len(value) == 256


def test_a_source_that_fits_is_told_as_it_is() -> None:
    assert tag_value("s3://a-bucket/base_1/v2.0") == "s3://a-bucket/base_1/v2.0"
