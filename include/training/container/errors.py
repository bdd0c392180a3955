"""What can be wrong with a training job, one class per cause.

The base resembles include.errors.ModelImportError, which is not there: only this folder is shipped into the job.
"""

from __future__ import annotations


class TrainingError(Exception):
    """Says what went wrong, with which file or setting, what was expected, what was found, and what to do."""

    def __init__(self, what: str, which: str = "", expected: str = "", found: str = "", remedy: str = "") -> None:
        super().__init__(what, which, expected, found, remedy)
        self.parts = (what, which, expected, found, remedy)

    def __str__(self) -> str:
        what, which, expected, found, remedy = self.parts
        lines = [f"{what}: {which}" if which else what]
        lines += [f"Expected: {expected}"] if expected else []
        lines += [f"Found: {found}"] if found else []
        return "\n".join([*lines, remedy] if remedy else lines)

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.parts)


def _restore(cls: type[TrainingError], parts: tuple[str, ...]) -> TrainingError:
    error = cls.__new__(cls)
    TrainingError.__init__(error, *parts)
    return error


class SettingsFileError(TrainingError):
    """The settings file is missing, or is not a JSON object."""

    def __init__(self, path: str, found: str) -> None:
        remedy = "Name the file with --config; docs/training-script.md lists its fields."
        super().__init__("The settings of the training cannot be read", path, "a JSON object", found, remedy)


class SettingsInvalidError(TrainingError):
    """Fields of the settings file are missing, unknown or out of range."""

    def __init__(self, path: str, problems: list[str]) -> None:
        remedy = "Correct the file; docs/training-script.md lists its fields."
        super().__init__("The settings of the training are not valid", path, "", "; ".join(problems), remedy)


class ExamplesFileError(TrainingError):
    """A file of prepared examples is missing, is damaged, or breaks a rule of its format."""

    def __init__(self, path: str, expected: str, found: str) -> None:
        remedy = "Prepare the data set again, and copy the whole folder."
        super().__init__("The prepared examples cannot be used", path, expected, found, remedy)


class ExamplesMismatchError(TrainingError):
    """The examples are sound, but not those that the settings or the base model are for."""

    def __init__(self, path: str, expected: str, found: str, remedy: str) -> None:
        super().__init__("The examples do not fit the other inputs", path, expected, found, remedy)


class BaseModelError(TrainingError):
    """The base model's folder is incomplete, or holds a model that this script cannot train."""

    def __init__(self, path: str, expected: str, found: str, remedy: str) -> None:
        super().__init__("The base model cannot be trained", path, expected, found, remedy)


class TargetModulesError(TrainingError):
    """A name in lora.target_modules matches no linear layer of the base model."""

    def __init__(self, missing: list[str], there: list[str]) -> None:
        expected = f"names among {', '.join(there)}, or all-linear"
        super().__init__(
            "lora.target_modules names layers that the base model does not have",
            ", ".join(missing),
            expected,
            remedy="Correct lora.target_modules.",
        )


class PackageMissingError(TrainingError):
    """A package that the chosen method needs is not installed."""

    def __init__(self, package: str, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs the package {package}, which is not installed",
            remedy="Install this folder's requirements.txt and requirements-qlora.txt, or set method to lora.",
        )


class DeviceUnsuitableError(TrainingError):
    """The GPU cannot compute in bfloat16."""

    def __init__(self, device: str) -> None:
        super().__init__(
            "The GPU cannot train in bfloat16",
            device,
            "an NVIDIA GPU of the Ampere generation or newer",
            remedy="Use an instance such as ml.g5, ml.g6, ml.p4d or ml.p5.",
        )


class CheckpointMismatchError(TrainingError):
    """The checkpoints were written by a training with other settings, data or base model."""

    def __init__(self, path: str, differences: list[str]) -> None:
        super().__init__(
            "The checkpoint belongs to another training",
            path,
            "the same settings, data and base model",
            "; ".join(differences),
            "Give each training a checkpoint folder of its own, or empty this one to begin again.",
        )


class LossNotFiniteError(TrainingError):
    """A loss or a gradient became NaN or infinite."""

    def __init__(self, step: int, what: str, value: float) -> None:
        super().__init__(
            f"The training diverged: the {what} of step {step} is not a finite number",
            found=str(value),
            remedy="Lower learning_rate or raise warmup; the last checkpoint is from before this step.",
        )


class LossDivergedError(TrainingError):
    """The training loss rose far above the lowest it had been."""

    def __init__(self, step: int, lowest: float, now: float) -> None:
        super().__init__(
            f"The training diverged by step {step}",
            expected=f"a loss near the lowest so far, {lowest:.4f}",
            found=f"{now:.4f}",
            remedy="Lower learning_rate or raise warmup, and begin with an empty checkpoint folder.",
        )


class MemoryExhaustedError(TrainingError):
    """The GPU has too little memory for a step."""

    def __init__(self, found: str) -> None:
        super().__init__(
            "The GPU's memory is too small for this training",
            found=found,
            remedy="Lower max_sequence_length, set method to qlora, or use an instance with larger or more GPUs.",
        )
