"""moto knows the quotas of one service only; this adds that of Bedrock's imported models, as the stand-in keeps it."""

from __future__ import annotations

from typing import Any

from moto.servicequotas.models import ServiceQuotasBackend

IMPORTED_MODELS = "L-45B04988"

_moto_service_quota = ServiceQuotasBackend.get_service_quota


def install(max_imported_models: int) -> None:
    """Answer GetServiceQuota for Bedrock's imported models."""

    def get_service_quota(self: ServiceQuotasBackend, service_code: str, quota_code: str) -> dict[str, Any]:
        if (service_code, quota_code) != ("bedrock", IMPORTED_MODELS):
            known: dict[str, Any] = _moto_service_quota(self, service_code, quota_code)
            return known
        return {
            "ServiceCode": "bedrock",
            "ServiceName": "Amazon Bedrock",
            "QuotaCode": IMPORTED_MODELS,
            "QuotaName": "Imported models per account",
            "Value": float(max_imported_models),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }

    ServiceQuotasBackend.get_service_quota = get_service_quota
