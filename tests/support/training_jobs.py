"""Training jobs of SageMaker that have ended, as the stand-in lists them."""

from __future__ import annotations

from typing import Any


def end_training_job(sagemaker: Any, name: str, output: str) -> None:
    """Create a training job whose model is at ``<output>/<name>/output/model.tar.gz``."""
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::123456789012:role/training",
        OutputDataConfig={"S3OutputPath": output},
        ResourceConfig={"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
