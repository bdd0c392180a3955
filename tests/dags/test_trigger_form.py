"""What Airflow's trigger form makes of the parameters, and what preflight makes of a run's configuration."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError

from include.config.model import ModelConfig, ModelFileInvalidError, parse_model_config
from model_import_dag.factory import build_import_dag
from model_import_dag.params import UnknownParametersError, run_account, run_config
from model_import_dag.retirement import build_retirement_dag
from model_import_dag.rolling_back import build_roll_back_dag
from tests.support.documents import blocks

DOCUMENT = "docs/data-scientist.md"
MODEL = {"model_name": "capitals", "base": "base", "evaluation": {"dataset": "eval.jsonl"}}


def documented_model() -> ModelConfig:
    """The model's file that docs/data-scientist.md shows."""
    [block] = [block for block in blocks("yaml") if block.document == DOCUMENT]
    return parse_model_config(yaml.safe_load(block.text), DOCUMENT)


def shown_as_missing(dag: DAG) -> set[str]:
    """The fields without which the form of Airflow 3.3.2 does not let a run be triggered, as it opens.

    The UI's FlexibleForm calls a parameter required when its schema has a type and null is none of its types, and
    missing when it is required and null or the empty text.
    """
    params = {name: dag.params.get_param(name) for name in dag.params}
    required = {name: param for name, param in params.items() if is_required(param.schema)}
    return {name for name, param in required.items() if not param.has_value or param.value == ""}


def is_required(schema: dict[str, Any]) -> bool:
    return "type" in schema and "null" not in schema["type"]


@pytest.mark.parametrize(
    ("dag", "missing"),
    [
        (build_import_dag("import_documented", documented_model()), set()),
        (build_import_dag("import_least", parse_model_config(MODEL, "a test")), set()),
        (build_import_dag("import_model", None), {"model_name", "base", "evaluation_dataset"}),
        (build_retirement_dag(), set()),
        (build_roll_back_dag(), {"model_name", "reason"}),
    ],
    ids=lambda value: value.dag_id if isinstance(value, DAG) else "",
)
def test_the_form_asks_only_for_what_a_run_needs(dag: DAG, missing: set[str]) -> None:
    assert shown_as_missing(dag) == missing
    for name in dag.params:
        param = dag.params.get_param(name)
        if not is_required(param.schema) and not isinstance(param.value, bool):
            param.resolve(None)  # what a field without a star becomes when it is emptied


def test_a_field_that_is_emptied_is_one_that_a_file_leaves_out() -> None:
    full = {**MODEL, "description": "x", "licence": "MIT", "adapter": "a"}
    full["evaluation"] = {"dataset": "eval.jsonl", "thresholds": {"f1": 0.5}, "sample": 5, "stop": ["x"]}
    params = build_import_dag("import_capitals", parse_model_config(full, "a test")).params
    emptied = {name: None for name in params if "null" in params.get_param(name).schema.get("type", "")}
    params.update(emptied)
    assert run_config(params.validate()) == parse_model_config(MODEL, "a test")


def test_a_required_field_without_a_value_is_named() -> None:
    with pytest.raises(ModelFileInvalidError, match=r"evaluation\.dataset: Field required"):
        run_config({"model_name": "capitals", "base": "base"})


def test_prompts_are_fields_of_several_lines() -> None:
    params = build_import_dag("import_model", None).params
    several = {name for name in params if params.get_param(name).schema.get("format") == "multiline"}
    assert several == {"evaluation_prompt_template", "evaluation_system_prompt"}


@pytest.mark.parametrize(
    ("dag", "wrong"),
    [
        (build_import_dag("import_model", None), {"evaluation_max_tokens": 0}),
        (build_import_dag("import_model", None), {"evaluation_temperature": 1.5}),
        (build_import_dag("import_model", None), {"force": "yes"}),
        (build_import_dag("import_model", None), {"force": None}),
        (build_retirement_dag(), {"keep": -1}),
        (build_retirement_dag(), {"dry_run": None}),
        (build_roll_back_dag(), {"version": 0}),
    ],
)
def test_the_form_changes_no_value_by_itself_and_the_wrong_one_is_refused(dag: DAG, wrong: dict[str, Any]) -> None:
    [(name, value)] = wrong.items()
    param = dag.params.get_param(name)
    assert not {"minimum", "maximum"} & param.schema.keys()
    with pytest.raises(ParamValidationError):
        param.resolve(value)


CAPITALS = build_import_dag("import_capitals", parse_model_config(MODEL, "a test")).params.dump()
FORM = build_import_dag("import_model", None).params.dump() | {
    "model_name": "rivers", "base": "base", "evaluation_dataset": "x",
}  # fmt: skip


@pytest.mark.parametrize("params", [CAPITALS, FORM], ids=["import_capitals", "import_model"])
@pytest.mark.parametrize(
    ("conf", "found"),
    [
        ({"adaptor": "early"}, ["adaptor (did you mean adapter?)"]),
        ({"evaluation": {"sample": 10, "seed": 1}}, ["evaluation.sample (did you mean evaluation_sample?)", "_seed?"]),
        ({"evaluation.sample": 10}, ["evaluation.sample (did you mean evaluation_sample?)"]),
        ({"evaluation-max-tokens": 10}, ["evaluation-max-tokens (did you mean evaluation_max_tokens?)"]),
        ({"account": {"bucket": "other"}}, ["account.bucket (did you mean bucket?)"]),
        ({"Promotion": "never"}, ["Promotion (did you mean promotion?)"]),
        ({"keep": 5}, ["keep (did you mean retention_keep?)"]),
        ({"comparison": {}}, ["comparison"]),
        ({"schedule": "@daily", "xyzzy": 1}, ["schedule", "; xyzzy."]),
    ],
)
def test_keys_that_are_no_parameters_are_refused_with_the_nearest_parameter(
    params: dict[str, Any], conf: dict[str, Any], found: list[str]
) -> None:
    with pytest.raises(UnknownParametersError) as refused:
        run_config({**params, **conf})
    assert all(part in str(refused.value) for part in found)


def test_what_airflow_itself_adds_to_the_configuration_is_no_mistake() -> None:
    assert run_config({**CAPITALS, "openlineage": {"parentRunId": "x"}}) == run_config(CAPITALS)


def test_the_metrics_of_a_refused_run_still_find_the_account() -> None:
    assert run_account({**CAPITALS, "adaptor": "early", "metrics_namespace": "Mine"}).metrics_namespace == "Mine"


@pytest.mark.parametrize(
    ("task", "conf", "nearest"),
    [
        (build_retirement_dag().get_task("list_models"), {"dryrun": True}, "dryrun (did you mean dry_run?)"),
        (build_roll_back_dag().get_task("roll_back"), {"Version": 1}, "Version (did you mean version?)"),
    ],
)
def test_the_other_dags_refuse_unknown_keys_before_any_work_and_once(
    task: Any, conf: dict[str, Any], nearest: str
) -> None:
    with pytest.raises(AirflowFailException) as refused:
        task.python_callable(params=task.dag.params.dump() | conf)
    assert nearest in str(refused.value)
