"""What a training container finds: its folders, configuration files and environment, below a folder of the job."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

HOST = "algo-1"
FOLDERS = ("input/config", "input/data", "model", "output/data", "checkpoints", "code")


def write_layout(root: Path, request: dict[str, Any]) -> None:
    """Make the folders, and write input/config.

    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    """
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    instance = request["ResourceConfig"].get("InstanceType", "")
    group = {"instance_group_name": "homogeneousCluster", "instance_type": instance, "hosts": [HOST]}
    files: dict[str, Any] = {
        "hyperparameters.json": request.get("HyperParameters", {}),
        "inputdataconfig.json": {
            channel["ChannelName"]: {
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
            }
            for channel in request.get("InputDataConfig", ())
        },
        "resourceconfig.json": {
            "current_host": HOST,
            "current_instance_type": instance,
            "current_group_name": "homogeneousCluster",
            "hosts": [HOST],
            "instance_groups": [group],
            "network_interface_name": "lo",
        },
    }
    for name, content in files.items():
        (root / "input/config" / name).write_text(json.dumps(content), "utf-8")


def environment(root: Path, request: dict[str, Any], job_arn: str, packages: str = "") -> dict[str, str]:
    """Return the environment of the entrypoint: nothing of the stand-in's own but where programs are."""
    channels = [channel["ChannelName"] for channel in request.get("InputDataConfig", ())]
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(root),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "ML_ROOT": str(root),
        "TRAINING_JOB_NAME": request["TrainingJobName"],
        "TRAINING_JOB_ARN": job_arn,
        "SM_HPS": json.dumps(request.get("HyperParameters", {})),
        "SM_HOSTS": json.dumps([HOST]),
        "SM_CURRENT_HOST": HOST,
        "SM_NUM_GPUS": "0",
        "SM_CHANNELS": json.dumps(channels),
        "SM_MODEL_DIR": str(root / "model"),
        "SM_OUTPUT_DATA_DIR": str(root / "output/data"),
        **({"PYTHONPATH": packages} if packages else {}),
        **{f"SM_CHANNEL_{name.upper()}": str(root / "input/data" / name) for name in channels},
        **request.get("Environment", {}),
    }
