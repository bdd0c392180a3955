"""What Airflow's trigger form makes of the parameters, and what preflight makes of a run's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.providers.common.compat.sdk import AirflowFailException, ParamValidationError
from airflow.sdk import DAG

from include.config.account import AccountConfig
from include.config.errors import ModelFileInvalidError
from include.config.files import ModelFiles, read_model_files
from include.config.model import RUN_INPUTS, ModelConfig, parse_model_config
from model_import_dag.account import account_of
from model_import_dag.factory import build_import_dag
from model_import_dag.params import form_params
from model_import_dag.params import run_config as run_config_of
from model_import_dag.refusals import (
    FixedParametersError,
    ModelFolderOverlapsError,
    ModelHasFileError,
    UnknownParametersError,
)
from model_import_dag.retirement import build_retirement_dag
from model_import_dag.rolling_back import build_roll_back_dag
from tests.support.documents import blocks

DOCUMENT = "docs/data-scientist.md"
MODEL: dict[str, Any] = {"model_name": "capitals", "base": "base", "evaluation": {"dataset": "eval.jsonl"}}
NO_FILES = ModelFiles({}, (), frozenset())


def model(**changes: Any) -> ModelConfig:
    return parse_model_config({**MODEL, **changes}, "a test")


def run_config(file: ModelConfig | None, conf: dict[str, Any], files: ModelFiles = NO_FILES) -> ModelConfig:
    """The configuration of a run that is triggered with ``conf``."""
    return run_config_of(file, {**{name: param.value for name, param in form_params(file).items()}, **conf}, files)


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
    evaluation = {"dataset": "eval.jsonl", "thresholds": {"f1": 0.5}, "sample": 5, "stop": ["x"]}
    open_fields = ("description", "licence", "evaluation.thresholds", "evaluation.sample", "evaluation.stop")
    full = model(description="x", licence="MIT", adapter="a", evaluation=evaluation, run_may_change=open_fields)
    params = build_import_dag("import_capitals", full).params
    emptied = {name: None for name in params if "null" in params.get_param(name).schema.get("type", "")}
    params.update(emptied)
    assert run_config_of(full, params.validate(), NO_FILES) == model(run_may_change=open_fields)


def test_a_required_field_without_a_value_is_named() -> None:
    with pytest.raises(ModelFileInvalidError, match=r"evaluation\.dataset: is missing"):
        run_config_of(None, {"model_name": "capitals", "base": "base"}, NO_FILES)


def test_an_imports_form_has_no_field_of_the_training() -> None:
    file = model(training={"data": "train.jsonl", "format": "messages"})
    for params in (form_params(None), form_params(file)):
        assert [name for name in params if name.startswith("training")] == []
    assert run_config(file, {}).training == file.training


def test_a_run_may_set_thresholds_of_scores_that_its_models_file_names_and_never_the_metrics() -> None:
    evaluation = {"dataset": "eval.jsonl", "metrics": [{"length": {"most": 3, "as": "brief"}}]}
    file = model(evaluation=evaluation, run_may_change=("evaluation.thresholds", "evaluation.category_thresholds"))
    params = form_params(file)
    assert not {"evaluation_metrics", "evaluation_columns"} & {*params, *form_params(None)}
    for name, value in {"thresholds": {"brief": 0.5}, "category_thresholds": {"*": {"brief": 0.5}}}.items():
        assert params[f"evaluation_{name}"].resolve(value) == value
    found = run_config(file, {"evaluation_thresholds": {"brief": 0.5}}).evaluation
    assert (found.thresholds, found.metrics) == ({"brief": 0.5}, file.evaluation.metrics)
    with pytest.raises(ModelFileInvalidError, match="'bleu' is not a score of this evaluation"):
        run_config(file, {"evaluation_thresholds": {"bleu": 0.5}})
    with pytest.raises(UnknownParametersError, match="evaluation_metrics"):
        run_config(file, {"evaluation_metrics": ["os:system"]})


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


FORM = {"model_name": "rivers", "base": "base", "evaluation_dataset": "x"}


@pytest.mark.parametrize(("file", "given"), [(model(), {}), (None, FORM)], ids=["import_capitals", "import_model"])
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
        ({"schedule": "@daily", "xyzzy": 1}, ["schedule", "; xyzzy\n"]),
    ],
)
def test_keys_that_are_no_parameters_are_refused_with_the_nearest_parameter(
    file: ModelConfig | None, given: dict[str, Any], conf: dict[str, Any], found: list[str]
) -> None:
    with pytest.raises(UnknownParametersError) as refused:
        run_config(file, {**given, **conf})
    assert all(part in str(refused.value) for part in found)


def test_what_airflow_itself_adds_to_the_configuration_is_no_mistake() -> None:
    assert run_config(model(), {"openlineage": {"parentRunId": "x"}}) == run_config(model(), {})


def test_a_run_of_a_models_dag_chooses_its_inputs_and_nothing_else() -> None:
    inputs = {"base": "b", "adapter": "a", "dtype": "float16", "force": True, "comment": "why"}
    file = model(promotion="manual", approval={"hours": 5}, account={"bucket": "of-the-file"})
    assert tuple(inputs) == RUN_INPUTS == tuple(form_params(file))
    expected = model(promotion="manual", approval={"hours": 5}, account={"bucket": "of-the-file"}, **inputs)
    assert run_config(file, inputs) == expected


#: What a review set by a run's configuration although the model's file said otherwise.
POLICY: dict[str, Any] = {
    "promotion": "auto",
    "evaluation_thresholds": {},
    "comparison_margin": 1,
    "comparison_category_margin": 1,
    "approval_on_deadline": "approve",
    "approval_approvers": [],
    "retention_keep": 1,
    "retention_delete_checkpoint": True,
    "evaluation_dataset": "easy.jsonl",
    "model_name": "another",
}


@pytest.mark.parametrize("name", POLICY)
def test_what_is_policy_comes_from_the_models_file(name: str) -> None:
    with pytest.raises(FixedParametersError, match="Change the model's file"):
        run_config(model(), {name: POLICY[name]})


@pytest.mark.parametrize(("file", "given"), [(model(), {}), (None, FORM)], ids=["import_capitals", "import_model"])
@pytest.mark.parametrize("name", AccountConfig.model_fields)
def test_no_run_sets_what_belongs_to_the_account(
    file: ModelConfig | None, given: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_MODEL_IMPORT_BUCKET", "of-the-account")
    with pytest.raises(FixedParametersError) as refused:
        run_config(file, {**given, name: "another"})
    assert f"Found: {name}\n" in str(refused.value)
    assert run_config(file, given).account.bucket == "of-the-account"


def test_a_models_file_opens_fields_to_its_runs() -> None:
    file = model(promotion="manual", run_may_change=("promotion", "evaluation.max_tokens"))
    assert tuple(form_params(file)) == (*RUN_INPUTS, "evaluation_max_tokens", "promotion")
    changed = run_config(file, {"promotion": "never", "evaluation_max_tokens": 7})
    assert (changed.promotion, changed.evaluation.max_tokens) == ("never", 7)


def test_the_form_imports_no_model_that_has_a_file_even_a_broken_one(tmp_path: Path) -> None:
    (tmp_path / "rivers.yaml").write_text("model_name: rivers\nbase: [\n")
    with pytest.raises(ModelHasFileError, match="Trigger import_rivers"):
        run_config(None, FORM, read_model_files(tmp_path))
    assert run_config(None, {**FORM, "model_name": "lakes"}, read_model_files(tmp_path)).model_name == "lakes"


@pytest.mark.parametrize(
    ("prefix", "others", "overlaps"),
    [("models/rivers", "models", True), ("models", "models/capitals/x", True), ("models/river", "models", False)],
)
def test_no_models_folder_is_inside_anothers(prefix: str, others: str, overlaps: bool) -> None:
    other = parse_model_config({**MODEL, "model_name": "rivers", "account": {"prefix": others}}, "a test")
    files = ModelFiles({"rivers": other}, (), frozenset({"rivers"}))
    file = model(account={"prefix": prefix})
    if overlaps:
        with pytest.raises(ModelFolderOverlapsError, match="rivers"):
            run_config(file, {}, files)
    else:
        assert run_config(file, {}, files).account.prefix == prefix


def test_the_metrics_of_a_refused_run_still_find_the_account() -> None:
    assert account_of(model(account={"metrics_namespace": "Mine"})).metrics_namespace == "Mine"


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
