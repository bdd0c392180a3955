"""``python -m include.checkpoint``: look at, convert, merge, normalise and check models, without any DAG.

Exit codes: 0 good, 1 defects were found, 2 the input cannot be used.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from include.checkpoint import commands
from include.errors import ModelImportError

UNUSABLE = 2


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        code, value, lines = parsed.run(parsed)
    except ModelImportError as error:
        code, value = UNUSABLE, {"error": type(error).__name__, "message": str(error)}
        lines = [f"{type(error).__name__}: {error}"]
    print(json.dumps(value, indent=1) if parsed.json else "\n".join(lines))
    return int(code)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser = argparse.ArgumentParser(prog="python -m include.checkpoint", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: object, says: str) -> argparse.ArgumentParser:
        command = subparsers.add_parser(name, parents=[common], help=says)
        command.set_defaults(run=run)
        return command

    command = add("inspect", commands.run_inspect, "say what a folder or s3:// prefix holds")
    command.add_argument("location", help="folder or s3:// prefix")
    command = add("validate", commands.run_validate, "say what Bedrock would refuse or misread")
    command.add_argument("location", help="Hugging Face folder or s3:// prefix")
    command = add("convert", commands.run_convert, "write a raw Mistral model as a Hugging Face folder")
    command.add_argument("--source", required=True, help="folder with params.json and consolidated files")
    command.add_argument("--out", required=True, type=Path, help="new folder")
    command = add("merge", commands.run_merge, "write base + adapter as a Hugging Face folder")
    command.add_argument("--base", required=True, help="Hugging Face or raw Mistral folder")
    command.add_argument("--adapter", required=True, help="PEFT adapter folder")
    command.add_argument("--out", required=True, type=Path, help="new folder")
    command = add("normalise", commands.run_normalise, "write a model so that transformers 4.51.3 reads its metadata")
    command.add_argument("--source", required=True, help="Hugging Face or raw Mistral folder")
    command.add_argument("--out", required=True, type=Path, help="new folder")
    command.add_argument(
        "--dtype", choices=("keep", "bfloat16", "float16"), default="keep", help="format of the weights"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
