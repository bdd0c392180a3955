"""The S3 location of a version's HTML report, and reading it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import quote

from include.aws.s3_uri import S3Uri
from include.config.names import MODEL_NAME_PATTERN, import_dag_id
from include.errors import ModelImportError
from include.registry.sagemaker import SageMakerRegistry
from include.registry.versions import REPORT_HTML_URI, ModelVersion
from include.run.names import EVALUATIONS, import_folder

#: A page of the plugin "Imported models", behind Airflow's login; relative to Airflow's own address.
REPORT_PATH = "/model-imports/reports"
MODEL_PATH = "/model-imports/models"
MAX_REPORT_BYTES = 20_000_000
_REPORT = "report.html"
_MODEL_NAME = re.compile(MODEL_NAME_PATTERN)
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class ReportNotFoundError(ModelImportError):
    """There is no report for this model and content."""

    def __init__(self, model_name: str, fingerprint: str, found: str) -> None:
        super().__init__(
            "There is no report",
            f"{model_name!r} with fingerprint {fingerprint!r}",
            "a registered version with a report in S3",
            found,
            f"Reports are written by the task write_report of {import_dag_id(model_name)}.",
        )


class ReportTooLargeError(ModelImportError):
    """The report is larger than any that this project writes."""

    def __init__(self, uri: str, found: int) -> None:
        super().__init__("The report is too large to show", uri, f"at most {MAX_REPORT_BYTES} bytes", str(found))


def report_html_uri(bucket: str, evaluation_prefix: str) -> str:
    """Return the S3 URI of a version's HTML report: next to its evaluations."""
    return str(S3Uri(bucket, f"{evaluation_prefix}/{_REPORT}"))


def report_path(model_name: str, fingerprint: str) -> str:
    """Return the path at which Airflow shows the report, relative to Airflow's address."""
    return f"{REPORT_PATH}/{quote(model_name)}/{quote(fingerprint)}"


def model_path(model_name: str) -> str:
    """Return the path at which Airflow shows all versions of a model, relative to Airflow's address."""
    return f"{MODEL_PATH}/{quote(model_name)}"


class StoredReport(NamedTuple):
    """A version as it is in the registry now, and its HTML report, UTF-8, as it is stored in S3."""

    version: ModelVersion
    body: bytes


def read_html_report(model_name: str, fingerprint: str, sagemaker: Any, s3: Any) -> StoredReport:
    """Return the newest HTML report of a version.

    Args:
        model_name: the model's name, which is also its registry group.
        fingerprint: 64 hexadecimal digits.
        sagemaker: a SageMaker client.
        s3: an S3 client.

    Raises:
        ReportNotFoundError: no such version, or it has no report.
        ReportTooLargeError: the object has more than 20 MB.
    """
    if not (_MODEL_NAME.fullmatch(model_name) and _FINGERPRINT.fullmatch(fingerprint)):
        raise ReportNotFoundError(model_name, fingerprint, "no name or fingerprint of a model")
    version = SageMakerRegistry(sagemaker).find(model_name, fingerprint)
    uri = version.metadata.get(REPORT_HTML_URI, "") if version else ""
    if version is None or not uri:
        raise ReportNotFoundError(model_name, fingerprint, "a version without a report" if version else "no version")
    if not uri.endswith(f"/{import_folder(model_name, fingerprint)}/{EVALUATIONS}/{_REPORT}"):
        raise ReportNotFoundError(
            model_name, fingerprint, f"a version whose report is at {uri}, where no run writes it"
        )
    try:
        found = s3.get_object(**S3Uri.parse(uri).arguments)
    except (s3.exceptions.NoSuchKey, s3.exceptions.NoSuchBucket):
        raise ReportNotFoundError(model_name, fingerprint, f"nothing at {uri}") from None
    if found["ContentLength"] > MAX_REPORT_BYTES:
        raise ReportTooLargeError(uri, found["ContentLength"])
    return StoredReport(version, found["Body"].read())
