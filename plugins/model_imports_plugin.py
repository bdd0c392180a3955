"""Airflow plugin: the page "Imported models" in the navigation."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

log = logging.getLogger(__name__)

URL_PREFIX = "/model-imports"
TITLE = "Imported models"


class ModelImportsPlugin(AirflowPlugin):
    """A FastAPI app of its own, and a view of it in the navigation; neither where the app cannot be imported.

    Airflow's API server asks for both when it starts, and ends with any error that it is answered. No other component
    asks, so none of them imports the app.
    """

    name = "model_imports"

    @cached_property
    def _app(self) -> Any | None:
        try:
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
