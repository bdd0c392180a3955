"""The link from a task to the HTML report of its model version."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

REPORT_URL = "report_url"


class ModelReportLink(BaseOperatorLink):
    """Link to the report; the task stores its address as XCom ``report_url``."""

    name = "Report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the report's address, or an empty text when there is none."""
        return XCom.get_value(key=REPORT_URL, ti_key=ti_key) or ""
