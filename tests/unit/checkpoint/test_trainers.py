"""Folders as trainers and hubs leave them, given to every command: each is read, or refused by its name with a way on.

The layouts are those of the trainers' own code and documentation, with empty files where the content is not read. One
row of the matrix in docs/checkpoints.md each.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from include.checkpoint.__main__ import main
from include.checkpoint.inspection import inspect
from tests.support.raw_mistral import save_raw
from tests.support.tiny_models import equal_bits, load_weights, make_model, make_tokenizer, save_model

pytestmark = pytest.mark.usefixtures("without_logits")

SHARD = "model.safetensors"
TRAINING = ("training_args.bin", "trainer_state.json", "optimizer.pt", "scheduler.pt", "rng_state.pth")


def _touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def _edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound model in one file; not to be changed."""
    return save_model(make_model(eos_token_id=1), tmp_path_factory.mktemp("whole") / "model")


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


@pytest.fixture
def adapter(adapter_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(adapter_dir, tmp_path / "adapter"))


def _peft(adapter: Path) -> None:
    _touch(adapter, "README.md")


def _trl(adapter: Path) -> None:
    make_tokenizer().save_pretrained(adapter)
    _touch(adapter, "README.md", "training_args.bin", "runs/Nov28/events.out.tfevents.1.host")
    for number in (10, 20):
        below = adapter / f"checkpoint-{number}"
        _touch(below, *TRAINING)
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(adapter / name, below)


def _axolotl(adapter: Path) -> None:
    """It saves the configuration of the base beside the adapter, too."""
    make_tokenizer().save_pretrained(adapter)
    make_model().config.save_pretrained(adapter)
    _touch(adapter, "README.md", "debug.log", "checkpoint-10/trainer_state.json")


def _llama_factory(adapter: Path) -> None:
    make_tokenizer().save_pretrained(adapter)
    _touch(adapter, "all_results.json", "train_results.json", "trainer_log.jsonl", "training_loss.png", *TRAINING)


def _unsloth(adapter: Path) -> None:
    made = {"base_model_class": "MistralForCausalLM", "parent_library": "transformers.models.mistral.modeling_mistral"}
    _edit(
        adapter / "adapter_config.json",
        base_model_name_or_path="unsloth/mistral-7b-bnb-4bit",
        auto_mapping=made | {"unsloth_fixed": True},
    )


def _fsdp(adapter: Path) -> None:
    path = adapter / "adapter_model.safetensors"
    wrapped = {name.replace(".layers.", "._fsdp_wrapped_module.layers."): t for name, t in load_file(path).items()}
    save_file(wrapped, path, {"format": "pt"})


def _compiled(adapter: Path) -> None:
    path = adapter / "adapter_model.safetensors"
    save_file({f"_orig_mod.{name}": tensor for name, tensor in load_file(path).items()}, path, {"format": "pt"})


ADAPTERS: dict[str, Callable[[Path], None]] = {
    "peft": _peft,
    "TRL": _trl,
    "axolotl": _axolotl,
    "LLaMA-Factory": _llama_factory,
    "unsloth": _unsloth,
    "FSDP": _fsdp,
    "torch.compile": _compiled,
}


@pytest.fixture(scope="module")
def merged(whole: Path, adapter_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    out = tmp_path_factory.mktemp("merged") / "out"
    assert main(["merge", "--base", str(whole), "--adapter", str(adapter_dir), "--out", str(out)]) == 0
    return load_weights(out)


@pytest.mark.parametrize("trainer", ADAPTERS)
def test_an_adapter_is_merged_as_the_one_that_peft_saves_and_the_other_commands_say_so(
    trainer: str,
    adapter: Path,
    whole: Path,
    merged: dict[str, torch.Tensor],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ADAPTERS[trainer](adapter)
    out = tmp_path / "out"

    assert inspect(adapter).kind == "adapter"
    assert main(["merge", "--base", str(whole), "--adapter", str(adapter), "--out", str(out)]) == 0
    assert equal_bits(load_weights(out), merged)
    assert main(["validate", str(adapter)]) == 2
    assert main(["convert", "--source", str(adapter), "--out", str(tmp_path / "other")]) == 2
    assert capsys.readouterr().out.count("Merge it into its base model first") == 2


def _whole_trl(model: Path) -> Path:
    return _touch(model, "README.md", "training_args.bin", "checkpoint-10/model.safetensors", "runs/events.1")


def _whole_unsloth(model: Path) -> Path:
    _edit(model / "config.json", unsloth_fixed=True, unsloth_version="2025.11.3")
    return _touch(model, "unsloth.Q4_K_M.gguf", "Modelfile")


def _torchtune(model: Path) -> Path:
    """Its files have names of their own, and no index."""
    tensors = load_file(model / SHARD)
    (model / SHARD).unlink()
    for number, names in enumerate((list(tensors)[::2], list(tensors)[1::2]), start=1):
        path = model / f"ft-model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in names}, path, {"format": "pt"})
    return _touch(model, "adapter_0.pt", "adapter_model.pt", "recipe_state/recipe_state.pt", "torchtune_config.yaml")


def _torchtune_pickled(model: Path) -> Path:
    torch.save(load_file(model / SHARD), model / "hf_model_0001_0.pt")
    (model / SHARD).unlink()
    return _touch(model, "recipe_state.pt")


def _fsdp_whole(model: Path) -> Path:
    torch.save(load_file(model / SHARD), model / "pytorch_model_fsdp.bin")
    (model / SHARD).unlink()
    return _touch(model, "optimizer.bin", "random_states_0.pkl")


def _compiled_whole(model: Path) -> Path:
    tensors = load_file(model / SHARD)
    save_file({f"_orig_mod.{name}": tensor for name, tensor in tensors.items()}, model / SHARD, {"format": "pt"})
    return model


def _zero3_gathered(model: Path) -> Path:
    return _touch(model, "latest", "zero_to_fp32.py", "global_step10/zero_pp_rank_0_mp_rank_00_model_states.pt")


def _hub(model: Path) -> Path:
    (model / "original").mkdir()
    save_raw(make_model(eos_token_id=1), model / "original")
    return _touch(model, ".gitattributes", "LICENSE", "README.md", ".cache/huggingface/x.lock", "onnx/model.onnx")


def _hub_cache(model: Path) -> Path:
    """The cache of the hub: snapshots with links to files that have their checksums as names."""
    blobs, snapshot = model.parent / "cache" / "blobs", model.parent / "cache" / "snapshots" / "abc"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted(model.iterdir())):
        path.rename(blobs / f"{number:064}")
        (snapshot / path.name).symlink_to(Path("../../blobs") / f"{number:064}")
    return snapshot


def _sagemaker(model: Path) -> Path:
    return _touch(model, "code/inference.py", "code/requirements.txt", "inference.py")


MODELS: dict[str, tuple[Callable[[Path], Path], str, bool]] = {
    "TRL": (_whole_trl, "hf", True),
    "unsloth": (_whole_unsloth, "hf", True),
    "torchtune": (_torchtune, "hf", False),
    "torchtune, pickled": (_torchtune_pickled, "hf_pickled", False),
    "DeepSpeed ZeRO-3, gathered": (_zero3_gathered, "hf", True),
    "FSDP, whole": (_fsdp_whole, "hf_pickled", False),
    "torch.compile": (_compiled_whole, "hf", False),
    "a hub's folder": (_hub, "hf", True),
    "a hub's cache": (_hub_cache, "hf", True),
    "SageMaker": (_sagemaker, "hf", True),
}


@pytest.mark.parametrize(("leave", "kind", "valid"), MODELS.values(), ids=MODELS)
def test_a_whole_model_is_the_same_after_it_was_normalised(
    leave: Callable[[Path], Path],
    kind: str,
    valid: bool,
    model: Path,
    whole: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, out = leave(model), tmp_path / "out"

    assert inspect(folder).kind == kind
    assert (main(["validate", str(folder)]) == 0) is valid
    assert main(["normalise", "--source", str(folder), "--out", str(out)]) == 0
    assert equal_bits(load_weights(out), load_weights(whole))
    assert main(["convert", "--source", str(folder), "--out", str(tmp_path / "other")]) == (2 if kind == "hf" else 0)
    assert ("use it as it is" in capsys.readouterr().out.lower()) is (kind == "hf")


REFUSED: dict[str, tuple[tuple[str, ...], str, str]] = {
    "DeepSpeed ZeRO-3, in parts": (
        ("global_step10/zero_pp_rank_0_mp_rank_00_model_states.pt", "latest", "zero_to_fp32.py"),
        "a checkpoint of DeepSpeed",
        "zero_to_fp32.py",
    ),
    "FSDP, in parts": (
        ("pytorch_model_fsdp_0/__0_0.distcp", "pytorch_model_fsdp_0/.metadata"),
        "a sharded checkpoint of FSDP",
        "accelerate merge-weights",
    ),
    "GGUF": (("model.Q4_K_M.gguf",), "a GGUF model", "safetensors"),
    "SageMaker's archive": (("model.tar.gz",), "an archive", "Unpack it"),
    "another library": (("tf_model.h5",), "a model of another library", "save_pretrained"),
}


@pytest.mark.parametrize(("names", "called", "remedy"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("has_config", [True, False])
def test_a_format_that_is_not_read_is_refused_by_its_name_with_what_to_do(
    names: tuple[str, ...],
    called: str,
    remedy: str,
    has_config: bool,
    model: Path,
    adapter_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = _touch(tmp_path / "folder", *names)
    if has_config:
        shutil.copy(model / "config.json", folder)
    out = str(tmp_path / "out")

    for command in (
        ["inspect", str(folder)],
        ["validate", str(folder)],
        ["convert", "--source", str(folder), "--out", out],
        ["merge", "--base", str(folder), "--adapter", str(adapter_dir), "--out", out],
        ["merge", "--base", str(model), "--adapter", str(folder), "--out", out],
    ):
        assert main(command) == 2
        said = capsys.readouterr().out
        assert called in said
        assert remedy in said
    assert not Path(out).exists()


def test_a_trainers_folder_with_checkpoints_only_is_answered_with_their_names(
    adapter_dir: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (10, 20):
        shutil.copytree(adapter_dir, tmp_path / "run" / f"checkpoint-{number}")
    _touch(tmp_path / "run", "trainer_state.json", "runs/events.1")

    for command in (
        ["inspect", str(tmp_path / "run")],
        ["validate", str(tmp_path / "run")],
        ["merge", "--base", str(whole), "--adapter", str(tmp_path / "run"), "--out", str(tmp_path / "out")],
    ):
        assert main(command) == 2
        assert "subfolders checkpoint-10, checkpoint-20" in capsys.readouterr().out
