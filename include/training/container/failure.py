"""The file that SageMaker shows as a training job's FailureReason."""

from __future__ import annotations

from pathlib import Path

from include.training.container.errors import TrainingError

MAX_CHARACTERS = 1024
"""https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html"""


def write_failure(path: Path, error: BaseException) -> None:
    """Write why the job fails, unless another process of the job has: the first failure causes the others."""
    text = str(error) if isinstance(error, TrainingError) else f"{type(error).__name__}: {error}"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text[:MAX_CHARACTERS])
    except FileExistsError:
        return
