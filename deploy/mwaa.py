"""Lay the project out as Amazon MWAA reads it: ``make mwaa`` writes build/mwaa/.

Usage: ``python -m deploy.mwaa --airflow 3.2.1 [--extra-index-url URL]``
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from deploy.constraints import INSTEAD, ROOT, constraints

#: The newest version that MWAA offers; docs/mwaa.md says when that was looked up.
AIRFLOW = "3.2.1"
#: MWAA's own images pin these and let no requirement change them (mwaa_essential_constraints.txt in the repository
#: aws/amazon-mwaa-docker-images, read on 2026-11-28), so they are neither required nor constrained here.
PINNED_BY_MWAA = re.compile(
    r"apache-airflow(-core|-task-sdk)?|flask.*|gunicorn|billiard|celery|gevent|greenlet|kombu|vine|sqlalchemy.*"
    r"|statsd|watchtower|fluent-logger|werkzeug",
    re.IGNORECASE,
)
FOLDER = ROOT / "build" / "mwaa"
CONSTRAINTS = "constraints.txt"
#: Where MWAA puts the folder of DAGs.
MWAA_DAGS = "/usr/local/airflow/dags"
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "local_aws")
#: MWAA sets PYTHONPATH itself and refuses another; what it lets a script export reaches every component.
STARTUP = """#!/bin/sh
export HF_HUB_OFFLINE=1 # models come from S3 or the workspace, never from the Hugging Face Hub
export OMP_NUM_THREADS=1 # one core per task: celery.worker_autoscale says how many tasks a worker runs
"""
#: Two builds of the same files are the same bytes, so that MWAA gets a new version of plugins.zip only when it changed.
SAME_TIME = (2020, 1, 1, 0, 0, 0)


def build(folder: Path, airflow: str = AIRFLOW, extra_index_url: str = "") -> None:
    """Write dags/, plugins.zip, requirements.txt and startup.sh into a folder, whose contents are replaced.

    Raises:
        UntriedAirflowError: the project was not tried on this version of Airflow.
    """
    pins = constraints(airflow)
    shutil.rmtree(folder, ignore_errors=True)
    dags = folder / "dags"
    shutil.copytree(ROOT / "dags", dags, ignore=IGNORED)
    shutil.copytree(ROOT / "include", dags / "include", ignore=IGNORED)
    (dags / CONSTRAINTS).write_text("\n".join(_free(pins)) + "\n", "utf-8")
    (folder / "requirements.txt").write_text("\n".join(_requirements(extra_index_url)) + "\n", "utf-8")
    (folder / "startup.sh").write_text(STARTUP, "utf-8")
    _zip(ROOT / "plugins", folder / "plugins.zip")


def _free(lines: str) -> Iterator[str]:
    """Yield the lines without packages that MWAA pins itself."""
    for line in lines.splitlines():
        if not PINNED_BY_MWAA.fullmatch(re.split(r"[=<>\[ ]", line)[0]):
            yield line


def _requirements(extra_index_url: str) -> Iterator[str]:
    yield f'--constraint "{MWAA_DAGS}/{CONSTRAINTS}"'
    if extra_index_url:
        yield f"--extra-index-url {extra_index_url}"
    yield from _free((ROOT / "requirements.txt").read_text("utf-8"))


def _zip(source: Path, target: Path) -> None:
    """Put the contents of a folder, hidden files too, at the top of a zip file."""
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for path in sorted(source.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                entry = ZipInfo(path.relative_to(source).as_posix(), SAME_TIME)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes(), ZIP_DEFLATED)


def main() -> None:
    """Build for the version that the command names, and say where the result is."""
    parser = argparse.ArgumentParser(prog="python -m deploy.mwaa", description=__doc__)
    parser.add_argument("--airflow", choices=INSTEAD, default=AIRFLOW, help="version of the environment's Airflow")
    parser.add_argument(
        "--extra-index-url",
        default=os.environ.get("PIP_EXTRA_INDEX_URL", ""),
        help="package index with PyTorch's CPU builds, written into requirements.txt (default: PIP_EXTRA_INDEX_URL)",
    )
    arguments = parser.parse_args()
    build(FOLDER, arguments.airflow, arguments.extra_index_url)
    print(f"For MWAA with Airflow {arguments.airflow}: {FOLDER}")
    if not arguments.extra_index_url:
        print("No extra index was given: pip will install torch with its CUDA packages. See docs/mwaa.md.")


if __name__ == "__main__":
    main()
