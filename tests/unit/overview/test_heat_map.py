from __future__ import annotations

import io
from typing import Any

from include.evaluation.build_report import MeasuredOn, build_report
from include.evaluation.results import PromptSettings
from include.overview.heat_map import read_heat_map
from include.registry.versions import ModelVersion
from tests.support.record_results import record_result
from tests.support.standings import version

FINGERPRINT = "ab" * 32
PROMPT = PromptSettings(body_format="OpenAICompletion", prompt_template="{question}", max_tokens=16)


class Stored:
    """An S3 client that has one report, and notes what is read."""

    def __init__(self, body: bytes) -> None:
        self.body, self.read = body, []  # type: ignore[var-annotated]

    class exceptions:  # as boto3 calls it
        class NoSuchKey(Exception):
            pass

    def get_object(self, **place: str) -> dict[str, Any]:
        self.read.append(place["Key"])
        return {"Body": io.BytesIO(self.body)}


def measured(number: int, uri: str, data: str = "d") -> ModelVersion:
    found = version(number, 0.5, data)
    return found.model_copy(
        update={"metadata": {**found.metadata, "fingerprint": FINGERPRINT, "report_uri": uri, "dataset_digest": data}}
    )


def report() -> bytes:
    results = [record_result(0, "Lima", category="Asia"), record_result(1, "Quito", category="Africa")]
    on = MeasuredOn("arn", "d", "d", 2, 0, "c", PROMPT, 8, "s3://b/records")
    return build_report(on, results, 1.0).model_dump_json().encode()


OWN = f"s3://bucket/models/m/{FINGERPRINT[:12]}/evaluations/one.json"


def test_scores_are_by_category_and_version_the_oldest_first() -> None:
    found = read_heat_map(Stored(report()), "m", (measured(2, OWN), measured(1, OWN)), "f1")
    assert found.versions == (1, 2)
    assert found.categories == (("Africa", (0.0, 0.0)), ("Asia", (1.0, 1.0)))


def test_only_versions_of_the_newest_ones_data_are_read() -> None:
    found = read_heat_map(Stored(report()), "m", (measured(2, OWN), measured(1, OWN, data="other")), "f1")
    assert found.versions == (2,)


def test_an_object_that_no_run_of_the_model_wrote_is_not_read() -> None:
    s3 = Stored(report())
    for uri in ("s3://secrets/salaries.json", f"s3://bucket/models/other/{FINGERPRINT[:12]}/evaluations/one.json"):
        assert read_heat_map(s3, "m", (measured(1, uri),), "f1").categories == ()
    assert s3.read == []


def test_what_is_no_report_is_left_out() -> None:
    assert read_heat_map(Stored(b"{}"), "m", (measured(1, OWN),), "f1").versions == ()
