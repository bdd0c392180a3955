"""A model's configuration: what is imported, how it is measured, and when it is promoted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from include.config.names import MODEL_NAME_MAX_LENGTH, MODEL_NAME_PATTERN, ROLE_ARN
from include.errors import ModelImportError
from include.evaluation.metrics import SCORES, known_score
from include.evaluation.requests import CHAT_FORMATS, RequestFormat

Metric = Annotated[str, AfterValidator(known_score), WithJsonSchema({"type": "string", "enum": list(SCORES)})]
Score = Annotated[float, Field(ge=0, le=1)]
StopSequence = Annotated[str, StringConstraints(min_length=1)]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
P = TypeVar("P", bound="_Part")
#: Airflow's form shows a field of several lines.
_MULTILINE: dict[str, Any] = {"format": "multiline"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EvaluationConfig(_Part):
    """How the imported model is measured."""

    dataset: Text = Field(
        description="JSON Lines, CSV or Parquet, by its ending: a file or `s3://bucket/key`. A record has a question, "
        "one or more accepted answers (a list, or `<OR>` between them), and optionally a category.",
        examples=["include/demo/capitals_eval.jsonl", "s3://bucket/questions.parquet"],
    )
    question_location: Text = Field(
        default="question", description="Where the question is: a column's name or a JMESPath expression."
    )
    answer_location: Text = Field(default="answer", description="Where the accepted answers are, in the same way.")
    category_location: Text = Field(default="category", description="Where the category is, if there is one.")
    sample: int | None = Field(
        default=None, ge=1, description="Ask only so many records, drawn at random; empty: ask all of them."
    )
    seed: int = Field(default=0, ge=0, description="Seed of everything drawn: sample, examples, bootstrap intervals.")
    body_format: RequestFormat = Field(
        default="OpenAICompletion",
        description="How the model is asked. `OpenAICompletion` and `BedrockCompletion` send the filled template as it "
        "is; `OpenAIChatCompletion` and `Converse` send messages, for the model's own chat template.",
    )
    prompt_template: Text = Field(
        default="{question}",
        description="What is sent to the model; `{question}` stands for the record's question.",
        json_schema_extra=_MULTILINE,
    )
    system_prompt: Text | None = Field(
        default=None,
        description="System message; only for `OpenAIChatCompletion` and `Converse`.",
        json_schema_extra=_MULTILINE,
    )
    few_shot_dataset: Text | None = Field(
        default=None,
        description="Data set from which examples are drawn and shown before each question, in the same forms as "
        "`dataset`; questions that are asked are not shown.",
    )
    few_shot_examples: int = Field(
        default=3, ge=1, le=32, description="How many examples are shown, if there is a data set of them."
    )
    stop: tuple[StopSequence, ...] | None = Field(
        default=None, max_length=4, description="Texts at which an answer ends; the answer is cut there."
    )
    max_tokens: int = Field(default=64, ge=1, le=4096, description="Longest answer, in tokens.")
    temperature: float = Field(
        default=0.0, ge=0, le=1, description="0: the same answers every time; above: answers are drawn without a seed."
    )
    guardrail_id: str | None = Field(
        default=None,
        pattern=r"^([a-z0-9]+|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+)$",
        description="Bedrock guardrail through which questions and answers go; empty: none.",
    )
    guardrail_version: str = Field(
        default="DRAFT", pattern=r"^([1-9][0-9]{0,7}|DRAFT)$", description="Version of the guardrail."
    )
    concurrency: int = Field(
        default=8, ge=1, le=64, description="How many questions are asked at a time, at most; fewer while throttled."
    )
    thresholds: dict[Metric, Score] = Field(
        default={},
        description="Lowest mean score, per metric, with which a model may be promoted; without any, a person is asked "
        "about a model that has no champion yet.",
    )
    category_thresholds: dict[str, dict[Metric, Score]] = Field(
        default={},
        description="The same within a category, by its name; `*` stands for every category.",
        examples=[{"*": {"f1": 0.5}}],
    )

    @field_validator("system_prompt")
    @classmethod
    def _needs_messages(cls, system_prompt: str | None, info: ValidationInfo) -> str | None:
        if system_prompt and info.data.get("body_format") not in CHAT_FORMATS:
            raise ValueError(f"needs body_format {' or '.join(CHAT_FORMATS)}; else put it into prompt_template")
        return system_prompt


class ComparisonConfig(_Part):
    """When a model counts as not worse than the champion; both answer the same questions."""

    margin: Score = Field(
        default=0.02, description="How much lower than the champion's a mean score may be and still count as not worse."
    )
    category_margin: Score = Field(
        default=0.1, description="The same within one category; 1 lets no category stand in a promotion's way."
    )


class ApprovalConfig(_Part):
    """How long a person may take to approve a promotion, and what happens without an answer."""

    hours: int = Field(default=72, ge=1, le=24 * 30, description="Hours until the answer is given without a person.")
    on_deadline: Literal["reject", "approve"] = Field(
        default="reject", description="What happens when there is no answer by then."
    )


class RetentionConfig(_Part):
    """Which old versions stay imported."""

    keep: int = Field(
        default=2,
        ge=0,
        le=100,
        description="How many of the newest approved versions to keep, the champion counted; it stays with 0, too.",
    )
    younger_than_days: int = Field(
        default=0, ge=0, le=3650, description="Imported versions younger than this many days are kept too."
    )
    delete_checkpoint: bool = Field(
        default=False, description="Delete the checkpoint in S3 together with the imported model."
    )
    make_room: bool = Field(
        default=False,
        description="When the account's quota of imported models is full, delete what this policy no longer keeps "
        "of this model before the import; without it only rejected versions go, and else preflight fails.",
    )


class AccountConfig(_Part):
    """What belongs to an AWS account; set once as Airflow Variables `model_import_*`, overridden per model or run."""

    aws_conn_id: Text = Field(default="aws_default", description="Airflow connection with the AWS credentials.")
    region_name: str | None = Field(default=None, description="AWS region; without one, the connection's.")
    bucket: str | None = Field(default=None, description="S3 bucket that holds the imported checkpoints.")
    prefix: str = Field(default="models", description="Key prefix in the bucket.", pattern=r"^[-!_*'()./a-zA-Z0-9]*$")
    role_arn: str | None = Field(
        default=None, description="IAM role that Bedrock assumes to read the bucket.", pattern=f"^{ROLE_ARN.pattern}$"
    )
    kms_key_id: str | None = Field(
        default=None, description="KMS key ARN with which the bucket's objects are encrypted."
    )
    topic_arn: str | None = Field(
        default=None,
        description="SNS topic for notices of failures, approvals, promotions and a nearly full quota; without one, "
        "none are sent.",
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$",
    )
    metrics_namespace: str | None = Field(
        default=None,
        description="CloudWatch namespace of what a run measures; without one, no metrics are put.",
        pattern="^[A-Za-z0-9._/#-]{1,255}$",
    )
    workspace: Text = Field(default="workspace", description="Working directory, shared by all workers.")
    local_folders: str | None = Field(
        default=None,
        description="Other folders that models and data sets may be read from, with `:` between them; without any, "
        "the project's and the workspace.",
    )
    cache_gigabytes: int = Field(
        default=200, ge=1, le=100_000, description="How much of the workspace fetched sources may fill, in GB."
    )
    megabytes_per_second: int | None = Field(
        default=None,
        ge=1,
        description="How fast a task may read from S3, and send to it, over a shared link, in MB/s; without it, "
        "no limit.",
    )

    @property
    def bytes_per_second(self) -> float | None:
        """The limit of the link, in bytes."""
        return self.megabytes_per_second * 1e6 if self.megabytes_per_second else None


class FineTuneEvents(_Part):
    """Which landings start a run; they reach Airflow through an SQS queue."""

    s3: str | None = Field(
        default=None,
        description="Where fine-tunes land; each folder and each archive under it is one.",
        pattern=r"^s3://[a-z0-9][-.a-z0-9]{1,61}[a-z0-9](/.*)?$",
    )
    training_jobs: Text | None = Field(
        default=None, description="Names of SageMaker training jobs whose completion counts, with `*` and `?`."
    )
    replaces: Literal["adapter", "base"] = Field(default="adapter", description="What the landed artifact is.")
    queue_url: str | None = Field(
        default=None,
        description="SQS queue; empty: Airflow Variable `model_import_event_queue_url`.",
        pattern="^https?://",
    )
    settle_seconds: int = Field(
        default=30, ge=1, le=600, description="How long nothing must have been written before a folder is looked at."
    )

    @model_validator(mode="after")
    def _something_is_watched(self) -> Self:
        if not (self.s3 or self.training_jobs):
            raise ValueError("s3 or training_jobs must say what to watch")
        return self


class Schedule(_Part):
    """When runs start by themselves: exactly one of these."""

    cron: Text | None = None
    asset: Text | None = Field(default=None, description="Name or URI of an asset that another DAG updates.")
    events: FineTuneEvents | None = None

    @model_validator(mode="before")
    @classmethod
    def _cron_by_itself(cls, value: object) -> object:
        return {"cron": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("a cron expression, or one of asset and events")
        return self


Dtype = Literal["keep", "bfloat16", "float16"]


class ModelConfig(_Part):
    """One model's file in `dags/models/`, and the parameters of a run."""

    model_name: str = Field(
        description="Names the imported models and the registry group.",
        pattern=MODEL_NAME_PATTERN,
        max_length=MODEL_NAME_MAX_LENGTH,
        examples=["capitals"],
    )
    description: str = Field(default="", max_length=1024, description="What the model does, for the registry.")
    licence: str = Field(default="", max_length=256, description="Licence of the base model and adapter.")
    base: Text = Field(
        description="Base model, raw Mistral or Hugging Face: a folder, `s3://bucket/prefix` (or a `.tar.gz` there), "
        "`sagemaker:training-job/NAME`, `sagemaker:model/NAME`, or a SageMaker ARN.",
        examples=["include/demo/base", "s3://bucket/prefix", "sagemaker:training-job/NAME"],
    )
    adapter: Text | None = Field(
        default=None, description="LoRA adapter to merge, in the same forms; empty: import the base as it is."
    )
    dtype: Dtype = Field(
        default="keep",
        description="keep: the weights as they are; bfloat16 or float16: every float tensor rounded once, after the "
        "merge. Bedrock reads float32, float16 and bfloat16.",
    )
    schedule: Schedule | None = Field(default=None, description="Cron, asset or events; empty: only when triggered.")
    force: bool = Field(
        default=False,
        description="Import the content again although it is imported already: a new job, model and version. "
        "A retry or a cleared task of the same run still finds what this run made.",
    )
    evaluation: EvaluationConfig
    promotion: Literal["auto", "manual", "never"] = Field(
        default="auto",
        description="auto: promoted when it reaches the thresholds and is not worse than the champion, and a person is "
        "asked when the data cannot tell; manual: a person is always asked; never: registered and rejected.",
    )
    comparison: ComparisonConfig = ComparisonConfig()
    approval: ApprovalConfig = ApprovalConfig()
    retention: RetentionConfig = RetentionConfig()
    account: AccountConfig = AccountConfig()


class ModelFileInvalidError(ModelImportError):
    """A file of `dags/models/` (or a run's parameters) that does not describe a model."""

    def __init__(self, source: str, problems: tuple[str, ...]) -> None:
        found = "; ".join(problems)
        super().__init__("This does not describe a model", source, found=found, remedy="Correct these fields.")


def _problem(error: Mapping[str, Any]) -> str:
    field = ".".join(str(part) for part in error["loc"] if part != "[key]") or "the file"
    found = "" if error["type"] == "missing" else f" (found {error['input']!r})"
    return f"{field}: {error['msg']}{found}"


def _parse(kind: type[P], values: object, source: str) -> P:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ModelFileInvalidError(source, tuple(map(_problem, error.errors()))) from None


def parse_model_config(values: object, source: str) -> ModelConfig:
    """Return the configuration that ``values`` describe.

    Raises:
        ModelFileInvalidError: names ``source`` and every wrong field.
    """
    return _parse(ModelConfig, values, source)


def parse_account_config(values: object, source: str) -> AccountConfig:
    """Return the account's settings that ``values`` describe.

    Raises:
        ModelFileInvalidError: names ``source`` and every wrong setting.
    """
    return _parse(AccountConfig, values, source)


def read_model_file(path: Path) -> ModelConfig:
    """Return the configuration in a YAML file.

    Raises:
        ModelFileInvalidError: the file is not YAML, or a field is wrong.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelFileInvalidError(path.name, (f"not readable as YAML: {' '.join(str(error).split())}",)) from None
    return parse_model_config(values, path.name)
