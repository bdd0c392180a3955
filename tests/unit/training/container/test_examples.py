from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from include.training.container.errors import ExamplesFileError, ExamplesMismatchError
from include.training.container.examples import check_digest, check_examples, read_examples
from include.training.container.settings import Lora, Settings
from tests.support.tiny_training import SETTINGS, random_examples, write_examples

TRAINING = Settings(**SETTINGS | {"lora": Lora(**SETTINGS["lora"])})


def test_examples_are_mapped_from_the_file_and_equal_what_was_written(tmp_path: Path) -> None:
    written = random_examples(7)
    examples = read_examples(write_examples(tmp_path / "train.safetensors", written))
    assert isinstance(examples.tokens, np.memmap)
    assert [tuple(map(list, examples.example(index))) for index in range(len(examples))] == [
        (list(tokens), list(trained)) for tokens, trained in written
    ]
    assert list(examples.targets) == [sum(trained[1:]) for _, trained in written]


def test_an_examples_first_token_is_no_target_since_nothing_comes_before_it(tmp_path: Path) -> None:
    examples = read_examples(write_examples(tmp_path / "train.safetensors", [([1, 2], [1, 1]), ([3], [1])]))
    assert list(examples.targets) == [1, 0]


def test_a_byte_that_changed_on_the_way_is_found(tmp_path: Path) -> None:
    path = write_examples(tmp_path / "train.safetensors", random_examples(7))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExamplesFileError, match="Expected: the digest"):
        read_examples(path)


@pytest.mark.parametrize("kept", [4, 100, -100])
def test_a_file_that_was_cut_is_found(tmp_path: Path, kept: int) -> None:
    path = write_examples(tmp_path / "train.safetensors", random_examples(7))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ExamplesFileError, match=r"train\.safetensors"):
        read_examples(path)


def test_a_file_of_another_format_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExamplesFileError, match="Found: format other/1"):
        read_examples(write_examples(tmp_path / "train.safetensors", random_examples(2), format="other/1"))
    with pytest.raises(ExamplesFileError, match="No such file"):
        read_examples(tmp_path / "held_out.safetensors")


@pytest.mark.parametrize(
    ("array", "changed"),
    [
        ("starts", np.array([0, 3, 2, 6], dtype=np.int64)),
        ("starts", np.array([0, 3, 5], dtype=np.int64)),
        ("trained", np.zeros(6, dtype=np.uint8)),
        ("trained", np.ones(5, dtype=np.uint8)),
        ("tokens", np.ones(6, dtype=np.int64)),
        ("starts", np.array([0], dtype=np.int64)),
    ],
)
def test_arrays_that_do_not_agree_are_refused(tmp_path: Path, array: str, changed: np.ndarray) -> None:
    path = write_examples(tmp_path / "train.safetensors", [([1, 2, 3], [0, 1, 1]), ([4, 5, 6], [0, 0, 1])])
    arrays = load_file(path) | {array: changed}
    digest = hashlib.sha256(b"".join(arrays[name].tobytes() for name in ("tokens", "trained", "starts"))).hexdigest()
    save_file(arrays, path, metadata={"format": "training-examples/1", "digest": digest})
    with pytest.raises(ExamplesFileError):
        read_examples(path)


def test_examples_that_do_not_fit_settings_or_vocabulary_are_refused_with_what_to_do(tmp_path: Path) -> None:
    examples = read_examples(write_examples(tmp_path / "train.safetensors", [([1, 2, 90], [0, 1, 1])]))
    check_examples(examples, TRAINING, vocabulary=91)
    with pytest.raises(ExamplesMismatchError, match="the base model's own tokenizer"):
        check_examples(examples, TRAINING, vocabulary=90)
    with pytest.raises(ExamplesMismatchError, match="raise max_sequence_length"):
        check_examples(examples, dataclasses.replace(TRAINING, max_sequence_length=2), vocabulary=91)
    check_digest(examples, dataclasses.replace(TRAINING, data_digest=examples.digest))
    with pytest.raises(ExamplesMismatchError, match="data_digest = other"):
        check_digest(examples, dataclasses.replace(TRAINING, data_digest="other"))
