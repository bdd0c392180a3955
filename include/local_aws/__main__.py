"""The command line of the stand-in: python -m include.local_aws --port 4566."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import sys
from collections.abc import Sequence

from include.local_aws.server import LocalAwsError, serve
from include.local_aws.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped; return the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        serve(parse_settings(arguments))
    except LocalAwsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def parse_settings(arguments: Sequence[str] | None) -> Settings:
    """Return the settings of a command line: one option per field."""
    parser = argparse.ArgumentParser(
        prog="python -m include.local_aws",
        description="A stand-in for AWS on loopback. Prints one line when ready: ready http://HOST:PORT",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for field in dataclasses.fields(Settings):
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, type=type(field.default), default=field.default, help=field.metadata["help"])
    return Settings(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # at once: tearing down moto and torch takes seconds, and a job may be at work in a thread
