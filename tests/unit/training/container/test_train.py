"""Whole jobs of one process: what they leave, how they end, and that an interruption changes nothing."""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.lora.merging import merge
from include.checkpoint.writing.materialize import materialize
from include.training.container.examples import read_examples
from include.training.container.folders import Folders
from include.training.container.metrics import METRIC_DEFINITIONS
from tests.support.tiny_training import change_settings, make_job
from tests.support.training_processes import ForkedJob, adapter_bytes, files_below, run_job, steps_done

EVERY_STEP = 1e-9
"""Minutes between checkpoints: less than a step takes."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> ForkedJob:
    """A job that nothing disturbed."""
    return run_job(make_job(tmp_path_factory.mktemp("finished")))


def copy_of(job: Folders, folder: Path) -> Folders:
    """Return a new job with the same inputs."""
    shutil.copytree(job.root / "input", folder / "input")
    return Folders(folder)


def test_the_adapter_is_one_that_peft_loads_and_that_this_project_merges(finished: ForkedJob, tmp_path: Path) -> None:
    base_dir, adapter_dir = finished.folders.channel("model"), finished.folders.model
    base = AutoModelForCausalLM.from_pretrained(base_dir, torch_dtype=torch.float32)
    tuned = PeftModel.from_pretrained(base, adapter_dir)
    examples = read_examples(finished.folders.held_out)
    tokens = torch.from_numpy(examples.example(0)[0].astype("int64"))[None]
    with torch.no_grad():
        logits = tuned(tokens).logits
        with tuned.disable_adapter():
            assert (tuned(tokens).logits - logits).abs().max() > 0.01
    result = merge(checkpoint_of_folder(base_dir), adapter_dir, tmp_path / "overlay")
    materialize(result.checkpoint, tmp_path / "merged")
    with torch.no_grad():
        ours = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", torch_dtype=torch.float32)(tokens).logits
    torch.testing.assert_close(ours, logits, rtol=1e-3, atol=1e-3)


def test_the_held_out_loss_in_the_log_is_that_of_the_adapter_that_was_written(finished: ForkedJob) -> None:
    base = AutoModelForCausalLM.from_pretrained(finished.folders.channel("model"), torch_dtype=torch.float32)
    tuned, examples = PeftModel.from_pretrained(base, finished.folders.model), read_examples(finished.folders.held_out)
    total = 0.0
    for index in range(len(examples)):
        tokens, trained = (torch.from_numpy(array.astype("int64"))[None] for array in examples.example(index))
        with torch.no_grad():
            loss = tuned(input_ids=tokens, labels=torch.where(trained == 1, tokens, -100)).loss
        total += float(loss) * int(examples.targets[index])
    first, *_, last = finished.losses("held_out_loss")
    assert last == pytest.approx(total / int(examples.targets.sum()), rel=1e-4)
    assert last < first


def test_the_tokenizer_stands_beside_the_adapter_as_it_was_trained_with(finished: ForkedJob) -> None:
    assert AutoTokenizer.from_pretrained(finished.folders.model).chat_template
    for path in finished.folders.tokenizer.iterdir():
        assert (finished.folders.model / path.name).read_bytes() == path.read_bytes()


def test_the_card_says_what_the_adapter_was_made_of(finished: ForkedJob) -> None:
    card = json.loads((finished.folders.model / "training_card.json").read_text("utf-8"))
    examples = read_examples(finished.folders.train)
    assert card["data"]["digest"] == examples.digest
    assert card["data"]["trained_tokens"] == int(examples.targets.sum())
    assert card["settings"]["seed"] == 11
    assert card["versions"]["transformers"] == "4.51.3"
    assert [loss for _, loss in card["losses"]["train"]] == pytest.approx(finished.losses(), abs=1e-7)
    assert [loss for _, loss in card["losses"]["held_out"]] == pytest.approx(finished.losses("held_out_loss"), abs=1e-7)
    assert card["steps"] == len(finished.losses())
    assert card["seconds"] > 0
    assert 0 < card["peak_memory_gib"] < 100


def test_sagemakers_metrics_are_found_in_the_log(finished: ForkedJob) -> None:
    found = {each["Name"]: re.findall(each["Regex"], finished.log()) for each in METRIC_DEFINITIONS}
    assert [float(value) for value in found["train:loss"]] == finished.losses()
    assert [float(value) for value in found["held_out:loss"]] == finished.losses("held_out_loss")
    assert {name: len(values) for name, values in found.items() if name.startswith("train:")} == dict.fromkeys(
        ("train:loss", "train:learning_rate", "train:gradient_norm", "train:tokens_per_second"), len(finished.losses())
    )


def test_a_checkpoint_holds_no_base_and_is_at_most_four_times_the_adapter(tmp_path: Path) -> None:
    folders = make_job(tmp_path, {"lora": {"r": 64, "alpha": 8, "dropout": 0.0, "target_modules": "all-linear"}})
    run_job(folders)
    adapter = (folders.model / "adapter_model.safetensors").stat().st_size
    [checkpoint] = folders.checkpoints.iterdir()
    assert checkpoint.stat().st_size <= 4 * adapter


def test_packing_changes_no_loss(finished: ForkedJob, tmp_path: Path) -> None:
    plain = {"lora": {"r": 4, "alpha": 8, "dropout": 0.0, "target_modules": "all-linear"}}
    folders = copy_of(finished.folders, tmp_path)
    change_settings(folders, plain)
    packed = run_job(folders).losses()
    shutil.rmtree(folders.checkpoints)
    change_settings(folders, plain | {"packing": False, "gradient_checkpointing": False})
    assert run_job(folders).losses() == pytest.approx(packed, rel=1e-4)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_that_was_interrupted_ends_with_the_adapter_of_an_undisturbed_one(
    finished: ForkedJob, tmp_path: Path, number: signal.Signals
) -> None:
    folders = copy_of(finished.folders, tmp_path)
    change_settings(folders, {"save_minutes": EVERY_STEP if number == signal.SIGKILL else 60})
    interrupted = ForkedJob(folders)
    interrupted.wait_for("step=4 of ")
    interrupted.send(number)
    assert interrupted.wait() == (-signal.SIGKILL if number == signal.SIGKILL else 143)
    assert not folders.failure.exists()
    done = steps_done(folders)
    assert 3 <= done < len(finished.losses())
    resumed = run_job(folders)
    assert f"Begins after step {done} of " in resumed.log()
    assert adapter_bytes(folders) == adapter_bytes(finished.folders)
    assert files_below(folders.model) == files_below(finished.folders.model)
    card = json.loads((folders.model / "training_card.json").read_text("utf-8"))
    assert card["resumed_at"] == [done]
    assert [loss for _, loss in card["losses"]["train"]] == pytest.approx(finished.losses(), abs=1e-7)


def test_a_checkpoint_of_another_training_is_refused(finished: ForkedJob, tmp_path: Path) -> None:
    folders = copy_of(finished.folders, tmp_path)
    shutil.copytree(finished.folders.checkpoints, folders.checkpoints)
    change_settings(folders, {"learning_rate": 0.02, "save_minutes": 1})
    assert failure_of(folders).startswith("The checkpoint belongs to another training")
    assert "learning_rate is 0.02 here and 0.01 in the checkpoint" in failure_of(folders)
    assert "save_minutes" not in failure_of(folders)


def failure_of(folders: Folders) -> str:
    """Run a job that fails, and return its FailureReason."""
    job = ForkedJob(folders)
    assert job.wait() == 1, job.log()
    reason = folders.failure.read_text("utf-8")
    assert len(reason) <= 1024
    return reason


def test_a_base_with_a_broken_weight_ends_the_job_with_a_failure_reason(tmp_path: Path) -> None:
    folders = make_job(tmp_path)
    path = folders.channel("model") / "model.safetensors"
    weights = load_file(path)
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, path, metadata={"format": "pt"})
    assert "the loss of step 1 is not a finite number" in failure_of(folders)
    assert not folders.model.exists()
    assert steps_done(folders) == 0


BAD_INPUTS: dict[str, tuple[Any, str]] = {
    "a setting out of range": (lambda job: change_settings(job, {"epochs": 0}), "epochs: expected"),
    "no settings": (lambda job: job.settings.unlink(), "Name the file with --config"),
    "no training examples": (lambda job: job.train.unlink(), "The prepared examples cannot be used"),
    "no held-out examples in their channel": (lambda job: job.held_out.unlink(), "held_out.safetensors"),
    "examples that are too long": (
        lambda job: change_settings(job, {"max_sequence_length": 20}),
        "raise max_sequence_length",
    ),
    "another data set": (lambda job: change_settings(job, {"data_digest": "x"}), "data_digest = x"),
    "no tokenizer": (lambda job: shutil.rmtree(job.tokenizer), "the tokenizer's files"),
    "no base model": (lambda job: shutil.rmtree(job.channel("model")), "whole folder into the model channel"),
    "a layer that is not there": (
        lambda job: change_settings(job, {"lora": {"r": 4, "alpha": 8, "dropout": 0, "target_modules": ["q_pro"]}}),
        "names among down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj, or all-linear",
    ),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_inputs_end_the_job_before_any_work_with_what_to_do(finished: ForkedJob, tmp_path: Path, name: str) -> None:
    spoil, expected = BAD_INPUTS[name]
    folders = copy_of(finished.folders, tmp_path)
    spoil(folders)
    assert expected in failure_of(folders)
    assert not folders.checkpoints.exists()


def test_the_failure_of_an_earlier_attempt_does_not_stay(finished: ForkedJob, tmp_path: Path) -> None:
    folders = copy_of(finished.folders, tmp_path)
    change_settings(folders, {"epochs": 0})
    failure_of(folders)
    change_settings(folders, {})
    run_job(folders)
    assert not folders.failure.exists()
