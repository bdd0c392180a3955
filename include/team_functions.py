"""Load functions that a team keeps in modules of its own, by names of the form ``module:function``."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

from include.errors import ModelImportError

#: A module that Airflow's Python can import, and a name in it.
FUNCTION = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)", re.ASCII)


class TeamFunctionError(ModelImportError):
    """A function of the team's own cannot be loaded."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(
            "A function of the model's file cannot be loaded",
            name,
            "module:function, in a module that Airflow's workers can import",
            found,
            "Correct the name, or install the module on the workers.",
        )


def load_function(name: str) -> Callable[..., Any]:
    """Return the function ``module:function``; importing the module runs its code.

    Raises:
        TeamFunctionError: the name has another form, the module cannot be imported, or it has no such function.
    """
    matched = FUNCTION.fullmatch(name)
    if matched is None:
        raise TeamFunctionError(name, "another form")
    module, function = matched.groups()
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:  # whatever the module does when it is imported
        raise TeamFunctionError(name, f"{type(error).__name__}: {error}") from error
    if not callable(found):
        raise TeamFunctionError(name, f"{type(found).__name__}, which cannot be called")
    return found  # type: ignore[no-any-return]  # getattr returns Any
