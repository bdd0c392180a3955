"""Airflow plugin: the pools in which imports queue exist as soon as Airflow runs."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from bedrock_import import pool_listener


class ImportPoolsPlugin(AirflowPlugin):
    """Registers the listener that makes them."""

    name = "import_pools"
    listeners = [pool_listener]  # noqa: RUF012  # as Airflow declares it
