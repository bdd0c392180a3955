"""Validation refuses what transformers 4.51.3 does not load or use, and what ``normalise`` mends is loaded by it."""

from __future__ import annotations

import codecs
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from include.checkpoint.__main__ import main
from include.checkpoint.checks.validation import ValidationReport, validate
from include.checkpoint.files.defects import TextInvalidError
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.files.json_files import format_json
from include.checkpoint.normalising import normalise
from include.checkpoint.writing.materialize import materialize
from tests.support.tiny_models import equal_bits, load_weights, make_model, save_adapter, save_model

pytestmark = pytest.mark.usefixtures("without_logits")

SHARD = "model.safetensors"
INDEX = "model.safetensors.index.json"
BLOCK = {"quant_method": "bitsandbytes", "load_in_4bit": True}


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """A sound model in one file."""
    return save_model(make_model(eos_token_id=1), tmp_path / "model")


def _edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def _save_again(folder: Path, metadata: dict[str, str] | None, rename: Callable[[str], str] = str) -> None:
    for path in folder.glob("*.safetensors"):
        save_file({rename(name): tensor for name, tensor in load_file(path).items()}, path, metadata)


def _complaint(folder: Path) -> str | None:
    """What 4.51.3 says when it loads model, generation settings and tokenizer, or None."""
    try:
        AutoTokenizer.from_pretrained(folder)
        _, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    except Exception as error:  # whatever it raises
        return str(error)
    return str(report["missing_keys"]) if report["missing_keys"] else None


def _found(report: ValidationReport) -> dict[str, str]:
    return {record.defect: record.found for record in (*report.errors, *report.warnings)}


def _normalised(folder: Path, tmp_path: Path) -> Path:
    normalise_to = tmp_path / "normalised"
    materialize(normalise(checkpoint_of_folder(folder), tmp_path / "work"), normalise_to)
    return normalise_to


@pytest.mark.parametrize("metadata", [None, {"producer": "x"}, {"format": "np"}, {"format": "mlx"}, {"format": "tf"}])
@pytest.mark.parametrize("shards", ["one file", "shards"])
def test_metadata_is_refused_where_the_loader_refuses_it(
    metadata: dict[str, str] | None, shards: str, single: Path, own_base: Path
) -> None:
    folder = single if shards == "one file" else own_base
    _save_again(folder, metadata)

    assert ("WeightsFormatError" in _found(validate(checkpoint_of_folder(folder)))) == bool(_complaint(folder))


def test_metadata_without_a_format_gets_one_and_no_weight_is_written(own_base: Path, tmp_path: Path) -> None:
    weights = load_weights(own_base)
    _save_again(own_base, {"producer": "x"})

    changed = normalise(checkpoint_of_folder(own_base), tmp_path / "work")
    materialize(changed, tmp_path / "out")

    assert not validate(changed).errors
    assert _complaint(tmp_path / "out") is None
    assert equal_bits(load_weights(tmp_path / "out"), weights)
    assert sum("format" in note for note in changed.notes) == len(list(own_base.glob("*.safetensors")))
    assert (tmp_path / "work" / "normalise.overlay").stat().st_size < 10_000


def test_a_merge_into_weights_without_a_format_is_the_merge_into_sound_ones(
    own_base: Path, base_dir: Path, adapter_dir: Path, tmp_path: Path
) -> None:
    _save_again(own_base, {})
    arguments = ["merge", "--adapter", str(adapter_dir)]

    assert main([*arguments, "--base", str(own_base), "--out", str(tmp_path / "mended")]) == 0
    assert main([*arguments, "--base", str(base_dir), "--out", str(tmp_path / "sound")]) == 0
    assert equal_bits(load_weights(tmp_path / "mended"), load_weights(tmp_path / "sound"))


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._fsdp_wrapped_module."])
def test_the_prefix_of_a_wrapper_is_named_and_removed(prefix: str, own_base: Path, tmp_path: Path) -> None:
    weights = load_weights(own_base)
    _save_again(own_base, {"format": "pt"}, lambda name: prefix + name)
    index = json.loads((own_base / INDEX).read_text())
    _edit(own_base / INDEX, weight_map={prefix + name: file for name, file in index["weight_map"].items()})

    report = validate(checkpoint_of_folder(own_base))
    assert [record.defect for record in report.errors] == ["TensorsWrappedError"]
    assert prefix in report.errors[0].found
    folder = _normalised(own_base, tmp_path)
    assert not validate(checkpoint_of_folder(folder)).errors
    assert _complaint(folder) is None
    assert equal_bits(load_weights(folder), weights)


@pytest.mark.parametrize(
    ("mark", "codec"),
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (b"", "utf-16-be")],
    ids=["with a mark", "UTF-16", "UTF-16 without a mark"],
)
def test_text_in_another_encoding_is_refused_and_mended(mark: bytes, codec: str, single: Path, tmp_path: Path) -> None:
    sound = {path.name: json.loads(path.read_text("utf-8")) for path in single.glob("*.json")}
    for name in sound:
        (single / name).write_bytes(mark + (single / name).read_text("utf-8").encode(codec))

    report = validate(checkpoint_of_folder(single))
    assert {(record.defect, record.file) for record in report.errors} == {("TextEncodingError", name) for name in sound}
    folder = _normalised(single, tmp_path)
    assert not validate(checkpoint_of_folder(folder)).errors
    assert _complaint(folder) is None
    assert {path.name: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")} == sound


def test_a_chat_template_file_in_another_encoding_is_mended(single: Path, tmp_path: Path) -> None:
    template = json.loads((single / "tokenizer_config.json").read_text()).pop("chat_template")
    (single / "chat_template.jinja").write_bytes(codecs.BOM_UTF16_LE + template.encode("utf-16-le"))

    folder = _normalised(single, tmp_path)

    assert AutoTokenizer.from_pretrained(folder).chat_template == template


def test_a_chat_template_file_that_is_not_unicode_is_refused(single: Path, tmp_path: Path) -> None:
    (single / "chat_template.jinja").write_bytes("é{{ messages }}".encode("latin-1"))

    assert "TextInvalidError" in _found(validate(checkpoint_of_folder(single)))
    with pytest.raises(TextInvalidError, match=r"chat_template\.jinja"):
        normalise(checkpoint_of_folder(single), tmp_path / "work")


def test_half_a_surrogate_pair_is_written_as_json_and_read_back() -> None:
    assert json.loads(format_json({"a": "é\ud800"}).decode()) == {"a": "é\ud800"}


@pytest.mark.parametrize(
    "fields",
    [
        {"do_sample": False, "num_return_sequences": 8},
        {"cache_implementation": "paged"},
        {"max_new_tokens": 0},
        {"early_stopping": "x"},
        {"num_beams": 2, "num_beam_groups": 2},
        {"do_sample": False, "temperature": 0.6},
        {"temperature": 0.6, "do_sample": True},
    ],
    ids=str,
)
def test_generation_settings_are_refused_where_the_loader_refuses_them(fields: dict[str, Any], single: Path) -> None:
    _edit(single / "generation_config.json", **fields)

    found = _found(validate(checkpoint_of_folder(single)))

    assert ("GenerationConfigUnusableError" in found) == bool(_complaint(single))
    assert ("GenerationConfigWarning" in found) == ("temperature" in fields and not fields["do_sample"])


@pytest.mark.parametrize(
    "fields",
    [
        {"do_sample": True, "temperature": 0.0},
        {"do_sample": True, "top_p": 1.5},
        {"do_sample": True, "top_k": -1},
        {"repetition_penalty": 0.0},
        {"repetition_penalty": 1.1, "no_repeat_ngram_size": 2},
    ],
    ids=str,
)
def test_generation_settings_are_refused_where_generate_refuses_them(fields: dict[str, Any], single: Path) -> None:
    _edit(single / "generation_config.json", **fields)
    model = AutoModelForCausalLM.from_pretrained(single)
    try:
        model.generate(torch.ones(1, 2, dtype=torch.long), max_new_tokens=1)
        refused = False
    except ValueError:
        refused = True

    assert ("GenerationSettingsRefusedError" in _found(validate(checkpoint_of_folder(single)))) is refused


def test_weights_beside_a_whole_file_are_left_out_as_the_loader_does(single: Path, tmp_path: Path) -> None:
    weights = load_weights(single)
    shutil.copy(save_model(make_model(hidden_size=32), tmp_path / "older") / SHARD, single / "old.safetensors")
    assert _complaint(single) is None

    assert "ShardNotIndexedError" in _found(validate(checkpoint_of_folder(single)))
    folder = _normalised(single, tmp_path)
    assert not (folder / "old.safetensors").exists()
    assert equal_bits(load_weights(folder), weights)
    assert not validate(checkpoint_of_folder(folder)).errors


@pytest.mark.parametrize("family", ["mistral", "llama"])
def test_rotary_buffers_of_older_versions_are_accepted_as_the_loader_does(family: str, tmp_path: Path) -> None:
    folder = save_model(make_model(family, eos_token_id=1), tmp_path / "model")
    tensors = load_file(folder / SHARD)
    buffers = {f"model.layers.{n}.self_attn.rotary_emb.inv_freq": torch.ones(8) for n in range(2)}
    save_file(tensors | buffers, folder / SHARD, {"format": "pt"})

    _, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not report["unexpected_keys"]
    assert not validate(checkpoint_of_folder(folder)).errors


@pytest.mark.parametrize(
    ("edit", "file"),
    [
        (lambda f: _edit(f / "tokenizer_config.json", pad_token="[PAD]"), "tokenizer_config.json"),
        (lambda f: (f / "added_tokens.json").write_text('{"<extra>": 128}'), "added_tokens.json"),
    ],
    ids=["tokenizer_config.json", "added_tokens.json"],
)
def test_a_token_beyond_the_embedding_is_named_with_its_file(
    edit: Callable[[Path], object], file: str, single: Path
) -> None:
    config = json.loads((single / "tokenizer_config.json").read_text())
    config.pop("added_tokens_decoder")  # The loader reads added_tokens.json only without it.
    (single / "tokenizer_config.json").write_text(json.dumps(config))
    edit(single)

    assert max(AutoTokenizer.from_pretrained(single).get_vocab().values()) == 128
    errors = {record.defect: record for record in validate(checkpoint_of_folder(single)).errors}
    assert errors["TokenIdOutOfRangeError"].file == file
    assert "128" in errors["TokenIdOutOfRangeError"].found


def test_a_quantization_config_left_over_is_dropped_before_a_merge(
    own_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _edit(own_base / "config.json", quantization_config=BLOCK)
    adapter = save_adapter(make_model(), tmp_path / "adapter", LoraConfig(target_modules=["q_proj"]))

    assert main(["validate", str(own_base)]) == 1
    assert "QuantizationLeftOverError" in capsys.readouterr().out
    out = tmp_path / "out"
    assert main(["merge", "--base", str(own_base), "--adapter", str(adapter), "--out", str(out)]) == 0
    assert _complaint(out) is None


def test_a_merge_whose_tokenizer_cannot_be_normalised_leaves_nothing(
    base_dir: Path, adapter_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = shutil.copytree(adapter_dir, tmp_path / "adapter")
    shutil.copy(base_dir / "tokenizer.json", adapter)
    (adapter / "tokenizer_config.json").write_text("[]")
    out = tmp_path / "out" / "model"

    assert main(["merge", "--base", str(base_dir), "--adapter", str(adapter), "--out", str(out)]) == 2
    assert "JsonInvalidError" in capsys.readouterr().out
    assert [path.name for path in out.parent.iterdir()] == ["model.work"]


def test_shards_that_the_index_does_not_name_are_left_out(own_base: Path, adapter_dir: Path, tmp_path: Path) -> None:
    weights, named = load_weights(own_base), {path.name for path in own_base.iterdir()}
    older = make_model(hidden_size=32)
    for path in save_model(older, tmp_path / "older", "20KB").glob("*.safetensors"):
        shutil.copy(path, own_base)
    assert _complaint(own_base) is None

    assert "ShardNotIndexedError" in _found(validate(checkpoint_of_folder(own_base)))
    folder = _normalised(own_base, tmp_path)
    assert {path.name for path in folder.iterdir()} == named
    assert equal_bits(load_weights(folder), weights)
    merge = ["merge", "--base", str(own_base), "--adapter", str(adapter_dir), "--out", str(tmp_path / "merged")]
    assert main(merge) == 0
