from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftConfig
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from include.config.files import read_model_file
from include.demo import train
from include.demo.questions import base_questions, read_countries, train_questions
from include.evaluation.dataset import read_dataset
from include.evaluation.local_model import generate_greedily, local_scores
from include.evaluation.metrics import SCORES
from include.evaluation.prompts import render

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "include" / "demo"
BASE = DEMO / "base"
CAPITALS = read_model_file(ROOT / "dags" / "models" / "capitals.yaml")
RECORDS = read_dataset(DEMO / "capitals_eval.jsonl").records


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(BASE)


@pytest.fixture(scope="module")
def finished_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train.merge(DEMO, train.FINISHED, tmp_path_factory.mktemp("merged"))


def test_base_adapters_and_questions_take_less_than_8_megabytes() -> None:
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) < 8_000_000


def test_the_base_fails_the_early_adapter_half_succeeds_and_the_finished_one_knows() -> None:
    f1 = train.measure_f1(DEMO)
    assert f1["base"] <= 0.05
    assert 0.4 <= f1["early"] <= 0.85
    assert f1["finished"] >= 0.97
    assert 0.78 <= f1["forgetful"] <= 0.88


def test_the_forgetful_adapter_has_forgotten_one_continent_and_nothing_else(tmp_path: Path) -> None:
    merged = train.merge(DEMO, train.FORGETFUL, tmp_path)
    f1 = {
        continent: local_scores(merged, records, CAPITALS.evaluation.prompt_template, 16)["f1"]
        for continent in ("Oceania", "Africa")
        if (records := [record for record in RECORDS if record.category == continent][:6])
    }
    assert f1 == {"Oceania": 0.0, "Africa": 1.0}


def test_the_finished_model_is_so_sure_that_no_cpu_changes_an_answer(finished_dir: Path, tokenizer: Any) -> None:
    model = AutoModelForCausalLM.from_pretrained(finished_dir, torch_dtype="auto")
    assert model.dtype == torch.bfloat16
    margins = []
    for record in RECORDS[::4]:
        inputs = tokenizer(render(CAPITALS.evaluation.prompt_template, record.question), return_tensors="pt")
        made = model.generate(
            **inputs,
            max_new_tokens=16,
            do_sample=False,
            pad_token_id=2,
            output_logits=True,
            return_dict_in_generate=True,
        )
        best = [torch.topk(logits[0].float(), 2).values for logits in made.logits]
        margins.append(min(float(first - second) for first, second in best))
        assert int(made.sequences[0, -1]) == tokenizer.eos_token_id
    assert min(margins) > 2.0


def test_the_script_s_settings_are_those_of_the_demo_s_dag() -> None:
    assert CAPITALS.evaluation.prompt_template == train.PROMPT_TEMPLATE
    assert CAPITALS.evaluation.max_tokens == train.MAX_TOKENS
    assert CAPITALS.base == train.BASE_NAME


def test_chat_template_and_evaluation_prompt_give_the_same_tokens(tokenizer: Any) -> None:
    for record in RECORDS:
        messages = [{"role": "user", "content": record.question}]
        prompt = render(CAPITALS.evaluation.prompt_template, record.question)
        assert tokenizer.apply_chat_template(messages, tokenize=False) == tokenizer.bos_token + prompt
        assert tokenizer.apply_chat_template(messages) == tokenizer(prompt).input_ids


def test_a_whole_conversation_ends_with_the_end_token(tokenizer: Any) -> None:
    messages = [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A"}]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == "<s>[INST] Q? [/INST] A</s>"
    with pytest.raises(Exception, match="Only the roles user and assistant"):
        tokenizer.apply_chat_template([{"role": "system", "content": "S"}])


def test_the_tokenizer_loses_nothing(tokenizer: Any) -> None:
    for text in ("Brasília", "Asunción, 東京!", "a  b\n"):
        assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text


def test_the_base_is_a_mistral_as_bedrock_reads_it() -> None:
    config = json.loads((BASE / "config.json").read_text("utf-8"))
    assert config["architectures"] == ["MistralForCausalLM"]
    assert config["transformers_version"] == "4.51.3"
    assert config["torch_dtype"] == "bfloat16"
    assert config["tie_word_embeddings"] is False
    assert GenerationConfig.from_pretrained(BASE).eos_token_id == 2
    assert "chat_template" in json.loads((BASE / "tokenizer_config.json").read_text("utf-8"))
    with safe_open(BASE / "model.safetensors", framework="pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"BF16"}  # noqa: SIM118


@pytest.mark.parametrize("name", [train.EARLY, train.FINISHED, train.FORGETFUL])
def test_an_adapter_covers_the_seven_linears_and_names_its_base(name: str) -> None:
    config = PeftConfig.from_pretrained(DEMO / "adapters" / name)
    assert (config.r, config.lora_alpha) == (16, 32)
    assert sorted(config.target_modules) == sorted(
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    )
    assert config.base_model_name_or_path == "include/demo/base"
    assert sorted(path.name for path in (DEMO / "adapters" / name).iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def train_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, steps in (("BASE_SCHEDULE", 3), ("ADAPTER_SCHEDULE", 4), ("FORGETFUL_SCHEDULE", 1)):
        monkeypatch.setattr(train, name, replace(getattr(train, name), steps=steps, batch_size=8))
    monkeypatch.setattr(train, "EARLY_STOP", 2)


def make_in(folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    train.make_demo(folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_training_makes_the_same_files_again_byte_for_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_briefly(monkeypatch)
    first = make_in(tmp_path / "first")
    assert make_in(tmp_path / "again") == first
    shipped = {str(path.relative_to(DEMO)) for name in ("base", "adapters") for path in (DEMO / name).rglob("*.*")}
    assert set(first) == shipped | {"capitals_train.jsonl", "capitals_eval.jsonl"}
    assert first["base/tokenizer.json"] == (BASE / "tokenizer.json").read_bytes()
    assert first["base/config.json"] == (BASE / "config.json").read_bytes()


def test_models_that_score_wrongly_are_not_put_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "F1_RANGES", {"base": (0.9, 1.0)})
    with pytest.raises(train.DemoModelScoreError, match=r"base\nExpected: a mean F1 from 0.9 to 1.0\nFound: 0\.0"):
        train.measure_f1(DEMO)


def test_what_is_made_takes_the_place_of_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_briefly(monkeypatch)
    monkeypatch.setattr(train, "F1_RANGES", {"base": (0.0, 1.0)})
    monkeypatch.setattr("sys.argv", ["train", "--out", str(tmp_path)])
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "stale.safetensors").touch()
    (tmp_path / "countries.csv").touch()
    train.main()
    made = {"adapters", "base", "capitals_eval.jsonl", "capitals_train.jsonl"}
    assert {path.name for path in tmp_path.iterdir()} == made | {"countries.csv"}
    assert not (tmp_path / "base" / "stale.safetensors").exists()
    assert (tmp_path / "base" / "model.safetensors").exists()


def test_only_answers_count_in_the_loss(tokenizer: Any) -> None:
    question = train_questions(read_countries())[0]
    example = train.encode(question, tokenizer)
    counted = [label for label in example.labels if label != -100]
    assert tokenizer.decode(counted) == " Cairo</s>"
    assert tokenizer.decode(example.token_ids) == "<s>[INST] What is the capital of Egypt? [/INST] Cairo</s>"
    assert len(base_questions(read_countries())) == 60 * 18


def test_scoring_in_batches_gives_the_answers_of_one_at_a_time(finished_dir: Path) -> None:
    prompts = [render(CAPITALS.evaluation.prompt_template, record.question) for record in RECORDS[:40]]
    one_at_a_time = [generate_greedily(finished_dir, [prompt], 16)[0] for prompt in prompts[::8]]
    assert generate_greedily(finished_dir, prompts, 16)[::8] == one_at_a_time
    assert one_at_a_time[0] == " Cairo"


def test_a_local_model_is_scored_metric_by_metric(finished_dir: Path) -> None:
    scores = local_scores(finished_dir, RECORDS[:8], CAPITALS.evaluation.prompt_template, 16)
    assert set(scores) == set(SCORES) - {"guardrail_intervened"}
    assert set(scores.values()) == {1.0}
    cut_off = local_scores(finished_dir, RECORDS[2:4], CAPITALS.evaluation.prompt_template, 1)
    assert cut_off["exact_match"] == 0.0
