"""The request that starts a training job.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
"""

from __future__ import annotations

from typing import Any

from include.training.container.metrics import METRIC_DEFINITIONS
from include.training.plan import TrainingPlan

#: The container's folder is as SageMaker has it; the stand-in for AWS sets another.
ENTRYPOINT = ('exec python "${ML_ROOT:-/opt/ml}/input/data/code/bootstrap.py"',)
#: For faults of the service itself; a job's other failures are not repeated (RetryStrategy of CreateTrainingJob).
_SERVICE_RETRIES = 2
#: Where the parts of a fine-tune are, below its prefix.
DATA, CODE, CHECKPOINTS = "data", "code", "checkpoints"


def job_request(plan: TrainingPlan, base_uri: str) -> dict[str, Any]:
    """Return the request of CreateTrainingJob for the first attempt.

    The settings are a file in the channel ``code``: a hyperparameter has at most 256 characters. Nothing is in the
    container's environment, which whoever may describe the job can read. Checkpoints are below the fingerprint, not the
    job's name, so that the next job of the same content resumes.

    Args:
        plan: the run's plan.
        base_uri: the prefix in S3 with the base.
    """
    job = plan.training.job
    return {
        "TrainingJobName": plan.job_name,
        "RoleArn": plan.role_arn,
        "AlgorithmSpecification": {
            "TrainingImage": plan.image,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/bash", "-c"],
            "ContainerArguments": list(ENTRYPOINT),
            "MetricDefinitions": METRIC_DEFINITIONS,
        },
        "HyperParameters": _hyperparameters(plan),
        "InputDataConfig": _channels(plan, base_uri),
        "OutputDataConfig": _output(plan),
        "CheckpointConfig": {"S3Uri": plan.uri(f"{CHECKPOINTS}/"), "LocalPath": "/opt/ml/checkpoints"},
        "ResourceConfig": {
            "InstanceType": job.instance_type,
            "InstanceCount": job.instances,
            "VolumeSizeInGB": job.volume_gb,
        },
        "StoppingCondition": _limits(plan),
        "EnableManagedSpotTraining": job.spot,
        "EnableNetworkIsolation": job.network_isolation,
        "RetryStrategy": {"MaximumRetryAttempts": _SERVICE_RETRIES},
        "Tags": [{"Key": key, "Value": value} for key, value in plan.tags.items()],
    }


def _hyperparameters(plan: TrainingPlan) -> dict[str, str]:
    """Return what identifies the job's content, and what the container's bootstrap reads."""
    processes = plan.training.job.processes
    return {"fingerprint": plan.fingerprint} | ({"processes": str(processes)} if processes else {})


def _channels(plan: TrainingPlan, base_uri: str) -> list[dict[str, Any]]:
    uris = {
        "model": base_uri,
        "train": plan.uri(f"{DATA}/train/"),
        "held_out": plan.uri(f"{DATA}/held_out/"),
        "code": plan.uri(f"{CODE}/"),
    }
    if wheels := plan.training.job.wheels:
        uris["wheels"] = wheels.rstrip("/") + "/"
    return [
        {
            "ChannelName": name,
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": uri,
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
        for name, uri in uris.items()
    ]


def _output(plan: TrainingPlan) -> dict[str, str]:
    key = plan.config.account.kms_key_id
    return {"S3OutputPath": plan.uri("").rstrip("/")} | ({"KmsKeyId": key} if key else {})


def _limits(plan: TrainingPlan) -> dict[str, int]:
    limits = {"MaxRuntimeInSeconds": plan.max_seconds}
    return limits | ({"MaxWaitTimeInSeconds": plan.max_wait_seconds} if plan.training.job.spot else {})
