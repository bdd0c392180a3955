"""The pages and the pieces that they load; every route needs Airflow's login (see access.py)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from include.overview.forest import base_version, plot_forest
from include.overview.outlook import monthly, outlook, slots
from include.overview.reader import OverviewReader
from include.overview.standing import Standing, deciding_metric, plot_scores, threshold
from include.registry.versions import REPORT_HTML_URI, RETIRED_AT
from include.run.report_place import read_html_report
from include.run.workspace import MODELS_FOLDER
from include.steps.stages import StageTime, stage_times
from model_imports_page.access import Viewer, ViewerDep, VisibleModel
from model_imports_page.board import read_board
from model_imports_page.connection import connect
from model_imports_page.headers import CONTENT_SECURITY_POLICY, REPORT_POLICY
from model_imports_page.presentation import render, with_status
from model_imports_page.runs import task_times

ROW_PLOT = (160, 32, 4)
VERSIONS_PER_PAGE = 25

router = APIRouter()
reader = OverviewReader(connect, MODELS_FOLDER)


@router.get("/")
def index(request: Request) -> HTMLResponse:
    """Return the page, which loads its parts separately."""
    return render("index.html", request)


@router.get("/overview")
def overview(request: Request, viewer: ViewerDep, refresh: bool = False) -> HTMLResponse:
    """Return quota, jobs, what waits, and the list of models."""
    reading = reader.account(refresh)
    board = read_board(reading.value, viewer)
    return render("overview.html", request, reading=reading, account=reading.value, board=board)


@router.get("/rows/{model_name}")
def row(request: Request, model_name: VisibleModel, refresh: bool = False) -> HTMLResponse:
    """Return the cells of a model's row that need the registry."""
    reading, config = reader.row(model_name, refresh), reader.account().value.configs.get(model_name)
    metric = deciding_metric(config, reading.value.metrics)
    plot = plot_scores(reading.value, metric, ROW_PLOT, threshold(config, metric))
    return render("row.html", request, reading=reading, standing=reading.value, metric=metric, plot=plot)


@router.get("/outlook")
def all_outlook(request: Request, viewer: ViewerDep, refresh: bool = False) -> HTMLResponse:
    """Return what storage costs and what retention would delete."""
    return _outlook(request, refresh, viewer.may_see, whole=True)


@router.get("/models/{model_name}")
def model(
    request: Request, model_name: VisibleModel, page: Annotated[int, Query(ge=1)] = 1, metric: str | None = None
) -> HTMLResponse:
    """Return the page of one model."""
    return render("model.html", request, model_name=model_name, page=page, metric=metric)


@router.get("/models/{model_name}/outlook")
def model_outlook(request: Request, model_name: VisibleModel, refresh: bool = False) -> HTMLResponse:
    """Return what one model costs and what retention would delete of it."""
    return _outlook(request, refresh, lambda name: name == model_name, whole=False)


@router.get("/models/{model_name}/standing")
def standing(
    request: Request,
    viewer: ViewerDep,
    model_name: VisibleModel,
    refresh: bool = False,
    page: Annotated[int, Query(ge=1)] = 1,
    metric: str | None = None,
) -> HTMLResponse:
    """Return a model's champion, plot and versions."""
    reading, account = reader.page(model_name, refresh), reader.account().value
    account = account.model_copy(update={"region_name": reader.clients(model_name).region_name})
    config = account.configs.get(model_name)
    shown = metric if metric in reading.value.metrics else deciding_metric(config, reading.value.metrics)
    first = (page - 1) * VERSIONS_PER_PAGE
    versions = reading.value.versions[first : first + VERSIONS_PER_PAGE]
    return render(
        "standing.html", request,
        reading=reading, standing=reading.value, model_name=model_name, config=config, page=page, metric=shown,
        forest=plot_forest(reading.value, versions, shown, threshold(config, shown)), account=account,
        versions=versions, pages=-(-len(reading.value.versions) // VERSIONS_PER_PAGE),
        base=base_version(reading.value, versions[0].dataset_digest) if versions else None,
        stages=_stages(reading.value, viewer), imported=(*account.occupancy.imported, *account.elsewhere),
        dag_id=viewer.dag_of(model_name), retired_at=RETIRED_AT, report_uri=REPORT_HTML_URI,
    )  # fmt: skip


@router.get("/models/{model_name}/categories")
def categories(
    request: Request, model_name: VisibleModel, refresh: bool = False, metric: str | None = None
) -> HTMLResponse:
    """Return the scores of a model's newest versions by category."""
    config = reader.account().value.configs.get(model_name)
    known = reader.page(model_name).value.metrics
    shown = metric if metric in known else deciding_metric(config, known)
    reading = reader.heat_map(model_name, shown, refresh)
    return render("categories.html", request, reading=reading, heat_map=reading.value)


def _stages(standing: Standing, viewer: Viewer) -> tuple[StageTime, ...]:
    """Return where the time of the newest version's run went, if the viewer may read its DAG."""
    metadata = standing.newest.metadata if standing.newest else {}
    dag_id, run_id = metadata.get("dag_id", ""), metadata.get("dag_run_id", "")
    return stage_times(task_times(dag_id, run_id)) if dag_id in viewer.readable_dags else ()


@router.get("/reports/{model_name}/{fingerprint}")
def report(model_name: VisibleModel, fingerprint: str) -> Response:
    """Return a version's HTML report as stored in S3, below its present status, in a sandbox."""
    found = reader.ask(
        lambda clients: read_html_report(model_name, fingerprint, clients.sagemaker, clients.s3), model_name
    )
    body = with_status(found.version, found.body)
    return HTMLResponse(body, headers={CONTENT_SECURITY_POLICY: REPORT_POLICY})


def _outlook(request: Request, refresh: bool, is_visible: Any, *, whole: bool) -> HTMLResponse:
    reading = reader.plan(refresh)
    models = outlook(reading.value, is_visible)
    versions = [version for model in models for version in model.versions]
    total = monthly(version.verdict.model for version in versions)
    saving = monthly(version.verdict.model for version in versions if version.goes)
    quota = reader.account().value.occupancy.quota
    shown = slots(reading.value, quota, is_visible) if whole else ()
    return render("outlook.html", request, reading=reading, models=models, total=total, saving=saving, slots=shown)
