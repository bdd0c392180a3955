"""The processor time of ``validate --load``, and of a script that loads a model with transformers and computes once.

python -m benchmarks.validate_load DIR [--runs 3]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

PLAIN = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], torch_dtype="auto")
with torch.inference_mode():
    model(**tokenizer("Hello world", return_tensors="pt")).logits
"""
COMMANDS = {
    "transformers alone": ["-c", PLAIN],
    "validate --load": ["-m", "include.checkpoint", "validate", "--load"],
    "validate": ["-m", "include.checkpoint", "validate"],
}


def main() -> None:
    """Print the processor seconds of each command, run by run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="a Hugging Face model")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    for _ in range(arguments.runs):
        for name, command in COMMANDS.items():
            print(f"{name}: {_processor_seconds([*command, arguments.folder]):.2f} s")


def _processor_seconds(arguments: list[str]) -> float:
    """Run Python with these arguments; the time of all its processes, as they are all ended when it is."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
