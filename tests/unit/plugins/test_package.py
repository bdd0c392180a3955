"""How Airflow sees the package: loaded once, light, its fields templated, its errors serializable."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from aws_waits.exceptions import AwsWaitError
from bedrock_import import exceptions
from bedrock_import.operators import BedrockCreateModelImportJobOperator
from bedrock_import.sensors import (
    BedrockEvaluationJobCompletedSensor,
    BedrockImportedModelReadySensor,
    BedrockModelImportJobCompletedSensor,
)
from tests.support.airflow_versions import find_path_from_directory

PLUGINS = Path(exceptions.__file__).parents[1]
AWS_FIELDS = {"aws_conn_id", "region_name", "verify"}
ERRORS = [value for value in vars(exceptions).values() if getattr(value, "__module__", "") == exceptions.__name__]
ARGUMENTS: dict[Any, dict[str, Any]] = {
    BedrockCreateModelImportJobOperator: {
        "job_name": "capitals-1",
        "imported_model_name": "capitals",
        "role_arn": "arn",
        "s3_uri": "s3://models/capitals/",
        "client_request_token": "token",
        "import_job_kwargs": {"jobTags": [{"key": "a", "value": "b"}]},
    },
    BedrockModelImportJobCompletedSensor: {"job_identifier": "capitals-1", "usual_seconds": 900},
    BedrockEvaluationJobCompletedSensor: {"job_arn": "arn", "job_name": "capitals-1"},
    BedrockImportedModelReadySensor: {"imported_model_arn": "arn", "body": {"prompt": "Hello"}},
}


def test_airflow_loads_no_module_of_the_package_under_its_bare_name() -> None:
    found = [Path(path) for path in find_path_from_directory(str(PLUGINS), ".airflowignore", "glob")]
    packages = {"aws_waits", "bedrock_import", "sagemaker_training"}
    assert [path for path in found if path.suffix == ".py" and path.parent.name in packages] == []


@pytest.mark.parametrize("operator", ARGUMENTS)
def test_what_a_user_sets_is_a_template_field_and_kept_as_given(operator: Any) -> None:
    task = operator(task_id="task", **ARGUMENTS[operator])
    assert set(operator.template_fields) == set(ARGUMENTS[operator]) | AWS_FIELDS
    assert {name: getattr(task, name) for name in ARGUMENTS[operator]} == ARGUMENTS[operator]


@pytest.mark.parametrize("operator", ARGUMENTS)
def test_deferral_follows_airflows_default_and_can_be_chosen(operator: Any) -> None:
    assert operator(task_id="task", **ARGUMENTS[operator]).deferrable is False
    assert operator(task_id="task", deferrable=True, **ARGUMENTS[operator]).deferrable is True


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_survives_pickling_and_says_all_it_knows(error: type[exceptions.BedrockModelImportError]) -> None:
    parts = {
        "resource": "arn:job",
        "failure_message": "no config.json",
        "hint": "Check the prefix.",
        "see": "https://docs",
        "console_url": "https://console",
    }
    original = error("The job failed", **parts)
    again = pickle.loads(pickle.dumps(original))
    assert type(again) is error
    assert vars(again) == vars(original)
    assert all(part in str(again) for part in ["The job failed", *parts.values()])


def test_each_error_derives_from_the_one_base_and_from_airflows() -> None:
    assert all(issubclass(error, exceptions.BedrockModelImportError) for error in ERRORS)
    assert issubclass(exceptions.BedrockModelImportError, AwsWaitError)
    assert issubclass(AwsWaitError, AirflowException)
    assert len(ERRORS) == 14


def test_every_public_class_and_function_says_what_it_is() -> None:
    modules = [sys.modules[name] for name in sys.modules if name.startswith(("aws_waits.", "bedrock_import."))]
    for module in modules:
        for name, value in vars(module).items():
            if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_"):
                assert inspect.getdoc(value), f"{module.__name__}.{name}"


def test_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, bedrock_import.operators, bedrock_import.sensors, bedrock_import.triggers\n"
        "print([m for m in ('aiobotocore', 'torch', 'numpy', 'transformers', 'moto', 'pandas') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=PLUGINS, capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout.strip().endswith("[]")
