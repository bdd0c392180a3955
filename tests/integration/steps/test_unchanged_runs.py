"""A run that would do nothing ends after two tasks, and any change makes it a whole one again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from include.aws.s3_uri import S3Uri
from include.config.model import parse_model_config
from include.publishing.pointer import parameter_name
from model_import_dag.factory import build_import_dag
from tests.support.in_process import run_dag
from tests.support.local_aws_process import LocalAwsProcess
from tests.support.runner import QUICK, Runner
from tests.support.stacks import Aws

NAME = "team-lakes"
OPTIONS = ("--import-seconds", "0.1", "--cold-start-seconds", "0")


class Model:
    """A model with its own DAG, which publishes its champion."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        conf = runner.conf()
        evaluation = {"dataset": conf["evaluation_dataset"], "thresholds": {"f1": 0}}
        self._file = {"model_name": NAME, "base": conf["base"], "evaluation": evaluation, "publish": {}}
        self.first = self.run()

    def run(self, *, until: str = "", **changes: Any) -> dict[str, Any]:
        """What the tasks of a run of the file with these changes left; ``until`` is the last one."""
        dag = build_import_dag(f"import_{NAME}", parse_model_config(self._file | changes, "a test"), QUICK)
        if until:
            dag = dag.partial_subset(until, include_downstream=False)
        return run_dag(dag, f"run-{next(self.runner.numbers)}", {})

    def is_unchanged(self, **changes: Any) -> bool:
        return not self.run(until="decide_import", **changes)["decide_import"]["needed"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    with LocalAwsProcess([*OPTIONS]) as process, pytest.MonkeyPatch.context() as environment:
        runner = Runner.create(Aws(process.endpoint_url), tmp_path_factory.mktemp("runner"))
        runner.connect(environment)
        for name, value in runner.variables().items():
            environment.setenv(name, value)
        yield Model(runner)


def test_a_run_of_a_champion_with_nothing_to_do_names_it_and_runs_no_other_task(model: Model) -> None:
    again = model.run()
    assert set(again) == {"preflight", "decide_import", "put_metrics", "clear_workspace"}
    first, unchanged = model.first, again["decide_import"]["unchanged"]
    assert unchanged["version"] == first["register_version"]["version"]
    assert unchanged["job_arn"] == first["wait_for_import"]["job_arn"]
    assert unchanged["report_html_uri"] == first["write_report"]["report_html_uri"]
    assert unchanged["scores"] == first["evaluate_model"]["scores"]


def test_a_first_run_has_everything_to_do_but_the_merge_of_no_adapter(model: Model) -> None:
    assert model.first["decide_import"]["needed"]
    assert "merge_lora" not in model.first
    assert "validate_checkpoint" in model.first


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Lakes"},
        {"retention": {"keep": 5}},
        {"comparison": {"margin": 0.5}},
        {"dtype": "float16"},
        {"force": True},
    ],
    ids=str,
)
def test_a_change_of_the_models_file_makes_a_whole_run_of_it(model: Model, change: dict[str, Any]) -> None:
    assert not model.is_unchanged(**change)


def test_a_change_of_the_questions_makes_a_whole_run_of_it(model: Model) -> None:
    questions = model.runner.dataset.read_text()
    model.runner.dataset.write_text(questions + questions.replace("Portugal", "Spain").replace("Lisbon", "Madrid"))
    assert not model.is_unchanged()
    model.runner.dataset.write_text(questions)


def test_a_run_whose_work_is_needed_again_does_it(model: Model) -> None:
    ssm, s3, bedrock = (model.runner.aws.client(service) for service in ("ssm", "s3", "bedrock"))
    first = model.first
    s3.delete_object(**S3Uri.parse(first["write_report"]["report_html_uri"]).arguments)
    assert "write_report" in model.run()
    assert model.is_unchanged()
    ssm.delete_parameter(Name=parameter_name(NAME))
    assert not model.is_unchanged()
    bedrock.delete_imported_model(modelIdentifier=first["wait_for_import"]["imported_model_arn"])
    again = model.run()
    assert again["wait_for_import"]["imported_model_arn"] != first["wait_for_import"]["imported_model_arn"]
    assert "publish_champion" in again
    assert "validate_checkpoint" not in again
    assert model.is_unchanged()
