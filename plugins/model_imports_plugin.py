"""Airflow plugin: the page "Imported models" in the navigation."""

from __future__ import annotations

import logging
import sys
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow.plugins_manager import AirflowPlugin
from airflow.providers.common.compat.sdk import conf

log = logging.getLogger(__name__)

URL_PREFIX = "/model-imports"
TITLE = "Imported models"


def add_project_to_path() -> None:
    """Let the page import ``include``: the API server has neither the folder of DAGs nor its parent on ``sys.path``.

    The DAG files do the same for themselves.
    """
    if find_spec("include") is None:
        dags = Path(conf.get("core", "dags_folder"))
        sys.path += [str(folder) for folder in (dags.parent, dags) if (folder / "include").is_dir()][:1]


class ModelImportsPlugin(AirflowPlugin):
    """A FastAPI app of its own, and a view of it in the navigation; neither where the app cannot be imported.

    Airflow's API server asks for both when it starts, and ends with any error that it is answered. No other component
    asks, so none of them imports the app.
    """

    name = "model_imports"

    @cached_property
    def _app(self) -> Any | None:
        try:
            add_project_to_path()
            from model_imports_page.app import app
        except Exception as error:  # whatever it is, Airflow's own UI is to come up
            cause = " ".join(str(error).split())
            log.error("The page %r cannot be loaded and is not offered: %s: %s", TITLE, type(error).__name__, cause)
            return None
        return app

    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """Return the app."""
        return [{"app": self._app, "url_prefix": URL_PREFIX, "name": TITLE}] if self._app else []

    @cached_property
    def external_views(self) -> list[Any]:  # type: ignore[override]
        """Return the view; its URL is relative to the base URL of Airflow's UI."""
        view = {
            "name": TITLE,
            "href": f"{URL_PREFIX.removeprefix('/')}/",
            "destination": "nav",
            "category": "browse",
            "url_route": "model-imports",
        }
        return [view] if self._app else []
