"""``python -m include.checkpoint``: inspect, convert, merge, normalise and validate models without a DAG.

Exit codes: 0 good, 1 defects were found, 2 the input cannot be used, 3 the command itself failed.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import traceback
from pathlib import Path

from include.checkpoint import commands
from include.errors import ModelImportError

UNUSABLE, FAILED = 2, 3
MAX_SEQUENCES = 1000
PACKAGE = Path(__file__).parent


class CommandFailedError(ModelImportError):
    """An unexpected failure: a defect of this project or of the machine's set-up."""

    def __init__(self, command: str, error: Exception) -> None:
        reason = str(error).strip().partition("\n")[0]
        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if PACKAGE in Path(frame.filename).parents
        ]
        where = f" at {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
        super().__init__(
            "The command failed unexpectedly",
            command,
            found=f"{type(error).__name__}: {reason}{where}",
            remedy="Check memory, disk and permissions; else report this, with what --traceback prints.",
        )


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code."""
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        code, value, lines = parsed.run(parsed)
    except ModelImportError as error:
        code, value, lines = _failure(UNUSABLE, error)
    except Exception as error:  # whatever it is, it must not end with Python's exit code 1, which means defects
        if parsed.traceback:
            traceback.print_exception(error)
        code, value, lines = _failure(FAILED, CommandFailedError(parsed.command, error))
    print(json.dumps(value, indent=1) if parsed.json else "\n".join(lines))
    return int(code)


def _failure(code: int, error: ModelImportError) -> commands.Outcome:
    name = type(error).__name__
    return code, {"error": name, "message": str(error)}, [f"{name}: {error}"]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_SEQUENCES:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to {MAX_SEQUENCES}, found {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON instead of lines")
    common.add_argument("--traceback", action="store_true", help="print the traceback of an unexpected failure")
    parser = argparse.ArgumentParser(prog="python -m include.checkpoint", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: object, says: str) -> argparse.ArgumentParser:
        command = subparsers.add_parser(name, parents=[common], help=says)
        command.set_defaults(run=run, command=name)
        return command

    command = add("inspect", commands.run_inspect, "say what a folder or s3:// prefix holds")
    command.add_argument("location", help="folder or s3:// prefix")
    command = add("validate", commands.run_validate, "say what Bedrock would refuse or misread")
    command.add_argument("location", help="Hugging Face folder or s3:// prefix")
    command.add_argument("--load", action="store_true", help="load it with transformers too, and compute once")
    command = add("convert", commands.run_convert, "write a raw Mistral or pickled model as a Hugging Face folder")
    command.add_argument(
        "--source",
        required=True,
        help="folder with consolidated files or pytorch_model*.bin",
    )
    command.add_argument("--out", required=True, type=Path, help="new folder")
    command = add("merge", commands.run_merge, "write base + adapter as a Hugging Face folder")
    command.add_argument("--base", required=True, help="Hugging Face or raw Mistral folder")
    command.add_argument("--adapter", required=True, help="folder of a PEFT adapter, or of mistral-finetune's")
    command.add_argument("--out", required=True, type=Path, help="new folder")
    command.add_argument(
        "--check",
        type=_count,
        metavar="N",
        help="compare logits with those of peft's own model on N random token sequences; without it, on a few if the "
        "base has less than 1 GB; 0: on none",
    )
    command = add("normalise", commands.run_normalise, "write a model with metadata that Bedrock's transformers reads")
    command.add_argument("--source", required=True, help="Hugging Face or raw Mistral folder")
    command.add_argument("--out", required=True, type=Path, help="new folder")
    command.add_argument(
        "--dtype", choices=("keep", "bfloat16", "float16"), default="keep", help="format of the weights"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
