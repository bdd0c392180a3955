"""Render values as HTML; everything is escaped."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.providers.amazon.aws.links.base_aws import BaseAwsLink
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bedrock_import.links import S3PrefixLink, SageMakerModelRegistryLink, console_url

FOLDER = Path(__file__).parent


def when(moment: datetime | None) -> str:
    """Format a time in UTC, to the minute."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if moment else ""


def _segment(text: str) -> str:
    return quote(text, safe="")


def s3_console_url(s3_uri: str, region_name: str) -> str:
    """Return the console page that lists the objects under ``s3_uri``."""
    domain = BaseAwsLink.get_aws_domain("aws")
    return S3PrefixLink().format_link(s3_uri=s3_uri, region_name=region_name, aws_domain=domain)


def registry_console_url(region_name: str) -> str:
    """Return the console page of the model registry."""
    return SageMakerModelRegistryLink().format_link(
        region_name=region_name, aws_domain=BaseAwsLink.get_aws_domain("aws")
    )


@cache
def static_version() -> str:
    """Return a digest of script and style sheet: part of the address under which a browser may keep them."""
    files = sorted((FOLDER / "static").iterdir())
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"when": when, "segment": _segment}
    environment.globals |= {
        "static_version": static_version(),
        "console_url": console_url,
        "s3_console_url": s3_console_url,
        "registry_console_url": registry_console_url,
    }
    return environment


def render(template: str, request: Request, status_code: int = 200, **values: Any) -> HTMLResponse:
    """Return a template's HTML. ``here`` is the app's own address in it, ``airflow`` that of Airflow's UI."""
    here = str(request.scope.get("root_path", ""))
    airflow = here.rpartition("/")[0]
    text = _templates().get_template(template).render(here=here, airflow=airflow, **values)
    return HTMLResponse(text, status_code)
