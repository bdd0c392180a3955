"""Airflow plugin: imports the libraries that every task of the import DAGs imports, once per component.

A task's process is a fork of its executor's, so it finds them imported and starts 0.2 s sooner; an import has about
twenty tasks. None of the project's own modules is among them: they may change while Airflow runs.
"""

from __future__ import annotations

from importlib import import_module

from airflow.plugins_manager import AirflowPlugin

LIBRARIES = (
    "airflow.providers.amazon.aws.hooks.bedrock",
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.amazon.aws.notifications.sns",
    "airflow.providers.standard.operators.hitl",
    "pydantic",
    "yaml",
)
for library in LIBRARIES:
    import_module(library)


class PreloadPlugin(AirflowPlugin):
    """Nothing but a name: the module has done its work."""

    name = "preload"
