"""List the imported versions of a model chosen by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from include.aws.imported_models import ImportedModel, imported_model_names, list_models
from include.errors import ModelImportError
from include.run.names import model_name_of


class ModelNotImportedError(ModelImportError):
    """No version of the model is imported."""

    def __init__(self, model_name: str, imported: tuple[str, ...]) -> None:
        super().__init__(
            "No version of this model is imported",
            model_name,
            "the model_name of an imported model",
            f"these: {', '.join(imported)}" if imported else "no imported model of this project at all",
            "Trigger a new run with the right model_name.",
        )


def list_versions(bedrocks: Sequence[Any], group: str) -> list[tuple[ImportedModel, ...]]:
    """Return the imported versions of the named model, newest first, for each client.

    Raises:
        ModelNotImportedError: no version is imported, for example because the name is misspelt.
    """
    found = [list_models(bedrock, group) for bedrock in bedrocks]
    if any(found):
        return found
    names = {model_name_of(name) for bedrock in bedrocks for name in imported_model_names(bedrock)} - {""}
    raise ModelNotImportedError(group, tuple(sorted(names)))
