"""Where a training job's inputs and outputs are: SageMaker's folders, below /opt/ml or below ML_ROOT."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TRAIN_FILE = "train.safetensors"
HELD_OUT_FILE = "held_out.safetensors"
TOKENIZER = "tokenizer"
SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class Folders:
    """The folders of one job."""

    root: Path

    @classmethod
    def of_this_job(cls) -> Folders:
        """Return the folders below ML_ROOT, or below /opt/ml when it is not set."""
        return cls(Path(os.environ.get("ML_ROOT", "/opt/ml")))

    def channel(self, name: str) -> Path:
        """Return the folder with the files of an input channel."""
        return self.root / "input" / "data" / name

    @property
    def train(self) -> Path:
        """The file of training examples."""
        return self.channel("train") / TRAIN_FILE

    @property
    def held_out(self) -> Path:
        """The file of examples that are not trained on."""
        return self.channel("held_out") / HELD_OUT_FILE

    @property
    def tokenizer(self) -> Path:
        """The tokenizer's files, as the examples were made with."""
        return self.channel("train") / TOKENIZER

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.channel("code") / SETTINGS_FILE

    @property
    def checkpoints(self) -> Path:
        """The folder that SageMaker keeps in S3 while the job runs."""
        return self.root / "checkpoints"

    @property
    def model(self) -> Path:
        """The folder that SageMaker packs as model.tar.gz."""
        return self.root / "model"

    @property
    def failure(self) -> Path:
        """The file that becomes the job's FailureReason."""
        return self.root / "output" / "failure"
