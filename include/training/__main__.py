"""``python -m include.training``: prepare training data by hand, without any DAG.

Exit codes: 0 good, 2 the input cannot be used.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import Any

from include.aws.s3_uri import is_s3_uri
from include.config.account import account_settings
from include.config.files import read_model_file
from include.config.model import ModelConfig
from include.errors import ModelImportError
from include.training.preparation import PAGE, Preparation, prepare

UNUSABLE = 2
#: Where Airflow reads Variables from the environment, so that the same settings serve both.
_VARIABLE = "AIRFLOW_VAR_{}"


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code."""
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        config = read_model_file(parsed.config)
        account = account_settings(config.account, lambda name: os.environ.get(_VARIABLE.format(name.upper())))
        report = prepare(Preparation(config, account, parsed.base, parsed.out, _s3(config)))
    except ModelImportError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return UNUSABLE
    print(report.model_dump_json(indent=1) if parsed.json else "\n".join(report.summary()))
    print(f"Report: {parsed.out / PAGE}", file=sys.stderr)
    return 0


def _s3(config: ModelConfig) -> Any:
    """Return an S3 client of the usual credentials, if one of the data sets is in S3."""
    data = config.training.data if config.training else ""
    if not any(map(is_s3_uri, (data, *(suite.dataset for suite in config.suites)))):
        return None
    import boto3

    return boto3.client("s3", region_name=config.account.region_name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("prepare", help="write a data set as the tokens that a training job reads")
    command.add_argument("--config", required=True, type=Path, help="the model's file, such as dags/models/NAME.yaml")
    command.add_argument("--base", required=True, type=Path, help="folder of the base model")
    command.add_argument("--out", required=True, type=Path, help="new folder")
    command.add_argument("--json", action="store_true", help="print the report as JSON instead of a summary")
    return parser


if __name__ == "__main__":
    sys.exit(main())
