"""Read the models' files in `dags/models/`, and report broken ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from include.config.errors import BrokenModelFilesError, ModelFileInvalidError, ModelNameTakenError
from include.config.model import ModelConfig, parse_model_config

_SUFFIXES = {".yaml", ".yml"}
_MODEL_NAME_LINE = re.compile(rb"""(?:^|[{,])\s*["']?model_name["']?\s*:\s*["']?([a-z0-9-]+)""", re.MULTILINE)


class ModelFiles(NamedTuple):
    """The models by name, the problems of the other files, and every name that a file claims.

    A name in ``claimed`` belongs to a file, even while that file is broken.
    """

    configs: Mapping[str, ModelConfig]
    errors: tuple[ModelFileInvalidError, ...]
    claimed: frozenset[str]

    def raise_on_errors(self) -> None:
        """Raise BrokenModelFilesError, which names the files and fields, if some describe no model."""
        if self.errors:
            raise BrokenModelFilesError(tuple(map(str, self.errors)))


def _no_problem(_: ModelConfig) -> None:
    """Report no problem."""


def read_model_files(folder: Path, problem_of: Callable[[ModelConfig], str | None] = _no_problem) -> ModelFiles:
    """Return the models of a folder and its subfolders; of files with the same model name, none.

    Hidden files and folders are ignored, since editors, archives and mounts make them.

    Args:
        folder: the folder with a YAML file per model, which may be in a subfolder, such as a team's.
        problem_of: returns what else is wrong with a model, None when nothing is.
    """
    named: dict[str, dict[str, ModelConfig]] = {}
    errors: list[ModelFileInvalidError] = []
    claimed: set[str] = set()
    for path in _yaml_files(folder):
        name = path.relative_to(folder).as_posix()
        try:
            config = _parse(path, name)
            named.setdefault(config.model_name, {})[name] = config
            if problem := problem_of(config):
                raise ModelFileInvalidError(name, (problem,))
        except ModelFileInvalidError as error:
            errors.append(error)
            claimed |= _stated_names(path)
    errors += [ModelNameTakenError(tuple(files), model) for model, files in named.items() if len(files) > 1]
    broken = {error.which for error in errors}
    alone = {model: next(iter(files.items())) for model, files in named.items() if len(files) == 1}
    configs = {model: config for model, (name, config) in alone.items() if name not in broken}
    return ModelFiles(configs, tuple(errors), frozenset({*named, *claimed}))


def read_model_file(path: Path) -> ModelConfig:
    """Return the configuration in a YAML file.

    Raises:
        ModelFileInvalidError: the file is not YAML, or a field is wrong.
    """
    return _parse(path, path.name)


def _parse(path: Path, name: str) -> ModelConfig:
    """Return the configuration in a YAML file, which errors call ``name``."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeysLoader)  # a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelFileInvalidError(name, (f"not readable as YAML: {' '.join(str(error).split())}",)) from None
    return parse_model_config(values, name)


def _yaml_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in _SUFFIXES and not hidden and not path.is_dir():
            yield path


def _stated_names(path: Path) -> set[str]:
    try:
        return {found.decode() for found in _MODEL_NAME_LINE.findall(path.read_bytes())}
    except OSError:
        return set()


class _UniqueKeysLoader(yaml.CSafeLoader):
    """Refuses a key that is twice in a mapping, of which YAML's own loader takes the last.

    It is written in C: every task reads all files.
    """

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in keys:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            keys.add(str(key.value))
        return super().construct_mapping(node, deep)
