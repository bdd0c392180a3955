"""Airflow plugin: the page "Imported models" in the navigation."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

URL_PREFIX = "/model-imports"
TITLE = "Imported models"


class ModelImportsPlugin(AirflowPlugin):
    """A FastAPI app of its own, and a view of it in the navigation."""

    name = "model_imports"
    # Relative to the base address of Airflow's UI, whatever path that has.
    external_views = [  # noqa: RUF012  (Airflow declares it an instance variable)
        {
            "name": TITLE,
            "href": f"{URL_PREFIX.removeprefix('/')}/",
            "destination": "nav",
            "category": "browse",
            "url_route": "model-imports",
        }
    ]

    @property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """The app; asked for by the API server only, so that no other component imports it."""
        from model_imports_page.app import app

        return [{"app": app, "url_prefix": URL_PREFIX, "name": TITLE}]
