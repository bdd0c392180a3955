"""What ties an import to its DAG run, and a run to the consoles."""

from __future__ import annotations

from typing import Any

from airflow.sdk import conf
from include.plan import ImportPlan


def run_url(context: Any) -> str:
    """Return the address of the run in Airflow's UI."""
    base_url = conf.get("api", "base_url", fallback="").rstrip("/")
    return f"{base_url}/dags/{context['dag'].dag_id}/runs/{context['run_id']}"


def provenance(context: Any) -> dict[str, str]:
    """Return the tags that say which run imports."""
    return {"dag_id": context["dag"].dag_id, "dag_run_id": context["run_id"]}
