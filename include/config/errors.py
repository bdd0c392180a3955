"""Errors of the models' configuration."""

from __future__ import annotations

from include.errors import ModelImportError


class ModelFileInvalidError(ModelImportError):
    """A file of `dags/models/` (or a run's parameters) that does not describe a model."""

    def __init__(self, source: str, problems: tuple[str, ...]) -> None:
        found = "; ".join(problems)
        super().__init__("This does not describe a model", source, found=found, remedy="Correct these fields.")


class ModelNameTakenError(ModelFileInvalidError):
    """Two files describe a model of the same name."""

    def __init__(self, source: str, model_name: str) -> None:
        super().__init__(source, (f"model_name: {model_name!r} is taken by another file",))


class BrokenModelFilesError(ModelImportError):
    """Some files of dags/models/ describe no model; the DAGs of the others are there."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("Model files without a DAG", found="\n" + "\n".join(errors))
