"""Validate a part of a model's configuration, and explain what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import ValidationError

from include.config.errors import ModelFileInvalidError
from include.config.part import Part, field_paths

P = TypeVar("P", bound=Part)


def parse(kind: type[P], values: object, source: str) -> P:
    """Return the part that ``values`` describe.

    Raises:
        ModelFileInvalidError: names ``source`` and every wrong field.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ModelFileInvalidError(source, tuple(_problem(each, kind) for each in error.errors())) from None


def nearest(key: str, names: Mapping[str, str]) -> str | None:
    """Return the value of the name that is spelled most like ``key``; None when no name is similar."""
    found = get_close_matches(key.lower().replace("-", "_"), names, n=1)
    return names[found[0]] if found else None


def _problem(error: Mapping[str, Any], kind: type[Part]) -> str:
    field = ".".join(str(part) for part in error["loc"] if part != "[key]") or "the file"
    if error["type"] == "extra_forbidden":
        return f"{field}: there is no such field{_suggestion(field, kind)} (found {error['input']!r})"
    found = "" if error["type"] == "missing" else f" (found {error['input']!r})"
    return f"{field}: {error['msg']}{found}"


def _suggestion(field: str, kind: type[Part]) -> str:
    names: dict[str, str] = {}
    for path in field_paths(kind):
        names.setdefault(path.rpartition(".")[2], path)
        names[path] = path
    similar = nearest(field, names)
    if similar is None:
        return ""
    section, _, name = similar.rpartition(".")
    return f", did you mean {name} under {section}?" if section else f", did you mean {name}?"
