"""The part of a model's configuration that says on what, and how, its adapter is trained."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from include.config.part import Part, Text
from include.config.schedule import TrainingSchedule

Format = Literal["openorca", "messages", "prompt_completion", "instruction"]
Leakage = Literal["refuse", "drop", "warn"]
#: The project's own templates; they are in `include/checkpoint/mistral/chat_templates`.
OWN_TEMPLATES = ("v1", "v3", "v7")
#: LoRA on every linear layer but the head, as PEFT calls it.
ALL_LINEAR: Literal["all-linear"] = "all-linear"


def _is_jmespath(expression: str) -> str:
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        problem = str(error).partition("\n")[0]
        raise ValueError(f"this is not a JMESPath expression (https://jmespath.org): {problem}") from None
    return expression


def _is_template(choice: str) -> str:
    if choice != "base" and choice not in OWN_TEMPLATES and not choice.endswith(".jinja"):
        raise ValueError(f"expected base, {', '.join(OWN_TEMPLATES)} or the path of a file that ends in .jinja")
    return choice


class LoraSettings(Part):
    """The shape of the adapter."""

    r: int = Field(default=16, ge=1, le=256, description="Rank of the adapter's matrices.")
    alpha: int = Field(default=32, ge=1, le=1024, description="The adapter's changes are scaled by alpha / r.")
    dropout: float = Field(
        default=0.05, ge=0, lt=1, description="Share of the adapter's inputs that a step leaves out."
    )
    target_modules: Literal["all-linear"] | tuple[Text, ...] = Field(
        default=ALL_LINEAR, description="Layers with an adapter: `all-linear`, or a list of names such as `q_proj`."
    )

    @field_validator("target_modules", mode="before")
    @classmethod
    def _all_or_named(cls, modules: object) -> object:
        names = modules if isinstance(modules, list | tuple) else ()
        if modules != ALL_LINEAR and not (names and all(isinstance(name, str) and name.strip() for name in names)):
            raise ValueError(f"expected {ALL_LINEAR} or a list of layers' names")
        return modules


class TrainingJobSettings(Part):
    """The SageMaker training job."""

    instance_type: str = Field(
        default="ml.g6.12xlarge", pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$", description="Type of its instances."
    )
    instances: int = Field(default=1, ge=1, le=16, description="How many instances train together.")
    spot: bool = Field(default=True, description="Use spare capacity, which is cheaper and may be taken back.")
    max_hours: int = Field(default=24, ge=1, le=28 * 24, description="Hours of training after which the job is ended.")
    max_wait_hours: int = Field(
        default=36,
        ge=1,
        le=28 * 24,
        description="With `spot`: hours until the job is ended, the wait for capacity included.",
    )
    image: Text | None = Field(
        default=None, description="Container image; empty: Airflow Variable `model_import_training_image`."
    )
    volume_gb: int = Field(default=100, ge=1, le=16_384, description="Disk of each instance, in GB.")
    wheels: str | None = Field(
        default=None,
        description="S3 prefix with the wheels of the script's requirements, for a job without a network.",
        pattern=r"^s3://[a-z0-9][-.a-z0-9]{1,61}[a-z0-9](/.*)?$",
    )
    network_isolation: bool = Field(
        default=False, description="The job has no network: its packages come from `wheels`, or are in the image."
    )
    processes: int | None = Field(
        default=None, ge=1, le=16, description="Processes on each instance; empty: one for each GPU."
    )
    stop_on_kill: bool = Field(
        default=False, description="Stop the job when a person ends or clears the task that waits for it."
    )

    @model_validator(mode="after")
    def _waits_as_long_as_it_trains(self) -> Self:
        if self.spot and self.max_wait_hours < self.max_hours:
            raise ValueError(
                f"max_wait_hours ({self.max_wait_hours}) must not be less than max_hours ({self.max_hours})"
            )
        return self


class TrainingConfig(Part):
    """On what, and how, the model's adapter is trained."""

    data: Text = Field(
        description="Training data: JSON Lines, CSV or Parquet, by its ending, with `.gz` behind it or not: a file or "
        "`s3://bucket/key`.",
        examples=["s3://bucket/orca.parquet"],
    )
    format: Format = Field(
        description="What a record holds. openorca: system_prompt, question, response; messages: a list of messages "
        "with role and content; prompt_completion: prompt, completion; instruction: instruction, input, output."
    )
    select: Annotated[str, AfterValidator(_is_jmespath)] | None = Field(
        default=None,
        description="JMESPath expression; records for which it is false or empty are not used.",
        examples=["contains(id, 'flan')"],
    )
    held_out: float = Field(
        default=0.01, gt=0, le=0.5, description="Share of the examples on which the loss is measured, and not trained."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of everything drawn: split, selection, training.")
    max_examples: int | None = Field(
        default=None, ge=2, description="Use only so many records, drawn with the seed; empty: use all."
    )
    leakage: Leakage = Field(
        default="refuse",
        description="What happens to records that hold a question of an evaluation: refuse ends the "
        "preparation, drop leaves them out, warn keeps them.",
    )
    chat_template: Annotated[Text, AfterValidator(_is_template)] = Field(
        default="base",
        description="Chat template: base: the one of the base's tokenizer; v1, v3, v7: Mistral's; or the path of a "
        "`.jinja` file.",
    )
    max_sequence_length: int = Field(
        default=3072, ge=16, le=131_072, description="Longest example, in tokens; no answer is cut in its middle."
    )
    method: Literal["lora", "qlora"] = Field(
        default="qlora", description="qlora: the base's weights in 4 bits while the adapter is trained; lora: in bf16."
    )
    lora: LoraSettings = LoraSettings()
    epochs: float = Field(default=1, gt=0, le=100, description="How often each example is trained.")
    learning_rate: float = Field(default=2e-4, gt=0, le=1, description="Highest learning rate.")
    batch_tokens: int = Field(
        default=32_768,
        ge=16,
        le=2**24,
        description="Tokens of a step, over all processes; at least the longest example.",
    )
    warmup: float = Field(
        default=0.03,
        ge=0,
        lt=1,
        description="Share of the steps in which the learning rate rises to its highest value.",
    )
    packing: bool = Field(
        default=True, description="Put several examples into one sequence; each attends to itself only."
    )
    save_minutes: int = Field(
        default=15, ge=1, le=24 * 60, description="Minutes between checkpoints; an interrupted job loses no more."
    )
    job: TrainingJobSettings = TrainingJobSettings()
    schedule: TrainingSchedule | None = Field(
        default=None, description="When it trains by itself: cron or asset; empty: only when triggered."
    )

    @model_validator(mode="after")
    def _a_step_holds_the_longest_example(self) -> Self:
        if self.batch_tokens < self.max_sequence_length:
            found = f"batch_tokens ({self.batch_tokens})"
            raise ValueError(f"{found} must not be less than max_sequence_length ({self.max_sequence_length})")
        return self

    @model_validator(mode="after")
    def _a_checkpoint_before_the_end(self) -> Self:
        if self.save_minutes >= self.job.max_hours * 60:
            raise ValueError(
                f"save_minutes ({self.save_minutes}) must be less than job.max_hours ({self.job.max_hours} h)"
            )
        return self
