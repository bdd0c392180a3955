"""A model's configuration: its source, evaluation and promotion."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from include.config.account import AccountConfig
from include.config.bedrock_evaluation import BedrockEvaluationConfig
from include.config.evaluation import EvaluationConfig
from include.config.judge import JudgeConfig, problem_of_judge
from include.config.names import MODEL_NAME_MAX_LENGTH, MODEL_NAME_PATTERN, why_no_model_name
from include.config.parsing import nearest, parse
from include.config.part import Part, Score, Text, field_paths
from include.config.publish import PublishConfig
from include.config.schedule import Schedule
from include.config.suites import MOST_SUITES, Suite, problem_of_suites, suites_in_order, with_main_evaluation
from include.config.training import TrainingConfig


class ComparisonConfig(Part):
    """When a model counts as not worse than the champion on the same questions."""

    margin: Score = Field(
        default=0.02, description="How much lower than the champion's a mean score may be and still count as not worse."
    )
    category_margin: Score = Field(
        default=0.1, description="The same within one category; 1 lets no category stand in a promotion's way."
    )
    baseline: Text | None = Field(
        default=None,
        description="Imported model, by its name or ARN in Bedrock, that is asked the questions of the main evaluation "
        "once and shown beside every version, such as the base model; empty: none.",
    )


class ApprovalConfig(Part):
    """Who may approve a promotion, until when, and what happens without an answer."""

    hours: int = Field(default=72, ge=1, le=24 * 30, description="Hours until the answer is given without a person.")
    on_deadline: Literal["reject", "approve"] = Field(
        default="reject", description="What happens when there is no answer by then."
    )
    approvers: tuple[Text, ...] = Field(
        default=(),
        max_length=100,
        description="Ids of the users who may answer, as Airflow's auth manager has them; empty: everyone who may "
        "answer in this DAG.",
    )
    second_person: bool = Field(
        default=False,
        description="Whether the answer must come from another person than the one who triggered the run.",
    )


class RetentionConfig(Part):
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


Dtype = Literal["keep", "bfloat16", "float16"]
#: What every run may set, whatever the model's file says.
RUN_INPUTS = ("base", "adapter", "dtype", "force", "comment")


class ModelConfig(Part):
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
    force: bool = Field(
        default=False,
        description="Import the content again although it is imported already: a new job, model and version. "
        "A retry or a cleared task of the same run still finds what this run made.",
    )
    comment: str = Field(default="", max_length=256, description="Why this run, for the registry.")
    urgent: bool = Field(
        default=False, description="Whether this model's tasks come before those of other models, also to import."
    )
    evaluation: EvaluationConfig
    evaluations: tuple[Suite, ...] = Field(
        default=(),
        max_length=MOST_SUITES,
        description="In place of `evaluation`: several evaluations, each with a name and an effect on the promotion.",
    )
    promotion: Literal["auto", "manual", "never"] = Field(
        default="auto",
        description="auto: promoted when it reaches the thresholds and is not worse than the champion, and a person is "
        "asked when the data is inconclusive; manual: a person is always asked; never: registered and rejected.",
    )
    comparison: ComparisonConfig = ComparisonConfig()
    judge: JudgeConfig | None = Field(
        default=None, description="A language model that compares the answers with the champion's; empty: none."
    )
    bedrock_evaluation: BedrockEvaluationConfig | None = Field(
        default=None, description="A Bedrock evaluation job that scores the answers; empty: none."
    )
    approval: ApprovalConfig = ApprovalConfig()
    retention: RetentionConfig = RetentionConfig()
    account: AccountConfig = AccountConfig()
    publish: PublishConfig | None = Field(
        default=None, description="Where applications learn which imported model is the champion; empty: nowhere."
    )
    training: TrainingConfig | None = Field(
        default=None, description="On what, and how, the DAG `fine_tune_<name>` trains an adapter."
    )
    schedule: Schedule | None = Field(
        default=None, description="Cron, asset, events or fine_tune; empty: only when triggered."
    )
    run_may_change: tuple[str, ...] = Field(
        default=(),
        description="Fields that a run may set in addition to base, adapter, dtype, force and comment, as "
        "`promotion` or `evaluation.sample`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _main_evaluation(cls, values: Any) -> Any:
        return with_main_evaluation(values)

    @model_validator(mode="after")
    def _suites_agree(self) -> Self:
        if problem := problem_of_suites(self.evaluations, self.evaluation, self.run_may_change):
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _judge_has_suites(self) -> Self:
        if problem := problem_of_judge(self.judge, self.suites):
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _waits_for_fine_tunes_that_can_come(self) -> Self:
        if self.schedule and self.schedule.fine_tune and self.training is None:
            raise ValueError("schedule.fine_tune needs the section training: nothing would start a run")
        return self

    @property
    def suites(self) -> tuple[Suite, ...]:
        """All evaluations, the main one first: it decides, and its scores are those in the registry and on the page."""
        return suites_in_order(self.evaluations) or (Suite.of(self.evaluation),)

    @field_validator("model_name")
    @classmethod
    def _not_reserved(cls, model_name: str) -> str:
        if problem := why_no_model_name(model_name):
            raise ValueError(problem)
        return model_name

    @field_validator("run_may_change")
    @classmethod
    def _fields_of_a_run(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        names = {path.replace(".", "_"): path for path in changeable_fields()}
        names |= {path: path for path in names.values()}
        for path in paths:
            if names.get(path) != path:
                similar = nearest(path, names)
                raise ValueError(f"{path!r} is no field that a run can change" + f"; {similar!r} is" * bool(similar))
        return paths


@cache
def changeable_fields() -> tuple[str, ...]:
    """Return the fields that a model's file may let a run change, as ``evaluation.sample`` or ``training.lora.r``."""
    fixed = (
        *RUN_INPUTS, "model_name", "run_may_change", "schedule", "account", "publish", "evaluations",
        "judge", "bedrock_evaluation", "evaluation.metrics", "evaluation.columns", "training.schedule", "urgent",
        "comparison.baseline",
    )  # fmt: skip
    paths = tuple(field_paths(ModelConfig))
    sections = {path.rpartition(".")[0] for path in paths}
    return tuple(
        path for path in paths if path not in sections and not any(f"{path}.".startswith(f"{name}.") for name in fixed)
    )


def parse_model_config(values: object, source: str) -> ModelConfig:
    """Return the configuration that ``values`` describe.

    Raises:
        ModelFileInvalidError: names ``source`` and every wrong field.
    """
    return parse(ModelConfig, values, source)
