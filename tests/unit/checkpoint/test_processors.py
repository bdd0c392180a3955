"""Image processors saved by transformers 5 are read by 4.51.3 with the same settings once they are normalised."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoImageProcessor

from include.checkpoint.checks.validation import validate
from include.checkpoint.files.folder import checkpoint_of_folder
from include.checkpoint.normalising import normalise
from include.checkpoint.writing.materialize import materialize

FIXTURES = Path(__file__).parent / "fixtures" / "transformers5"
IMAGES = {
    "image_processor_type": "Qwen2VLImageProcessorFast",
    "size": {"shortest_edge": 12544, "longest_edge": 451584},
    "patch_size": 14,
    "merge_size": 2,
    "temporal_patch_size": 2,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
JOINED = {
    "image_processor": IMAGES,
    "video_processor": {"video_processor_type": "Qwen2VLVideoProcessor", "fps": 2},
    "processor_class": "Qwen2VLProcessor",
}


@pytest.fixture
def vision(tmp_path: Path) -> Path:
    """A vision model with the processor as transformers 5 saves it."""
    folder = Path(shutil.copytree(FIXTURES / "qwen2_vl", tmp_path / "model"))
    (folder / "processor_config.json").write_text(json.dumps(JOINED))
    return folder


def _found(checkpoint: Any) -> set[str]:
    report = validate(checkpoint)
    return {record.defect for record in (*report.errors, *report.warnings)}


def test_a_joined_processor_is_refused_and_split_into_the_files_that_are_read(vision: Path, tmp_path: Path) -> None:
    assert "ProcessorJoinedError" in _found(checkpoint_of_folder(vision))

    normalised = normalise(checkpoint_of_folder(vision), tmp_path / "work")
    materialize(normalised, tmp_path / "out")

    assert not _found(normalised)
    assert json.loads((tmp_path / "out" / "processor_config.json").read_text()) == {
        "processor_class": "Qwen2VLProcessor"
    }
    video = json.loads((tmp_path / "out" / "video_preprocessor_config.json").read_text())
    assert video == JOINED["video_processor"] | {"processor_class": "Qwen2VLProcessor"}
    loaded = AutoImageProcessor.from_pretrained(tmp_path / "out")
    assert type(loaded).__name__ == "Qwen2VLImageProcessor"
    assert loaded.size == IMAGES["size"]
    assert (loaded.min_pixels, loaded.max_pixels) == (12544, 451584)
    assert normalise(normalised, tmp_path / "again") is normalised


def test_sizes_that_the_loader_ignores_are_a_warning(vision: Path) -> None:
    (vision / "processor_config.json").unlink()
    (vision / "preprocessor_config.json").write_text(json.dumps(IMAGES))

    assert AutoImageProcessor.from_pretrained(vision, use_fast=False).size != IMAGES["size"]
    assert "ImageSizeIgnoredWarning" in _found(checkpoint_of_folder(vision))


@pytest.mark.parametrize(
    ("content", "defect"),
    [
        (None, "ImageProcessorMissingWarning"),
        ("[]", "JsonInvalidError"),
        ('{"image_processor_type": "SomeOtherProcessor"}', "ImageProcessorUnusableError"),
        ('{"image_processor_type": "Qwen2VLImageProcessor", "size": {"height": 9}}', "ImageProcessorUnusableError"),
    ],
)
def test_an_image_processor_that_does_not_load_is_named(content: str | None, defect: str, vision: Path) -> None:
    (vision / "processor_config.json").unlink()
    if content is not None:
        (vision / "preprocessor_config.json").write_text(content)

    assert defect in _found(checkpoint_of_folder(vision))
