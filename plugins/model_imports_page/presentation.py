"""Render values as HTML; everything is escaped."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.providers.amazon.aws.links.base_aws import BaseAwsLink
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from aws_waits.links import S3PrefixLink, is_aws
from bedrock_import.links import SageMakerModelRegistryLink, console_url
from include.registry.versions import RETIRED_AT, ModelVersion
from include.reporting.clients import boto3_example

FOLDER = Path(__file__).parent


def when(moment: datetime | None) -> str:
    """Format a time in UTC, to the minute."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if moment else ""


def _segment(text: str) -> str:
    return quote(text, safe="")


def seconds(value: float) -> str:
    """Return a duration as people read it."""
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


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
    environment.filters |= {"when": when, "segment": _segment, "seconds": seconds}
    environment.globals |= {
        "static_version": static_version(),
        "console_url": console_url,
        "s3_console_url": s3_console_url,
        "registry_console_url": registry_console_url,
        "is_aws": is_aws,
        "boto3_example": boto3_example,
    }
    return environment


def render(template: str, request: Request, status_code: int = 200, **values: Any) -> HTMLResponse:
    """Return a template's HTML. ``here`` is the app's own address in it, ``airflow`` that of Airflow's UI."""
    here = str(request.scope.get("root_path", ""))
    airflow = here.rpartition("/")[0]
    text = _templates().get_template(template).render(here=here, airflow=airflow, **values)
    return HTMLResponse(text, status_code)


def with_status(version: ModelVersion, report: bytes) -> bytes:
    """Return a report with the version's present status above it: the report says what its run decided."""
    words = f"In the registry now: {version.status}"
    words += f", {version.reason}" if version.reason else ""
    words += f", imported model deleted {version.metadata[RETIRED_AT]}" if version.retired else ""
    banner = f'<p style="padding: 0.5rem 1rem; margin: 0; border-bottom: 1px solid">{escape(words)}</p>'.encode()
    head, body, rest = report.partition(b"<body>")
    return head + body + banner + rest if body else banner + report
