"""The permissions that the role of training jobs and the caller need, as data for IAM's policy simulator."""

from __future__ import annotations

from include.preflight.permissions import Need, Place, passing_role
from include.training.training_record import TRAINING

SAGEMAKER_PRINCIPAL = "sagemaker.amazonaws.com"
_PROBE = "preflight000"


class TrainingTarget(Place):
    """The place of a fine-tune."""

    @property
    def folder(self) -> str:
        """The key prefix of the model's fine-tunes, with a slash at its end."""
        return "/".join(part for part in (self.prefix, self.model_name, TRAINING) if part) + "/"

    def jobs(self, name: str) -> str:
        """Return the ARN of a training job."""
        return self.arn("sagemaker", f"training-job/{name}")


def needs_of_training_role(target: TrainingTarget) -> tuple[Need, ...]:
    """Return the permissions that a training job needs in the bucket of its data and checkpoints."""
    owned = {"aws:ResourceAccount": target.account_id}
    folder = f"{target.bucket_arn}/{target.folder}"
    return (
        Need(
            "list its data",
            ("s3:ListBucket",),
            target.bucket_arn,
            context={**owned, "s3:prefix": target.folder},
            condition={"StringEquals": owned},
        ),
        Need(
            "read its data and write checkpoints and adapters",
            ("s3:GetObject", "s3:PutObject"),
            f"{folder}*",
            probe=f"{folder}{_PROBE}",
            context=owned,
            condition={"StringEquals": owned},
        ),
    )


def needs_of_training_caller(target: TrainingTarget) -> tuple[Need, ...]:
    """Return the permissions that the run's credentials need beyond those of an import."""
    jobs, probe = target.jobs(f"{target.model_name}-*"), target.jobs(f"{target.model_name}-ft-{_PROBE}")
    tags = {"model_name": target.model_name, "fingerprint": _PROBE}
    requested = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    carried = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
    return (
        passing_role("hand the training role to SageMaker", target.role_arn, SAGEMAKER_PRINCIPAL),
        Need("start training jobs", ("sagemaker:CreateTrainingJob",), jobs, probe=probe, context=requested),
        Need(
            "tag new training jobs",
            ("sagemaker:AddTags",),
            jobs,
            probe=probe,
            context={**requested, "sagemaker:TaggingAction": "CreateTrainingJob"},
        ),
        Need("follow training jobs", ("sagemaker:DescribeTrainingJob",), jobs, probe=probe, context=carried),
    )
