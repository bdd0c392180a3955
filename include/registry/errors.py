"""What can go wrong with a version of the registry."""

from __future__ import annotations

from include.errors import ModelImportError


class VersionUnknownError(ModelImportError):
    """The group holds no such version."""

    def __init__(self, group: str, wanted: str, known: tuple[int, ...]) -> None:
        numbers = ", ".join(map(str, known)) or "none"
        super().__init__("There is no such version", f"{group}: {wanted}", "one that is registered", numbers)


class NothingToRollBackToError(ModelImportError):
    """No approved version lies before the champion."""

    def __init__(self, group: str, champion: int | None) -> None:
        found = f"champion version {champion}" if champion else "no champion"
        super().__init__(
            "There is no approved version to roll back to",
            group,
            "one before the champion whose imported model still exists",
            found,
            "Name the version to approve.",
        )


class VersionNotImportedError(ModelImportError):
    """The version's imported model does not exist any more."""

    def __init__(self, group: str, number: int, imported_model_arn: str) -> None:
        super().__init__(
            "The version has no imported model any more",
            f"{group}, version {number}",
            imported_model_arn or "an imported model",
            "it was deleted",
            f"Run import_{group.replace('-', '_')} with that version's base and adapter: it is imported again.",
        )
