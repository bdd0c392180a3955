"""Errors of the models' configuration."""

from __future__ import annotations

from include.errors import ModelImportError


class ModelFileInvalidError(ModelImportError):
    """A file of `dags/models/` (or a run's parameters) that does not describe a model."""

    def __init__(self, source: str, problems: tuple[str, ...]) -> None:
        found = "; ".join(problems)
        super().__init__("This does not describe a model", source, found=found, remedy="Correct these fields.")


class ModelNameTakenError(ModelFileInvalidError):
    """Several files describe a model of the same name; none of them becomes a DAG."""

    def __init__(self, sources: tuple[str, ...], model_name: str) -> None:
        files = " and ".join(sources)
        super().__init__(files, (f"model_name: {model_name!r} is in each of them, so there is no DAG for it",))


class BrokenModelFilesError(ModelImportError):
    """Some files of dags/models/ describe no model; the DAGs of the others are there."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("Model files without a DAG", found="\n" + "\n".join(errors))
