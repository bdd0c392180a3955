from __future__ import annotations

from typing import Any

import pytest

from include.config.errors import ModelFileInvalidError
from include.config.model import changeable_fields, parse_model_config
from include.config.schedule import TrainingSchedule

MODEL: dict[str, Any] = {"model_name": "capitals", "base": "base", "evaluation": {"dataset": "eval.jsonl"}}
LEAST = {"data": "s3://bucket/orca.parquet", "format": "openorca"}


def parsed(**training: Any) -> Any:
    return parse_model_config({**MODEL, "training": {**LEAST, **training}}, "capitals.yaml").training


def test_a_model_without_the_section_is_not_trained() -> None:
    assert parse_model_config(MODEL, "a test").training is None


def test_data_and_format_are_enough() -> None:
    training = parsed()
    assert training
    assert (training.method, training.lora.target_modules, training.job.spot) == ("qlora", "all-linear", True)


def test_everything_that_the_section_has_is_read() -> None:
    training = parsed(
        select="contains(id, 'flan')",
        held_out=0.05,
        seed=3,
        max_examples=100_000,
        leakage="drop",
        chat_template="templates/mine.jinja",
        max_sequence_length=1024,
        method="lora",
        lora={"r": 8, "alpha": 16, "dropout": 0, "target_modules": ["q_proj", "v_proj"]},
        epochs=0.5,
        learning_rate="2e-4",  # as YAML 1.1 reads it
        batch_tokens=4096,
        warmup=0.1,
        save_minutes=5,
        packing=False,
        job={"instance_type": "ml.g5.2xlarge", "spot": False, "max_hours": 48, "image": "repository:tag"},
    )
    assert training
    assert training.learning_rate == 2e-4
    assert training.lora.target_modules == ("q_proj", "v_proj")


@pytest.mark.parametrize(
    ("training", "found"),
    [
        ({"format": "alpaca"}, "training.format: must be one of 'openorca', 'messages'"),
        ({"format": None}, "training.format:"),
        ({"select": "contains(id, 'flan'"}, "training.select: this is not a JMESPath expression"),
        ({"held_out": 0}, "training.held_out:"),
        ({"held_out": 0.6}, "training.held_out:"),
        ({"leakage": "ignore"}, "training.leakage:"),
        ({"chat_template": "v2"}, "training.chat_template: expected base, v1, v3, v7 or the path"),
        ({"method": "full"}, "training.method:"),
        ({"lora": {"target_modules": "q_proj"}}, "training.lora.target_modules: expected all-linear or a"),
        ({"lora": {"target_modules": []}}, "training.lora.target_modules: expected all-linear or a"),
        ({"lora": {"rank": 8}}, "training.lora.rank: there is no such field"),
        ({"batch_tokens": 1024}, "batch_tokens (1024) must not be less than max_sequence_length (3072)"),
        ({"save_minutes": 60, "job": {"max_hours": 1}}, "save_minutes (60) must be less than job.max_hours (1 h)"),
        ({"job": {"max_hours": 48}}, "max_wait_hours (36) must not be less than max_hours (48)"),
        ({"job": {"instance_type": "g5.2xlarge"}}, "training.job.instance_type:"),
        ({"job": {"instance_typ": "ml.g5.2xlarge"}}, "did you mean instance_type under training.job?"),
        ({"learning_rat": 1e-4}, "did you mean learning_rate under training?"),
        ({"heldout": 0.1}, "did you mean held_out under training?"),
    ],
)
def test_a_wrong_field_is_named_once_with_its_file(training: dict[str, Any], found: str) -> None:
    with pytest.raises(ModelFileInvalidError) as refused:
        parsed(**training)
    assert found in str(refused.value)
    assert str(refused.value).count("training") <= str(found).count("training") + 1
    assert "capitals.yaml" in str(refused.value)


def test_a_file_may_open_fields_of_the_training_to_runs_but_not_when_it_starts() -> None:
    opened = {path for path in changeable_fields() if path.startswith("training.")}
    assert {"training.epochs", "training.lora.r", "training.job.instance_type"} <= opened
    assert not {path for path in opened if "schedule" in path} | opened & {"training.lora", "training.job"}


def test_a_training_starts_by_the_clock_or_by_new_data_but_not_by_both() -> None:
    assert parsed(schedule="0 3 * * *").schedule == TrainingSchedule(cron="0 3 * * *")
    assert parsed(schedule={"asset": "s3://bucket/data"}).schedule == TrainingSchedule(asset="s3://bucket/data")
    for wrong in ({}, {"cron": "@daily", "asset": "x"}, {"events": {}}):
        with pytest.raises(ModelFileInvalidError, match=r"training\.schedule"):
            parsed(schedule=wrong)


def test_an_import_that_waits_for_fine_tunes_needs_a_training() -> None:
    with pytest.raises(ModelFileInvalidError, match="fine_tune needs the section training"):
        parse_model_config({**MODEL, "schedule": {"fine_tune": True}}, "capitals.yaml")
