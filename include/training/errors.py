"""What can be wrong with training data, and with the template it is trained with."""

from __future__ import annotations

from include.errors import ModelImportError


class TrainingSectionMissingError(ModelImportError):
    """A model's file says nothing about training."""

    def __init__(self, source: str) -> None:
        super().__init__(
            "The model's file has no section training",
            source,
            "training.data and training.format",
            "none",
            "Add the section; docs/fine-tuning.md lists its fields.",
        )


class TrainingColumnsError(ModelImportError):
    """A record has not the columns of its format."""

    def __init__(self, where: str, data_format: str, expected: str, found: str) -> None:
        super().__init__(
            f"The training data is not in the format {data_format}",
            where,
            expected,
            found,
            "Set training.format to the data's format, or rename its columns.",
        )


class TrainingMessageError(ModelImportError):
    """A message of a conversation cannot be trained."""

    def __init__(self, where: str, expected: str, found: str) -> None:
        remedy = "Correct the record, or leave it out with training.select."
        super().__init__("A message of the training data cannot be used", where, expected, found, remedy)


class NoAssistantTurnError(ModelImportError):
    """A conversation in which the assistant says nothing."""

    def __init__(self, where: str, roles: tuple[str, ...]) -> None:
        super().__init__(
            "A conversation of the training data has no turn of the assistant",
            where,
            "at least one message with the role assistant",
            ", ".join(roles) or "no message",
            "Correct the record, or leave it out: training.select: \"messages[?role=='assistant']\".",
        )


class SelectionError(ModelImportError):
    """The expression that selects records fails for one."""

    def __init__(self, where: str, expression: str, found: str) -> None:
        super().__init__(
            "training.select cannot be applied to a record",
            where,
            f"a record to which {expression!r} applies",
            found,
            "Test for the field first, such as: id && contains(id, 'flan').",
        )


class NothingSelectedError(ModelImportError):
    """No record is left to train on."""

    def __init__(self, uri: str, found: str) -> None:
        super().__init__(
            "No record of the training data can be trained",
            uri,
            "at least one",
            found,
            "Check training.select and the columns of the data.",
        )


class LeakageError(ModelImportError):
    """Questions of the evaluation are in the training data."""

    def __init__(self, uri: str, dataset: str, leaked: int, examples: tuple[str, ...]) -> None:
        super().__init__(
            "The training data holds questions of the evaluation, so that a score would say little",
            uri,
            f"no record with a question of {dataset}",
            f"{leaked:,} records, such as " + "; ".join(examples),
            "Remove them, or set training.leakage to drop.",
        )


class EmptySplitError(ModelImportError):
    """One side of the split holds no example."""

    def __init__(self, uri: str, side: str, share: float, examples: int) -> None:
        super().__init__(
            f"The {side} examples are none",
            uri,
            "at least one example on each side of the split",
            f"training.held_out {share:g} of {examples:,} examples",
            "Change training.held_out or training.seed, or add data.",
        )


class ExamplesTooLongError(ModelImportError):
    """Every example is longer than a sequence may be."""

    def __init__(self, uri: str, limit: int, shortest: int) -> None:
        super().__init__(
            "All examples are too long",
            uri,
            f"at most training.max_sequence_length = {limit:,} tokens",
            f"{shortest:,} tokens in the shortest",
            "Raise training.max_sequence_length as far as the GPU's memory allows, or use shorter records.",
        )


class TokenizerUnreadableError(ModelImportError):
    """transformers cannot load the base's tokenizer."""

    def __init__(self, base: str, found: str) -> None:
        super().__init__(
            "The base's tokenizer cannot be loaded",
            base,
            "the tokenizer's files, as `python -m include.checkpoint validate` accepts them",
            found,
            "Convert the base with `python -m include.checkpoint convert` or `normalise` first.",
        )


class ChatTemplateMissingError(ModelImportError):
    """The base has no chat template, and none was chosen."""

    def __init__(self, base: str) -> None:
        super().__init__(
            "The base has no chat template",
            base,
            "a chat template in the tokenizer's files",
            "none",
            "Set training.chat_template to v1, v3 or v7, or to the path of a .jinja file.",
        )


class ChatTemplateUnfitError(ModelImportError):
    """The base's tokenizer has not the tokens that a template is made of."""

    def __init__(self, choice: str, missing: tuple[str, ...]) -> None:
        super().__init__(
            "The chat template does not fit the base's tokenizer",
            f"training.chat_template {choice}",
            f"the tokens {', '.join(missing)} in the vocabulary",
            "none of this text",
            "Choose v1, which needs no tokens of its own, or the template that the base was trained with.",
        )


class ChatTemplateRefusedError(ModelImportError):
    """The template does not render a conversation of the data."""

    def __init__(self, where: str, found: str) -> None:
        super().__init__(
            "The chat template refuses a conversation of the training data",
            where,
            "roles that the template knows, in an order that it takes",
            found,
            "Choose another training.chat_template, or leave such records out with training.select.",
        )


class ChatTemplateUnstableError(ModelImportError):
    """What the assistant says cannot be separated from what it is asked."""

    def __init__(self, choice: str, expected: str, found: str) -> None:
        super().__init__(
            "The chat template does not begin an answered conversation with the tokens of its question",
            f"training.chat_template {choice}",
            expected,
            found,
            "The loss cannot be limited to the answer: choose another training.chat_template.",
        )


class ChatTemplateEndlessError(ModelImportError):
    """Nothing in the template ends an answer."""

    def __init__(self, choice: str, found: str) -> None:
        super().__init__(
            "The chat template does not end an answer with a special token, so that a model never learns to stop",
            f"training.chat_template {choice}",
            "an end token after the assistant's message",
            found,
            "Choose another training.chat_template.",
        )


class PromptTemplateMismatchError(ModelImportError):
    """The evaluation asks in another way than the model is trained."""

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        super().__init__(
            "The model is trained with another prompt than it is evaluated with",
            "evaluation.prompt_template",
            expected,
            found,
            remedy,
        )


class TrainingInputsChangedError(ModelImportError):
    """Data, base, evaluation or script have changed since the plan was made."""

    def __init__(self, model_name: str, expected: str, found: str) -> None:
        super().__init__(
            "What is trained on changed since the run began: data, base, evaluation or the script",
            model_name,
            f"content {expected}",
            found,
            "Trigger a new run; no job was started.",
        )


class TrainingCardMissingError(ModelImportError):
    """A training job's artifact has no training card."""

    def __init__(self, artifact_uri: str, found: str) -> None:
        super().__init__(
            "The artifact of the training job was not written by this project's script",
            artifact_uri,
            "a file training_card.json in it",
            found,
            "Import it by hand, with adapter: sagemaker:training-job/NAME; there is no record of its training.",
        )


class TrainingRecordMissingError(ModelImportError):
    """The record of the run's fine-tune is not in S3."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            "There is no record of this fine-tune", uri, remedy="Clear the task record_training, which writes it."
        )
