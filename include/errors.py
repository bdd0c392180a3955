"""The one base of this project's errors."""

from __future__ import annotations

from typing import Any


class ModelImportError(Exception):
    """Says what went wrong, with which name or URI, what was expected, what was found, and what to do.

    A subclass gives these parts in its own ``__init__``; whatever that takes, its instances survive pickling.
    """

    def __init__(self, what: str, which: str = "", expected: str = "", found: str = "", remedy: str = "") -> None:
        super().__init__(what, which, expected, found, remedy)
        self.what = what
        self.which = which
        self.expected = expected
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        """Return each part on a line of its own: a log cuts long lines, and the remedy is the last part."""
        return f"{self.finding}\nWhat to do: {self.remedy}" if self.remedy else self.finding

    @property
    def finding(self) -> str:
        """The message without the remedy."""
        lines = [f"{self.what}: {self.which}" if self.which else self.what]
        parts = {"Expected": self.expected, "Found": self.found}
        lines += [f"{label}:{'' if text[0].isspace() else ' '}{text}" for label, text in parts.items() if text]
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(cls: type[ModelImportError], args: tuple[object, ...], state: dict[str, Any]) -> ModelImportError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error
