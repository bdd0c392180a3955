"""The events that SageMaker sends to EventBridge about training jobs; moto sends none.

Format: https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from moto.core.utils import unix_time
from moto.events.models import events_backends
from moto.events.utils import _BASE_EVENT_MESSAGE
from moto.sagemaker.models import SageMakerModelBackend

DETAIL_TYPE = "SageMaker Training Job State Change"


def install() -> None:
    """Send the state that a training job has when it was made: in this stand-in it is complete at once."""
    SageMakerModelBackend.create_training_job = _telling(SageMakerModelBackend.create_training_job)


def _telling(create: Callable[..., Any]) -> Callable[..., Any]:
    def create_and_tell(self: SageMakerModelBackend, *args: Any, **options: Any) -> Any:
        job = create(self, *args, **options)
        _notify(self.account_id, self.region_name, job)
        return job

    return create_and_tell


def _notify(account_id: str, region_name: str, job: Any) -> None:
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
            "ModelArtifacts": job.model_artifacts,
            "CreationTime": round(unix_time(job.creation_time) * 1000),
            "TrainingEndTime": round(unix_time(job.training_end_time) * 1000),
        },
    }
    for rule in list(events_backends[account_id][region_name].event_buses["default"].rules.values()):
        rule.send_to_targets(copy.deepcopy(event), transform_input=False)
