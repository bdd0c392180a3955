"""A data set from its file to the folder that a training job reads."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file
from transformers import AutoTokenizer

from include.checkpoint.errors import OutputExistsError
from include.config.model import parse_model_config
from include.errors import ModelImportError
from include.evaluation.errors import DatasetNotFoundError
from include.run.local_paths import LocalPathOutsideError
from include.run.workspace import PROJECT_ROOT
from include.training import __main__ as command
from include.training import errors
from include.training.data_report import DataReport
from include.training.preparation import Preparation, prepare
from tests.support.training_data import BASE, DEMO, MODEL, preparation, write_jsonl

ROWS = [{"prompt": f"What is {number} plus {number}?", "completion": str(2 * number)} for number in range(100)]
CAPITALS = [json.loads(line) for line in (DEMO / "capitals_eval.jsonl").read_text("utf-8").splitlines()]
LEAKED = {"prompt": CAPITALS[0]["question"], "completion": "Cairo"}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def examples(path: Path) -> list[tuple[str, str]]:
    """Return what each example of a file asks and answers, as text."""
    arrays, tokenizer = load_file(path), AutoTokenizer.from_pretrained(path.parent / "tokenizer")
    found = []
    for start, end in zip(arrays["starts"][:-1], arrays["starts"][1:], strict=True):
        tokens, trained = arrays["tokens"][start:end], arrays["trained"][start:end].astype(bool)
        found.append((tokenizer.decode(tokens[~trained]), tokenizer.decode(tokens[trained])))
    return found


def refusal(job: Preparation) -> ModelImportError:
    with pytest.raises(ModelImportError) as refused:
        prepare(job)
    assert not job.out.exists()
    assert not list(job.out.parent.glob("*.partial"))
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)
    assert refused.value.remedy
    return refused.value


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DataReport]:
    job = preparation(tmp_path_factory.mktemp("prepared"), ROWS, epochs=2)
    return job.out, prepare(job)


def test_every_record_is_on_one_side_with_its_answer_alone_trained(prepared: tuple[Path, DataReport]) -> None:
    out, report = prepared
    found = [examples(out / f"{side}.safetensors") for side in ("train", "held_out")]
    wanted = {(f"<s>[INST] {row['prompt']} [/INST]", f" {row['completion']}</s>") for row in ROWS}
    assert set(found[0]) | set(found[1]) == wanted
    assert len(found[0]) + len(found[1]) == 100
    assert [len(side) for side in found] == [report.train.examples, report.held_out.examples]
    assert 10 <= report.held_out.examples <= 30


@pytest.mark.parametrize("side", ["train", "held_out"])
def test_the_arrays_are_those_of_the_format_with_their_digest(prepared: tuple[Path, DataReport], side: str) -> None:
    out, report = prepared
    path = out / f"{side}.safetensors"
    arrays = load_file(path)
    assert {name: str(array.dtype) for name, array in arrays.items()} == {
        "tokens": "int32",
        "trained": "uint8",
        "starts": "int64",
    }
    content = b"".join(arrays[name].tobytes() for name in ("tokens", "trained", "starts"))
    with safe_open(path, "np") as file:
        assert file.metadata() == {"format": "training-examples/1", "digest": hashlib.sha256(content).hexdigest()}
    assert getattr(report, side).digest == hashlib.sha256(content).hexdigest()
    assert arrays["starts"][0] == 0
    assert arrays["starts"][-1] == len(arrays["tokens"]) == len(arrays["trained"])


def test_the_scripts_settings_name_the_data_that_they_are_for(prepared: tuple[Path, DataReport]) -> None:
    out, report = prepared
    settings = json.loads((out / "settings.json").read_text())
    assert settings["data_digest"] == report.train.digest
    assert settings["epochs"] == 2
    assert settings["lora"] == {"r": 16, "alpha": 32, "dropout": 0.05, "target_modules": "all-linear"}
    assert set(settings) == {
        *("seed", "max_sequence_length", "method", "lora", "epochs", "learning_rate", "batch_tokens", "warmup"),
        *("save_minutes", "packing", "base_name", "data_digest", "base_digest"),
    }


def test_the_report_is_in_the_folder_and_its_page_shows_what_is_trained(prepared: tuple[Path, DataReport]) -> None:
    out, report = prepared
    assert DataReport.model_validate_json((out / "data_report.json").read_text()) == report
    page = (out / "data_report.html").read_text("utf-8")
    assert page.count("<svg") == 1
    assert '&lt;s&gt;[INST] What is 0 plus 0? [/INST]<span class="status"> 0&lt;/s&gt;</span>' in page
    assert report.train.digest != report.digest
    assert report.digest in page
    assert sum(report.lengths.counts) == 100


def test_the_same_inputs_give_the_same_bytes(prepared: tuple[Path, DataReport], tmp_path: Path) -> None:
    out, _ = prepared
    job = preparation(out.parent, ROWS, out="again", epochs=2)
    prepare(job)
    assert files(job.out) == files(out)


def test_records_that_are_added_leave_the_others_on_their_side(
    prepared: tuple[Path, DataReport], tmp_path: Path
) -> None:
    out, _ = prepared
    added = [{"prompt": f"And {number} times {number}?", "completion": "x"} for number in range(50)]
    job = preparation(tmp_path, [*added, *ROWS])
    prepare(job)
    assert set(examples(out / "held_out.safetensors")) <= set(examples(job.out / "held_out.safetensors"))
    assert set(examples(out / "train.safetensors")) <= set(examples(job.out / "train.safetensors"))


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    rows = [
        *ROWS,
        LEAKED,
        ROWS[3],
        {"prompt": "Blank?", "completion": " "},
        {"prompt": "Unselected?", "completion": "x", "skip": True},
        {"prompt": "Two?", "completion": "2<OR>two"},
        {"prompt": "Long?", "completion": "long " * 100},
    ]
    job = preparation(tmp_path, rows, leakage="drop", select="!skip", max_examples=90)
    report = prepare(job)
    assert report.records.model_dump() == {
        **{"rows": 106, "not_selected": 1, "blank": 1, "leaked_dropped": 1, "exact_duplicates": 1},
        **{"near_duplicates": 0, "not_drawn": 12, "used": 90, "leaked_kept": 0},
    }
    lines = "\n".join(report.summary())
    assert "1 exact duplicates left out" in lines
    assert "12 records not drawn (max_examples)" in lines


def test_accepted_answers_become_examples_on_the_same_side(tmp_path: Path) -> None:
    rows = [{"question": f"Word for {number}?", "answer": [f"a{number}", f"b{number}"]} for number in range(20)]
    job = preparation(tmp_path, rows, held_out=0.4)
    report = prepare(job)
    assert (report.examples.alternatives, report.train.examples + report.held_out.examples) == (20, 40)
    for side in ("train", "held_out"):
        answers = [answer.strip().removesuffix("</s>") for _, answer in examples(job.out / f"{side}.safetensors")]
        assert {answer[1:] for answer in answers if answer[0] == "a"} == {
            answer[1:] for answer in answers if answer[0] == "b"
        }


def test_examples_that_are_too_long_are_left_out_and_counted(tmp_path: Path) -> None:
    long = {"prompt": "Long?", "completion": "long " * 100}
    report = prepare(preparation(tmp_path, [*ROWS, long]))
    assert report.examples.too_long == 1
    assert report.train.examples + report.held_out.examples == 100
    assert report.lengths.longest > 64
    assert "limit: 64" in (tmp_path / "out" / "data_report.html").read_text("utf-8")


def test_the_page_shows_what_is_in_the_data_and_runs_nothing_of_it(tmp_path: Path) -> None:
    prepare(preparation(tmp_path, [{"prompt": "<script>alert(1)</script>", "completion": "<b>x</b>"}, *ROWS]))
    page = (tmp_path / "out" / "data_report.html").read_text("utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "<b>x</b>" not in page


def test_questions_of_the_evaluation_are_refused_with_where_they_are(tmp_path: Path) -> None:
    error = refusal(preparation(tmp_path, [*ROWS, LEAKED]))
    assert isinstance(error, errors.LeakageError)
    assert f"line 101: {LEAKED['prompt']!r}" in error.found
    assert "capitals_eval.jsonl" in error.expected


def test_questions_of_every_suite_are_refused(tmp_path: Path) -> None:
    leaked = {"prompt": "Which tree grows tallest?", "completion": "The redwood"}
    trees = write_jsonl(tmp_path / "trees.jsonl", [{"question": leaked["prompt"], "answer": leaked["completion"]}])
    suites = [{"name": "capitals", **MODEL["evaluation"]}, {"name": "trees", "effect": "blocks", "dataset": str(trees)}]
    job = preparation(tmp_path, [*ROWS, leaked])
    values = {key: value for key, value in MODEL.items() if key != "evaluation"}
    config = parse_model_config({**values, "evaluations": suites, "training": job.training.model_dump()}, "a test")
    error = refusal(replace(job, config=config))
    assert isinstance(error, errors.LeakageError)
    assert leaked["prompt"] in error.found
    assert "trees.jsonl" in error.expected


def test_questions_of_the_evaluation_are_kept_with_a_warning_if_so_decided(tmp_path: Path) -> None:
    report = prepare(preparation(tmp_path, [*ROWS, LEAKED], leakage="warn"))
    assert (report.records.leaked_kept, report.records.used) == (1, 101)
    assert "1 records with a question of the evaluation KEPT" in "\n".join(report.summary())


@pytest.mark.parametrize(
    ("rows", "training", "error"),
    [
        (ROWS, {"format": "openorca"}, errors.TrainingColumnsError),
        (ROWS, {"select": "missing"}, errors.NothingSelectedError),
        (ROWS, {"max_sequence_length": 16, "batch_tokens": 16}, errors.ExamplesTooLongError),
        (ROWS[:3], {"held_out": 0.001}, errors.EmptySplitError),
        (ROWS, {"chat_template": "v7"}, errors.ChatTemplateUnfitError),
        (ROWS, {"chat_template": "v3"}, errors.PromptTemplateMismatchError),
        (ROWS, {"evaluation": {"prompt_template": "{question}"}}, errors.PromptTemplateMismatchError),
        (ROWS, {"data": "include/demo/missing.jsonl"}, DatasetNotFoundError),
        (ROWS, {"data": "/etc/passwd"}, LocalPathOutsideError),
        ([{"messages": [{"role": "user", "content": "Q?"}]}], {"format": "messages"}, errors.NoAssistantTurnError),
        (
            [{"system_prompt": "s", "question": "Q?", "response": "a"}],
            {"format": "openorca"},
            errors.ChatTemplateRefusedError,
        ),
    ],
)
def test_unusable_data_is_refused_and_leaves_nothing(
    tmp_path: Path, rows: list[dict[str, Any]], training: dict[str, Any], error: type[ModelImportError]
) -> None:
    assert type(refusal(preparation(tmp_path, rows, **training))) is error


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    job = preparation(tmp_path, ROWS)
    job.out.mkdir()
    (job.out / "mine").write_text("kept")
    with pytest.raises(OutputExistsError):
        prepare(job)
    assert files(job.out) == {"mine": b"kept"}


def test_what_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    job = preparation(tmp_path, ROWS)
    left = job.out.with_name("out.partial")
    (left / "tokenizer").mkdir(parents=True)
    prepare(job)
    assert not left.exists()
    assert job.out.is_dir()


def run_command(folder: Path, training: dict[str, Any], *options: str) -> int:
    config = {
        **{"model_name": "capitals", "base": "include/demo/base", "training": training},
        "evaluation": {"dataset": "include/demo/capitals_eval.jsonl", "prompt_template": "[INST] {question} [/INST]"},
    }
    (folder / "capitals.yaml").write_text(json.dumps(config))
    places = ["--config", folder / "capitals.yaml", "--base", BASE, "--out", folder / "out"]
    return command.main(["prepare", *map(str, places), *options])


def test_the_command_prepares_the_demos_training_set_as_its_page_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = PROJECT_ROOT / "dags" / "models" / "capitals.yaml"
    places = ["--config", model, "--base", BASE, "--out", tmp_path / "out"]
    assert command.main(["prepare", *map(str, places)]) == 0
    said = capsys.readouterr()
    assert f"```text\n{said.out}```" in (PROJECT_ROOT / "docs" / "fine-tuning.md").read_text("utf-8")
    assert "data_report.html" in said.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("data_report.html", "data_report.json", "held_out.safetensors"),
        *("settings.json", "tokenizer", "train.safetensors"),
    ]
    assert np.diff(load_file(tmp_path / "out" / "train.safetensors")["starts"]).max() < 64


def test_the_command_prints_an_error_in_lines_and_its_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training = {"data": "include/demo/capitals_eval.jsonl", "format": "prompt_completion"}
    assert run_command(tmp_path, training) == command.UNUSABLE
    lines = capsys.readouterr().err.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("LeakageError: "))
    assert [line.split(":")[0].strip() for line in lines[start + 1 :]] == ["Expected", "Found", "What to do"]


def test_a_model_without_training_is_refused(tmp_path: Path) -> None:
    job = preparation(tmp_path, ROWS)
    config = job.config.model_copy(update={"training": None})
    error = refusal(Preparation(config, job.account, job.base, job.out))
    assert isinstance(error, errors.TrainingSectionMissingError)


def test_the_folders_of_the_environments_variable_may_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_jsonl(tmp_path / "mine.jsonl", ROWS)
    training = {"data": str(data), "format": "prompt_completion", "held_out": 0.2}
    assert run_command(tmp_path, training) == command.UNUSABLE
    monkeypatch.setenv("AIRFLOW_VAR_MODEL_IMPORT_LOCAL_FOLDERS", str(tmp_path))
    assert run_command(tmp_path, training) == 0
