"""The trigger form of a fine-tune, and the configuration of a run."""

from __future__ import annotations

from typing import Any

import pytest

from include.config.errors import ModelFileInvalidError
from include.config.model import ModelConfig, parse_model_config
from model_import_dag.params import form_params
from model_import_dag.refusals import FixedParametersError, UnknownParametersError
from model_import_dag.training_params import training_config, training_params

OPEN = ("training.epochs", "training.lora.r", "training.job.instance_type", "training.max_examples")


def model(*opened: str) -> ModelConfig:
    training = {"data": "data.jsonl", "format": "messages", "max_examples": 50}
    values = {"model_name": "capitals", "base": "base", "evaluation": {"dataset": "eval.jsonl"}}
    return parse_model_config({**values, "training": training, "run_may_change": opened}, "a test")


def test_the_form_shows_what_the_file_lets_a_run_change_and_force() -> None:
    shown = training_params(model(*OPEN))
    assert {name: param.value for name, param in shown.items()} == {
        "training_max_examples": 50,
        "training_lora_r": 16,
        "training_epochs": 1,
        "training_job_instance_type": "ml.g6.12xlarge",
        "force": False,
    }
    assert all(param.description for param in shown.values())
    assert shown["training_lora_r"].schema["section"] == "Adapter"


def test_the_form_of_the_import_shows_nothing_of_the_training() -> None:
    assert [name for name in form_params(model(*OPEN)) if name.startswith("training")] == []


def test_a_run_sets_open_fields_and_empties_those_that_may_be_empty() -> None:
    changed = {"training_lora_r": 4, "training_job_instance_type": "ml.p5.48xlarge", "training_max_examples": None}
    training = training_config(model(*OPEN), {**changed, "force": True}).training
    assert training
    assert (training.lora.r, training.lora.alpha) == (4, 32)
    assert (training.job.instance_type, training.max_examples) == ("ml.p5.48xlarge", None)


@pytest.mark.parametrize(
    ("params", "error", "said"),
    [
        ({"training_seed": 3}, FixedParametersError, "training.seed"),
        ({"bucket": "x"}, FixedParametersError, "bucket"),
        ({"training_epoch": 3}, UnknownParametersError, "did you mean training_epochs?"),
        ({"training": {"epochs": 3}}, UnknownParametersError, "did you mean training_epochs?"),
        ({"training_epochs": 0}, ModelFileInvalidError, "training.epochs"),
        ({"training_lora_r": 999}, ModelFileInvalidError, "training.lora.r"),
    ],
)
def test_what_a_run_may_not_set_is_refused_by_name(params: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error) as refused:
        training_config(model(*OPEN), params)
    assert said in str(refused.value)
