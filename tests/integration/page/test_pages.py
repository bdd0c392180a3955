from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from include.demo.environment import aws_client
from include.retention.occupancy import Occupancy
from tests.support.local_aws_process import LocalAwsProcess
from tests.support.registered_versions import FINGERPRINT, register

Visit = Callable[..., Any]
REPORT = f"models/capitals/{FINGERPRINT[:12]}/evaluations/report.html"
PATHS = [
    "",
    "overview",
    "outlook",
    "rows/capitals",
    "models/capitals",
    "models/capitals/standing",
    "models/capitals/outlook",
    "models/capitals/categories",
    f"reports/capitals/{FINGERPRINT}",
]


@pytest.fixture(scope="module", autouse=True)
def registered(local_aws: LocalAwsProcess) -> None:
    s3 = aws_client(local_aws.endpoint_url, "s3")
    s3.create_bucket(Bucket="reports")
    s3.put_object(Bucket="reports", Key=REPORT, Body="<h1>Raport — 漢</h1><script>alert(1)</script>".encode())
    where = {"dag_id": "import_capitals", "dag_run_id": "a/run", "report_html_uri": f"s3://reports/{REPORT}"}
    register(local_aws, "capitals", **where)
    register(local_aws, "capitals", "Rejected", "cd" * 32, reason="f1 0.875 is below 0.900")
    register(local_aws, "secret")


@pytest.mark.parametrize("path", PATHS)
def test_without_a_login_nothing_is_shown(visit: Visit, path: str) -> None:
    assert visit(path, user=None).status_code == requests.codes.unauthorized


@pytest.mark.parametrize("path", PATHS)
def test_a_user_without_permission_is_refused(visit: Visit, path: str) -> None:
    assert visit(path, user="nobody").status_code == requests.codes.forbidden


def test_a_browser_without_a_login_is_sent_to_airflows(visit: Visit) -> None:
    answer = visit("models/capitals", user=None, **{"Sec-Fetch-Mode": "navigate"})
    assert answer.status_code == requests.codes.see_other
    assert "/auth/login" in answer.headers["Location"]


@pytest.mark.parametrize("path", PATHS)
def test_who_may_not_read_a_models_dag_sees_nothing_of_the_model(
    visit: Visit, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    def readable(**_: Any) -> set[str]:
        return {"import_model", "import_capitals"}

    monkeypatch.setattr(get_auth_manager(), "get_authorized_dag_ids", readable)
    assert visit(path).status_code == requests.codes.ok
    if path in ("", "overview", "outlook"):
        assert "secret" not in visit(path).text
    elif "capitals" in path:
        assert visit(path.replace("capitals", "secret")).status_code == requests.codes.forbidden


def test_the_list_names_models_with_a_file_and_registered_ones(visit: Visit) -> None:
    text = visit("overview").text
    assert 'data-name="capitals"' in text
    assert 'data-name="secret"' in text
    assert "0 of 3" in text


def test_a_row_tells_champion_and_newest_version(visit: Visit) -> None:
    text = visit("rows/capitals").text
    assert "version 1, f1 0.875" in text
    assert "version 2 " in text
    assert "Rejected" in text
    assert text.count("<circle") == 2


def test_a_models_page_links_to_run_and_report(visit: Visit) -> None:
    text = visit("models/capitals/standing").text
    assert 'href="/dags/import_capitals/runs/a%2Frun"' in text
    assert f'href="/model-imports/reports/capitals/{FINGERPRINT}"' in text


@pytest.mark.parametrize("path", ["overview", "models/capitals/standing"])
def test_what_another_endpoint_than_awss_answers_is_not_linked_to_awss_console(visit: Visit, path: str) -> None:
    text = visit(path).text
    assert "console.aws" not in text
    assert "which is not AWS: nothing here is in the AWS console" in text


def test_what_aws_answers_is_linked_to_its_console(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aws_waits.links._AWS_DOMAINS", ("127.0.0.1",))
    text = visit("models/capitals/standing").text
    assert "https://console.aws.amazon.com/bedrock/home?region=us-east-1#/import-models" in text


def test_a_version_has_a_card_with_its_arn_to_copy_code_to_call_it_scores_and_reason(
    visit: Visit, local_aws: LocalAwsProcess
) -> None:
    text = visit("models/capitals/standing").text
    card = text[text.index('<div id="version-2"') :]
    arn = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"
    assert f'data-copy="{arn}"' in card
    assert "Champion (version 1)" in card
    assert "Reason</dt><dd>f1 0.875 is below 0.900</dd>" in card
    champion = text[: text.index('<div id="version-2"')]
    assert f"endpoint_url=&#34;{local_aws.endpoint_url}&#34;" in champion


def test_the_slots_of_the_quota_are_drawn(visit: Visit) -> None:
    assert visit("outlook").text.count('<li class="free">') == 3


def test_a_report_is_shown_as_it_lies_in_s3_and_shut_into_a_sandbox(visit: Visit) -> None:
    answer = visit(f"reports/capitals/{FINGERPRINT}")
    assert "Raport — 漢" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox;")
    assert "allow-" not in policy
    assert "script-src" not in policy
    assert "default-src 'none'" in policy


def test_a_report_says_which_status_the_version_has_by_now(visit: Visit, local_aws: LocalAwsProcess) -> None:
    sagemaker = aws_client(local_aws.endpoint_url, "sagemaker")
    packages = sagemaker.list_model_packages(ModelPackageGroupName="capitals", SortOrder="Ascending")
    arn = packages["ModelPackageSummaryList"][0]["ModelPackageArn"]
    try:
        sagemaker.update_model_package(
            ModelPackageArn=arn, ModelApprovalStatus="Rejected", ApprovalDescription="rolled back by <ops>"
        )
        text = visit(f"reports/capitals/{FINGERPRINT}").text
    finally:
        sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    assert "In the registry now: Rejected, rolled back by &lt;ops&gt;</p>" in text


def test_a_report_that_does_not_exist_is_not_found(visit: Visit) -> None:
    answer = visit(f"reports/capitals/{'0' * 64}")
    assert answer.status_code == requests.codes.not_found
    assert "no version" in answer.text


@pytest.mark.parametrize("path", PATHS[:-1])
def test_answers_forbid_foreign_frames_scripts_and_keeping(visit: Visit, path: str) -> None:
    answer = visit(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"


def test_script_and_style_sheet_may_be_kept_by_the_address_that_they_have_in_the_page(visit: Visit) -> None:
    for address in re.findall(r'/model-imports/(static/[^"]+)', visit("").text):
        assert "immutable" in visit(address).headers["Cache-Control"]
        assert visit(address.partition("?")[0]).headers["Cache-Control"] == "no-store"


def test_refresh_shows_a_version_that_was_registered_a_moment_ago(
    visit: Visit, local_aws: LocalAwsProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.overview.reader.REFRESH_AGE", 0.0)
    assert "none registered" in visit("rows/refreshed").text
    register(local_aws, "refreshed")
    assert "version 1, f1 0.875" in visit("rows/refreshed?refresh=true").text
    assert "version 1, f1 0.875" in visit("rows/refreshed").text


@pytest.mark.parametrize("path", PATHS)
def test_no_answer_holds_a_credential(visit: Visit, path: str) -> None:
    assert "the-secret-key" not in visit(path).text


def test_what_a_visitor_writes_into_the_address_stays_text(visit: Visit) -> None:
    evil = '"><script>alert(1)</script>'
    for path in (f"models/capitals?metric={evil}", f"models/capitals/standing?metric={evil}"):
        answer = visit(path)
        assert answer.status_code == requests.codes.ok
        assert "<script>alert" not in answer.text


def test_the_database_is_asked_for_runs_and_tasks(visit: Visit) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with create_session() as session:
        session.add(
            DagRun(
                dag_id="import_capitals",
                run_id="manual__now",
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.TEST,
                run_after=datetime.now(UTC),
                start_date=datetime.now(UTC),
                state="running",
            )
        )
    text = visit("overview").text
    assert 'href="/dags/import_capitals/runs/manual__now"' in text


#: What a version of the registry may say that another program, or a person in the console, wrote.
STRANGE = {
    "score.f1": "not a number",
    "score.exact_match": "nan",
    "score.precision": "1e308",
    "score.recall": "-1",
    "score.": "0.5",
    "landed_at": "yesterday",
    "retired_at": "never",
    "dag_id": "../../x",
    "dag_run_id": "a b",
    "s3_uri": "s3://",
    "report_html_uri": "s3://",
    "cost": "free",
}


def test_the_page_survives_whatever_others_write_into_the_registry(visit: Visit, local_aws: LocalAwsProcess) -> None:
    register(local_aws, "strange", fingerprint="ef" * 32)
    sagemaker = aws_client(local_aws.endpoint_url, "sagemaker")
    [version] = sagemaker.list_model_packages(ModelPackageGroupName="strange")["ModelPackageSummaryList"]
    sagemaker.update_model_package(
        ModelPackageArn=version["ModelPackageArn"],
        CustomerMetadataProperties={**STRANGE, "imported_model_arn": "no ARN at all", "fingerprint": "../x"},
    )
    sagemaker.create_model_package(ModelPackageGroupName="strange", ModelPackageDescription="of another program")
    for path in ("", "overview?refresh=true", "outlook?refresh=true", "rows/strange", "models/strange/standing"):
        assert visit(path).status_code == requests.codes.ok, path
    assert "not a number" not in visit("models/strange/standing").text


def test_a_group_of_another_programs_is_not_shown(visit: Visit, local_aws: LocalAwsProcess) -> None:
    sagemaker = aws_client(local_aws.endpoint_url, "sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="payroll", ModelPackageGroupDescription="Of finance")
    sagemaker.create_model_package(ModelPackageGroupName="payroll", ModelPackageDescription="a model of salaries")
    assert "payroll" not in visit("overview?refresh=true").text
    assert "none registered" in visit("rows/payroll").text
    assert "No version yet" in visit("models/payroll/standing").text


def test_a_running_job_of_a_model_whose_name_begins_alike_is_not_named() -> None:
    from model_imports_page.board import _running

    jobs = ("cap-aaaaaaaaaaaa-2", "cap-secret-merger-0123456789ab", "cap-of-no-model")
    account = SimpleNamespace(occupancy=Occupancy(3, (), jobs))
    assert _running(account, ("cap",)) == ("cap-aaaaaaaaaaaa-2", "2 of others")  # type: ignore[arg-type]
