"""Functions of this project in the JMESPath expressions that say where a record's parts are."""

from __future__ import annotations

from typing import Any

from jmespath import Options, functions


class LocationFunctions(functions.Functions):  # type: ignore[misc]  # jmespath has no types
    """JMESPath's own functions, and two for answers that well-known data sets keep elsewhere."""

    @functions.signature({"types": ["string"]}, {"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_after(self, text: str, mark: str) -> str | None:
        """Return what follows the last mark, such as the number after GSM8K's ``####``; null without one."""
        _, found, rest = text.rpartition(mark)
        return rest.strip() if found else None

    @functions.signature({"types": ["array"]}, {"types": ["number"]})  # type: ignore[untyped-decorator]
    def _func_item(self, values: list[Any], index: float) -> Any:
        """Return an element of a list, counted from 0, such as the right one of MMLU's choices; null without one."""
        place = int(index)
        return values[place] if place == index and 0 <= place < len(values) else None


def options() -> Options:
    """Return the options with which an expression is searched."""
    return Options(custom_functions=LocationFunctions())
