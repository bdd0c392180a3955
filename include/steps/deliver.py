"""Deliver the prepared checkpoint to S3."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from include.run.plan import ImportPlan
from include.steps.kept_checkpoints import in_workspace
from include.steps.prepare import PROOF, READ, is_delivered, prepared_checkpoint
from include.steps.results import DeliveryResult

log = logging.getLogger(__name__)

#: An upload without a new part for this long is considered abandoned, as in the bucket's lifecycle rule.
ABANDONED_AFTER = timedelta(days=7)


@in_workspace
def deliver(plan: ImportPlan, s3: Any, sagemaker: Any) -> DeliveryResult:
    """Deliver the checkpoint to its prefix, unless it is there already; return what was sent."""
    from include.checkpoint.writing.progress import LogProgress
    from include.delivery.earlier import earlier_deliveries
    from include.delivery.transfer import TransferSettings
    from include.delivery.upload import upload
    from include.sources.read_ledger import load_ranges

    if is_delivered(plan, s3):
        log.info("%s holds this content already: nothing is sent", plan.s3_uri)
        return DeliveryResult(s3_uri=plan.s3_uri)
    checkpoint = prepared_checkpoint(plan, s3, sagemaker)
    proof, ranges = plan.files.read(PROOF, s3), plan.files.read(READ, s3)
    report = upload(
        s3,
        checkpoint,
        plan.bucket,
        plan.prefix,
        manifest_key=plan.manifest_key,
        fingerprint=plan.fingerprint,
        proof=json.loads(proof) if proof else None,
        progress=LogProgress("Uploading"),
        earlier=earlier_deliveries(s3, plan.bucket, plan.model_prefix),
        read_ranges=load_ranges(ranges) if ranges else (),
        settings=TransferSettings(bytes_per_second=plan.config.account.bytes_per_second),
    )
    _abort_abandoned(s3, plan.bucket, plan.model_prefix)
    return DeliveryResult(**asdict(report))


def _abort_abandoned(s3: Any, bucket: str, model_prefix: str) -> None:
    """Abort unfinished uploads that earlier runs of this model abandoned; a failure is only logged."""
    from include.aws.errors import S3RequestError
    from include.delivery.destination import Destination
    from include.delivery.open_uploads import abort_abandoned

    try:
        aborted = abort_abandoned(
            Destination(s3, bucket, model_prefix.rstrip("/")), datetime.now(UTC) - ABANDONED_AFTER
        )
    except S3RequestError as error:
        log.warning("Abandoned uploads under s3://%s/%s stay: %s", bucket, model_prefix, error)
        return
    for upload in aborted:
        log.info("Aborted an upload of %s that was abandoned on %s", upload.name, upload.initiated.date())
