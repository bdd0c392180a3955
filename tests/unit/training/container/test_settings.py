from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from include.training.container.errors import SettingsFileError, SettingsInvalidError
from include.training.container.settings import Lora, read_settings
from tests.support.tiny_training import SETTINGS


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "settings.json"
    path.write_text(json.dumps(SETTINGS | changes), "utf-8")
    return path


def test_settings_are_read_with_their_types(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, epochs=0.5))
    assert settings.lora == Lora(4, 8, 0.2, "all-linear")
    assert (settings.epochs, settings.packing, settings.gradient_checkpointing) == (0.5, True, True)
    assert settings.as_json() == SETTINGS | {
        "epochs": 0.5,
        "data_digest": "",
        "base_digest": "",
        "gradient_checkpointing": True,
        "dtype": None,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", "full"),
        ("seed", -1),
        ("seed", True),
        ("epochs", 0),
        ("learning_rate", "2e-4"),
        ("batch_tokens", 1.5),
        ("warmup", 1),
        ("save_minutes", 0),
        ("packing", 1),
        ("dtype", "float16"),
        ("lora", []),
    ],
)
def test_a_setting_out_of_range_is_named_with_what_is_expected(tmp_path: Path, field: str, value: Any) -> None:
    with pytest.raises(SettingsInvalidError, match=rf"\b{field}: expected .*, found "):
        read_settings(written(tmp_path, **{field: value}))


def test_all_problems_of_a_file_are_named_at_once(tmp_path: Path) -> None:
    lora = {"r": 0, "alpha": 8, "dropout": 1, "target_modules": []}
    path = written(tmp_path, lora=lora, warmpu=0.1, seed="one")
    path.write_text(
        json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "epochs"})
    )
    with pytest.raises(SettingsInvalidError) as raised:
        read_settings(path)
    for problem in (
        "lora.r",
        "lora.dropout",
        "lora.target_modules",
        "warmpu: there is no such field",
        "epochs: missing",
    ):
        assert problem in str(raised.value)
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_a_step_that_cannot_hold_the_longest_example_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalidError, match=r"at least max_sequence_length \(64\), found 63"):
        read_settings(written(tmp_path, batch_tokens=63))


@pytest.mark.parametrize("content", [None, "[1]", "{"])
def test_a_file_that_is_no_json_object_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "settings.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsFileError, match="Name the file with --config"):
        read_settings(path)
