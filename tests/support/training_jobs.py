"""Training jobs of SageMaker on the stand-in: some that have ended, and some whose entrypoint is a small program."""

from __future__ import annotations

from typing import Any

#: A program that counts from its checkpoint on, and notes that it was asked to stop.
COUNTS = """
import os, pathlib, signal, sys, time
state = pathlib.Path(os.environ["ML_ROOT"], "checkpoints/count.txt")
signal.signal(signal.SIGTERM, lambda *_: (state.with_name("stopped.txt").write_text("yes"), sys.exit(143)))
begin = int(state.read_text()) if state.exists() else 0
pathlib.Path(os.environ["ML_ROOT"], "model/began.txt").write_text(str(begin))
for count in range(begin + 1, begin + 3):
    state.write_text(str(count))
while not (begin and len(sys.argv) == 1):
    time.sleep(0.05)
"""


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


def request(name: str, role_arn: str, place: str, instance: str = "ml.g5.xlarge", **changes: Any) -> dict[str, Any]:
    """The arguments of CreateTrainingJob: job.py, below ``<place>/code``, is the entrypoint."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"{place}/code"}
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/bash", "-c"],
            "ContainerArguments": ['exec python "${ML_ROOT:-/opt/ml}/input/data/code/job.py"'],
            "MetricDefinitions": [{"Name": "train:loss", "Regex": "loss=([0-9.]+)"}],
        },
        "RoleArn": role_arn,
        "InputDataConfig": [{"ChannelName": "code", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": f"{place}/output/"},
        "CheckpointConfig": {"S3Uri": f"{place}/checkpoints"},
        "ResourceConfig": {"InstanceType": instance, "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    } | changes
