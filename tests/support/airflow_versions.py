"""Where Airflow 3.1, 3.2 and 3.3 keep what the tests take from inside of them."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def _first(*places: tuple[str, str]) -> Any:
    """Return the first of these names, each with its module, that this Airflow has."""
    for module, name in places:
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"This Airflow has none of {places}")


DagBag = _first(("airflow.dag_processing.dagbag", "DagBag"), ("airflow.models.dagbag", "DagBag"))
#: The module of BundleDagBag, for programs that tests run.
DAG_BAG_MODULE = DagBag.__module__
DagSerialization = _first(
    ("airflow.serialization.serialized_objects", "DagSerialization"),
    ("airflow.serialization.serialized_objects", "SerializedDAG"),
)
find_path_from_directory = _first(
    ("airflow._shared.module_loading", "find_path_from_directory"), ("airflow.utils.file", "find_path_from_directory")
)
serialize = _first(("airflow.sdk.serde", "serialize"), ("airflow.serialization.serde", "serialize"))
deserialize = _first(("airflow.sdk.serde", "deserialize"), ("airflow.serialization.serde", "deserialize"))
#: For programs of tests that import ``plugins_manager``: lines that set ``errors`` and ``apps`` of all plugins.
LOAD_PLUGINS = (
    "errors = plugins_manager._get_plugins()[1]\napps, _ = plugins_manager.get_fastapi_plugins()"
    if hasattr(import_module("airflow.plugins_manager"), "get_fastapi_plugins")
    else "plugins_manager.initialize_fastapi_plugins()\n"
    "errors, apps = plugins_manager.import_errors, plugins_manager.fastapi_apps"
)
