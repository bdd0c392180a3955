"""Errors of registered versions."""

from __future__ import annotations

from collections.abc import Mapping

from include.config.names import import_dag_id
from include.errors import ModelImportError
from include.registry.versions import Candidate, ModelVersion


class VersionUnknownError(ModelImportError):
    """The group has no such version."""

    def __init__(self, group: str, wanted: str, known: tuple[int, ...]) -> None:
        numbers = ", ".join(map(str, known)) or "none"
        super().__init__("There is no such version", f"{group}: {wanted}", "one that is registered", numbers)


class NothingToRollBackToError(ModelImportError):
    """There is no approved version before the champion."""

    def __init__(self, group: str, champion: int | None) -> None:
        found = f"champion version {champion}" if champion else "no champion"
        super().__init__(
            "There is no approved version to roll back to",
            group,
            "one before the champion whose imported model still exists",
            found,
            "Name the version to approve.",
        )


class ChampionChangedError(ModelImportError):
    """The champion has changed since the decision was made."""

    def __init__(
        self, group: str, subject: Candidate | ModelVersion, seen: int | None, champion: ModelVersion | None
    ) -> None:
        super().__init__(
            "The champion has changed since the decision about this version",
            f"{group}, {_described(subject)}",
            f"version {seen} as the champion" if seen else "no champion",
            _described(champion) if champion else "no champion",
            "The version keeps its status. Clear the run's task evaluate_champion with all downstream tasks: they "
            "compare it with today's champion, and ask again if need be. A version that is older than the champion "
            "becomes it only by the DAG roll_back_model.",
        )


def _described(version: Candidate | ModelVersion) -> str:
    name = f"version {version.number}" if isinstance(version, ModelVersion) else "this content"
    return f"{name} ({_listed(version.scores)})"


def _listed(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{metric} {score:.3f}" for metric, score in sorted(scores.items())) or "no scores"


class VersionNotImportedError(ModelImportError):
    """The version's imported model does not exist any more."""

    def __init__(self, group: str, number: int, imported_model_arn: str) -> None:
        super().__init__(
            "The version has no imported model any more",
            f"{group}, version {number}",
            imported_model_arn or "an imported model",
            "it was deleted" if imported_model_arn else "the version names none",
            f"Run {import_dag_id(group)} with that version's base and adapter: it is imported again.",
        )
