"""A tokenizer that ends every prompt with the end token is found, and mended on the way to Bedrock."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import mistral_common
import pytest
from tokenizers import processors
from transformers import AutoTokenizer, LlamaTokenizerFast, PreTrainedTokenizerFast

from include.checkpoint.__main__ import main
from include.checkpoint.checks.validation import validate
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.normalising import normalise
from include.checkpoint.prompt_ends import without_end_token
from include.checkpoint.writing.materialize import materialize
from tests.support.tiny_models import make_model, make_tokenizer, save_model

pytestmark = pytest.mark.usefixtures("without_logits")


def ending_tokenizer(around: bool = False) -> PreTrainedTokenizerFast:
    """A tokenizer with the end token behind each text, in one post-processor or in one of several."""
    tokenizer = make_tokenizer()
    template = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    several = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    tokenizer.backend_tokenizer.post_processor = several if around else template
    return tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model(make_model(eos_token_id=1), tmp_path / "model")


@pytest.mark.parametrize("around", [False, True], ids=["alone", "in a sequence"])
def test_the_end_token_is_found_by_validate_and_taken_away_by_normalise(
    around: bool, folder: Path, tmp_path: Path
) -> None:
    plain = AutoTokenizer.from_pretrained(folder)("a b").input_ids
    ending_tokenizer(around).save_pretrained(folder)
    assert AutoTokenizer.from_pretrained(folder)("a b").input_ids == [0, *plain, 1]
    assert [record.defect for record in validate(checkpoint_of_folder(folder)).errors] == ["TokenizerEndsPromptsError"]

    normalised = normalise(checkpoint_of_folder(folder), tmp_path / "work")
    materialize(normalised, tmp_path / "out")

    assert not validate(normalised).errors
    mended = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert mended("a b").input_ids == [0, *plain]
    assert mended("a", "b").input_ids == [0, *mended("a", add_special_tokens=False).input_ids, 1, *plain[-1:]]
    assert any("end token" in note for note in normalised.notes)
    assert normalise(normalised, tmp_path / "again") is normalised


def test_the_tokenizer_of_an_adapter_is_mended_in_the_merge(
    base_dir: Path, adapter_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = Path(shutil.copytree(adapter_dir, tmp_path / "adapter"))
    ending_tokenizer().save_pretrained(adapter)
    out = tmp_path / "out"

    assert main(["merge", "--base", str(base_dir), "--adapter", str(adapter), "--out", str(out)]) == 0

    assert "no end token after a prompt" in capsys.readouterr().out
    assert AutoTokenizer.from_pretrained(out)("a").input_ids[-1] != 1


def test_the_switch_of_a_llama_tokenizer_is_turned_off(folder: Path, tmp_path: Path) -> None:
    model = Path(mistral_common.__file__).parent / "data" / "tokenizer.model.v1"
    LlamaTokenizerFast(vocab_file=str(model), add_eos_token=True).save_pretrained(folder)
    assert AutoTokenizer.from_pretrained(folder)("a").input_ids[-1] == 2
    assert "TokenizerEndsPromptsError" in {record.defect for record in validate(checkpoint_of_folder(folder)).errors}

    normalised = normalise(checkpoint_of_folder(folder), tmp_path / "work")
    materialize(normalised, tmp_path / "out")

    assert AutoTokenizer.from_pretrained(tmp_path / "out")("a").input_ids[-1] != 2
    assert any(note.startswith("tokenizer_config.json: add_eos_token = false") for note in normalised.notes)


@pytest.mark.parametrize("config", [{"model_type": "t5"}, {"is_encoder_decoder": True}])
def test_an_encoder_keeps_its_end_token(config: dict[str, Any]) -> None:
    tokenizer = json.loads(ending_tokenizer().backend_tokenizer.to_str())

    assert without_end_token(config, {"eos_token": "</s>"}, tokenizer) is None
    assert without_end_token({"model_type": "llama"}, {"eos_token": {"content": "</s>"}}, tokenizer) is not None
