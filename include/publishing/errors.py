"""Errors of publishing a champion."""

from __future__ import annotations

from include.errors import ModelImportError


class PointerUnreadableError(ModelImportError):
    """The parameter holds something that this project did not write."""

    def __init__(self, parameter: str, found: str) -> None:
        super().__init__(
            "The parameter that names the champion cannot be read",
            parameter,
            "JSON that this project wrote",
            found,
            "Delete the parameter, or rename it if other software uses it; then clear the task: it is written again.",
        )


class PointerNotWrittenError(ModelImportError):
    """The parameter does not hold what was written to it."""

    def __init__(self, parameter: str, expected: str, found: str) -> None:
        super().__init__(
            "The parameter that names the champion has another value than was just written",
            parameter,
            expected,
            found,
            "Another program writes to this parameter: find it in CloudTrail, then clear the task.",
        )


class PointerTooLongError(ModelImportError):
    """What applications need to know does not fit into a parameter."""

    def __init__(self, parameter: str, most: int, found: int) -> None:
        super().__init__(
            "The champion cannot be published: its parameter would be too long",
            parameter,
            f"at most {most:,} characters",
            f"{found:,} characters, most of them the prompt template and system prompt",
            "Shorten evaluation.prompt_template or evaluation.system_prompt.",
        )


class ChampionDoesNotAnswerError(ModelImportError):
    """The champion did not answer the request that every application would send."""

    def __init__(self, imported_model_arn: str, moved: bool, cause: ModelImportError) -> None:
        state = "were pointed to the former champion again" if moved else "stay pointed to the former champion"
        super().__init__(
            f"The champion did not answer a first request; applications {state}",
            imported_model_arn,
            "an answer in the body format and with the guardrail of the evaluation",
            f"\n  {cause.finding}".replace("\n", "\n  "),
            "Correct the cause, then clear this task; or go back with the DAG roll_back_model.",
        )


class CanaryFailedError(ModelImportError):
    """Too many calls of a new champion failed; its promotion was taken back."""

    def __init__(self, model_name: str, version: int, former: int, why: str) -> None:
        super().__init__(
            f"The canary failed: version {former} is the champion again, and applications are pointed to it alone",
            f"{model_name}, version {version}",
            "no more errors than publish.canary.max_error_rate",
            why,
            "Look for the errors in CloudWatch, AWS/Bedrock, and in the applications. Version "
            f"{version} was rejected; to promote it nevertheless, trigger roll_back_model with version {version}.",
        )


class PublisherUnknownError(ModelImportError):
    """A publisher of the model's file cannot be loaded."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(
            "A publisher of the model's file cannot be loaded",
            name,
            "module:function, in a module that Airflow's workers can import",
            found,
            "Correct publish.publishers, or install the module on the workers.",
        )
