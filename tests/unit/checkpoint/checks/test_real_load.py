"""``validate --load`` sees what headers and samples cannot: it loads the checkpoint and computes with it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from include.checkpoint.__main__ import main
from include.checkpoint.checks import loadable_folder, value_checks
from include.checkpoint.checks.validation import validate
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.files.reading import LOCAL
from tests.support.tiny_models import make_model, save_model

DOWN = "model.layers.1.mlp.down_proj.weight"
NORM = "model.norm.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model(make_model(eos_token_id=1), tmp_path / "model")


@pytest.fixture(autouse=True)
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tensors are small, so that their samples are, too."""
    monkeypatch.setattr(value_checks, "SAMPLE_BYTES", 64)


def _set(name: str, value: float, place: Any = 5) -> Callable[[Path], None]:
    def plant(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        tensors[name].view(-1)[place] = value
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return plant


def _edit(name: str, **fields: Any) -> Callable[[Path], None]:
    def plant(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return plant


def end_every_prompt(folder: Path) -> None:
    """Let tokenizer.json add the end token behind each text, as for a training."""
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    processor = {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, end],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}, end],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
    }
    _edit("tokenizer.json", post_processor=processor)(folder)


def _unknown_merges(folder: Path) -> None:
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["merges"] = [["no", "token"]]
    path.write_text(json.dumps(tokenizer))


_SEVERAL = "{% if messages|length > 1 %}{{ messages[0].tool_calls[0] }}{% endif %}{{ messages[-1].content }}"
_YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "NaN between the samples": (_set(DOWN, float("nan")), f"NaN or infinity in {DOWN}"),
    "infinity between the samples": (_set(DOWN, float("inf")), f"NaN or infinity in {DOWN}"),
    "NaN in one row of the embedding": (_set("model.embed_tokens.weight", float("nan")), "NonFiniteError"),
    "values that grow out of range": (_set(NORM, 3e38, slice(None)), "logits are not finite"),
    "a tokenizer that ends every prompt": (end_every_prompt, "TokenizerEndsPromptsError"),
    "a tokenizer whose merges are another's": (_unknown_merges, "TokenizerUnusableError"),
    "a token without a row": (_edit("tokenizer_config.json", pad_token="[PAD]"), "TokenIdOutOfRangeError"),
    "generation settings that raise": (
        _edit("generation_config.json", do_sample=False, num_return_sequences=8),
        "GenerationConfigUnusableError",
    ),
    "a template that fails with several turns": (
        _edit("tokenizer_config.json", chat_template=_SEVERAL),
        "ChatTemplateLimitedWarning",
    ),
    "a rope factor that is read otherwise": (_edit("config.json", rope_scaling=_YARN), "RopeFactorIgnoredWarning"),
    "a number as text, used in forward only": (_edit("config.json", rms_norm_eps="1e-5"), "a forward pass: TypeError"),
}


@pytest.mark.parametrize(("plant", "found"), FAULTS.values(), ids=FAULTS)
def test_a_fault_that_headers_do_not_show_is_found(
    plant: Callable[[Path], None], found: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(folder)

    code = main(["validate", "--load", str(folder)])

    assert found in capsys.readouterr().out
    assert code == (0 if found.endswith("Warning") else 1)


def test_more_experts_for_a_token_than_there_are_raise_in_forward_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save_model(make_model("mixtral", eos_token_id=1), tmp_path / "model")
    _edit("config.json", num_experts_per_tok=8)(folder)

    assert main(["validate", "--load", str(folder)]) == 1
    assert "a forward pass: RuntimeError" in capsys.readouterr().out


def test_a_sound_checkpoint_loads_and_what_checks_it_imports_no_torch(folder: Path) -> None:
    script = (
        "import sys\n"
        "from include.checkpoint.__main__ import main\n"
        f"code = main(['validate', '--load', {str(folder)!r}])\n"
        "sys.exit(f'exit code {code}' if code else ', '.join({'torch', 'transformers'} & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "0 errors" in done.stdout


def test_a_run_loads_the_checkpoint_from_a_folder_that_it_removes(folder: Path, tmp_path: Path) -> None:
    _set(DOWN, float("nan"))(folder)
    checkpoint, copy = checkpoint_of_folder(folder), tmp_path / "copy"
    copy.mkdir()  # of a run that was killed

    report = validate(checkpoint, loaded_from=loadable_folder.loadable_folder(checkpoint, copy, LOCAL))

    assert [record.defect for record in report.errors] == ["LoadFailedError"]
    assert not copy.exists()


def test_a_checkpoint_that_does_not_fit_is_not_loaded_and_the_log_says_why(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _set(DOWN, float("nan"))(folder)
    checkpoint = checkpoint_of_folder(folder)
    monkeypatch.setattr(loadable_folder, "LOADED_BELOW", 1000)
    caplog.set_level(logging.INFO)

    report = validate(checkpoint, loaded_from=loadable_folder.loadable_folder(checkpoint, tmp_path / "copy", LOCAL))

    assert not report.errors
    assert "only up to 1,000 are loaded" in caplog.text
