"""The values for the official Helm chart: keys that it has, settings that Airflow and this project read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.configuration import conf
from jsonschema import Draft202012Validator

from include.config.account import AccountConfig
from model_import_dag.schedules import QUEUE_VARIABLE

ROOT = Path(__file__).parents[3]
HELM = ROOT / "deploy" / "helm"
SCHEMA = yaml.safe_load(Path(__file__).with_name("chart_values.schema.yaml").read_text("utf-8"))
VALUES: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted(HELM.glob("values-*.yaml"))
}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))
SHARED: dict[str, Any] = COMPOSE["x-airflow"]["environment"] | COMPOSE["x-celery"]
each_file = pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)


def settings(values: dict[str, Any]) -> dict[str, str]:
    """Return what the chart writes into airflow.cfg, by the names of environment variables."""
    return {
        f"AIRFLOW__{section}__{option}".upper(): str(value)
        for section, options in values["config"].items()
        for option, value in options.items()
    }


def environment(values: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in values["env"]}


def test_there_are_values_for_both_executors() -> None:
    assert {values["executor"] for values in VALUES.values()} == {"CeleryExecutor", "KubernetesExecutor"}


@each_file
def test_every_value_is_one_that_the_chart_has(values: dict[str, Any]) -> None:
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(values)] == []


def test_a_key_that_the_chart_does_not_have_is_found() -> None:
    wrong = VALUES["values-celery"] | {"webServer": {}, "env": [{"name": "A", "valueFrom": "b"}]}
    assert len(list(Draft202012Validator(SCHEMA).iter_errors(wrong))) == 3


@each_file
def test_every_setting_is_one_that_airflow_reads(values: dict[str, Any]) -> None:
    known = {(section.lower(), option.lower()) for section, found in conf.configuration_description.items()
             for option in found["options"]}  # fmt: skip
    named = {(section, option) for section, options in values["config"].items() for option in options}
    of_the_provider = {pair for pair in named if pair[0] in ("celery", "celery_broker_transport_options")}
    assert named - of_the_provider - known == set()


@each_file
def test_every_variable_is_one_that_this_project_reads_and_the_compose_file_sets(values: dict[str, Any]) -> None:
    known = {f"AIRFLOW_VAR_MODEL_IMPORT_{field}".upper() for field in AccountConfig.model_fields}
    known |= {f"AIRFLOW_VAR_{QUEUE_VARIABLE}".upper()}
    variables = {name for name in environment(values) if name.startswith("AIRFLOW_VAR_")}
    assert variables - known == set()
    assert variables == {name for name in SHARED if name.startswith("AIRFLOW_VAR_")}


@each_file
def test_what_the_compose_file_sets_too_has_the_same_value(values: dict[str, Any]) -> None:
    fixed = {name: value for name, value in SHARED.items() if isinstance(value, str) and "${" not in value}
    ours = settings(values) | environment(values)
    different = {name: (ours[name], fixed[name]) for name in ours.keys() & fixed.keys()
                 if ours[name].lower() != fixed[name].lower()}  # fmt: skip
    assert different == {}
    assert len(ours.keys() & fixed.keys()) >= 9


@each_file
def test_the_image_is_the_one_that_the_projects_dockerfile_builds(values: dict[str, Any]) -> None:
    image = COMPOSE["x-airflow"]["image"]
    name, tag = image.split(":")
    assert values["defaultAirflowRepository"] == f"REGISTRY/{name}"
    assert values["defaultAirflowTag"] == tag + ("-kubernetes" if values["executor"] == "KubernetesExecutor" else "")
    assert f"FROM apache/airflow:slim-{values['airflowVersion']}-" in (ROOT / "Dockerfile").read_text("utf-8")
    assert f"\nFROM {image}\n" in (HELM / "Dockerfile").read_text("utf-8")


@each_file
def test_secrets_and_the_connection_are_read_from_secrets_of_the_cluster(values: dict[str, Any]) -> None:
    assert [each["envName"] for each in values["secret"]] == ["AIRFLOW_CONN_AWS_DEFAULT"]
    assert {name for name in values if name.endswith("SecretName")} == {
        "fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName",
    }  # fmt: skip
    assert not re.search(r"password|secret_key|fernet_key", str(settings(values) | environment(values)), re.IGNORECASE)


@each_file
def test_workers_share_the_workspace_and_all_who_call_aws_have_the_role(values: dict[str, Any]) -> None:
    [mount] = values["workers"]["extraVolumeMounts"]
    assert mount["mountPath"] == environment(values)["AIRFLOW_VAR_MODEL_IMPORT_WORKSPACE"]
    assert [each["name"] for each in values["workers"]["extraVolumes"]] == [mount["name"]]
    with_role = {name for name, value in values.items() if isinstance(value, dict) and "serviceAccount" in value}
    assert with_role == {"workers", "triggerer", "apiServer"}


def test_the_documents_name_every_secret_and_claim() -> None:
    text = (ROOT / "docs" / "helm.md").read_text("utf-8")
    for values in VALUES.values():
        names = set(values["data"].values()) | {each["secretName"] for each in values["secret"]}
        names |= {value for name, value in values.items() if name.endswith("SecretName")}
        names |= {each["persistentVolumeClaim"]["claimName"] for each in values["workers"]["extraVolumes"]}
        assert [name for name in names if name not in text] == []
