"""The FastAPI app behind the page; its routes run in threads, so that no call to AWS blocks the API server."""

from __future__ import annotations

import logging

from airflow.api_fastapi.app import get_auth_manager
from airflow.providers.common.compat.sdk import AirflowException
from botocore.exceptions import ClientError
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from include.aws.transient import NO_ANSWER
from include.errors import ModelImportError
from include.run.report_place import ReportNotFoundError
from model_imports_page.access import MAY_READ_RUNS
from model_imports_page.headers import add_security_headers
from model_imports_page.presentation import FOLDER, render
from model_imports_page.routes import router

log = logging.getLogger(__name__)

MOST_ERROR_TEXT = 500
#: What reading from AWS raises; any other error is a defect and becomes Airflow's own 500.
READING_ERRORS = (ModelImportError, ClientError, *NO_ANSWER, AirflowException)


def refuse(request: Request, error: HTTPException) -> Response:
    """Send a browser that is not logged in to Airflow's login; answer anything else with the plain status."""
    if error.status_code == 401 and request.headers.get("Sec-Fetch-Mode") == "navigate":
        return RedirectResponse(get_auth_manager().get_url_login(next_url=str(request.url)), 303)
    return PlainTextResponse(str(error.detail), error.status_code)


def explain(request: Request, error: Exception) -> Response:
    """Show in the page what went wrong; details are in the log."""
    log.warning("%s could not be shown", request.url.path, exc_info=error)
    kind = "" if isinstance(error, ModelImportError) else f"{type(error).__name__}: "
    status_code = 404 if isinstance(error, ReportNotFoundError) else 502
    return render("error.html", request, status_code, message=f"{kind}{error}"[:MOST_ERROR_TEXT])


def build_app() -> FastAPI:
    """Return the app."""
    app = FastAPI(title="Imported models", docs_url=None, redoc_url=None, openapi_url=None)
    app.middleware("http")(add_security_headers)
    app.add_exception_handler(HTTPException, refuse)  # type: ignore[arg-type]
    for kind in READING_ERRORS:
        app.add_exception_handler(kind, explain)
    app.include_router(router, dependencies=[MAY_READ_RUNS])
    app.mount("/static", StaticFiles(directory=FOLDER / "static"))
    return app


app = build_app()
