"""What a training job of the stand-in reads from S3, and what is found in its log."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from include.local_aws.training.files import KeyOutsideError, download
from include.local_aws.training.job_log import LONGEST_LINE, JobLog


class Bucket:
    """The part of an S3 client that a download needs."""

    def __init__(self, **objects: bytes) -> None:
        self._objects = objects

    def get_paginator(self, _: str) -> Bucket:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:
        return [{"Contents": [{"Key": key} for key in self._objects if key.startswith(Prefix)]}]

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self._objects[Key])}


def test_objects_below_a_prefix_become_files_and_folders(tmp_path: Path) -> None:
    objects = {"data/a.txt": b"a", "data/more/b.txt": b"b", "data/more/": b"", "other": b"c"}
    assert download(Bucket(**objects), "s3://bucket/data", tmp_path) == 2
    assert (tmp_path / "more" / "b.txt").read_bytes() == b"b"


def test_a_key_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyOutsideError, match="is no file name"):
        download(Bucket(**{"data/../../escaped": b"x"}), "s3://bucket/data", tmp_path / "channel")
    assert not list(tmp_path.rglob("escaped"))


@pytest.fixture
def log(tmp_path: Path) -> JobLog:
    return JobLog(tmp_path / "log.txt", [{"Name": "train:loss", "Regex": "loss=([0-9.]+)"}])


def test_the_last_value_of_a_metric_is_found_however_the_log_arrives(log: JobLog) -> None:
    log.read_on()
    assert log.metrics == {}
    for written, expected in (("loss=3.5\nloss=", 3.5), ("2.", 2.0), ("25\nother\n", 2.25), ("x", 2.25)):
        with log.path.open("a") as file:
            file.write(written)
        log.read_on()
        assert log.metrics == {"train:loss": expected}


def test_a_line_without_end_is_searched_as_far_as_it_is_short(log: JobLog) -> None:
    log.path.write_text("loss=1 " + "x" * 3 * LONGEST_LINE + " loss=2")
    log.read_on()
    assert log.metrics == {"train:loss": 1.0}
    assert log.end(6) == "loss=2"
