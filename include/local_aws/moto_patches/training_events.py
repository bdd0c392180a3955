"""The events that SageMaker sends to EventBridge about training jobs; moto sends none.

Format: https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Any

from moto.core.utils import unix_time
from moto.events.models import events_backends
from moto.events.utils import _BASE_EVENT_MESSAGE
from moto.sagemaker.models import SageMakerModelBackend

DETAIL_TYPE = "SageMaker Training Job State Change"


def install() -> None:
    """Send the state of a training job without an entrypoint when it is made: it is complete at once."""
    SageMakerModelBackend.create_training_job = _telling(SageMakerModelBackend.create_training_job)


def _telling(create: Callable[..., Any]) -> Callable[..., Any]:
    def create_and_tell(self: SageMakerModelBackend, *args: Any, **options: Any) -> Any:
        job = create(self, *args, **options)
        if not options["algorithm_specification"].get("ContainerEntrypoint"):
            notify(self.account_id, self.region_name, job)
        return job

    return create_and_tell


def notify(account_id: str, region_name: str, job: Any) -> None:
    """Send the state of a training job to the rules that match it."""
    event: Any = copy.deepcopy(_BASE_EVENT_MESSAGE)
    event |= {
        "detail-type": DETAIL_TYPE,
        "source": "aws.sagemaker",
        "account": account_id,
        "time": unix_time(),
        "region": region_name,
        "resources": [job.arn],
        "detail": {
            "TrainingJobName": job.training_job_name,
            "TrainingJobArn": job.arn,
            "TrainingJobStatus": job.training_job_status,
            "SecondaryStatus": job.secondary_status,
            "CreationTime": _milliseconds(job.creation_time),
            **({"ModelArtifacts": job.model_artifacts} if job.model_artifacts else {}),
            **({"TrainingEndTime": _milliseconds(job.training_end_time)} if job.training_end_time else {}),
            **({"FailureReason": job.failure_reason} if getattr(job, "failure_reason", None) else {}),
        },
    }
    for rule in list(events_backends[account_id][region_name].event_buses["default"].rules.values()):
        rule.send_to_targets(copy.deepcopy(event), transform_input=False)


def _milliseconds(moment: datetime) -> int:
    return int(unix_time(moment) * 1000)
