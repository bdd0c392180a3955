"""Some steps of the training script on a base of random weights, through the entrypoint of a SageMaker job.

    python -m benchmarks.training                     # Mistral-7B's shapes, QLoRA, all GPUs of this machine
    python -m benchmarks.training --tiny --method lora  # a small model, to try the program itself on a CPU

Prints the peak memory of a process and the tokens per second, the first steps left out. The packages that the script
misses are installed into the Python that runs this, so use a virtual environment that has torch and nothing to lose.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from benchmarks.checkpoint_model import VOCABULARY, make_base

CONTAINER = Path(__file__).resolve().parent.parent / "include" / "training" / "container"
WARM_UP_STEPS = 3
TINY = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": VOCABULARY}  # fmt: skip


def make_tiny_base(folder: Path) -> None:
    """Write a Mistral of two small layers."""
    from transformers import MistralConfig, MistralForCausalLM

    MistralForCausalLM(MistralConfig(**TINY)).save_pretrained(folder)


def make_examples(path: Path, tokens: int, longest: int) -> None:
    """Write examples of random tokens and lengths, the second half of each an answer."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(longest // 20, longest // 3, size=1 + tokens * 5 // longest)
    lengths = lengths[: 1 + int(np.searchsorted(lengths.cumsum(), tokens))]
    marks = [np.arange(length) >= length // 2 for length in lengths]
    arrays = {
        "tokens": rng.integers(3, VOCABULARY, size=lengths.sum(), dtype=np.int32),
        "trained": np.concatenate(marks).astype(np.uint8),
        "starts": np.concatenate([[0], lengths.cumsum()]).astype(np.int64),
    }
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()
    path.parent.mkdir(parents=True)
    save_file(arrays, path, metadata={"format": "training-examples/1", "digest": digest})


def make_job(root: Path, options: argparse.Namespace) -> None:
    """Write the folders of a job: base, examples, the script as it is shipped, its settings."""
    channels = root / "input" / "data"
    channels.mkdir(parents=True)
    make_tiny_base(channels / "model") if options.tiny else make_base(channels / "model", options.layers)
    make_examples(channels / "train" / "train.safetensors", options.steps * options.batch_tokens, options.length)
    make_examples(channels / "held_out" / "held_out.safetensors", options.length, options.length)
    (channels / "train" / "tokenizer").mkdir()
    (channels / "train" / "tokenizer" / "tokenizer_config.json").write_text("{}")
    shutil.copytree(CONTAINER, channels / "code")
    (channels / "code" / "settings.json").write_text(json.dumps(settings(options)))
    (root / "input" / "config").mkdir()
    hyperparameters = {"processes": str(options.processes)} if options.processes else {}
    (root / "input" / "config" / "hyperparameters.json").write_text(json.dumps(hyperparameters))


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that a fine-tune of a 7B model has by default."""
    return {
        "method": options.method,
        "seed": 0,
        "max_sequence_length": options.length,
        "lora": {"r": 16, "alpha": 32, "dropout": 0.05, "target_modules": "all-linear"},
        "epochs": 1,
        "learning_rate": 2e-4,
        "batch_tokens": options.batch_tokens,
        "warmup": 0.03,
        "save_minutes": 60,
        "packing": True,
    }


def run_job(root: Path) -> str:
    """Run the entrypoint to its end, show its log meanwhile, and return it."""
    command = [sys.executable, str(root / "input" / "data" / "code" / "bootstrap.py")]
    lines = []
    with subprocess.Popen(
        command, env={**os.environ, "ML_ROOT": str(root)}, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        raise SystemExit(f"the job ended with {process.returncode}")
    return "".join(lines)


def report(root: Path, log: str) -> None:
    """Print what the run took."""
    card = json.loads((root / "model" / "training_card.json").read_text())
    speeds = [float(value) for value in re.findall(r"tokens_per_second=(\S+)", log)]
    print(f"\n{card['processes']} processes on {card['device']}, {card['settings']['method']}, {card['steps']} steps")
    print(f"tokens per second: {statistics.median(speeds[WARM_UP_STEPS:] or speeds):.0f} (median)")
    print(f"peak memory of a process: {card['peak_memory_gib']} GiB")
    print(f"checkpoint: {max(path.stat().st_size for path in (root / 'checkpoints').iterdir()) / 2**20:.1f} MiB")
    print(f"adapter: {(root / 'model' / 'adapter_model.safetensors').stat().st_size / 2**20:.1f} MiB")
    print("versions:", ", ".join(f"{name} {version}" for name, version in card["versions"].items()))


def main() -> None:
    """Make the job, run it, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--method", choices=["lora", "qlora"], default="qlora")
    parser.add_argument(
        "--tiny", action="store_true", help="a model of two small layers instead of Mistral-7B's shapes"
    )
    parser.add_argument("--layers", type=int, default=32, help="layers of the large model (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=12, help="about how many steps (default: %(default)s)")
    parser.add_argument("--length", type=int, default=3072, help="max_sequence_length (default: %(default)s)")
    parser.add_argument("--batch-tokens", type=int, default=32768, help="tokens of a step (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=0, help="default: one for each GPU, or one")
    parser.add_argument("--work", type=Path, help="folder for about 15 GB (default: a temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        make_job(Path(folder), options)
        report(Path(folder), run_job(Path(folder)))


if __name__ == "__main__":
    main()
