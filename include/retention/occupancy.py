"""The account's imported models and its quota for them."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from include.aws.calls import request
from include.aws.imported_models import imported_model_names
from include.aws.transient import NO_ANSWER, is_unreachable, transient_cause
from include.service.limits import load_limits

log = logging.getLogger(__name__)


class Occupancy(NamedTuple):
    """The imported models of account and region, the models that running jobs will add, and the quota for both."""

    quota: int
    imported: tuple[str, ...]
    running: tuple[str, ...]

    @property
    def free(self) -> int:
        """The number of models that may still be imported."""
        return self.quota - len(self.imported) - len(self.running)

    @property
    def lacking(self) -> int:
        """The number of models to delete before another one may be imported."""
        return max(0, 1 - self.free)

    def has_room_for(self, imported_model_name: str) -> bool:
        """Return whether this model can be imported, is imported already, or is being imported."""
        return self.free > 0 or imported_model_name in (*self.imported, *self.running)


def imported_models_quota(service_quotas: Any) -> int:
    """Return the account's quota of imported models; AWS's default when Service Quotas is closed to the caller."""
    from botocore.exceptions import ClientError

    limits = load_limits().quotas
    try:
        answer = service_quotas.get_service_quota(ServiceCode="bedrock", QuotaCode=limits.imported_models_code)
    except (ClientError, *NO_ANSWER) as error:
        if transient_cause(error) and not is_unreachable(error):
            raise
        log.warning("The quota of imported models was not checked, %s is assumed: %s", limits.imported_models, error)
        return limits.imported_models
    return int(answer["Quota"]["Value"])


def read_occupancy(bedrock: Any, service_quotas: Any) -> Occupancy:
    """Return the imported models, the running imports and the quota."""
    jobs = request(bedrock, "list_model_import_jobs", statusEquals="InProgress")["modelImportJobSummaries"]
    running = tuple(job.get("importedModelName", job["jobName"]) for job in jobs)
    return Occupancy(imported_models_quota(service_quotas), tuple(imported_model_names(bedrock)), running)
