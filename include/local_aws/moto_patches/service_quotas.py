"""moto knows the quotas of one service only; this adds those of Bedrock's model imports, as the stand-in keeps them."""

from __future__ import annotations

from typing import Any

from moto.servicequotas.models import ServiceQuotasBackend

IMPORTED_MODELS = "L-45B04988"
IMPORT_JOBS = "L-5F098EFA"

_moto_service_quota = ServiceQuotasBackend.get_service_quota


def install(max_imported_models: int, max_running_jobs: int) -> None:
    """Answer GetServiceQuota for Bedrock's imported models and import jobs."""
    quotas = {
        IMPORTED_MODELS: _quota(IMPORTED_MODELS, "Imported models per account", max_imported_models, adjustable=True),
        IMPORT_JOBS: _quota(IMPORT_JOBS, "Concurrent model import jobs", max_running_jobs, adjustable=False),
    }

    def get_service_quota(self: ServiceQuotasBackend, service_code: str, quota_code: str) -> dict[str, Any]:
        if service_code == "bedrock" and quota_code in quotas:
            return quotas[quota_code]
        known: dict[str, Any] = _moto_service_quota(self, service_code, quota_code)
        return known

    ServiceQuotasBackend.get_service_quota = get_service_quota


def _quota(code: str, name: str, value: int, *, adjustable: bool) -> dict[str, Any]:
    return {
        "ServiceCode": "bedrock",
        "ServiceName": "Amazon Bedrock",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": float(value),
        "Unit": "None",
        "Adjustable": adjustable,
        "GlobalQuota": False,
    }
