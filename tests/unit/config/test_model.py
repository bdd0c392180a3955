from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from include.config.account import CONNECTION_FIELDS, AccountConfig, account_settings
from include.config.errors import ModelFileInvalidError
from include.config.files import read_model_file
from include.config.model import ModelConfig, parse_model_config

MODEL: dict[str, object] = {"model_name": "capitals", "base": "base", "evaluation": {"dataset": "eval.jsonl"}}


def test_the_demos_model_file_is_valid() -> None:
    config = read_model_file(Path("dags/models/capitals.yaml"))
    assert config.model_name == "capitals"
    assert config.evaluation.thresholds == {"f1": 0.8}


def test_what_is_not_given_has_a_default() -> None:
    config = parse_model_config(MODEL, "a test")
    assert config.promotion == "auto"
    assert config.account.aws_conn_id == "aws_default"


def test_a_prompt_keeps_the_line_breaks_at_its_end() -> None:
    template = "<|start_header_id|>assistant<|end_header_id|>\n\n{question}\n\n"
    evaluation = {
        "dataset": "x",
        "prompt_template": template,
        "body_format": "Converse",
        "system_prompt": " Be brief.\n",
    }
    config = parse_model_config({**MODEL, "evaluation": evaluation}, "a test").evaluation
    assert (config.prompt_template, config.system_prompt) == (template, " Be brief.\n")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model_name": "mistral-7b-v0.3"}, "model_name"),
        ({"base": ""}, "base"),
        ({"evaluation": {}}, "evaluation.dataset"),
        ({"evaluation": {"dataset": "x", "max_tokens": 0}}, "evaluation.max_tokens"),
        ({"evaluation": {"dataset": "x", "thresholds": {"f1": 1.5}}}, "evaluation.thresholds.f1"),
        ({"evaluation": {"dataset": "x", "thresholds": {"bleu": 0.5}}}, "evaluation.thresholds"),
        ({"evaluation": {"dataset": "x", "thresholds": {"latency_p50": 0.5}}}, "evaluation.thresholds"),
        ({"evaluation": {"dataset": "x", "system_prompt": "Be brief."}}, "evaluation.system_prompt"),
        ({"evaluation": {"dataset": "x", "guardrail_id": "G 1"}}, "evaluation.guardrail_id"),
        ({"evaluation": {"dataset": "x", "thresholds": {"guardrail_intervened": 1}}}, "evaluation.thresholds"),
        (
            {"evaluation": {"dataset": "x", "category_thresholds": {"*": {"guardrail_intervened": 1}}}},
            "evaluation.category_thresholds",
        ),
        ({"evaluation": {"dataset": "x", "stop": [""]}}, "evaluation.stop.0"),
        ({"promotion": "always"}, "promotion"),
        ({"promotoin": "auto"}, "promotoin"),
        ({"account": {"role_arn": "role/x"}}, "account.role_arn"),
        ({"schedule": 5}, "schedule"),
        ({"schedule": {"cron": "@daily", "asset": "x"}}, "schedule"),
        ({"schedule": {"fine_tune": False}}, "schedule.fine_tune"),
        ({"schedule": {"events": {}}}, "schedule.events"),
        ({"schedule": {"events": {"s3": "bucket/prefix"}}}, "schedule.events.s3"),
        ({"schedule": {"events": {"training_jobs": "x-*", "replaces": "both"}}}, "schedule.events.replaces"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(change: dict[str, object], field: str) -> None:
    with pytest.raises(ModelFileInvalidError) as refused:
        parse_model_config({**MODEL, **change}, "capitals.yaml")
    assert "capitals.yaml" in str(refused.value)
    assert f"{field}:" in str(refused.value)


@pytest.mark.parametrize(
    ("schedule", "kind"),
    [
        ("0 3 * * *", "cron"),
        ({"asset": "training-data"}, "asset"),
        ({"fine_tune": True}, "fine_tune"),
        ({"events": {"s3": "s3://bucket/fine-tunes"}}, "events"),
        ({"events": {"training_jobs": "capitals-*", "replaces": "base"}}, "events"),
    ],
)
def test_a_schedule_is_a_cron_expression_an_asset_events_or_the_models_fine_tunes(schedule: object, kind: str) -> None:
    training = {"data": "data.jsonl", "format": "messages"}
    config = parse_model_config({**MODEL, "schedule": schedule, "training": training}, "a test")
    assert config.schedule
    assert config.schedule.model_fields_set == {kind}
    assert ModelConfig.model_validate(config.model_dump(mode="json")) == config  # as a run's plan goes through XCom


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"adaptor": "x"}, "adaptor: there is no such field, did you mean adapter?"),
        ({"Promotion": "never"}, "did you mean promotion?"),
        ({"keep": 5}, "did you mean keep under retention?"),
        ({"evaluation.sample": 10}, "did you mean sample under evaluation?"),
        ({"retention": {"kep": 1}}, "retention.kep: there is no such field, did you mean keep under retention?"),
        ({"schedule": {"events": {"s4": "s3://bucket/x"}}}, "did you mean s3 under schedule.events?"),
        ({"xyzzy": 1}, "xyzzy: there is no such field (found 1)"),
        (
            {"evaluation": {"dataset": "x", "metrics": [{"regex": {"pattern": "x", "metric": 1}}]}},
            "evaluation.metrics.0.metric: there is no such field (found 1)",
        ),
    ],
)
def test_a_key_that_is_no_field_is_refused_with_the_nearest_one(change: dict[str, object], found: str) -> None:
    with pytest.raises(ModelFileInvalidError) as refused:
        parse_model_config({**MODEL, **change}, "capitals.yaml")
    assert found in str(refused.value)


@pytest.mark.parametrize("name", ["checkpoint", "evaluations", "model", "4186b7575cd3", "capitals-0123456789ab"])
def test_a_model_has_no_name_that_is_part_of_an_imports_names(name: str) -> None:
    with pytest.raises(ModelFileInvalidError, match=r"model_name: .*reserved"):
        parse_model_config({**MODEL, "model_name": name}, "a test")


@pytest.mark.parametrize("prefix", ["models/capitals/4186b7575cd3", "4186b7575cd3/checkpoint"])
def test_no_prefix_is_inside_the_folder_of_an_import(prefix: str) -> None:
    with pytest.raises(ModelFileInvalidError, match=r"account\.prefix: .*folder"):
        parse_model_config({**MODEL, "account": {"prefix": prefix}}, "a test")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("evaluation_sample", "'evaluation.sample' is"),
        ("promotoin", "'promotion' is"),
        ("account.bucket", "no field that a run can change"),
        ("evaluation.metrics", "no field that a run can change"),
        ("model_name", "no field that a run can change"),
        ("schedule.cron", "no field that a run can change"),
        ("training.schedule.cron", "no field that a run can change"),
        ("training.epoch", "'training.epochs' is"),
        ("retention", "no field that a run can change"),
        ("run_may_change", "no field that a run can change"),
    ],
)
def test_a_file_opens_only_fields_that_a_run_can_change(path: str, found: str) -> None:
    with pytest.raises(ModelFileInvalidError) as refused:
        parse_model_config({**MODEL, "run_may_change": [path]}, "a test")
    assert found in str(refused.value)


@pytest.mark.parametrize(
    ("own", "variables", "expected"),
    [
        ({}, {}, ("aws_default", None)),
        ({}, {"aws_conn_id": "v", "region_name": "eu-central-1"}, ("v", "eu-central-1")),
        ({"region_name": "us-west-2"}, {"aws_conn_id": "v", "region_name": "eu-central-1"}, ("v", "us-west-2")),
        ({"aws_conn_id": "f"}, {"aws_conn_id": "v", "region_name": ""}, ("f", None)),
    ],
)
def test_an_account_setting_is_the_files_else_the_variables_else_the_default(
    own: dict[str, str], variables: dict[str, str], expected: tuple[str, str | None]
) -> None:
    def variable(name: str) -> str | None:
        return variables.get(name.removeprefix("model_import_"))

    for file in [AccountConfig.model_validate(own), *([] if own else [None])]:
        found = account_settings(file, variable, CONNECTION_FIELDS)
        assert (found.aws_conn_id, found.region_name) == expected


def test_blanks_around_an_account_setting_do_not_count() -> None:
    variables = {"model_import_bucket": " checkpoints\n", "model_import_kms_key_id": "  "}
    found = account_settings(None, variables.get, ("bucket", "kms_key_id"))
    assert (found.bucket, found.kms_key_id) == ("checkpoints", None)
    assert AccountConfig.model_validate({"bucket": " checkpoints "}).bucket == "checkpoints"


@pytest.mark.parametrize(
    "bucket", ["s3://checkpoints", "s3://checkpoints/models", "checkpoints/models", "Checkpoints", "arn:aws:s3:::b"]
)
def test_what_is_not_the_name_of_a_bucket_is_refused(bucket: str) -> None:
    with pytest.raises(ModelFileInvalidError, match="bucket: the name of an S3 bucket, without s3://"):
        account_settings(None, {"model_import_bucket": bucket}.get, ("bucket",))


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(ModelFileInvalidError) as refused:
        parse_model_config({"model_name": "A", "evaluation": {}}, "x.yaml")
    assert all(field in str(refused.value) for field in ("model_name", "base", "evaluation.dataset"))


@pytest.mark.parametrize("text", ["a: [", "- a list", "", "\x00"])
def test_a_file_that_is_no_model_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ModelFileInvalidError, match=r"broken\.yaml"):
        read_model_file(path)


def test_the_error_survives_pickling() -> None:
    error = ModelFileInvalidError("x.yaml", ("base: missing",))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_name": "mistral-7b-v0.3"}, "must be lower-case letters and digits, with single hyphens"),
        ({"base": None}, "base: must be text"),
        ({"promotion": "manul"}, "must be one of 'auto', 'manual' or 'never'; did you mean manual?"),
        ({"evaluation": "eval.jsonl"}, "evaluation: must be a section of"),
        ({"evaluation": {}}, "evaluation.dataset: is missing"),
        ({"evaluation": {"dataset": "x", "prompt_template": " \n"}}, "must hold more than white space"),
        ({"evaluation": {"dataset": "x", "max_tokens": "many"}}, "must be a whole number (found 'many')"),
        ({"evaluation": {"dataset": "x", "max_tokens": 0}}, "must be at least 1 (found 0)"),
        ({"evaluation": {"dataset": "x", "thresholds": {"f1": 1.5}}}, "must be at most 1"),
        ({"retention": {"delete_checkpoint": "maybe"}}, "must be true or false"),
        ({"schedule": {"events": {"s3": "bucket/prefix"}}}, "must be s3://bucket/prefix"),
        ({"account": {"role_arn": "role/x"}}, "must be an IAM role's ARN"),
        ({"run_may_change": "promotion"}, "must be a list"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(change: dict[str, object], words: str) -> None:
    with pytest.raises(ModelFileInvalidError) as refused:
        parse_model_config({**MODEL, **change}, "capitals.yaml")
    assert words in str(refused.value)
    assert not re.search("Input should|Field required|pattern|Value error", str(refused.value))


def test_an_empty_file_names_the_fields_that_are_needed() -> None:
    with pytest.raises(ModelFileInvalidError, match=r"it is empty.*model_name, base, evaluation"):
        parse_model_config(None, "empty.yaml")


def test_a_huge_value_is_not_printed_whole() -> None:
    with pytest.raises(ModelFileInvalidError) as refused:
        parse_model_config({**MODEL, "notes": [["x" * 100] * 100] * 100}, "huge.yaml")
    assert len(str(refused.value)) < 1000
