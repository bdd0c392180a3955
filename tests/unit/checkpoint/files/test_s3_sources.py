"""Checkpoints under an ``s3://`` prefix, read by range requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

import boto3
import pytest
from moto import mock_aws

from include.checkpoint.checks.validation import validate
from include.checkpoint.errors import SourceChangedError, SourceUnreadableError
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.files.reading import UriReader, verify_pins
from include.checkpoint.inspection import inspect
from include.checkpoint.lora.merging import merge
from include.checkpoint.writing.materialize import materialize
from tests.support.tiny_models import equal_bits, load_weights, make_model, merged_by_peft, save_model

PREFIX = "s3://models/base/v1"


class CountingReader(UriReader):
    """Counts the bytes that are read."""

    bytes_read = 0

    def read(self, uri: str, offset: int, length: int) -> bytes:
        self.bytes_read += length
        return super().read(uri, offset, length)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="models")
        yield client


def _put(s3: Any, folder: Path) -> None:
    for path in folder.iterdir():
        s3.put_object(Bucket="models", Key=f"base/v1/{path.name}", Body=path.read_bytes())


def test_a_prefix_is_inspected_and_validated_like_its_folder(s3: Any, base_dir: Path) -> None:
    _put(s3, base_dir)
    reader = UriReader(s3)

    assert inspect(PREFIX, reader).parameters == inspect(base_dir).parameters
    assert validate(checkpoint_of_folder(PREFIX, reader), reader) == validate(checkpoint_of_folder(base_dir))


class _Item(dict[str, Any]):
    """An object in a listing that can be watched: a plain dict has no weak references."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def test_a_listing_of_many_objects_is_not_held_in_memory_as_s3_answers_it(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: WeakSet[_Item] = WeakSet()
    most_alive = []

    class Paginator:
        def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
            for number in range(20):
                page = [_Item(Key=f"base/v1/{number}-{it}.json", Size=it, ETag='"e"') for it in range(10)]
                alive.update(page)
                most_alive.append(len(alive))
                yield {"Contents": page}

    monkeypatch.setattr(s3, "get_paginator", lambda _: Paginator())

    found = UriReader(s3).files(PREFIX)

    assert len(found) == 200
    assert found["19-9.json"].size == 9
    assert max(most_alive) <= 30


def test_validation_reads_a_fraction_of_the_weights(s3: Any, tmp_path: Path) -> None:
    large = make_model(hidden_size=768, intermediate_size=2688, num_hidden_layers=3)
    _put(s3, save_model(large, tmp_path / "large"))
    reader = CountingReader(s3)

    checkpoint = checkpoint_of_folder(PREFIX, reader)
    assert not validate(checkpoint, reader).errors
    assert reader.bytes_read < checkpoint.size / 50  # headers, and samples of each tensor at its ends too


def test_a_base_in_s3_is_merged_by_reading_the_changed_tensors(
    s3: Any, base_dir: Path, adapter_dir: Path, tmp_path: Path
) -> None:
    _put(s3, base_dir)
    reader = UriReader(s3)

    merged = merge(checkpoint_of_folder(PREFIX, reader), adapter_dir, tmp_path / "overlay", reader=reader).checkpoint
    materialize(merged, tmp_path / "out", reader=reader)

    assert equal_bits(load_weights(tmp_path / "out"), merged_by_peft(base_dir, adapter_dir, tmp_path / "theirs"))


def test_an_object_that_was_replaced_is_refused(s3: Any, base_dir: Path) -> None:
    _put(s3, base_dir)
    reader = UriReader(s3)
    checkpoint = checkpoint_of_folder(PREFIX, reader)
    s3.put_object(Bucket="models", Key="base/v1/config.json", Body=b"{}")

    with pytest.raises(SourceChangedError):
        verify_pins(checkpoint, reader)


def test_an_object_that_is_not_there_is_named(s3: Any) -> None:
    with pytest.raises(SourceUnreadableError, match="s3://models/none"):
        UriReader(s3).pin("s3://models/none")
