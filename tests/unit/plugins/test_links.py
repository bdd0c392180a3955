from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.amazon.aws.links.base_aws import BaseAwsLink
from airflow.sdk import DAG, task

from aws_waits import links as shared_links
from aws_waits.links import S3PrefixLink, persist_in_console
from bedrock_import import links
from bedrock_import.operators import BedrockCreateModelImportJobOperator
from bedrock_import.sensors import BedrockImportedModelReadySensor, BedrockModelImportJobCompletedSensor
from sagemaker_training import links as training_links
from tests.support.airflow_versions import DagSerialization
from tests.support.task_run import FakeTaskInstance

US = {"region_name": "us-west-2", "aws_partition": "aws"}
LOG_STREAMS = "$252Faws$252Fsagemaker$252FTrainingJobs$3FlogStreamNameFilter$3Dcapitals-ft-1"
EVALUATION_JOB = "arn:aws:bedrock:us-west-2:123456789012:evaluation-job/abcdefghijkl"
EVALUATION_PAGE = "https://console.aws.amazon.com/bedrock/home?region=us-west-2#/eval/model-evaluation/report"
LINKS = [
    (
        links.BedrockModelImportJobLink,
        US,
        "https://console.aws.amazon.com/bedrock/home?region=us-west-2#/import-models",
    ),
    (links.BedrockImportedModelLink, US, "https://console.aws.amazon.com/bedrock/home?region=us-west-2#/import-models"),
    (
        links.BedrockEvaluationJobLink,
        US | {"job_name": "capitals-1", "job_arn": EVALUATION_JOB},
        f"{EVALUATION_PAGE}?job=capitals-1&jobIdentifier={EVALUATION_JOB}",
    ),
    (
        S3PrefixLink,
        US | {"s3_uri": "s3://models/a b/f1/checkpoint"},
        "https://console.aws.amazon.com/s3/buckets/models?region=us-west-2&prefix=a%20b%2Ff1%2Fcheckpoint%2F",
    ),
    (
        S3PrefixLink,
        US | {"s3_uri": "s3://models"},
        "https://console.aws.amazon.com/s3/buckets/models?region=us-west-2&prefix=",
    ),
    (
        links.SageMakerModelRegistryLink,
        US,
        "https://console.aws.amazon.com/sagemaker/home?region=us-west-2#/studio",
    ),
    (
        training_links.SageMakerTrainingJobLink,
        US | {"job_name": "capitals-ft-1"},
        "https://console.aws.amazon.com/sagemaker/home?region=us-west-2#/jobs/capitals-ft-1",
    ),
    (
        training_links.SageMakerTrainingLogsLink,
        US | {"job_name": "capitals-ft-1"},
        f"https://console.aws.amazon.com/cloudwatch/home?region=us-west-2#logsV2:log-groups/log-group/{LOG_STREAMS}",
    ),
    (
        training_links.SageMakerTrainingHelpLink,
        US | {"see": "https://docs.aws.amazon.com/y"},
        "https://docs.aws.amazon.com/y",
    ),
    (links.BedrockImportHelpLink, US | {"see": "https://docs.aws.amazon.com/x"}, "https://docs.aws.amazon.com/x"),
]


@pytest.mark.parametrize(("link", "stored", "url"), LINKS)
def test_what_a_task_stores_becomes_the_address(
    link: type[BaseAwsLink], stored: dict[str, Any], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_instance = FakeTaskInstance()
    operator = BedrockModelImportJobCompletedSensor(task_id="wait", job_identifier="j")
    link.persist({"ti": task_instance}, operator, **stored)
    monkeypatch.setattr(
        "airflow.providers.amazon.aws.links.base_aws.XCom.get_value", lambda key, ti_key: task_instance.xcoms[key]
    )
    assert link().get_link(operator, ti_key="key") == url


def test_every_link_of_the_package_is_tested_here() -> None:
    modules = (links, training_links, shared_links)
    found = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    own = {link for link in found if issubclass(link, BaseAwsLink)}
    assert own - {BaseAwsLink, shared_links.HelpLink} == {link for link, *_ in LINKS}


@pytest.mark.parametrize("module", [links, training_links])
def test_no_two_links_of_a_task_share_a_name_or_a_key(module: Any) -> None:
    used = {link for link, *_ in LINKS if link.__module__ in (module.__name__, shared_links.__name__)}
    assert len(used) == len({link.name for link in used}) == len({link.key for link in used}) > 2


@pytest.mark.parametrize(
    ("resource", "url"),
    [
        (
            "arn:aws:bedrock:eu-central-1:123456789012:model-import-job/abcdefghijkl",
            "https://console.aws.amazon.com/bedrock/home?region=eu-central-1#/import-models",
        ),
        (
            "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:imported-model/abcdefghijkl",
            "https://console.amazonaws-us-gov.com/bedrock/home?region=us-gov-west-1#/import-models",
        ),
        ("capitals-1", None),
    ],
)
def test_an_error_points_at_the_console_of_its_partition_and_region(resource: str, url: str | None) -> None:
    assert links.console_url(resource) == url


@pytest.mark.parametrize(
    "operator",
    [BedrockCreateModelImportJobOperator, BedrockModelImportJobCompletedSensor, BedrockImportedModelReadySensor],
)
def test_every_operator_links_to_the_console_and_to_help(operator: Any) -> None:
    names = [type(link).__name__ for link in operator.operator_extra_links]
    assert len(names) >= 2
    assert "BedrockImportHelpLink" in names


def test_links_reach_the_ui_without_an_airflow_plugin_that_registers_them() -> None:
    with DAG("with_links", schedule=None) as dag:
        BedrockModelImportJobCompletedSensor(task_id="wait", job_identifier="j")
        upload = task(task_id="upload")(lambda: None)()
        upload.operator.operator_extra_links = (S3PrefixLink(),)
    read_back = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    found = {item.task_id: {link.name: link.xcom_key for link in item.operator_extra_links} for item in read_back.tasks}
    assert found == {
        "wait": {
            "Bedrock Model Import Job": "_link_BedrockModelImportJobLink",
            "What To Do": "_link_BedrockImportHelpLink",
        },
        "upload": {"S3 Prefix": "_link_S3PrefixLink"},
    }


@pytest.mark.parametrize(
    ("endpoint_url", "linked"),
    [
        (None, True),
        ("https://bedrock.us-west-2.amazonaws.com", True),
        ("https://vpce-0a1b2c.bedrock.us-west-2.vpce.amazonaws.com", True),
        ("http://127.0.0.1:5555", False),
        ("https://amazonaws.com.example.org", False),
    ],
)
def test_a_task_links_to_the_console_unless_its_connection_leads_elsewhere(
    endpoint_url: str | None, linked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"region_name": "us-west-2"} | ({"endpoint_url": endpoint_url} if endpoint_url else {})
    monkeypatch.setenv("AIRFLOW_CONN_AWS_LINKED", json.dumps({"conn_type": "aws", "extra": extra}))
    sensor = BedrockModelImportJobCompletedSensor(task_id="wait", job_identifier="j", aws_conn_id="aws_linked")
    task_instance, arn = FakeTaskInstance(), "arn:aws:bedrock:us-west-2:123456789012:model-import-job/abcdefghijkl"
    persist_in_console(links.BedrockModelImportJobLink, {"ti": task_instance}, sensor, sensor.hook)
    assert bool(task_instance.xcoms) is linked
    assert bool(links.console_url_for(arn, sensor.hook)) is linked
    assert bool(sensor._error({"status": "failed", "job": {"job_arn": arn}}).console_url) is linked
